package consent_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// recount counts in the ledger itself how often each purpose was given, refused and withdrawn.
func (w *world) recount(t testing.TB, people []id.Subject) map[string]map[consent.Status]int64 {
	t.Helper()
	records := map[int64]consent.Record{}
	list, err := w.History(t.Context(), w.tenant, people)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range list {
		records[rec.Ledger] = rec
	}
	bodies := map[int64][]byte{}
	size := int64(w.count(t, "ledger_entry"))
	for n := range size {
		var body []byte
		if rec, ok := records[n]; ok {
			receipt, err := w.Receipt(t.Context(), w.tenant, rec.Subject, rec.ID)
			if err != nil {
				t.Fatal(err)
			}
			body = receipt.Entry
		} else if receipt, err := w.ledger.Receipt(t.Context(), w.tenant, n, func([]byte) ([]byte, error) {
			return nil, fail.New(fail.Gone, "sealed, and no record of consent")
		}); err == nil {
			body = receipt.Entry
		}
		bodies[n] = body
	}
	out := map[string]map[consent.Status]int64{}
	for _, body := range bodies {
		var e struct {
			Type     string `json:"type"`
			Purposes json.RawMessage
		}
		if body == nil || json.Unmarshal(body, &e) != nil || len(e.Type) < 8 || e.Type[:8] != "consent." {
			continue
		}
		var purposes []struct {
			ID    string         `json:"id"`
			State consent.Status `json:"state"`
		}
		if err := json.Unmarshal(e.Purposes, &purposes); err != nil {
			t.Fatal(err)
		}
		for _, p := range purposes {
			if out[p.ID] == nil {
				out[p.ID] = map[consent.Status]int64{}
			}
			out[p.ID][p.State]++
		}
	}
	return out
}

func TestTalliesAgreeWithTheLedgerAndHoldNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rnd := rand.New(rand.NewPCG(3, 4))
		all := notice.DefaultPurposes()
		var people []id.Subject
		for range 40 {
			var yes []string
			for _, p := range all {
				if rnd.IntN(3) == 0 {
					yes = append(yes, p.ID)
				}
			}
			out := w.choose(t, nil, yes...)
			if !out.Subject.IsZero() {
				people = append(people, out.Subject)
			}
			if out.Visitor != nil && rnd.IntN(3) == 0 {
				w.withdraw(t, *out.Visitor)
			}
			w.fake.Advance(time.Duration(rnd.IntN(20)) * time.Hour)
		}
		got := map[string]map[consent.Status]int64{}
		w.write(t, func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT effects, times FROM consent_tally WHERE tenant_id = $1`, w.tenant)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var effects string
				var times int64
				if err := rows.Scan(&effects, &times); err != nil {
					return err
				}
				for ef := range strings.SplitSeq(effects, ",") {
					purpose, status, _ := strings.Cut(ef, "=")
					if got[purpose] == nil {
						got[purpose] = map[consent.Status]int64{}
					}
					got[purpose][consent.Status(status)] += times
				}
			}
			return rows.Err()
		})
		want := w.recount(t, people)
		for _, p := range all {
			if len(want[p.ID]) == 0 {
				t.Fatalf("the ledger says nothing about %s", p.ID)
			}
			for status, n := range want[p.ID] {
				if got[p.ID][status] != n {
					t.Errorf("%s %s: counted %d, the ledger says %d", p.ID, status, got[p.ID][status], n)
				}
			}
		}
	})
}

func TestRatesAreSummedByGroup(t *testing.T) {
	site := uuid.New()
	answer := func(version int, status consent.Status, times int64) consent.Tally {
		return consent.Tally{Version: version, Deployment: site, Answered: true, Times: times,
			Effects: []consent.Effect{{Purpose: "measure", Status: status}}}
	}
	withdrawn := consent.Tally{Version: 1, Times: 2, Effects: []consent.Effect{{Purpose: "measure", Status: consent.Withdrawn}}}
	rates := consent.Rates([]consent.Tally{answer(1, consent.Given, 30), answer(1, consent.Refused, 10), withdrawn, answer(2, consent.Given, 4)},
		func(one *consent.Tally) string { return string(rune('0' + one.Version)) })
	if len(rates) != 2 {
		t.Fatalf("got %+v", rates)
	}
	first, second := rates[0], rates[1]
	if first.Share() != 0.75 || first.Withdrawn != 2 {
		t.Errorf("the first version: %+v", first)
	}
	if second.Choices() != 4 || second.Share() != 1 {
		t.Errorf("the second version: %+v", second)
	}
}
