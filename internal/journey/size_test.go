package journey_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/store/storetest"
)

// traffic makes events as a shop sees them: visitors with a device, a way they came, pages with
// addresses and titles that differ, an action now and then.
type traffic struct {
	r      *rand.Rand
	events map[id.Subject]*shopper
}

type shopper struct {
	at       time.Time
	device   event.Device
	browser  event.Browser
	ip       string
	referrer *event.Referrer
	visit    uuid.UUID
	seq      uint32
}

func newTraffic(seed uint64) *traffic {
	return &traffic{r: rand.New(rand.NewPCG(seed, 1)), events: make(map[id.Subject]*shopper)}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (t *traffic) uuid() (u uuid.UUID) {
	binary.LittleEndian.PutUint64(u[:8], t.r.Uint64())
	binary.LittleEndian.PutUint64(u[8:], t.r.Uint64())
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

func (t *traffic) next(sub id.Subject) *event.Event {
	s := t.events[sub]
	if s == nil {
		s = &shopper{
			at:      noon.Add(time.Duration(t.r.Int64N(int64(time.Hour)))),
			device:  event.Device{Category: pick(t.r, "desktop", "mobile", "tablet"), OSFamily: pick(t.r, "Windows", "Linux", "iOS", "Android"), OSVersion: pick(t.r, "10", "17", "14"), ScreenWidth: pick(t.r, 390, 1920, 1440), ScreenHeight: pick(t.r, 844, 1080, 900)},
			browser: event.Browser{Family: pick(t.r, "Chrome", "Firefox", "Safari"), Version: pick(t.r, "142", "133", "17"), Lang: pick(t.r, "en-US", "de-DE")},
			ip:      fmt.Sprintf("%d.%d.%d.0", 1+t.r.IntN(220), t.r.IntN(256), t.r.IntN(256)),
		}
		if t.r.IntN(2) == 0 {
			s.referrer = &event.Referrer{URL: "https://www.google.com/", Host: "www.google.com", Domain: "google.com", Path: "/", Medium: "search", Name: "Google"}
		}
		t.events[sub] = s
	}
	s.at = s.at.Add(time.Duration(5+t.r.IntN(90)) * time.Second).Truncate(time.Millisecond)
	if s.seq == 0 || t.r.IntN(3) > 0 {
		s.visit, s.seq = t.uuid(), 0
	}
	s.seq++
	product := t.r.IntN(500)
	ev := &event.Event{
		ID: id.New(), Name: event.PageViewed, At: s.at, Received: s.at.Add(time.Duration(20+t.r.IntN(300)) * time.Millisecond),
		Seq: s.seq, Visit: s.visit, Deployment: uuid.UUID{1, 2, 3, 4},
		Page: event.Page{
			URL:   fmt.Sprintf("https://shop.example.com/garden/tools/product-%d?utm_source=mail", product),
			Title: fmt.Sprintf("Product number %d, hand made – Example shop", product), Host: "shop.example.com", Domain: "example.com",
			Path: fmt.Sprintf("/garden/tools/product-%d", product), Query: "utm_source=mail", Lang: "en",
		},
		Referrer: s.referrer, Device: s.device, Browser: s.browser, IP: s.ip,
		Purpose: "measure", Ground: event.Ground{Basis: "consent", Ledger: int64(t.r.IntN(1 << 20))},
	}
	if t.r.IntN(4) == 0 {
		ev.Name, ev.Purpose = pick(t.r, "product_added", "filter_used", "video_played"), "actions"
		ev.Attributes = map[string]event.Attr{
			"product": {Type: event.TypeString, Value: fmt.Sprintf("sku-%05d", product)},
			"price":   {Type: event.TypeNumber, Value: fmt.Sprintf("%d.%02d", t.r.IntN(200), t.r.IntN(100))},
		}
	}
	s.referrer = nil
	return ev
}

// bytesPerEvent stores the events of so many visitors, each a little at a time as they would come
// in, ends all sessions, and returns the growth of the database per event.
func bytesPerEvent(t *testing.T, visitors, each int) float64 {
	db := storetest.SQLite(t)
	r := newRoom(t, db)
	tr := newTraffic(uint64(each))
	plan := offerPlan(t, r)
	subjects := make([]id.Subject, visitors)
	all := make([]*journey.Visitor, visitors)
	for i := range subjects {
		subjects[i] = id.NewSubject()
		all[i] = journey.NewVisitor(subjects[i])
	}
	if err := r.keys.CreateSubjects(t.Context(), r.tenant, subjects); err != nil {
		t.Fatal(err)
	}
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty, err := db.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	env := journey.Env{Allow: func(string) bool { return true }}
	total := 0
	var last time.Time
	for done := 0; done < each; done += 2 {
		var changes []*journey.Change
		for i, v := range all {
			var fx journey.Effects
			for range min(2, each-done) {
				ev := tr.next(subjects[i])
				v.ApplyTo(&fx, plan, ev, &env)
				last = maxTime(last, ev.Received)
				total++
			}
			changes = append(changes, r.seal(plan, v, &fx))
		}
		r.save(changes...)
	}
	var changes []*journey.Change
	for _, v := range all {
		fx := v.Tick(plan, last.Add(time.Hour), env)
		changes = append(changes, r.seal(plan, v, &fx))
	}
	r.save(changes...)
	// The write-ahead log is as large as the busiest moment needed, however many events are stored.
	if err := db.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	full, err := db.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return float64(full-empty) / float64(total)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func TestAnEventTakesAtMost250Bytes(t *testing.T) {
	for _, c := range []struct{ visitors, each int }{{800, 20}, {10, 1000}} {
		t.Run(fmt.Sprintf("%d events of each visitor", c.each), func(t *testing.T) {
			n := bytesPerEvent(t, c.visitors, c.each)
			t.Logf("%.0f bytes per event", n)
			if n > 250 {
				t.Errorf("%.0f bytes per event", n)
			}
		})
	}
}
