package event

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

const webBody = `{
 "customerCookieId":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","eventName":"product_added",
 "page":{"url":"https://shop.example.com/chairs/4711?q=oak&session=9","title":"Oak chair","keywords":"chair","lang":"en"},
 "userAgentString":"Mozilla/5.0","browser":{"family":"Chrome","version":"142.0.1","lang":"de"},
 "device":{"category":"desktop","type":"desktop","isMobile":false,"screenHeight":1080,"screenWidth":1920.0,"osFamily":"Windows","osVersion":"11.2"},
 "searchQuery":"oak","ipAddress":"203.0.113.77","referrerUrl":"https://www.google.com/search?q=oak",
 "attributes":{"price":{"dataType":"Number","value":"199.50"},"sku":{"dataType":"string","value":"A-1"},"gift":{"dataType":"boolean","value":"True"},"when":{"dataType":"date","value":"2026-11-22"}},
 "traits":{"email":{"dataType":"string","value":"mary@example.com"}},"externalId":"crm-1",
 "unknown":{"deep":[[[{"a":1}]]]},"createdDate":"2026-11-22T10:00:00.123Z"}`

func TestDecodeWebReadsEveryField(t *testing.T) {
	w, err := DecodeWeb([]byte(webBody))
	if err != nil {
		t.Fatal(err)
	}
	if w.Cookie.String() != "6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11" || w.Address != netip.MustParseAddr("203.0.113.77") ||
		w.UserAgent != "Mozilla/5.0" || !w.HasDevice || !w.HasAgent {
		t.Fatalf("got %+v", w)
	}
	equal(t, &w.Event, &Event{
		Name: "product_added", At: time.Date(2026, 11, 22, 10, 0, 0, 123000000, time.UTC), Origin: FromServer,
		Page:       Page{URL: "https://shop.example.com/chairs/4711?q=oak&session=9", Title: "Oak chair", Keywords: "chair", Lang: "en"},
		Browser:    Browser{Family: "Chrome", Version: "142.0.1", Lang: "de"},
		Device:     Device{Category: "desktop", Type: "desktop", OSFamily: "Windows", OSVersion: "11.2", ScreenWidth: 1920, ScreenHeight: 1080},
		Search:     "oak",
		Referrer:   &Referrer{URL: "https://www.google.com/search?q=oak"},
		Attributes: map[string]Attr{"price": {TypeNumber, "199.50"}, "sku": {TypeString, "A-1"}, "gift": {TypeBool, "true"}, "when": {"date", "2026-11-22"}},
		Traits:     map[string]Attr{"email": {TypeString, "mary@example.com"}},
		ExternalID: "crm-1",
	})
}

// change returns webBody with one piece of text replaced.
func change(t *testing.T, old, new string) []byte {
	t.Helper()
	if !strings.Contains(webBody, old) {
		t.Fatalf("%q is not in the example", old)
	}
	return []byte(strings.Replace(webBody, old, new, 1))
}

func TestDecodeWebNamesTheFieldThatIsWrong(t *testing.T) {
	long := strings.Repeat("x", 1<<14)
	for _, c := range []struct{ name, old, new, field string }{
		{"a missing cookie", `"customerCookieId":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11",`, ``, "customerCookieId"},
		{"a cookie that is no UUID", `6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11`, `mary`, "customerCookieId"},
		{"a cookie in braces", `"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11"`, `"{6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11}"`, "customerCookieId"},
		{"a cookie that is a number", `"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11"`, `7`, "customerCookieId"},
		{"a cookie of zeros", `6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11`, uuid.Nil.String(), "customerCookieId"},
		{"a missing event name", `"eventName":"product_added",`, ``, "eventName"},
		{"an event name of blanks", `product_added`, `  `, "eventName"},
		{"an event name with markup", `product_added`, `<b>`, "eventName"},
		{"an event name with a phone number", `product_added`, `called_4915112345678`, "eventName"},
		{"an event name that never ends", `product_added`, long[:129], "eventName"},
		{"an event name with a NUL", `product_added`, `a\u0000b`, "eventName"},
		{"a missing page", `"page":{"url":"https://shop.example.com/chairs/4711?q=oak&session=9","title":"Oak chair","keywords":"chair","lang":"en"},`, ``, "page"},
		{"a page that is text", `{"url":"https://shop.example.com/chairs/4711?q=oak&session=9","title":"Oak chair","keywords":"chair","lang":"en"}`, `"x"`, "page"},
		{"a page without address", `"url":"https://shop.example.com/chairs/4711?q=oak&session=9",`, ``, "page.url"},
		{"a relative address", `https://shop.example.com/chairs/4711?q=oak&session=9`, `/chairs`, "page.url"},
		{"a script as address", `https://shop.example.com/chairs/4711?q=oak&session=9`, `javascript:alert(1)`, "page.url"},
		{"an address without host", `https://shop.example.com/chairs/4711?q=oak&session=9`, `https:///x`, "page.url"},
		{"an endless address", `https://shop.example.com/chairs/4711?q=oak&session=9`, `https://a.example/` + long, "page.url"},
		{"a page without title", `"title":"Oak chair",`, ``, "page.title"},
		{"a title that is null", `"title":"Oak chair"`, `"title":null`, "page.title"},
		{"a title that is a list", `"title":"Oak chair"`, `"title":["Oak chair"]`, "page.title"},
		{"a title with a NUL", `"title":"Oak chair"`, `"title":"Oak\u0000chair"`, "page.title"},
		{"a title beyond all measure", `"title":"Oak chair"`, `"title":"` + long + `"`, "page.title"},
		{"a browser without version", `"version":"142.0.1",`, ``, "browser.version"},
		{"an unknown device category", `"category":"desktop"`, `"category":"fridge"`, "device.category"},
		{"a device without system", `"osFamily":"Windows",`, ``, "device.osFamily"},
		{"a negative screen", `1080`, `-1`, "device.screenHeight"},
		{"a screen in words", `1080`, `"tall"`, "device.screenHeight"},
		{"a truth that is a number", `"isMobile":false`, `"isMobile":0`, "device.isMobile"},
		{"an address that is a name", `203.0.113.77`, `localhost`, "ipAddress"},
		{"a referrer that is none", `https://www.google.com/search?q=oak`, `google`, "referrerUrl"},
		{"attributes that are a list", `"attributes":{`, `"attributes":[],"more":{`, "attributes"},
		{"an attribute that is a list", `{"dataType":"string","value":"A-1"}`, `[1]`, "attributes"},
		{"an attribute without value", `{"dataType":"string","value":"A-1"}`, `{"dataType":"string"}`, "attributes"},
		{"an attribute nested in another", `{"dataType":"string","value":"A-1"}`, `{"value":{"value":"x"}}`, "attributes"},
		{"a number that is none", `199.50`, `cheap`, "attributes"},
		{"a truth that is neither", `"True"`, `"yes"`, "attributes"},
		{"an unheard-of data type", `"dataType":"date"`, `"dataType":"<x>"`, "attributes"},
		{"an attribute without a name", `"sku":`, `"":`, "attributes"},
		{"a trait that is a list", `{"dataType":"string","value":"mary@example.com"}`, `[]`, "traits"},
		{"a missing date", `,"createdDate":"2026-11-22T10:00:00.123Z"`, ``, "createdDate"},
		{"a date in words", `2026-11-22T10:00:00.123Z`, `today`, "createdDate"},
		{"a date without zone", `2026-11-22T10:00:00.123Z`, `2026-11-22T10:00:00`, "createdDate"},
		{"a date as a number", `"2026-11-22T10:00:00.123Z"`, `1763805600`, "createdDate"},
		{"a member that comes twice", `"searchQuery":"oak"`, `"eventName":"x"`, ""},
		{"text that is not UTF-8", `Oak chair`, "Oak \xff chair", "page.title"},
		{"half of a surrogate pair", `Oak chair`, `Oak \ud800 chair`, "page.title"},
		{"nesting without end", `{"deep":[[[{"a":1}]]]}`, strings.Repeat("[", 20000) + strings.Repeat("]", 20000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := DecodeWeb(change(t, c.old, c.new))
			f, ok := errors.AsType[*fail.Error](err)
			if !ok || f.Kind != fail.Invalid || f.Field != c.field {
				t.Fatalf("got %+v, %#v", w, err)
			}
			if strings.Contains(err.Error(), "mary") || strings.Contains(err.Error(), "4915112345678") {
				t.Fatalf("the message quotes the input: %v", err)
			}
		})
	}
}

func TestDecodeWebRefusesWhatIsNoObject(t *testing.T) {
	for _, body := range []string{"", " ", "null", "[]", `"x"`, "7", "{", `{"a":`, webBody + "{}", webBody + "x", webBody[:len(webBody)-1], "\xff", "\x00"} {
		if _, err := DecodeWeb([]byte(body)); !fail.Is(err, fail.Invalid) {
			t.Errorf("%.20q gave %v", body, err)
		}
	}
}

func TestDecodeWebRefusesMoreThan64KiB(t *testing.T) {
	big := change(t, `"unknown":`, `"filler":"`+strings.Repeat("x", MaxEventBytes)+`","unknown":`)
	if _, err := DecodeWeb(big); !fail.Is(err, fail.TooLarge) {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeWebBoundsTheNumberOfAttributes(t *testing.T) {
	var many strings.Builder
	for i := range MaxAttributes + 1 {
		many.WriteString(`"a` + strings.Repeat("x", i) + `":1,`)
	}
	_, err := DecodeWeb(change(t, `"price":`, many.String()+`"price":`))
	if f, ok := errors.AsType[*fail.Error](err); !ok || f.Kind != fail.Invalid || f.Field != "attributes" {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeWebTakesTheLeast(t *testing.T) {
	w, err := DecodeWeb([]byte(`{"customerCookieId":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","eventName":" promo interest ","page":{"url":"https://a.example","title":""},
		"attributes":null,"browser":null,"device":null,"createdDate":"2026-11-22T12:00:00+02:00"}`))
	if err != nil {
		t.Fatal(err)
	}
	if w.HasDevice || w.HasAgent || w.Event.Name != "promo_interest" || !w.Event.At.Equal(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)) {
		t.Fatalf("got %+v", w)
	}
}

func TestDecodedTextOutlivesTheBody(t *testing.T) {
	body := []byte(webBody)
	w, err := DecodeWeb(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'X'
	}
	if w.Event.Name != "product_added" || w.Event.Page.Title != "Oak chair" {
		t.Fatalf("the event changed with the body: %+v", w.Event)
	}
}

func TestCheckTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		at   time.Time
		code string
	}{
		{"now", now, ""},
		{"an hour ago to the microsecond", now.Add(-MaxAge), ""},
		{"more than an hour ago", now.Add(-MaxAge - time.Microsecond), "event.too.old"},
		{"five minutes ahead", now.Add(MaxFuture), ""},
		{"more than five minutes ahead", now.Add(MaxFuture + time.Microsecond), "event.in.future"},
		{"at the beginning of time", time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), "event.too.old"},
		{"at the end of time", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "event.in.future"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := CheckTime(c.at, now)
			f, _ := errors.AsType[*fail.Error](err)
			if (err == nil) != (c.code == "") || f != nil && (f.Code != c.code || f.Kind != fail.Invalid) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzDecodeWeb(f *testing.F) {
	f.Add([]byte(webBody))
	f.Add([]byte(`{"customerCookieId":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","eventName":"a","page":{"url":"https://a.example/%40?q=%2B49","title":""},"createdDate":"2026-11-22T12:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := DecodeWeb(body)
		if err != nil {
			if k := fail.KindOf(err); k != fail.Invalid && k != fail.TooLarge {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		settled(t, &w.Event)
	})
}

// settled checks what must hold for every event that was decoded from outside: minimising it twice
// is minimising it once, and it survives the binary form.
func settled(t *testing.T, e *Event) {
	t.Helper()
	p := DefaultPolicy()
	p.Minimise(e)
	once, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(once)
	if err != nil {
		t.Fatal(err)
	}
	p.Minimise(again)
	twice, err := again.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if string(once) != string(twice) {
		first, _ := Decode(once)
		equal(t, again, first)
	}
}
