package consent_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// surveys are questions of every shape.
func surveys() (out []consent.Survey) {
	for _, by := range append([]string{""}, consent.Groupings()...) {
		for _, q := range []consent.Survey{
			{}, {Version: 3}, {Language: "de"}, {Deployment: site}, {Deployment: uuid.New()}, {Component: "preferences"}, {Viewport: "m"},
			{Version: 2, Language: "en", Viewport: "d"},
			{From: noon.AddDate(0, 0, -9), To: noon.AddDate(0, 0, -4)},
		} {
			q.By = by
			if q.From.IsZero() {
				q.From, q.To = noon.AddDate(0, 0, -700), noon
			}
			out = append(out, q)
		}
	}
	return out
}

func TestAReportSaysTheSameOfDaysThatWereAddedUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rnd := rand.New(rand.NewPCG(9, 10))
		purposes := []string{notice.Measure, notice.Actions, notice.Predict}
		statuses := []string{"ConsentGiven", "ConsentRefused", "ConsentWithdrawn", "Objected", "ConsentExpired"}
		count := func(n int, day func() time.Time) {
			w.write(t, func(tx *store.Tx) error {
				for range n {
					effects := ""
					for i, p := range purposes[:1+rnd.IntN(3)] {
						if i > 0 {
							effects += ","
						}
						effects += p + "=" + statuses[rnd.IntN(len(statuses))]
					}
					dwell := ""
					if rnd.IntN(4) > 0 {
						dwell = consent.Dwells()[rnd.IntN(5)]
					}
					if _, err := tx.Exec(t.Context(), `
						INSERT INTO consent_tally (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects, times)
						VALUES ($1, $2, 'consent.given', $3, $4, $5, $6, $7, $8, $9, $10, $11)
						ON CONFLICT (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects)
						DO UPDATE SET times = consent_tally.times + excluded.times`,
						w.tenant, day().Format(time.DateOnly), notice.ID, 1+rnd.IntN(4), []string{"en", "de", ""}[rnd.IntN(3)], site,
						[]string{"banner", "preferences"}[rnd.IntN(2)], []string{"m", "d", ""}[rnd.IntN(3)], dwell, effects, 1+rnd.IntN(20)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		count(400, func() time.Time { return noon.AddDate(0, 0, -rnd.IntN(12)) })
		same := func(when string, want []*consent.Answers) {
			t.Helper()
			for i, q := range surveys() {
				if got := w.survey(t, q); !reflect.DeepEqual(got, want[i]) {
					t.Fatalf("%s, asked %+v: got %+v, want %+v", when, q, got, want[i])
				}
			}
		}
		answers := func() (out []*consent.Answers) {
			for _, q := range surveys() {
				out = append(out, w.survey(t, q))
			}
			return out
		}
		days := func(table string) (first, last string) {
			t.Helper()
			w.write(t, func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT coalesce(min(day), ''), coalesce(max(day), '') FROM `+table+` WHERE tenant_id = $1`, w.tenant).Scan(&first, &last)
			})
			return first, last
		}
		rollUp := func() {
			t.Helper()
			if err := w.RollUp(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
		}
		want := answers()
		if len(want[0].Cells) == 0 || !want[0].Cells[0].Given.Shown() {
			t.Fatalf("there is nothing to compare: %+v", want[0])
		}
		rollUp()
		same("added up", want)
		if first, last := days("consent_tally"); first != "2026-11-21" || last != "2026-11-22" {
			t.Errorf("singly counted are %s to %s, want the last two days", first, last)
		}
		if _, last := days("consent_rate"); last != "2026-11-20" {
			t.Errorf("added up is until %s", last)
		}
		rollUp()
		same("added up twice", want)

		// What a wrong clock brings late, for a day that was added up, counts at once and once only.
		count(50, func() time.Time { return noon.AddDate(0, 0, -7) })
		want = answers()
		rollUp()
		same("with what came late", want)
		if first, _ := days("consent_tally"); first != "2026-11-21" {
			t.Errorf("what came late stays behind at %s", first)
		}
		w.fake.Advance(48 * time.Hour)
		rollUp()
		if n := w.count(t, "consent_tally"); n != 0 {
			t.Errorf("%d counters stay", n)
		}
		same("two days later", want)
	})
}

// A small count is as hidden as before, though it stands in a table of its own.
func TestWhatWasAddedUpTellsNothingOfSinglePeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for i := range 9 {
			w.answered(t, fmt.Sprintf("2026-11-%02d", 1+i), 1, "en", "d", true, 1)
		}
		w.answered(t, "2026-11-01", 2, "en", "d", true, 14)
		if err := w.RollUp(t.Context(), w.tenant); err != nil {
			t.Fatal(err)
		}
		cells := w.survey(t, consent.Survey{By: "version"}).Cells
		if len(cells) != 1 || cells[0].Group != "2" || cells[0].Given.N != 10 || cells[0].Refused.Shown() {
			t.Errorf("got %+v", cells)
		}
		if cells = w.survey(t, consent.Survey{}).Cells; len(cells) != 1 || cells[0].Given.N != 20 {
			t.Errorf("all together: %+v", cells)
		}
	})
}
