package predict

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/event"
)

func page(path string) *event.Event {
	return &event.Event{Name: event.PageViewed, Page: event.Page{Path: path}}
}

func action(name string, attributes ...string) *event.Event {
	e := &event.Event{Name: name, Attributes: map[string]event.Attr{}}
	for i := 0; i+1 < len(attributes); i += 2 {
		e.Attributes[attributes[i]] = event.Attr{Type: event.TypeString, Value: attributes[i+1]}
	}
	return e
}

// counted returns the features that aren't 0 after the events, by name, without those that every
// event has.
func counted(events ...*event.Event) map[string]float64 {
	c := NewCourse(0)
	at := testStart
	for _, e := range events {
		e.At = at
		c.Observe(e)
		at = at.Add(10 * time.Second)
	}
	got := map[string]float64{}
	for j, x := range c.Vector() {
		if x != 0 {
			got[features[j].name] = float64(x)
		}
	}
	for _, name := range []string{"events", "active_seconds", "pause_seconds", "page_views", "distinct_pages"} {
		delete(got, name)
	}
	return got
}

func TestEventsAreCountedByWhatTheyAreAbout(t *testing.T) {
	searched := page("/find")
	searched.Search = "shoes"
	elsewhere := page("/x")
	elsewhere.Search = "shoes"
	withProduct := page("/something")
	withProduct.Attributes = map[string]event.Attr{"sku": {Value: "7"}, "price": {Value: "20"}}
	for _, c := range []struct {
		name   string
		events []*event.Event
		want   map[string]float64
	}{
		{"a plain page", []*event.Event{page("/about")}, map[string]float64{}},
		{"a product page", []*event.Event{page("/products/red-shoe")}, map[string]float64{"product_views": 1, "distinct_products": 1, "same_product": 1}},
		{"the list of products", []*event.Event{page("/products"), page("/products/")}, map[string]float64{"list_views": 2}},
		{"a product page known by its attributes", []*event.Event{withProduct}, map[string]float64{"product_views": 1, "distinct_products": 1, "same_product": 1, "price_seen": 20}},
		{"the same product twice among others", []*event.Event{page("/item/a"), page("/item/b"), page("/item/a")}, map[string]float64{"product_views": 3, "distinct_products": 2, "same_product": 2}},
		{"a category", []*event.Event{page("/category/shoes"), page("/c/12")}, map[string]float64{"list_views": 2}},
		{"a search", []*event.Event{searched, elsewhere, action("search_performed")}, map[string]float64{"searches": 3}},
		{"the cart page", []*event.Event{page("/cart"), page("/de/warenkorb")}, map[string]float64{"cart_views": 2}},
		{"the checkout", []*event.Event{page("/checkout/shipping"), action("checkout_started"), page("/kasse")}, map[string]float64{"checkout_steps": 3}},
		{"signing in", []*event.Event{page("/login"), action("account_login")}, map[string]float64{"account_steps": 2}},
		{"help", []*event.Event{page("/help/returns"), page("/contact")}, map[string]float64{"help_views": 2}},
		{"forms", []*event.Event{action("form_start"), action("form:submit"), action("FormSubmitted")}, map[string]float64{"form_steps": 3}},
		{
			"adding to the cart in several spellings",
			[]*event.Event{action("add_to_cart", "price", "10"), action("addToCart", "price", "5", "quantity", "2"), action("product_added", "value", "1"), action("cart")},
			map[string]float64{"cart_adds": 4, "cart_value": 21, "cart_open": 1, "just_added": 1},
		},
		{
			"words written as one",
			[]*event.Event{action("addtocart"), action("removefromcart"), action("addToBasket"), action("carts")},
			map[string]float64{"cart_adds": 3, "cart_removes": 1, "cart_open": 1, "just_added": 1},
		},
		{"words written as two", []*event.Event{action("sign_up"), action("Check Out"), action("log in")}, map[string]float64{"account_steps": 2, "checkout_steps": 1}},
		{"a list of products that was viewed", []*event.Event{action("view_item_list"), action("Product List Viewed")}, map[string]float64{"list_views": 2}},
		{"a product that was clicked", []*event.Event{action("clicks", "item_id", "9")}, map[string]float64{"product_views": 1, "distinct_products": 1, "same_product": 1}},
		{"a cart that was changed", []*event.Event{action("cart_updated")}, map[string]float64{"cart_views": 1}},
		{
			"removing from the cart",
			[]*event.Event{action("add_to_cart", "price", "10"), action("remove_from_cart", "price", "10")},
			map[string]float64{"cart_adds": 1, "cart_removes": 1},
		},
		{"looking into the cart", []*event.Event{action("view_cart"), action("cart_viewed")}, map[string]float64{"cart_views": 2}},
		{
			"views in an imported history",
			[]*event.Event{action("view", "product_id", "1", "price", "10"), action("view", "product_id", "2", "price", "30")},
			map[string]float64{"product_views": 2, "distinct_products": 2, "same_product": 1, "price_seen": 20},
		},
		{"an unknown event", []*event.Event{action("zorg_blip")}, map[string]float64{}},
		{"a price that is none", []*event.Event{action("add_to_cart", "price", "-3"), action("add_to_cart", "price", "NaN"), action("add_to_cart", "price", "1e300")}, map[string]float64{"cart_adds": 3, "cart_open": 1, "just_added": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := counted(c.events...); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhereAVisitComesFromIsNoted(t *testing.T) {
	campaign := page("/a")
	campaign.Campaign = &event.Campaign{Source: "x"}
	search := page("/a")
	search.Referrer = &event.Referrer{Medium: "search"}
	phone := page("/a")
	phone.Device.Mobile = true
	social := page("/a")
	social.Referrer = &event.Referrer{Medium: "social"}
	for _, c := range []struct {
		name  string
		event *event.Event
		want  map[string]float64
	}{
		{"a campaign", campaign, map[string]float64{"sought": 1}},
		{"a search engine", search, map[string]float64{"sought": 1}},
		{"a phone", phone, map[string]float64{"mobile": 1}},
		{"a social network", social, map[string]float64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := counted(c.event); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if got := counted(page("/a"), search); got["sought"] != 0 {
		t.Error("a search engine counts although the visit began elsewhere")
	}
	c := NewCourse(3)
	c.Observe(page("/a"))
	if c.Vector()[fEarlierVisits] != 3 {
		t.Error("earlier visits don't count")
	}
}

func TestTimesAreMeasuredBetweenEvents(t *testing.T) {
	c := NewCourse(0)
	for _, seconds := range []int{0, 30, 1030, 1000, 1031} { // the fourth comes late
		e := page("/a")
		e.At = testStart.Add(time.Duration(seconds) * time.Second)
		c.Observe(e)
	}
	v := c.Vector()
	if v[fActiveSeconds] != coarse(30+300+1) { // away for the longest pause that counts
		t.Errorf("active for %v s", v[fActiveSeconds])
	}
	if v[fPauseSeconds] != 1 {
		t.Errorf("the latest pause was %v s", v[fPauseSeconds])
	}
}

func TestAttributesThatNameAPersonCannotBecomeFeatures(t *testing.T) {
	plain := counted(action("add_to_cart", "price", "10"))
	rich := action("add_to_cart", "price", "10", "email", "a@example.org", "religion", "x", "diagnosis", "y", "age", "50")
	rich.Traits = map[string]event.Attr{"email": {Value: "a@example.org"}, "gender": {Value: "f"}}
	rich.ExternalID, rich.IP, rich.Search = "customer 7", "192.0.2.0", ""
	if got := counted(rich); !maps.Equal(got, plain) {
		t.Errorf("got %v, want %v", got, plain)
	}
}

func TestEveryFeatureHasANameAndWords(t *testing.T) {
	names := FeatureNames()
	if len(names) != NumFeatures || NumFeatures > 24 {
		t.Fatalf("%d names for %d features", len(names), NumFeatures)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != NumFeatures {
		t.Error("two features have the same name")
	}
	for _, n := range names {
		if n == "" || Describe(n) == "" {
			t.Errorf("feature %q has no words", n)
		}
	}
	if Describe("shoe_size") != "" {
		t.Error("a feature that doesn't exist is described")
	}
}

func TestValuesAreRoundedToEightBits(t *testing.T) {
	for x, want := range map[float64]float32{0: 0, 1: 1, 255: 255, 256: 256, 257: 256, 259: 260, -1: 0, 1e40: coarse(1e30)} {
		if got := coarse(x); got != want {
			t.Errorf("coarse(%v) = %v, want %v", x, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float64Range(0, 1e9).Draw(t, "a")
		b := rapid.Float64Range(0, 1e9).Draw(t, "b")
		if (a < b && coarse(a) > coarse(b)) || coarse(float64(coarse(a))) != coarse(a) {
			t.Errorf("rounding %v and %v turns their order or isn't final", a, b)
		}
		if a > 1e-30 && (float64(coarse(a)) < a*0.996 || float64(coarse(a)) > a*1.004) {
			t.Errorf("coarse(%v) = %v", a, coarse(a))
		}
	})
}

func anyVector(t *rapid.T) (v Vector) {
	for j := range v {
		if rapid.Bool().Draw(t, "set") {
			v[j] = coarse(rapid.Float64Range(0, 1e6).Draw(t, "value"))
		}
	}
	return v
}

func TestATraceGivesBackItsVectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(anyVector), 0, MaxVectors+3).Draw(t, "vectors")
		var trace Trace
		for i := range want {
			trace.Add(&want[i])
		}
		want = want[:min(len(want), MaxVectors)]
		b, err := trace.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Trace
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		for _, tr := range []*Trace{&trace, &back} {
			if got := tr.Vectors(); tr.Len() != len(want) || !slices.Equal(got, want) {
				t.Fatalf("%d vectors came back of %d", tr.Len(), len(want))
			}
		}
		// What was read can be added to.
		if len(want) > 0 && len(want) < MaxVectors {
			trace.Add(&want[0])
			back.Add(&want[0])
			if !bytes.Equal(trace.data, back.data) {
				t.Fatal("a trace that was read goes on differently")
			}
		}
	})
}

func TestACourseGivesBackEverything(t *testing.T) {
	names := []string{event.PageViewed, "add_to_cart", "view", "form_start", "checkout", "remove_from_cart", "x"}
	paths := []string{"", "/", "/products/1", "/products/2", "/cart", "/help", "/category/a"}
	rapid.Check(t, func(t *rapid.T) {
		c := NewCourse(rapid.IntRange(0, 5).Draw(t, "earlier"))
		at := testStart
		for range rapid.IntRange(0, 70).Draw(t, "events") {
			e := action(rapid.SampledFrom(names).Draw(t, "name"), "price", "12.50")
			e.Page.Path = rapid.SampledFrom(paths).Draw(t, "path")
			at = at.Add(time.Duration(rapid.IntRange(0, 600_000).Draw(t, "ms")) * time.Millisecond)
			e.At = at
			c.Observe(e)
		}
		b, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Course
		if err := back.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		// Which event was the latest is not kept; the next one decides it anew.
		next := action("add_to_cart", "price", "1")
		next.At = at.Add(time.Second)
		c.Observe(next)
		back.Observe(next)
		if !reflect.DeepEqual(c, &back) {
			t.Fatalf("it goes on as %+v, want %+v", back, *c)
		}
	})
}

func FuzzUnmarshalCourse(f *testing.F) {
	c := NewCourse(2)
	for _, e := range []*event.Event{page("/products/1"), action("add_to_cart", "price", "5"), page("/cart")} {
		e.At = testStart
		c.Observe(e)
		b, err := c.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Course
		if c.UnmarshalBinary(b) != nil {
			if !reflect.DeepEqual(c, Course{}) {
				t.Fatal("what can't be read left something behind")
			}
			return
		}
		again, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Course
		if err := back.UnmarshalBinary(again); err != nil || !reflect.DeepEqual(c, back) {
			t.Fatalf("what was read can't be written and read again: %v", err)
		}
	})
}
