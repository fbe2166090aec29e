package demo

import (
	"math/rand/v2"
	"time"
)

// step is one thing a simulated visitor does: an event, after a pause.
type step struct {
	pause      time.Duration
	name       string
	path       string // below /demo/
	title      string
	search     string
	attributes map[string]any
	traits     map[string]any
}

// answer is how a simulated visitor answers the banner.
type answer int

const (
	acceptAll answer = iota
	acceptSome
	refuseAll
)

// script is all that a simulated visitor will do. It is drawn at once from the seed, so that the same
// seed gives the same visitors however fast the server answers.
type script struct {
	answer    answer
	wanted    map[string]bool // with acceptSome: the purposes agreed to
	steps     []step
	withdraw  int  // after this step consent is taken back; -1: never
	erase     bool // at the end the visitor asks for erasure
	welcomes  bool // accepts an offer rather than closing it
	listens   bool // keeps the live stream open
	bought    bool
	userAgent string
}

var userAgents = []string{
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
}

var givenNames = []string{"Ada", "Ben", "Carla", "Deniz", "Emil", "Farah", "Greta", "Hugo", "Ines", "Jonas", "Kim", "Lena"}

// writer draws a script step by step.
type writer struct {
	rnd    *rand.Rand
	steps  []step
	basket []Product
}

// newScript draws what one visitor does. About a third look in and leave, about half look around,
// and one in five came to buy and mostly does; so intent shows in what people do, as in life.
func newScript(rnd *rand.Rand) script {
	s := script{withdraw: -1, userAgent: userAgents[rnd.IntN(len(userAgents))], welcomes: rnd.IntN(3) > 0, listens: rnd.IntN(4) > 0}
	switch dice := rnd.IntN(100); {
	case dice < 62:
		s.answer = acceptAll
	case dice < 75:
		s.answer = acceptSome
		s.wanted = map[string]bool{"measure": true, "actions": rnd.IntN(5) > 0, "predict": rnd.IntN(3) > 0}
	default:
		s.answer = refuseAll
	}
	w := &writer{rnd: rnd}
	switch dice := rnd.IntN(100); {
	case dice < 35:
		w.lookIn()
	case dice < 80:
		w.lookAround()
	default:
		s.bought = w.buy()
	}
	s.steps = w.steps
	if rnd.IntN(12) == 0 && len(s.steps) > 3 {
		s.withdraw = 1 + rnd.IntN(len(s.steps)-2)
	}
	s.erase = rnd.IntN(25) == 0
	return s
}

func (w *writer) add(name, path, title string, attributes map[string]any) *step {
	w.steps = append(w.steps, step{
		pause: time.Duration(1000+w.rnd.IntN(6000)) * time.Millisecond,
		name:  name, path: path, title: title + " – Fernhill", attributes: attributes,
	})
	return &w.steps[len(w.steps)-1]
}

func (w *writer) home() { w.add("page_viewed", "", "Tea, and things to drink it from", nil) }

func (w *writer) shelf() {
	c := categories[w.rnd.IntN(len(categories))]
	w.add("page_viewed", "c/"+c.Slug, c.Name, nil)
}

func (w *writer) look() Product {
	p := products[w.rnd.IntN(len(products))]
	w.add("page_viewed", "p/"+p.SKU, p.Name, nil)
	w.add("product_viewed", "p/"+p.SKU, p.Name, about(p)).pause = 200 * time.Millisecond
	return p
}

func about(p Product) map[string]any {
	return map[string]any{"sku": p.SKU, "name": p.Name, "price": float64(p.Cents) / 100}
}

func (w *writer) put(p Product) {
	w.basket = append(w.basket, p)
	w.add("product_added", "p/"+p.SKU, p.Name, about(p))
	w.add("page_viewed", "basket", "Your basket", nil).pause = 300 * time.Millisecond
}

func (w *writer) find() {
	words := []string{"sencha", "teapot", "herbal", "gift", "earl grey"}
	s := w.add("page_viewed", "search", "Search", nil)
	s.search = words[w.rnd.IntN(len(words))]
}

func (w *writer) worth() float64 {
	cents := 0
	for _, p := range w.basket {
		cents += p.Cents
	}
	return float64(cents) / 100
}

func (w *writer) lookIn() {
	w.home()
	for range w.rnd.IntN(3) {
		w.shelf()
	}
}

func (w *writer) lookAround() {
	w.home()
	for range 2 + w.rnd.IntN(5) {
		switch w.rnd.IntN(5) {
		case 0:
			w.find()
		case 1, 2:
			w.shelf()
		default:
			p := w.look()
			if w.rnd.IntN(7) == 0 {
				w.put(p)
			}
		}
	}
	if w.rnd.IntN(8) == 0 {
		w.add("newsletter_subscribed", "newsletter", "Newsletter", nil)
	}
}

// buy tells whether the purchase was made in the end.
func (w *writer) buy() bool {
	w.home()
	if w.rnd.IntN(2) == 0 {
		w.find()
	} else {
		w.shelf()
	}
	for range 1 + w.rnd.IntN(3) {
		w.look()
	}
	if w.rnd.IntN(3) == 0 {
		name := givenNames[w.rnd.IntN(len(givenNames))]
		s := w.add("account_opened", "account", "Your account", nil)
		s.traits = map[string]any{"givenName": name, "email": lower(name) + "." + digits(w.rnd) + "@example.com"}
	}
	for range 1 + w.rnd.IntN(2) {
		w.put(w.look())
	}
	if w.rnd.IntN(6) == 0 {
		return false
	}
	w.add("page_viewed", "checkout", "Checkout", nil)
	w.add("checkout_started", "checkout", "Checkout", map[string]any{"value": w.worth(), "items": len(w.basket)}).pause = 300 * time.Millisecond
	if w.rnd.IntN(5) == 0 {
		return false
	}
	w.add("page_viewed", "checkout", "Thank you", nil)
	w.add("order_completed", "checkout", "Thank you", map[string]any{"value": w.worth(), "items": len(w.basket)}).pause = 300 * time.Millisecond
	return true
}

func lower(name string) string { return string(name[0]+'a'-'A') + name[1:] }

func digits(rnd *rand.Rand) string {
	b := make([]byte, 4)
	for i := range b {
		b[i] = byte('0' + rnd.IntN(10))
	}
	return string(b)
}
