package predict

import (
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity/internal/event"
)

// Progress counts what has happened in one visit so far. It is plain data that its owner keeps with
// the visit; one goroutine at a time uses it. The zero value is a visit that has not begun.
type Progress struct {
	Events, PageViews                      uint32
	ProductViews, ListViews, Searches      uint32
	CartAdds, CartRemoves, CartViews       uint32
	CheckoutSteps, AccountSteps, HelpViews uint32
	FormStarts, FormSubmits                uint32
	PriceSeen, CartValue                   float64 // in the site's money
	ActiveSeconds, PauseSeconds            float64
	EarlierVisits                          uint32
	Mobile, Campaign, FromSearch           bool
	Last                                   time.Time // of the latest event; zero before the first
	Paths                                  []uint32  // hashes of the different ones seen, at most seenLimit
	Products                               []uint32  // hash of the product of each view, at most seenLimit

	added bool // the latest event put something into the cart
}

const (
	seenLimit = 32
	// longestPause is the pause after which a visitor counts as having been away.
	longestPause = 5 * time.Minute
)

// Begin starts a new visit of somebody who has been here earlierVisits times before.
func (p *Progress) Begin(earlierVisits int) {
	*p = Progress{EarlierVisits: uint32(min(max(earlierVisits, 0), math.MaxInt32))}
}

// Observe counts one event.
func (p *Progress) Observe(ev *event.Event) {
	first := p.Events == 0
	p.Events++
	p.added = false
	p.observeTime(ev.At)
	p.observeOrigin(ev, first)
	if event.IsPageView(ev.Name) {
		p.observePage(ev)
		return
	}
	p.observeAction(ev)
}

// observeTime adds the pause since the latest event. An event that arrives late changes nothing.
func (p *Progress) observeTime(at time.Time) {
	p.PauseSeconds = 0
	if !p.Last.IsZero() && at.After(p.Last) {
		pause := at.Sub(p.Last)
		p.PauseSeconds = math.Round(pause.Seconds())
		p.ActiveSeconds += math.Round(min(pause, longestPause).Seconds())
	}
	if at.After(p.Last) {
		p.Last = at
	}
}

// observeOrigin notes the device, and where the visit came from.
func (p *Progress) observeOrigin(ev *event.Event, first bool) {
	if ev.Device.Mobile || ev.Device.Category == "mobile" || ev.Device.Category == "tablet" {
		p.Mobile = true
	}
	if ev.Campaign != nil {
		p.Campaign = true
	}
	if first && ev.Referrer != nil {
		switch ev.Referrer.Medium {
		case "search":
			p.FromSearch = true
		case "paid":
			p.Campaign = true
		}
	}
}

// observePage counts a page view by what its path and attributes are about.
func (p *Progress) observePage(ev *event.Event) {
	p.PageViews++
	if ev.Page.Path != "" {
		p.Paths = addDistinct(p.Paths, ev.Page.Path)
	}
	product := productOf(ev)
	h := pathHint(ev.Page.Path)
	switch {
	case ev.Search != "":
		h = aboutSearch
	case h == aboutNothing && product != "":
		h = aboutProduct
	}
	p.view(ev, h, product)
}

// observeAction counts an event that is not a page view by the words of its name.
func (p *Progress) observeAction(ev *event.Event) {
	list := wordsOf(ev.Name)
	product := productOf(ev)
	looks := anyOf(list, viewWords)
	h := about(list)
	switch h {
	case aboutForm:
		switch {
		case anyOf(list, submitWords):
			p.FormSubmits++
		case anyOf(list, startWords):
			p.FormStarts++
		}
		return
	case aboutCart, aboutProduct:
		switch {
		case anyOf(list, removeWords):
			p.CartRemoves++
			p.CartValue = max(0, p.CartValue-value(ev))
			return
		case anyOf(list, addWords) || h == aboutCart && len(list) == 1: // "cart" alone is what was done
			p.CartAdds++
			p.added = true
			p.CartValue += value(ev)
			return
		}
	case aboutNothing:
		switch {
		case product != "" && (looks || anyOf(list, clickWords)):
			h = aboutProduct
		case looks:
			h = pathHint(ev.Page.Path)
		}
	}
	if looks {
		// An imported history calls its page views what it likes.
		p.PageViews++
		if ev.Page.Path != "" {
			p.Paths = addDistinct(p.Paths, ev.Page.Path)
		}
	}
	p.view(ev, h, product)
}

// view counts a look at something.
func (p *Progress) view(ev *event.Event, h hint, product string) {
	switch h {
	case aboutProduct:
		p.ProductViews++
		p.PriceSeen += value(ev)
		if product == "" {
			product = ev.Page.Path
		}
		if product != "" {
			if len(p.Products) < seenLimit {
				p.Products = append(p.Products, hashOf(product))
			}
		}
	case aboutList:
		p.ListViews++
	case aboutSearch:
		p.Searches++
	case aboutCart:
		p.CartViews++
	case aboutCheckout:
		p.CheckoutSteps++
	case aboutAccount:
		p.AccountSteps++
	case aboutHelp:
		p.HelpViews++
	}
}

// Vector writes the features into dst. Call it after Observe: what the latest event was is not kept in
// the binary form.
func (p *Progress) Vector(dst *Vector) {
	distinct, same := p.productCounts()
	*dst = Vector{
		fEvents:           coarse(float64(p.Events)),
		fPageViews:        coarse(float64(p.PageViews)),
		fDistinctPaths:    coarse(float64(len(p.Paths))),
		fProductViews:     coarse(float64(p.ProductViews)),
		fDistinctProducts: coarse(distinct),
		fSameProduct:      coarse(same),
		fListViews:        coarse(float64(p.ListViews)),
		fSearches:         coarse(float64(p.Searches)),
		fCartAdds:         coarse(float64(p.CartAdds)),
		fCartRemoves:      coarse(float64(p.CartRemoves)),
		fCartViews:        coarse(float64(p.CartViews)),
		fCheckoutSteps:    coarse(float64(p.CheckoutSteps)),
		fAccountSteps:     coarse(float64(p.AccountSteps)),
		fHelpViews:        coarse(float64(p.HelpViews)),
		fFormSteps:        coarse(float64(p.FormStarts) + float64(p.FormSubmits)),
		fPriceSeen:        coarse(p.PriceSeen / max(1, float64(p.ProductViews))),
		fCartValue:        coarse(p.CartValue),
		fActiveSeconds:    coarse(p.ActiveSeconds),
		fPauseSeconds:     coarse(p.PauseSeconds),
		fCartOpen:         yes(p.CartAdds > p.CartRemoves),
		fJustAdded:        yes(p.added),
		fEarlierVisits:    coarse(float64(p.EarlierVisits)),
		fMobile:           yes(p.Mobile),
		fSought:           yes(p.Campaign || p.FromSearch),
	}
}

// productCounts returns how many different products were viewed, and how often the one viewed last.
func (p *Progress) productCounts() (distinct, same float64) {
	for i, h := range p.Products {
		if h == p.Products[len(p.Products)-1] {
			same++
		}
		if !slices.Contains(p.Products[:i], h) {
			distinct++
		}
	}
	return distinct, same
}

func yes(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// addDistinct adds the hash of s to the set unless it is in it or the set is full.
func addDistinct(set []uint32, s string) []uint32 {
	h := hashOf(s)
	if len(set) >= seenLimit || slices.Contains(set, h) {
		return set
	}
	return append(set, h)
}

func hashOf(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

// productOf returns what names the product in an event's attributes, or "". If several do, the first
// in the order below counts.
func productOf(ev *event.Event) string {
	for _, key := range [...]string{"product_id", "productId", "sku", "item_id", "itemId", "itemid", "article_id", "content_id", "product", "item"} {
		if a, ok := ev.Attributes[key]; ok && a.Value != "" {
			return a.Value
		}
	}
	return ""
}

// value returns the money an event is about: price times quantity, 0 if it names none.
func value(ev *event.Event) float64 {
	price := 0.0
	for _, key := range [...]string{"price", "unit_price", "item_price", "value", "amount", "total"} {
		if x, ok := number(ev.Attributes[key]); ok {
			price = x
			break
		}
	}
	for _, key := range [...]string{"quantity", "qty"} {
		if q, ok := number(ev.Attributes[key]); ok {
			return float64(price * min(q, 1000))
		}
	}
	return price
}

// number reads an attribute as an amount from 0 to a billion.
func number(a event.Attr) (float64, bool) {
	if a.Value == "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(strings.TrimSpace(a.Value), 64)
	if err != nil || !(x >= 0) || x > 1e9 {
		return 0, false
	}
	return x, true
}

func anyOf(list []string, set map[string]bool) bool {
	for _, w := range list {
		if set[w] {
			return true
		}
	}
	return false
}
