package event

import (
	"bytes"
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestMinimisationGolden runs each testdata/minimise/*.json (an event as it came in, with the
// policy if it is not the default) and compares what is kept with the .golden beside it.
func TestMinimisationGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/minimise/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := struct {
				Policy *Policy
				Event  Event
			}{}
			if err := json.Unmarshal(raw, &in); err != nil {
				t.Fatal(err)
			}
			p := DefaultPolicy()
			if in.Policy != nil {
				p = *in.Policy
			}
			p.Minimise(&in.Event)
			got, err := json.Marshal(&in.Event, jsontext.WithIndent("  "), json.OmitZeroStructFields(true), json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(got, '\n'), want) {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// genVisit draws an event as a site might send it, with the things that Minimise looks for.
func genVisit() *rapid.Generator[*Event] {
	part := rapid.SampledFrom([]string{"", "a", "oak-chair", "4711", "mary@example.com", "mary%40example.com", "+49 511 1234567", "%2B495111234567",
		"123456789012", "%25252540", "%%%", "%zz", "r%C3%A9", "a;jsessionid=1", "\\", "ä", "%3B", "%2F", "\u00a0", "(", "%28", "2026-11-22", "."})
	key := rapid.SampledFrom([]string{"q", "Q", "s", "utm_source", "utm_medium", "utm_x y", "gclid", "fbclid", "token", "", "%71", "utm_%ff", "k"})
	address := rapid.Custom(func(t *rapid.T) string {
		u := rapid.SampledFrom([]string{"https://shop.example.com", "HTTP://mary:secret@WWW.Example.CO.UK:80", "https://[2001:db8::1]:8443", "https://www.google.de", "https://xn--kln-sna.example:443", "android-app://com.example"}).Draw(t, "site")
		for range rapid.IntRange(0, 4).Draw(t, "depth") {
			u += "/" + part.Draw(t, "segment")
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "parameters") {
			u += string("?&&&&"[i]) + key.Draw(t, "key") + rapid.SampledFrom([]string{"", "=", "=="}).Draw(t, "is") + part.Draw(t, "value")
		}
		if rapid.Bool().Draw(t, "has fragment") {
			u += "#" + part.Draw(t, "fragment")
		}
		return u
	})
	return rapid.Custom(func(t *rapid.T) *Event {
		e := &Event{Name: "page_viewed", Page: Page{URL: address.Draw(t, "url"), Title: part.Draw(t, "title") + " " + part.Draw(t, "title 2")},
			Search:  part.Draw(t, "search"),
			Browser: Browser{Family: "Chrome", Version: rapid.SampledFrom([]string{"", "142", "142.0.1", "10_15", "very long version"}).Draw(t, "version")}}
		if rapid.Bool().Draw(t, "referred") {
			e.Referrer = &Referrer{URL: address.Draw(t, "referrer")}
		}
		e.Attributes = rapid.MapOfN(rapid.SampledFrom([]string{"price", "Email", "first_name", "note", "mary@example.com"}),
			rapid.Custom(func(t *rapid.T) Attr {
				return rapid.OneOf(rapid.Just(Attr{TypeBool, "true"}), rapid.Just(Attr{TypeNumber, "4915112345678"}), rapid.Custom(func(t *rapid.T) Attr {
					return Attr{Type: rapid.SampledFrom([]string{TypeString, "date"}).Draw(t, "type"), Value: part.Draw(t, "value")}
				})).Draw(t, "attribute")
			}), 0, 5).Draw(t, "attributes")
		return e
	})
}

func TestMinimisingTwiceIsMinimisingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := genVisit().Draw(t, "event")
		p := Policy{QueryKeys: []string{"utm_*"}, SearchKeys: []string{"q", "k"}, KeepFragment: rapid.Bool().Draw(t, "keep fragment")}
		p.Minimise(e)
		b, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		once, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		p.Minimise(e)
		equal(t, e, once)
	})
}

func TestNothingThatIsNotListedSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := genVisit().Draw(t, "event")
		(Policy{QueryKeys: []string{"utm_*"}, SearchKeys: []string{"q"}}).Minimise(e)
		traits := e.Traits
		e.Traits = nil
		all, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		e.Traits = traits
		for _, gone := range []string{"mary", "secret", "1234567"} {
			if bytes.Contains(all, []byte(gone)) {
				t.Fatalf("%q is in %s", gone, all)
			}
		}
		for _, gone := range []string{"token", "gclid", "fbclid", "k=", "#"} {
			if strings.Contains(e.Page.URL, gone) || e.Referrer != nil && strings.Contains(e.Referrer.URL, gone) {
				t.Fatalf("%q is in %s or %+v", gone, e.Page.URL, e.Referrer)
			}
		}
	})
}

func TestReferrerMedium(t *testing.T) {
	for _, c := range []struct{ name, page, referrer, medium, engine string }{
		{"the same host is internal", "https://shop.example.co.uk/a", "https://shop.example.co.uk/b", "internal", ""},
		{"the same domain is internal", "https://shop.example.co.uk/a", "https://www.example.co.uk/", "internal", ""},
		{"a neighbour under the same suffix is not", "https://shop.example.co.uk/a", "https://other.co.uk/", "unknown", ""},
		{"Google in any country is search", "https://a.example/", "https://www.google.co.uk/search?q=x", "search", "Google"},
		{"DuckDuckGo is search", "https://a.example/", "https://duckduckgo.com/?q=x", "search", "DuckDuckGo"},
		{"a host that only contains the name is not", "https://a.example/", "https://google.evil.example/", "unknown", ""},
		{"Gmail is e-mail though its domain searches", "https://a.example/", "https://mail.google.com/mail/u/0/", "email", "Gmail"},
		{"Outlook is e-mail", "https://a.example/", "https://outlook.live.com/", "email", "Outlook"},
		{"Facebook's redirect host is social", "https://a.example/", "https://l.facebook.com/l.php?u=x", "social", "Facebook"},
		{"t.co is X", "https://a.example/", "https://t.co/abc", "social", "X"},
		{"an advertisement click is paid", "https://a.example/?gclid=abc", "https://www.google.com/", "paid", "Google"},
		{"a paid medium is paid", "https://a.example/?utm_medium=CPC", "https://news.example.org/", "paid", ""},
		{"a share on Facebook is not paid", "https://a.example/?fbclid=abc", "https://www.facebook.com/", "social", "Facebook"},
		{"a mailing is e-mail wherever it is read", "https://a.example/?utm_medium=email", "https://news.example.org/", "email", ""},
		{"inside the site a campaign does not count", "https://a.example/?utm_medium=cpc", "https://a.example/x", "internal", ""},
		{"an address without a domain is unknown", "https://a.example/", "http://localhost:8080/", "unknown", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &Event{Page: Page{URL: c.page}, Referrer: &Referrer{URL: c.referrer}}
			DefaultPolicy().Minimise(e)
			if e.Referrer == nil || e.Referrer.Medium != c.medium || e.Referrer.Name != c.engine {
				t.Fatalf("got %+v", e.Referrer)
			}
		})
	}
}

func TestTruncateIP(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.77": "203.0.113.0", "::ffff:203.0.113.77": "203.0.113.0",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1::", "fe80::1%eth0": "fe80::",
	} {
		if got := TruncateIP(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	if got := TruncateIP(netip.Addr{}); got != "" {
		t.Errorf("no address became %q", got)
	}
}

func TestClassifyUA(t *testing.T) {
	for _, c := range []struct {
		name, ua string
		browser  Browser
		device   Device
	}{
		{"Chrome on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
			Browser{Family: "Chrome", Version: "142"}, Device{Category: "desktop", Type: "desktop", OSFamily: "Windows", OSVersion: "10"}},
		{"Safari on an iPhone", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
			Browser{Family: "Safari", Version: "18"}, Device{Category: "mobile", Type: "phone", OSFamily: "iOS", OSVersion: "18", Manufacturer: "Apple", Mobile: true}},
		{"Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
			Browser{Family: "Firefox", Version: "145"}, Device{Category: "desktop", Type: "desktop", OSFamily: "Linux"}},
		{"a tablet", "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
			Browser{Family: "Safari", Version: "17"}, Device{Category: "tablet", Type: "tablet", OSFamily: "iOS", OSVersion: "17", Manufacturer: "Apple", Mobile: true}},
		{"a crawler", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
			Browser{Family: "Googlebot", Version: "2"}, Device{Category: "other", Type: "bot"}},
		{"a name in place of a browser", "MaryJones/1.0 (mary@example.com)", Browser{Family: "Other"}, Device{Category: "other", Type: "other"}},
		{"nothing", "", Browser{}, Device{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, d := ClassifyUA(c.ua)
			if b != c.browser || d != c.device {
				t.Fatalf("got %+v, %+v", b, d)
			}
		})
	}
}

func TestUserAgentInWords(t *testing.T) {
	for want, e := range map[string]*Event{
		"":                              {},
		"Chrome/142 (Windows; desktop)": {Browser: Browser{Family: "Chrome", Version: "142"}, Device: Device{OSFamily: "Windows", Category: "desktop"}},
		"Other (Linux; other)":          {Browser: Browser{Family: "Other"}, Device: Device{OSFamily: "Linux", Category: "other"}},
	} {
		if got := e.UserAgent(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBreadcrumb(t *testing.T) {
	p := Page{Path: "//garden/chairs/"}
	if got := strings.Join(p.Breadcrumb(), ">"); got != "garden>chairs" {
		t.Fatalf("got %q", got)
	}
}

func FuzzClassifyUA(f *testing.F) {
	f.Add("Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36")
	f.Fuzz(func(t *testing.T, ua string) {
		b, d := ClassifyUA(ua)
		for _, s := range []string{b.Family, b.Version, d.OSFamily, d.OSVersion, d.Manufacturer, d.Category} {
			if len(s) > maxKeptName || strings.Contains(s, "@") {
				t.Fatalf("%q gave %+v, %+v", ua, b, d)
			}
		}
	})
}

func FuzzMinimise(f *testing.F) {
	f.Add("https://mary:secret@shop.example.com:443/user/mary%40example.com;s=1?q=+49%20511&gclid=x#y", "https://www.google.com/search?q=a", "mary@example.com")
	f.Fuzz(func(t *testing.T, page, referrer, text string) {
		for _, s := range []string{page, referrer, text} {
			if strings.ToValidUTF8(s, "") != s || len(s) > maxURL {
				return
			}
		}
		e := &Event{Page: Page{URL: page, Title: text}, Referrer: &Referrer{URL: referrer}, Search: text,
			Attributes: map[string]Attr{"note": {TypeString, text}}}
		settled(t, e)
	})
}

func TestMinimisingTogetherIsMinimisingEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.SliceOfN(genVisit(), 1, 5).Draw(t, "events")
		var together, each []*Event
		for range 3 { // neighbours that repeat, in every order
			for _, i := range rapid.Permutation(indexes(len(first))).Draw(t, "order") {
				together, each = append(together, copyOf(first[i])), append(each, copyOf(first[i]))
			}
		}
		p := DefaultPolicy()
		p.MinimiseAll(together)
		for i, e := range each {
			p.Minimise(e)
			equal(t, together[i], e)
		}
	})
}

func indexes(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// copyOf copies an event that was not minimised.
func copyOf(e *Event) *Event {
	c := *e
	if e.Referrer != nil {
		r := *e.Referrer
		c.Referrer = &r
	}
	c.Attributes = maps.Clone(e.Attributes)
	return &c
}
