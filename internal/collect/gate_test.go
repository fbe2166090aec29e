package collect_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/store"
)

// Whatever id an event brings, it is stored only if that very visitor allows its purpose here and now.
func TestT2_NoForgedIdOpensTheDoor(t *testing.T) {
	h := newHouse(t)
	elsewhere := id.NewTenant()
	if err := h.consent.EnsureDefaults(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	other, err := h.org.SaveDeployment(t.Context(), elsewhere, org.Deployment{ID: uuid.New(), Name: "Another site", AllowedOrigins: []string{shop}})
	if err != nil {
		t.Fatal(err)
	}
	expired := h.visitor(t, notice.Measure, notice.Actions)
	h.clk.Advance(consent.Validity)
	granted, views := h.visitor(t, notice.Measure, notice.Actions), h.visitor(t, notice.Measure)
	withdrawn := h.visitor(t, notice.Measure, notice.Actions)
	if _, err := h.consent.Withdraw(t.Context(), h.tenant, consent.Withdrawal{
		Deployment: h.deployment, Visitor: withdrawn, UI: consent.UI{Component: "preferences", Action: "withdraw_all"},
	}); err != nil {
		t.Fatal(err)
	}
	h.clk.Advance(time.Second)
	now := h.clk.Now().Format(time.RFC3339)
	forged := map[string]struct {
		deployment uuid.UUID
		draw       func(*rapid.T) uuid.UUID
	}{
		"unknown": {h.deployment, func(rt *rapid.T) uuid.UUID {
			return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "id"))
		}},
		"one bit of another's": {h.deployment, func(rt *rapid.T) uuid.UUID {
			v := granted
			bit := rapid.IntRange(0, 127).Draw(rt, "bit")
			v[bit/8] ^= 1 << (bit % 8)
			return v
		}},
		"withdrawn":         {h.deployment, func(*rapid.T) uuid.UUID { return withdrawn }},
		"expired":           {h.deployment, func(*rapid.T) uuid.UUID { return expired }},
		"lacks the purpose": {h.deployment, func(*rapid.T) uuid.UUID { return views }},
		"for another site":  {other.ID, func(*rapid.T) uuid.UUID { return granted }},
		"a subject, no visitor": {h.deployment, func(*rapid.T) uuid.UUID {
			return uuid.UUID(id.NewSubject())
		}},
	}
	for name, f := range forged {
		rapid.Check(t, func(rt *rapid.T) {
			before := h.log.len()
			visitor := f.draw(rt)
			if visitor == (uuid.UUID{}) {
				return
			}
			body := fmt.Sprintf(`{"visitor":%q,"visit":"0193a6c1-0000-7000-8000-000000000001","context":{"lang":"de","screen":[1920,1080]},`+
				`"events":[{"seq":1,"name":"product_added","at":%q,"url":"https://shop.example.com/p"}]}`, visitor, now)
			n, refused, err := h.Batch(t.Context(), f.deployment, request(body))
			if err != nil || n != 0 || len(refused) != 1 || refused[0].Code != "consent.required" {
				rt.Fatalf("%s: accepted %d, refused %+v, %v", name, n, refused, err)
			}
			single := fmt.Sprintf(`{"customerCookieId":%q,"eventName":"product_added","page":{"url":"https://shop.example.com/p","title":"Chair"},"createdDate":%q}`, visitor, now)
			if _, err := h.Web(t.Context(), f.deployment, request(single)); !fail.Is(err, fail.ConsentRequired) {
				rt.Fatalf("%s: %v", name, err)
			}
			if h.log.len() != before {
				rt.Fatalf("%s: something was stored", name)
			}
		})
	}
	body := strings.ReplaceAll(batch(granted, item(1, "product_added", "")), "2026-11-22T12:00:00Z", now)
	if n, _, err := h.Batch(t.Context(), h.deployment, request(body)); err != nil || n != 1 {
		t.Errorf("whoever agreed is refused: %d, %v", n, err)
	}
}

// Ten thousand events are in flight when their visitor withdraws: none is stored that was received
// after that instant.
func TestT3_OfTenThousandEventsInFlightNoneIsStoredThatCameAfterTheWithdrawal(t *testing.T) {
	h := newHouse(t)
	const flying = 10_000
	v := h.visitor(t, notice.Actions)
	var (
		begun     atomic.Int64
		accepted  atomic.Int64
		wg        sync.WaitGroup
		withdrawn time.Time
		start     = make(chan struct{})
	)
	for i := range flying {
		wg.Go(func() {
			<-start
			h.clk.Advance(time.Microsecond)
			if begun.Add(1) == flying/2 {
				out, err := h.consent.Withdraw(t.Context(), h.tenant, consent.Withdrawal{
					Deployment: h.deployment, Visitor: v, UI: consent.UI{Component: "preferences", Action: "withdraw_all"},
				})
				if err != nil {
					t.Error(err)
					return
				}
				history, err := h.consent.History(t.Context(), h.tenant, []id.Subject{out.Subject})
				if err != nil || len(history) != 2 {
					t.Errorf("the history is %+v, %v", history, err)
					return
				}
				withdrawn = history[1].At
			}
			n, refused, err := h.Batch(t.Context(), h.deployment, request(batch(v, item(i+1, "product_added", ""))))
			if err != nil || n+len(refused) != 1 {
				t.Errorf("event %d: %d, %v, %v", i, n, refused, err)
			}
			accepted.Add(int64(n))
		})
	}
	close(start)
	wg.Wait()
	stored := h.events(t)
	late := 0
	for _, e := range stored {
		if e.Received.After(withdrawn) {
			late++
		}
	}
	t.Logf("%d of %d were stored, %d of them received after the withdrawal", len(stored), flying, late)
	if late > 0 || len(stored) != int(accepted.Load()) || len(stored) == 0 || len(stored) == flying {
		t.Errorf("stored %d, accepted %d, late %d", len(stored), accepted.Load(), late)
	}
}

// What is refused leaves no trace of where it came from: neither in the database nor in the logs.
func TestS10_NoAddressOfSomebodyWhoDidNotAgreeIsKept(t *testing.T) {
	h := newHouse(t)
	refuser := h.visitor(t, notice.Support)
	for _, peer := range []string{"203.0.113.77", "2001:db8:1:2:3:4:5:6"} {
		for _, visitor := range []uuid.UUID{uuid.New(), refuser} {
			r := request(batch(visitor, item(1, "page_viewed", ""), item(2, "product_added", "")))
			r.Peer = netip.MustParseAddr(peer)
			if n, refused, err := h.Batch(t.Context(), h.deployment, r); err != nil || n != 0 || len(refused) != 2 {
				t.Fatal(n, refused, err)
			}
			r.Body = []byte(web(visitor, "page_viewed", ""))
			if _, err := h.Web(t.Context(), h.deployment, r); !fail.Is(err, fail.ConsentRequired) {
				t.Fatal(err)
			}
		}
	}
	if h.log.len() != 0 {
		t.Error("something was stored")
	}
	kept := h.lines.String() + h.dump(t)
	for _, part := range []string{"203.0.113", "2001:db8"} {
		if strings.Contains(kept, part) {
			t.Errorf("%s was kept", part)
		}
	}
}

// dump returns everything in the database as text.
func (h *house) dump(t testing.TB) string {
	t.Helper()
	var out strings.Builder
	err := h.db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table'`)
		if err != nil {
			return err
		}
		var tables []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, name)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if len(tables) < 10 {
			return fmt.Errorf("only %d tables", len(tables))
		}
		for _, name := range tables {
			rows, err := tx.Query(t.Context(), `SELECT * FROM "`+name+`"`)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				values := make([]any, len(columns))
				for i := range values {
					values[i] = new(any)
				}
				if err := rows.Scan(values...); err != nil {
					return err
				}
				for _, v := range values {
					if b, ok := (*v.(*any)).([]byte); ok {
						out.Write(b)
					} else {
						fmt.Fprint(&out, *v.(*any))
					}
					out.WriteByte('\n')
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
