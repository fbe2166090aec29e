package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// basketCookie holds the basket and nothing else: article numbers and counts. It is set when the
// first thing goes into the basket and deleted when the last one leaves, lives as long as the
// browser runs, and names nobody. Without it a shop cannot do what the visitor has just asked for,
// which is why ePrivacy Art. 5(3) lets it be set without consent. The shop's privacy page lists it.
const basketCookie = "fernhill_basket"

// Limits that keep a hostile cookie small.
const (
	maxLines = 12
	maxCount = 20
)

// line is one article in the basket.
type line struct {
	Product
	Count int
}

// Total is the price of the line in cents.
func (l line) Total() int { return l.Cents * l.Count }

// basket is what the visitor is about to buy, in the order in which it was put in.
type basket []line

// Cents is the sum of all lines.
func (b basket) Cents() int {
	sum := 0
	for _, l := range b {
		sum += l.Total()
	}
	return sum
}

// Count is the number of pieces.
func (b basket) Count() int {
	n := 0
	for _, l := range b {
		n += l.Count
	}
	return n
}

// parseBasket reads "sku:2.sku:1". What it does not know, it leaves out.
func parseBasket(s string) basket {
	var b basket
	for part := range strings.SplitSeq(s, ".") {
		sku, count, ok := strings.Cut(part, ":")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || n < 1 || len(b) == maxLines {
			continue
		}
		b = b.put(sku, n)
	}
	return b
}

func (b basket) String() string {
	parts := make([]string, len(b))
	for i, l := range b {
		parts[i] = fmt.Sprintf("%s:%d", l.SKU, l.Count)
	}
	return strings.Join(parts, ".")
}

// put adds n pieces of an article. An unknown article changes nothing.
func (b basket) put(sku string, n int) basket {
	p, ok := productBySKU(sku)
	if !ok {
		return b
	}
	for i := range b {
		if b[i].SKU == sku {
			b[i].Count = min(b[i].Count+n, maxCount)
			return b
		}
	}
	return append(b, line{Product: p, Count: min(n, maxCount)})
}

// set makes it n pieces; none removes the line.
func (b basket) set(sku string, n int) basket {
	var left basket
	for _, l := range b {
		if l.SKU == sku {
			l.Count = min(n, maxCount)
		}
		if l.Count > 0 {
			left = append(left, l)
		}
	}
	return left
}

func readBasket(r *http.Request) basket {
	c, err := r.Cookie(basketCookie)
	if err != nil {
		return nil
	}
	return parseBasket(c.Value)
}

func writeBasket(w http.ResponseWriter, r *http.Request, b basket) {
	c := &http.Cookie{
		Name: basketCookie, Value: b.String(), Path: "/demo/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	}
	if len(b) == 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// euro formats cents as people in the shop's country read them.
func euro(cents int) string { return fmt.Sprintf("€%d.%02d", cents/100, cents%100) }
