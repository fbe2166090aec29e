package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

const batchBody = `{"events":[
 {"seq":1,"name":"page_viewed","at":"2026-11-22T10:00:00Z","url":"https://shop.example.com/","title":"Home","referrer":"","search":null},
 {"seq":2,"name":"product_added","at":"2026-11-22T10:00:01.5Z","url":"https://shop.example.com/p/1","title":"","attributes":{"price":19.5,"sku":"A","gift":true,"none":null},"traits":{"email":"mary@example.com"},"external_id":"crm-1"}],
 "visitor":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","visit":"0193a6c1-0000-7000-8000-000000000001",
 "context":{"lang":"de","screen":[1920,1080],"viewport":[1200,800]}}`

func TestDecodeBatchReadsEveryField(t *testing.T) {
	b, err := DecodeBatch([]byte(batchBody))
	if err != nil {
		t.Fatal(err)
	}
	visit := uuid.MustParse("0193a6c1-0000-7000-8000-000000000001")
	if b.Visitor.String() != "6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11" || b.Visit != visit || len(b.Events) != 2 {
		t.Fatalf("got %+v", b)
	}
	equal(t, &b.Events[0], &Event{Seq: 1, Name: "page_viewed", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Visit: visit,
		Page: Page{URL: "https://shop.example.com/", Title: "Home"}, Browser: Browser{Lang: "de"}, Device: Device{ScreenWidth: 1920, ScreenHeight: 1080}})
	equal(t, &b.Events[1], &Event{Seq: 2, Name: "product_added", At: time.Date(2026, 11, 22, 10, 0, 1, 5e8, time.UTC), Visit: visit,
		Page: Page{URL: "https://shop.example.com/p/1"}, Browser: Browser{Lang: "de"}, Device: Device{ScreenWidth: 1920, ScreenHeight: 1080},
		Attributes: map[string]Attr{"price": {TypeNumber, "19.5"}, "sku": {TypeString, "A"}, "gift": {TypeBool, "true"}},
		Traits:     map[string]Attr{"email": {TypeString, "mary@example.com"}}, ExternalID: "crm-1"})
}

func TestDecodeBatchNamesTheFieldThatIsWrong(t *testing.T) {
	second := `{"seq":2,"name":"product_added"`
	for _, c := range []struct{ name, old, new, field string }{
		{"no visitor", `"visitor":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11",`, ``, "visitor"},
		{"a visitor that is null", `"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11"`, `null`, "visitor"},
		{"no visit", `"visit":"0193a6c1-0000-7000-8000-000000000001",`, ``, "visit"},
		{"a screen of three sides", `[1920,1080]`, `[1,2,3]`, "context.screen"},
		{"a screen in words", `[1920,1080]`, `["wide"]`, "context.screen"},
		{"a context that is text", `{"lang":"de","screen":[1920,1080],"viewport":[1200,800]}`, `"de"`, "context"},
		{"events that are an object", `{"events":[`, `{"events":{},"x":[`, "events"},
		{"an event that is null", second, `null,` + second, "events[1]"},
		{"an event that is a list", second, `[],` + second, "events[1]"},
		{"no seq", `"seq":2,`, ``, "events[1].seq"},
		{"a seq of zero", `"seq":2`, `"seq":0`, "events[1].seq"},
		{"half a seq", `"seq":2`, `"seq":2.5`, "events[1].seq"},
		{"a negative seq", `"seq":2`, `"seq":-2`, "events[1].seq"},
		{"a seq beyond 32 bits", `"seq":2`, `"seq":4294967296`, "events[1].seq"},
		{"no name", `"name":"product_added",`, ``, "events[1].name"},
		{"a name that is a number", `"product_added"`, `5`, "events[1].name"},
		{"no time", `"at":"2026-11-22T10:00:01.5Z",`, ``, "events[1].at"},
		{"no address", `"url":"https://shop.example.com/p/1",`, ``, "events[1].url"},
		{"an attribute that is an object without value", `19.5`, `{}`, "events[1].attributes"},
		{"a number of a thousand digits", `19.5`, strings.Repeat("9", 1000), "events[1].attributes"},
		{"text that is not UTF-8", `"title":""`, "\"title\":\"\xc3\"", "events[1].title"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(batchBody, c.old) {
				t.Fatalf("%q is not in the example", c.old)
			}
			b, err := DecodeBatch([]byte(strings.Replace(batchBody, c.old, c.new, 1)))
			f, ok := errors.AsType[*fail.Error](err)
			if !ok || f.Kind != fail.Invalid || f.Field != c.field {
				t.Fatalf("got %+v, %#v", b, err)
			}
		})
	}
}

func TestDecodeBatchBounds(t *testing.T) {
	item := `{"seq":1,"name":"a","at":"2026-11-22T10:00:00Z","url":"https://a.example/"}`
	batch := func(n int, item string) []byte {
		return []byte(`{"visitor":"6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11","visit":"0193a6c1-0000-7000-8000-000000000001","events":[` +
			strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`)
	}
	for _, c := range []struct {
		name string
		body []byte
		kind fail.Kind
		ok   bool
	}{
		{"a hundred events are taken", batch(100, item), 0, true},
		{"one more is not", batch(101, item), fail.Invalid, false},
		{"none is not", batch(0, item), fail.Invalid, false},
		{"an event above 64 KiB is too large", batch(1, strings.Replace(item, "{", `{"x":"`+strings.Repeat("y", MaxEventBytes)+`",`, 1)), fail.TooLarge, false},
		{"so is one whose title alone is", batch(1, strings.Replace(item, "{", `{"title":"`+strings.Repeat("y", 1e6)+`",`, 1)), fail.TooLarge, false},
		{"a batch above 1 MiB is too large", append(batch(1, item), make([]byte, MaxBatchBytes)...), fail.TooLarge, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DecodeBatch(c.body); (err == nil) != c.ok || !c.ok && !fail.Is(err, c.kind) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte(batchBody))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := DecodeBatch(body)
		if err != nil {
			if k := fail.KindOf(err); k != fail.Invalid && k != fail.TooLarge {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		for i := range b.Events {
			settled(t, &b.Events[i])
		}
	})
}

func TestABatchThatIsUsedAgainForgets(t *testing.T) {
	b := new(Batch)
	for range 3 {
		for _, body := range []string{batchBody, strings.Replace(batchBody, `"attributes":{"price":19.5,"sku":"A","gift":true,"none":null},"traits":{"email":"mary@example.com"},"external_id":"crm-1"`, `"attributes":{"size":"L"}`, 1)} {
			if err := b.Decode([]byte(body)); err != nil {
				t.Fatal(err)
			}
			fresh, err := DecodeBatch([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			for i := range fresh.Events {
				equal(t, &b.Events[i], &fresh.Events[i])
			}
			if len(b.Events) != len(fresh.Events) || b.Visitor != fresh.Visitor || b.Visit != fresh.Visit {
				t.Fatalf("got %+v", b)
			}
		}
		if err := b.Decode([]byte(`{"events":[{"attributes":{"left":"over"},"name":7}]}`)); err == nil {
			t.Fatal("a broken batch was taken")
		}
	}
}
