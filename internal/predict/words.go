package predict

import (
	"strings"
	"unicode"
)

// hint is what an event or a page is about, as far as common words tell. The words are those that
// shops, forms and help pages use everywhere; a site whose words are unknown still has counts, times
// and amounts.
type hint uint8

const (
	aboutNothing hint = iota
	aboutProduct
	aboutList
	aboutSearch
	aboutCart
	aboutCheckout
	aboutAccount
	aboutHelp
	aboutForm
)

// vocabulary maps words of event names and paths to what they are about.
var vocabulary = map[string]hint{
	"product": aboutProduct, "products": aboutProduct, "item": aboutProduct, "items": aboutProduct,
	"dp": aboutProduct, "p": aboutProduct, "sku": aboutProduct, "detail": aboutProduct, "details": aboutProduct,
	"produkt": aboutProduct, "produkte": aboutProduct, "artikel": aboutProduct,

	"category": aboutList, "categories": aboutList, "collection": aboutList, "collections": aboutList,
	"catalog": aboutList, "catalogue": aboutList, "shop": aboutList, "store": aboutList, "c": aboutList,
	"list": aboutList, "listing": aboutList, "brand": aboutList, "brands": aboutList, "sale": aboutList,
	"kategorie": aboutList, "kategorien": aboutList, "deals": aboutList,

	"search": aboutSearch, "searched": aboutSearch, "suche": aboutSearch, "find": aboutSearch, "query": aboutSearch,

	"cart": aboutCart, "carts": aboutCart, "basket": aboutCart, "bag": aboutCart, "trolley": aboutCart, "warenkorb": aboutCart,

	"checkout": aboutCheckout, "payment": aboutCheckout, "pay": aboutCheckout, "shipping": aboutCheckout,
	"delivery": aboutCheckout, "billing": aboutCheckout, "kasse": aboutCheckout, "zahlung": aboutCheckout,

	"login": aboutAccount, "signin": aboutAccount, "signup": aboutAccount, "register": aboutAccount,
	"registration": aboutAccount, "account": aboutAccount, "konto": aboutAccount, "anmelden": aboutAccount,

	"help": aboutHelp, "faq": aboutHelp, "contact": aboutHelp, "support": aboutHelp, "returns": aboutHelp,
	"hilfe": aboutHelp, "kontakt": aboutHelp,

	"form": aboutForm, "formular": aboutForm,
}

// actions are words of event names that tell what was done to what the name is about.
var (
	addWords    = words("add", "added", "adds", "put")
	removeWords = words("remove", "removed", "delete", "deleted", "clear", "cleared")
	viewWords   = words("view", "viewed", "views", "open", "opened", "show", "shown", "see", "seen", "visit", "visited", "page")
	clickWords  = words("click", "clicks", "clicked", "select", "selected")
	startWords  = words("start", "started", "begin", "begun", "focus", "focused", "open", "opened")
	submitWords = words("submit", "submitted", "send", "sent", "complete", "completed")
)

// joined are words that are often written as one, or as two where others write one.
var joined = map[string][]string{
	"addtocart": {"add", "cart"}, "addtobasket": {"add", "cart"}, "addtobag": {"add", "cart"}, "cartadd": {"add", "cart"},
	"removefromcart": {"remove", "cart"}, "removefrombasket": {"remove", "cart"}, "cartremove": {"remove", "cart"},
	"viewcart": {"view", "cart"}, "viewitem": {"view", "item"}, "productview": {"view", "product"},
	"pageview": {"page", "view"}, "pageviews": {"page", "view"},
}

// pairs are two words that mean one of the vocabulary.
var pairs = map[[2]string]string{
	{"sign", "up"}: "signup", {"sign", "in"}: "signin", {"log", "in"}: "login", {"check", "out"}: "checkout",
	{"item", "list"}: "list", {"product", "list"}: "list",
}

func words(list ...string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, w := range list {
		m[w] = true
	}
	return m
}

// wordsOf returns the words of a name such as "addToCart", "add_to_cart" or "/de/warenkorb/", in lower
// case, at most 16 of them.
func wordsOf(s string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		w := b.String()
		b.Reset()
		switch {
		case w == "" || len(out) >= 16:
		case joined[w] != nil:
			out = append(out, joined[w]...)
		default:
			if n := len(out); n > 0 {
				if one, ok := pairs[[2]string{out[n-1], w}]; ok {
					out[n-1] = one
					return
				}
			}
			out = append(out, w)
		}
	}
	lower := false
	for _, r := range s {
		switch {
		case unicode.IsLetter(r):
			if lower && unicode.IsUpper(r) {
				flush()
			}
			lower = unicode.IsLower(r)
			b.WriteRune(unicode.ToLower(r))
		default:
			flush()
			lower = false
		}
	}
	flush()
	return out
}

// about returns what words are about: the strongest hint, where what is nearer to buying counts as
// stronger, and a form only if there is nothing else.
func about(list []string) hint {
	best := aboutNothing
	for _, w := range list {
		if h, ok := vocabulary[w]; ok && rank[h] > rank[best] {
			best = h
		}
	}
	return best
}

// rank orders hints when several apply: "/shop/product/x" is a product, "/checkout/cart" checkout.
var rank = [...]int{
	aboutNothing: 0, aboutForm: 1, aboutList: 2, aboutAccount: 3, aboutHelp: 4,
	aboutProduct: 5, aboutSearch: 6, aboutCart: 7, aboutCheckout: 8,
}

// pathHint returns what a page is about. A path that ends in a word for products is their list.
func pathHint(path string) hint {
	list := wordsOf(path)
	h := about(list)
	if h == aboutProduct && len(list) > 0 {
		last := list[len(list)-1]
		trimmed := strings.TrimRight(path, "/")
		if (last == "products" || last == "items" || last == "produkte") && strings.HasSuffix(strings.ToLower(trimmed), last) {
			return aboutList
		}
	}
	return h
}
