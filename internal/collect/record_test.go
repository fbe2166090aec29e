package collect_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/collect"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
)

func TestARecordSurvivesItsEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := collect.Record{
			Tenant: id.NewTenant(), Subject: id.NewSubject(), Deployment: uuid.New(), Event: uuid.New(),
			Received: time.UnixMicro(rapid.Int64().Draw(t, "received")).UTC(),
			Sealed:   rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "sealed"),
		}
		got, err := collect.DecodeRecord(collect.EncodeRecord(r))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Sealed, r.Sealed) || !got.Received.Equal(r.Received) || got.Tenant != r.Tenant || got.Subject != r.Subject ||
			got.Deployment != r.Deployment || got.Event != r.Event || !bytes.Equal(got.AAD(), r.AAD()) {
			t.Fatalf("got %+v, want %+v", got, r)
		}
	})
}

func TestDecodeRecordRefusesWhatIsNone(t *testing.T) {
	good := collect.EncodeRecord(collect.Record{Sealed: []byte{1}})
	newer := bytes.Clone(good)
	newer[0]++
	for name, b := range map[string][]byte{"nothing": nil, "a header without seal": good[:len(good)-1], "a newer version": newer} {
		if _, err := collect.DecodeRecord(b); !errors.Is(err, collect.ErrRecord) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

// TestNoByteOfARecordCanBeChanged flips each byte of a stored record in turn. The seal must notice,
// or the subject that the changed header names must be unknown.
func TestNoByteOfARecordCanBeChanged(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.Batch(t.Context(), h.deployment, request(batch(h.visitor(t, "measure"), item(1, "page_viewed", "")))); err != nil {
		t.Fatal(err)
	}
	raw := h.log.records[0]
	for i := range raw {
		raw[i] ^= 1
		r, err := collect.DecodeRecord(raw)
		if err == nil {
			_, err = r.Open(t.Context(), h.vault)
		}
		if err == nil {
			t.Fatalf("byte %d was changed and nobody noticed", i)
		}
		raw[i] ^= 1
	}
	if len(h.events(t)) != 1 {
		t.Fatal("the untouched record does not open")
	}
}

func TestARecordOfManyLargeEventsOpens(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "actions")
	var items []string
	text := func(n int) string { return `,"attributes":{"a":"` + string(bytes.Repeat([]byte("x"), n)) + `"}` }
	for i := range 40 { // below, at and above each border of the length in front
		items = append(items, item(i+1, "a", text(i*12)))
	}
	n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(v, items...)))
	if err != nil || n != 40 {
		t.Fatal(n, refused, err)
	}
	for i, e := range h.events(t) {
		if e.Seq != uint32(i+1) || len(e.Attributes["a"].Value) != i*12 {
			t.Fatalf("event %d: %+v", i, e)
		}
	}
	if _, err := h.Web(t.Context(), h.deployment, request(web(v, "a", `,"attributes":{`+manyAttributes()+`}`))); err != nil {
		t.Fatal(err)
	}
	if e := h.events(t)[40]; len(e.Attributes) != event.MaxAttributes {
		t.Fatalf("an event of more than 16 KiB came back with %d attributes", len(e.Attributes))
	}
}

func manyAttributes() string {
	var b bytes.Buffer
	for i := range event.MaxAttributes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `":"` + string(bytes.Repeat([]byte("y"), 500)) + `"`)
	}
	return b.String()
}

func TestAnErasedSubjectsRecordIsGone(t *testing.T) {
	h := newHouse(t)
	v := h.visitor(t, "measure")
	if _, err := h.Web(t.Context(), h.deployment, request(web(v, "page_viewed", ""))); err != nil {
		t.Fatal(err)
	}
	h.erase(t, v)
	r, err := collect.DecodeRecord(h.log.records[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(t.Context(), h.vault); !fail.Is(err, fail.Gone) {
		t.Fatalf("got %v", err)
	}
}

func TestPartitionsAreStableAndEven(t *testing.T) {
	tenant := id.NewTenant()
	const parts, n = 8, 8000
	var counts [parts]int
	for range n {
		s := id.NewSubject()
		p := collect.Partition(tenant, s, parts)
		if p != collect.Partition(tenant, s, parts) {
			t.Fatal("the same subject has two partitions")
		}
		counts[p]++
	}
	for p, c := range counts {
		if c < n/parts/2 || c > n/parts*2 {
			t.Errorf("partition %d has %d of %d", p, c, n)
		}
	}
	if collect.Partition(tenant, id.NewSubject(), 0) != 0 || collect.Partition(tenant, id.NewSubject(), 1) != 0 {
		t.Error("one partition is number 0")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(collect.EncodeRecord(collect.Record{Received: noon, Sealed: []byte("sealed")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := collect.DecodeRecord(b)
		if err != nil {
			return
		}
		if again := collect.EncodeRecord(r); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}
