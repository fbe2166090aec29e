// Package demo holds what a newcomer looks at first: Fernhill, a small tea shop that carries the
// Probity snippet just as a customer's site would, and simulated visitors that speak to Probity
// over real HTTP. Nothing of the product depends on this package.
package demo

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/shop.css static/shop.js
var staticFiles embed.FS

// Shop returns the demo shop, to be mounted at /demo/. Its pages carry the snippet of the
// deployment, loaded from sdkBase: an origin such as "https://probity.example", or empty when the
// shop is served by Probity itself.
//
// The shop keeps nothing: no account, no order, no address. The basket is a cookie of the visitor's
// own (see basketCookie); what is typed into the forms is answered and forgotten.
func Shop(deploymentID uuid.UUID, sdkBase string) http.Handler {
	s := &shop{deployment: deploymentID, sdk: strings.TrimSuffix(sdkBase, "/")}
	s.pages = template.Must(template.New("").Funcs(template.FuncMap{"euro": euro, "decimal": decimal}).
		ParseFS(templateFiles, "templates/*.html"))
	s.policy = contentPolicy(s.sdk)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/{$}", s.home)
	mux.HandleFunc("GET /demo/c/{slug}", s.category)
	mux.HandleFunc("GET /demo/p/{sku}", s.product)
	mux.HandleFunc("GET /demo/search", s.search)
	mux.HandleFunc("GET /demo/basket", s.basketPage)
	mux.HandleFunc("POST /demo/basket", s.changeBasket)
	mux.HandleFunc("GET /demo/checkout", s.checkout)
	mux.HandleFunc("POST /demo/checkout", s.order)
	mux.HandleFunc("GET /demo/account", s.account)
	mux.HandleFunc("POST /demo/account", s.signIn)
	mux.HandleFunc("POST /demo/newsletter", s.newsletter)
	mux.HandleFunc("GET /demo/newsletter", s.newsletterPage)
	mux.HandleFunc("GET /demo/privacy", s.privacy)
	mux.HandleFunc("GET /demo/art/{file}", art)
	mux.HandleFunc("GET /demo/shop.css", static("static/shop.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /demo/shop.js", static("static/shop.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("/demo/", s.notFound)
	return http.NewCrossOriginProtection().Handler(mux)
}

type shop struct {
	deployment uuid.UUID
	sdk        string
	pages      *template.Template
	policy     string
}

// contentPolicy allows the shop's own files and, where Probity lives elsewhere, Probity.
func contentPolicy(sdk string) string {
	src := "'self'"
	if u, err := url.Parse(sdk); err == nil && u.Host != "" {
		src += " " + u.Scheme + "://" + u.Host
	}
	return "default-src 'none'; script-src " + src + "; style-src " + src + "; connect-src " + src +
		"; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// view is what every page knows; Body is the page's own.
type view struct {
	Title      string
	Name       string // which page: names the template of the main part
	Deployment uuid.UUID
	SDK        string
	Categories []Category
	Here       string // slug of the current category
	Query      string
	Basket     basket
	Body       any
	// Record is the event that opening this page means, for shop.js; nil if none.
	Record *record
	// Identify is the e-mail address just given at sign-in, for shop.js.
	Identify *signedIn
}

// record is an event with attributes as the page hands it to the snippet.
type record struct {
	Name, SKU, Product, Price, Value, Items string
}

// signedIn is who the account form says is there; Wrong if the address is none.
type signedIn struct {
	Email, Given string
	Wrong        bool
}

func (s *shop) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Deployment, v.SDK, v.Categories = s.deployment, s.sdk, categories
	if v.Basket == nil {
		v.Basket = readBasket(r)
	}
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, "layout", v); err != nil {
		slog.ErrorContext(r.Context(), "demo page failed", "page", v.Name, "err", err)
		http.Error(w, "This page could not be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	pick := func(skus ...string) (ps []Product) {
		for _, sku := range skus {
			p, _ := productBySKU(sku)
			ps = append(ps, p)
		}
		return ps
	}
	s.render(w, r, http.StatusOK, view{Title: "Tea, and things to drink it from", Name: "home", Body: map[string]any{
		"Hero": pick("river-teapot")[0],
		"New":  pick("sencha-morning-hill", "bergamot-walk", "chamomile-meadow", "hill-cups"),
		"Best": pick("jasmine-pearls", "assam-second-flush", "rooibos-orange", "cold-brew-bottle"),
	}})
}

func (s *shop) category(w http.ResponseWriter, r *http.Request) {
	c, ok := categoryBySlug(r.PathValue("slug"))
	if !ok {
		s.notFound(w, r)
		return
	}
	s.render(w, r, http.StatusOK, view{Title: c.Name, Name: "category", Here: c.Slug,
		Body: map[string]any{"Category": c, "Products": productsIn(c.Slug)}})
}

func (s *shop) product(w http.ResponseWriter, r *http.Request) {
	p, ok := productBySKU(r.PathValue("sku"))
	if !ok {
		s.notFound(w, r)
		return
	}
	c, _ := categoryBySlug(p.Category)
	s.render(w, r, http.StatusOK, view{Title: p.Name, Name: "product", Here: c.Slug,
		Body:   map[string]any{"Product": p, "Category": c, "Related": related(p)},
		Record: &record{Name: "product_viewed", SKU: p.SKU, Product: p.Name, Price: decimal(p.Cents)}})
}

func (s *shop) search(w http.ResponseWriter, r *http.Request) {
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	s.render(w, r, http.StatusOK, view{Title: "Search", Name: "search", Query: q,
		Body: map[string]any{"Products": find(q)}})
}

func (s *shop) basketPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, view{Title: "Your basket", Name: "basket"})
}

// changeBasket adds, sets or removes one article, then shows the basket.
func (s *shop) changeBasket(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	b, sku := readBasket(r), r.FormValue("sku")
	n, err := strconv.Atoi(r.FormValue("count"))
	if err != nil || n < 1 {
		n = 1
	}
	switch r.FormValue("do") {
	case "add":
		b = b.put(sku, n)
	case "set":
		b = b.set(sku, n)
	case "remove":
		b = b.set(sku, 0)
	}
	writeBasket(w, r, b)
	http.Redirect(w, r, "/demo/basket", http.StatusSeeOther)
}

// shipping is what the checkout form asks for.
type shipping struct {
	Name, Email, Street, City string
	Missing                   []missing
}

type missing struct{ ID, Text string }

func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	b := readBasket(r)
	if len(b) == 0 {
		http.Redirect(w, r, "/demo/basket", http.StatusSeeOther)
		return
	}
	s.render(w, r, http.StatusOK, view{Title: "Checkout", Name: "checkout", Basket: b, Body: shipping{},
		Record: &record{Name: "checkout_started", Value: decimal(b.Cents()), Items: strconv.Itoa(b.Count())}})
}

// order checks the form, empties the basket and says thank you. It is answered without a redirect,
// so that neither the order nor its value stands in an address.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	b := readBasket(r)
	if len(b) == 0 {
		http.Redirect(w, r, "/demo/basket", http.StatusSeeOther)
		return
	}
	f := shipping{Name: r.FormValue("name"), Email: r.FormValue("email"), Street: r.FormValue("street"), City: r.FormValue("city")}
	for _, field := range []struct{ id, value, text string }{
		{"name", f.Name, "Tell us who the parcel is for"},
		{"street", f.Street, "Enter a street and number"},
		{"city", f.City, "Enter a postcode and town"},
	} {
		if strings.TrimSpace(field.value) == "" {
			f.Missing = append(f.Missing, missing{field.id, field.text})
		}
	}
	if _, err := mail.ParseAddress(f.Email); err != nil {
		f.Missing = append(f.Missing, missing{"email", "Enter an e-mail address like name@example.com"})
	}
	if len(f.Missing) > 0 {
		s.render(w, r, http.StatusUnprocessableEntity, view{Title: "Checkout", Name: "checkout", Basket: b, Body: f})
		return
	}
	writeBasket(w, r, nil)
	given, _, _ := strings.Cut(strings.TrimSpace(f.Name), " ")
	s.render(w, r, http.StatusOK, view{Title: "Thank you", Name: "thanks", Basket: basket{},
		Body:   map[string]any{"Lines": b, "Cents": b.Cents(), "Given": given},
		Record: &record{Name: "order_completed", Value: decimal(b.Cents()), Items: strconv.Itoa(b.Count())}})
}

func (s *shop) account(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, view{Title: "Your account", Name: "account", Body: signedIn{}})
}

// signIn answers the account form. Nothing is checked and nothing is kept: the page tells the
// snippet who this is, which is what a real sign-in would do.
func (s *shop) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	addr, err := mail.ParseAddress(r.FormValue("email"))
	if err != nil {
		s.render(w, r, http.StatusUnprocessableEntity, view{Title: "Your account", Name: "account",
			Body: signedIn{Given: r.FormValue("given"), Email: r.FormValue("email"), Wrong: true}})
		return
	}
	who := signedIn{Email: addr.Address, Given: strings.TrimSpace(r.FormValue("given"))}
	s.render(w, r, http.StatusOK, view{Title: "Your account", Name: "signed-in", Body: who, Identify: &who})
}

func (s *shop) newsletter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	if _, err := mail.ParseAddress(r.FormValue("email")); err != nil {
		s.render(w, r, http.StatusUnprocessableEntity, view{Title: "Newsletter", Name: "newsletter", Body: true})
		return
	}
	s.render(w, r, http.StatusOK, view{Title: "Newsletter", Name: "subscribed", Record: &record{Name: "newsletter_subscribed"}})
}

func (s *shop) newsletterPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, view{Title: "Newsletter", Name: "newsletter", Body: false})
}

func (s *shop) privacy(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, view{Title: "Privacy", Name: "privacy"})
}

func (s *shop) notFound(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusNotFound, view{Title: "Nothing here", Name: "missing"})
}

func art(w http.ResponseWriter, r *http.Request) {
	sku, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	p, found := productBySKU(sku)
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte(p.art.drawing()))
}

func static(name, mediaType string) http.HandlerFunc {
	body, err := staticFiles.ReadFile(name)
	return func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(body)
	}
}

// decimal writes cents as a plain number, the form in which a site hands prices to a tracker.
func decimal(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
