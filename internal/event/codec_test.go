package event

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// genText draws a text that is often empty or one of the dictionary's, and otherwise anything.
func genText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.SampledFrom(words[:]), rapid.StringN(0, 20, 80))
}

func genID() *rapid.Generator[uuid.UUID] {
	return rapid.Custom(func(t *rapid.T) (u uuid.UUID) {
		if rapid.Bool().Draw(t, "set") {
			copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		}
		return u
	})
}

func genTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(zeroMicro, maxMicro).Draw(t, "micro")).UTC()
	})
}

func genAttrs() *rapid.Generator[map[string]Attr] {
	attr := rapid.Custom(func(t *rapid.T) Attr {
		return Attr{Type: genText().Draw(t, "type"), Value: genText().Draw(t, "value")}
	})
	return rapid.Custom(func(t *rapid.T) map[string]Attr {
		m := rapid.MapOfN(genText(), attr, 0, 20).Draw(t, "attrs")
		if len(m) == 0 {
			return nil
		}
		return m
	})
}

func genURL() *rapid.Generator[string] {
	return rapid.OneOf(genText(), rapid.StringMatching(
		`https?://([a-z]+@)?([a-z]{1,5}\.){0,3}[a-z]{2,3}(:[0-9]+)?(/[a-z]{0,4}){0,3}(\?[a-z=&]{0,9})?(#[a-z]{0,4})?`))
}

// genEvent draws any event that the binary form can hold, sensible or not.
func genEvent() *rapid.Generator[*Event] {
	return rapid.Custom(func(t *rapid.T) *Event {
		text := func(name string) string { return genText().Draw(t, name) }
		size := func(name string) int { return rapid.IntRange(0, 1<<31-1).Draw(t, name) }
		e := &Event{
			ID: genID().Draw(t, "id"), Name: text("name"), At: genTime().Draw(t, "at"), Received: genTime().Draw(t, "received"),
			Seq: rapid.Uint32().Draw(t, "seq"), Visit: genID().Draw(t, "visit"),
			Origin:     Origin(rapid.IntRange(0, int(FromImport)).Draw(t, "origin")),
			Deployment: genID().Draw(t, "deployment"),
			Page:       Page{URL: genURL().Draw(t, "url"), Title: text("title"), Keywords: text("keywords"), Lang: text("lang")},
			Device: Device{Category: text("category"), Type: text("type"), OSFamily: text("os"), OSVersion: text("os version"),
				Manufacturer: text("manufacturer"), Mobile: rapid.Bool().Draw(t, "mobile"),
				ScreenWidth: size("width"), ScreenHeight: size("height"), Density: size("density")},
			Browser: Browser{Family: text("family"), Version: text("version"), Lang: text("browser lang")},
			IP:      text("ip"), Search: text("search"),
			Attributes: genAttrs().Draw(t, "attributes"), Traits: genAttrs().Draw(t, "traits"),
			ExternalID: text("external id"), Purpose: text("purpose"),
			Ground: Ground{Basis: text("basis"), Ledger: rapid.Int64().Draw(t, "ledger"), Declared: text("declared")},
		}
		e.Page.Host, e.Page.Path, e.Page.Query, e.Page.Fragment = splitAddress(e.Page.URL)
		e.Page.Domain = usualDomain(e.Page.Host)
		if rapid.Bool().Draw(t, "odd parts") {
			e.Page.Host, e.Page.Domain, e.Page.Path = text("host"), text("domain"), text("path")
			e.Page.Query, e.Page.Fragment = text("query"), text("fragment")
		}
		if rapid.Bool().Draw(t, "referred") {
			e.Referrer = &Referrer{URL: genURL().Draw(t, "referrer"), Host: text("r host"), Domain: text("r domain"), Path: text("r path"),
				Query: text("r query"), Keywords: text("r keywords"), Medium: text("medium"), Name: text("engine")}
		}
		if rapid.Bool().Draw(t, "campaign") {
			e.Campaign = &Campaign{Source: text("source"), Medium: text("c medium"), Name: text("c name"), Term: text("term"),
				Content: text("content"), ClickID: text("click"), Network: text("network")}
		}
		return e
	})
}

func TestEveryEventSurvivesTheBinaryForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := genEvent().Draw(t, "event")
		b, err := e.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		if string(b[:6]) != "before" {
			t.Fatal("AppendBinary changed what was there")
		}
		got, err := Decode(b[6:])
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, e)
	})
}

func TestEqualEventsHaveEqualBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := genEvent().Draw(t, "event")
		first, _ := e.MarshalBinary()
		for range 5 { // maps are walked in another order each time
			again, _ := e.MarshalBinary()
			if string(again) != string(first) {
				t.Fatal("one event has two encodings")
			}
		}
	})
}

func TestDecodeRefusesEveryCutOff(t *testing.T) {
	b, err := fullEvent().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for n := range len(b) {
		e, err := Decode(b[:n])
		if err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("cut at %d: %v is not ErrEncoding", n, err)
			}
			continue
		}
		// A cut between two fields is an event with fewer fields, and must still be canonical.
		whole++
		if again, _ := e.MarshalBinary(); string(again) != string(b[:n]) {
			t.Fatalf("cut at %d: accepted, but encodes differently", n)
		}
	}
	if whole == len(b) {
		t.Fatal("no cut was refused")
	}
}

func TestDecodeRefusesWhatIsNotCanonical(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing at all":                       {},
		"a newer version":                      {2},
		"a tag of zero":                        {1, 0},
		"an unknown tag":                       {1, 250},
		"a repeated field":                     {1, tagSeq, 1, tagSeq, 2},
		"fields out of order":                  {1, tagOrigin, 1, tagSeq, 1},
		"a default written out":                {1, tagSeq, 0},
		"a padded number":                      {1, tagSeq, 0x81, 0x00},
		"a number that does not fit":           {1, tagSeq, 0x80, 0x80, 0x80, 0x80, 0x10},
		"a number that never ends":             {1, tagSeq, 0x80},
		"an unknown origin":                    {1, tagOrigin, 3},
		"a text longer than the rest":          {1, tagIP, 9, '1'},
		"a text that is not UTF-8":             {1, tagIP, 1, 0xff},
		"a dictionary word spelled out":        {1, tagName, 8, 'v', 'i', 'e', 'w'},
		"a word outside of the dictionary":     {1, tagName, 0xff, 0x7f},
		"a zero identifier":                    append([]byte{1, tagID}, make([]byte, 16)...),
		"more attributes than bytes":           {1, tagAttributes, 100, 2, 'a', 2, 'b', 2, 'c'},
		"attributes out of order":              {1, tagAttributes, 2, 2, 'b', 2, 'x', 2, 'x', 2, 'a', 2, 'x', 2, 'x'},
		"an attribute that comes twice":        {1, tagAttributes, 2, 2, 'a', 2, 'x', 2, 'x', 2, 'a', 2, 'x', 2, 'x'},
		"a part that the address already says": {1, tagPageURL, 8, 'a', ':', '/', '/', 'b', '.', 'c', 'd', tagPageHost, 4, 'b', '.', 'c', 'd'},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := Decode(b); !errors.Is(err, ErrEncoding) {
				t.Fatalf("got %+v, %v", e, err)
			}
		})
	}
}

func TestAppendBinaryRefusesWhatItCannotHold(t *testing.T) {
	for name, e := range map[string]*Event{
		"a year beyond 9999":        {At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a year before 1":           {Received: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)},
		"a negative screen":         {Device: Device{ScreenWidth: -1}},
		"a screen beyond all sizes": {Device: Device{ScreenHeight: 1 << 31}},
		"an unknown origin":         {Origin: 7},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := e.AppendBinary([]byte("x"))
			if err == nil || string(b) != "x" {
				t.Fatalf("got %q, %v", b, err)
			}
		})
	}
}

func TestUnmarshalBinaryLeavesTheEventAloneOnFailure(t *testing.T) {
	e := Event{Name: "kept"}
	if err := e.UnmarshalBinary([]byte{9}); err == nil || e.Name != "kept" {
		t.Fatalf("got %q, %v", e.Name, err)
	}
}

func TestABrowserEventIsSmall(t *testing.T) {
	b, err := fullEvent().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 480 {
		t.Fatalf("a rich event takes %d bytes", len(b))
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := fullEvent().MarshalBinary()
	f.Add(b)
	f.Add([]byte{1})
	f.Add([]byte{1, tagAttributes, 1, 2, 'a', 2, 'x', 2, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		again, err := e.MarshalBinary()
		if err != nil {
			t.Fatalf("decoded, but does not encode: %v", err)
		}
		if string(again) != string(b) {
			t.Fatalf("not canonical: %x became %x", b, again)
		}
	})
}

// fullEvent returns an event with every field set.
func fullEvent() *Event {
	return &Event{
		ID: uuid.MustParse("01930000-0000-7000-8000-000000000001"), Name: "product_added",
		At:       time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC),
		Received: time.Date(2026, 11, 22, 10, 0, 1, 0, time.UTC),
		Seq:      7, Visit: uuid.MustParse("11111111-2222-4333-8444-555555555555"), Origin: FromServer,
		Deployment: uuid.MustParse("22222222-2222-4333-8444-555555555555"),
		Page: Page{URL: "https://shop.example.co.uk:8443/garden/chairs/4711?q=oak#reviews", Title: "Oak chair", Host: "shop.example.co.uk",
			Domain: "example.co.uk", Path: "/garden/chairs/4711", Query: "q=oak", Fragment: "reviews", Keywords: "chair, oak", Lang: "en-GB"},
		Referrer: &Referrer{URL: "https://www.google.co.uk/search?q=oak+chair", Host: "www.google.co.uk", Domain: "google.co.uk",
			Path: "/search", Query: "q=oak+chair", Keywords: "oak chair", Medium: "search", Name: "Google"},
		Campaign: &Campaign{Source: "newsletter", Medium: "email", Name: "autumn", Term: "chair", Content: "a", ClickID: "Cj0KCQ", Network: "google"},
		Device: Device{Category: "mobile", Type: "phone", OSFamily: "Android", OSVersion: "15", Manufacturer: "Samsung", Mobile: true,
			ScreenWidth: 412, ScreenHeight: 915, Density: 3},
		Browser: Browser{Family: "Chrome", Version: "142", Lang: "de"}, IP: "203.0.113.0", Search: "oak",
		Attributes: map[string]Attr{"price": {TypeNumber, "199.5"}, "currency": {TypeString, "GBP"}, "in_stock": {TypeBool, "true"}},
		Traits:     map[string]Attr{"email": {TypeString, "mary@example.com"}},
		ExternalID: "crm-17", Purpose: "actions", Ground: Ground{Basis: "consent", Ledger: 12, Declared: "d"},
	}
}
