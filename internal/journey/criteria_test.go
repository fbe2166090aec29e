package journey

import (
	"testing"

	"probity/internal/event"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		op     Operator
		values []string
		fold   bool
		want   bool
	}{
		{"equal to one of the values", "b", Equal, []string{"a", "b"}, false, true},
		{"equal minds the case", "B", Equal, []string{"b"}, false, false},
		{"equal ignores the case when asked", "BÄR", Equal, []string{"bär"}, true, true},
		{"no operator means equal", "a", "", []string{"a"}, false, true},
		{"not equal to any", "c", NotEqual, []string{"a", "b"}, false, true},
		{"equal to one is not notEqual", "a", NotEqual, []string{"a", "b"}, false, false},
		{"contains some value", "red shoes", ContainsAny, []string{"hat", "shoe"}, false, true},
		{"contains none of the values", "red shoes", ContainsAny, []string{"hat"}, false, false},
		{"contains every value", "red shoes", ContainsAll, []string{"red", "shoe"}, false, true},
		{"lacks one of the values", "red shoes", ContainsAll, []string{"red", "hat"}, false, false},
		{"not every value is in it", "red shoes", NotContainsAll, []string{"red", "hat"}, false, true},
		{"every value is in it", "red shoes", NotContainsAll, []string{"red", "shoe"}, false, false},
		{"no value is in it", "red shoes", NotContainsAny, []string{"hat", "sock"}, false, true},
		{"some value is in it", "red shoes", NotContainsAny, []string{"hat", "red"}, false, false},
		{"starts with", "/help/faq", StartsWith, []string{"/help"}, false, true},
		{"does not start with", "/x/help", StartsWith, []string{"/help"}, false, false},
		{"ends with", "a.pdf", EndsWith, []string{".doc", ".pdf"}, false, true},
		{"greater as numbers, not as texts", "10", Greater, []string{"9"}, false, true},
		{"not greater than itself", "9", Greater, []string{"9"}, false, false},
		{"greater or equal", "9.0", GreaterOrEqual, []string{"9"}, false, true},
		{"less", "-1", Less, []string{"0"}, false, true},
		{"less or equal", "1", LessOrEqual, []string{"0"}, false, false},
		{"a word is less than no number", "abc", Less, []string{"5"}, false, false},
		{"a number is less than no word", "5", Less, []string{"abc"}, false, false},
		{"no values are never met", "a", NotEqual, nil, false, false},
		{"an unknown operator is never met", "a", "sounds like", []string{"a"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := compare(c.text, c.op, c.values, c.fold); got != c.want {
				t.Errorf("compare(%q, %s, %q) = %v", c.text, c.op, c.values, got)
			}
		})
	}
}

func TestEveryKeyReadsItsProperty(t *testing.T) {
	s := &Session{
		Device:        event.Device{Category: "device.category", Type: "device.type", OSFamily: "device.osFamily"},
		Browser:       event.Browser{Family: "browser.family", Lang: "browser.lang", Version: "browser.version"},
		Authenticated: true,
		Campaign: &event.Campaign{
			Source: "mktCampaign.source", Medium: "mktCampaign.medium", Name: "mktCampaign.name", Term: "mktCampaign.term",
			Content: "mktCampaign.content", ClickID: "mktCampaign.clickId", Network: "mktCampaign.network",
		},
		Referrer: &event.Referrer{URL: "referrer.url", Medium: "referrer.medium", Host: "referrer.hostname"},
	}
	unknown := map[string]bool{
		"geolocation.countryName": true, "geolocation.locality": true, "geolocation.region": true,
		"geolocation.postalCode": true, "geolocation.country": true, "ipOrganization": true,
	}
	for _, key := range ContextKeys() {
		got, ok := contextValue(s, key)
		want := key
		if key == "authenticated" {
			want = "true"
		}
		if unknown[key] {
			if ok {
				t.Errorf("%s has the value %q, but nothing looks it up", key, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%s reads %q", key, got)
		}
	}
	ev := &event.Event{
		Name: "eventName", Search: "searchQuery",
		Page: event.Page{
			URL: "page.url", Title: "page.title", Host: "page.hostname", Domain: "page.domain", Fragment: "page.fragment",
			Keywords: "page.keywords", Path: "page.pathname", Query: "page.queryString",
		},
		Attributes: map[string]event.Attr{"color.main": {Value: "attributes.color.main.value"}},
	}
	for _, key := range append(JourneyKeys(), "attributes.color.main.value") {
		if got, _ := journeyValue(ev, key); got != key {
			t.Errorf("%s reads %q", key, got)
		}
	}
	if _, ok := journeyValue(ev, "attributes.size.value"); ok {
		t.Error("an attribute that is not there has a value")
	}
}

func TestWhatIsNotThereMeetsOnlyNegativeOperators(t *testing.T) {
	for _, op := range []Operator{
		ContainsAll, ContainsAny, NotContainsAll, NotContainsAny, Equal, NotEqual,
		Greater, GreaterOrEqual, Less, LessOrEqual, StartsWith, EndsWith,
	} {
		c := Criterion{Operator: op, Values: []string{"0"}}
		want := op == NotContainsAll || op == NotContainsAny || op == NotEqual
		if got := c.matches("", false); got != want {
			t.Errorf("%s: %v", op, got)
		}
	}
}

func TestOutcomes(t *testing.T) {
	plan := shopPlan()

	t.Run("an outcome by event name is achieved once in a session", func(t *testing.T) {
		v := NewVisitor(device)
		fx := apply(t, v, plan, Env{}, view(0), at(1, "order_completed"), at(2, "order_completed"))
		if len(fx.Achieved) != 1 || fx.Achieved[0].Outcome != bought || fx.Achieved[0].Event != 1 {
			t.Fatalf("achieved %+v", fx.Achieved)
		}
		if fx = apply(t, v, plan, Env{}, at(60, "order_completed")); len(fx.Achieved) != 1 {
			t.Error("the next session did not achieve it")
		}
	})

	t.Run("patterns are met in order, each as often as it says", func(t *testing.T) {
		v := NewVisitor(device)
		fx := apply(t, v, plan, Env{}, at(0, "user_registered"), at(1, "article_read"), at(2, "user_registered"), at(3, "article_read"))
		if len(fx.Achieved) != 0 {
			t.Fatal("achieved out of order")
		}
		fx = apply(t, restore(t, v), plan, Env{}, at(4, "user_registered", attribute("plan", "12.5")))
		if len(fx.Achieved) != 1 || fx.Achieved[0].Outcome != signed || fx.Achieved[0].Value == nil || *fx.Achieved[0].Value != 12.5 {
			t.Fatalf("achieved %+v", fx.Achieved)
		}
	})

	t.Run("an outcome without patterns, or inactive, is never achieved", func(t *testing.T) {
		off := EventOutcome("Off", "order_completed")
		off.Active = false
		p := NewPlan([]Outcome{{Active: true, Name: "Nothing"}, off}, nil, nil, nil)
		if fx := apply(t, NewVisitor(device), p, Env{}, at(0, "order_completed")); len(fx.Achieved) != 0 {
			t.Errorf("achieved %+v", fx.Achieved)
		}
	})
}

func TestSegments(t *testing.T) {
	plan := shopPlan()
	fromSearch := func(ev *event.Event) { ev.Referrer = &event.Referrer{URL: "https://find.example", Medium: "search"} }
	v := NewVisitor(device)
	fx := apply(t, v, plan, Env{}, at(0, "a", fromSearch), at(1, "b"), at(2, "c"))
	if len(fx.Assigned) != 1 || !v.Session.InSegment(loyal) {
		t.Fatalf("assigned %d times", len(fx.Assigned))
	}
	if apply(t, v, plan, Env{}, at(60, "d")); v.Session.InSegment(loyal) {
		t.Error("the segment outlived its session")
	}
}
