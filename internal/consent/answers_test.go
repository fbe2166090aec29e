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

// answered puts as many equal choices into the counters.
func (w *world) answered(t testing.TB, day string, version int, lang, viewport string, yes bool, times int) {
	t.Helper()
	effects := "measure=ConsentRefused"
	kind := "consent.refused"
	if yes {
		effects, kind = "measure=ConsentGiven", "consent.given"
	}
	w.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `
			INSERT INTO consent_tally (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects, times)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 'banner', $8, $9, $10, $11)`,
			tx.TenantID(), day, kind, notice.ID, version, lang, site, viewport, consent.Dwells()[1], effects, times)
		return err
	})
}

func (w *world) survey(t testing.TB, q consent.Survey) *consent.Answers {
	t.Helper()
	if q.From.IsZero() {
		q.From, q.To = noon.AddDate(0, 0, -30), noon
	}
	rep, err := w.Answers(t.Context(), w.tenant, q)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestAnswersAreSplitAndNarrowedByWhatIsAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.answered(t, "2026-11-20", 2, "en", "d", true, 30)
		w.answered(t, "2026-11-20", 2, "en", "d", false, 70)
		w.answered(t, "2026-11-21", 10, "de", "m", true, 20)
		w.answered(t, "2026-11-21", 10, "en", "m", false, 20)
		w.answered(t, "2026-09-01", 10, "en", "m", false, 500) // before the period
		for by, want := range map[string]string{
			"":           " 50/140",
			"version":    "2 30/100, 10 20/40", // as numbers
			"language":   "de 20/20, en 30/120",
			"viewport":   "d 30/100, m 20/40",
			"day":        "2026-11-20 30/100, 2026-11-21 20/40",
			"component":  "banner 50/140",
			"deployment": site.String() + " 50/140",
		} {
			var got []string
			for _, c := range w.survey(t, consent.Survey{By: by}).Cells {
				got = append(got, c.Group+" "+c.Given.String()+"/"+c.Answers.String())
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("by %q: %v, want %s", by, got, want)
			}
		}
		for what, q := range map[string]consent.Survey{
			"30/100": {Version: 2}, "20/20": {Language: "de"}, "20/40": {Viewport: "m"}, "50/140": {Deployment: site, Component: "banner"},
		} {
			cells := w.survey(t, q).Cells
			if len(cells) != 1 || cells[0].Given.String()+"/"+cells[0].Answers.String() != what {
				t.Errorf("%+v: %+v, want %s", q, cells, what)
			}
		}
		if got := w.survey(t, consent.Survey{Deployment: uuid.New()}).Cells; len(got) != 0 {
			t.Errorf("another deployment: %+v", got)
		}
		for _, bad := range []consent.Survey{{By: "subject"}, {Viewport: "x"}, {From: noon, To: noon.AddDate(0, 0, -1)}, {From: noon.AddDate(-5, 0, 0), To: noon}} {
			if bad.From.IsZero() {
				bad.From, bad.To = noon, noon
			}
			if _, err := w.Answers(t.Context(), w.tenant, bad); !fail.Is(err, fail.Invalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

func TestCountsThatCouldTellOfSinglePeopleAreNotShown(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.answered(t, "2026-11-20", 1, "en", "d", true, 97)
	w.answered(t, "2026-11-20", 1, "en", "d", false, 3)
	w.answered(t, "2026-11-20", 2, "en", "d", true, 9)
	w.answered(t, "2026-11-20", 3, "en", "d", true, 4)
	w.answered(t, "2026-11-20", 3, "en", "d", false, 6)
	w.answered(t, "2026-11-20", 4, "en", "d", false, 44)
	w.answered(t, "2026-11-20", 5, "en", "d", true, 25)
	w.answered(t, "2026-11-20", 5, "en", "d", false, 74)
	cells := w.survey(t, consent.Survey{By: "version"}).Cells
	want := []string{
		"1 100: 100, fewer than 10", // of 2 nothing is said, not even that it was there
		"3 10: fewer than 10, fewer than 10",
		"4 40: fewer than 10, 40", // that nobody agreed would tell of all
		"5 100: 30, 70",
	}
	if len(cells) != len(want) {
		t.Fatalf("got %+v", cells)
	}
	for i, c := range cells {
		if got := c.Group + " " + c.Answers.String() + ": " + c.Given.String() + ", " + c.Refused.String(); got != want[i] {
			t.Errorf("got %s, want %s", got, want[i])
		}
	}
	if c := cells[0]; c.Low != 100.0/109 || c.High != 1 || !c.Steers {
		t.Errorf("the share that stands for 97 of 100: %+v", c)
	}
	if c := cells[3]; c.Low != 0.3 || c.High != 0.3 || c.Steers || cells[2].Steers {
		t.Errorf("the share of rounded counts: %+v", c)
	}
	out, err := json.Marshal(cells[0])
	if err != nil || !strings.Contains(string(out), `"given":100,"refused":null`) {
		t.Errorf("as JSON: %s, %v", out, err)
	}
	cells[1].Group, cells[3].Group = "=HYPERLINK(1)", "@x"
	var table strings.Builder
	if err := (&consent.Answers{Cells: cells}).CSV(&table); err != nil || strings.Contains(table.String(), "97") ||
		!strings.Contains(table.String(), "4,measure,40,fewer than 10,40,fewer than 10,0.0000,0.1837") ||
		!strings.Contains(table.String(), "\n'=HYPERLINK(1),") || !strings.Contains(table.String(), "\n'@x,") {
		t.Errorf("as a table: %s, %v", table.String(), err)
	}
}

// TestTwoPagesThatDifferByAFewPeopleDoNotTellWhatTheseSaid plays the reader who asks twice, with and
// without a small group, and takes one answer from the other.
func TestTwoPagesThatDifferByAFewPeopleDoNotTellWhatTheseSaid(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		n := rnd.Int64N(500)
		few := 1 + rnd.Int64N(consent.FewerThan-1)
		with, without := consent.CountOf(n+few), consent.CountOf(n)
		if step := with.N - without.N; with.Shown() && without.Shown() && step != 0 && step != consent.RoundedTo {
			t.Fatalf("%d and %d more are shown as %s and %s", n, few, without, with)
		}
		if with.Shown() && with.N%consent.RoundedTo != 0 || with.Shown() != (n+few >= consent.FewerThan) {
			t.Fatalf("%d is shown as %s", n+few, with)
		}
	}
	// What the few said does not follow: all of them may have agreed, or none.
	w := newWorld(t, storetest.SQLite(t))
	w.answered(t, "2026-11-20", 1, "en", "d", true, 42)
	w.answered(t, "2026-11-20", 1, "en", "d", false, 36)
	w.answered(t, "2026-11-20", 1, "de", "d", false, 2)
	all, some := w.survey(t, consent.Survey{}), w.survey(t, consent.Survey{Language: "en"})
	if a, b := all.Cells[0], some.Cells[0]; a != b {
		t.Errorf("with the two %+v, without %+v", a, b)
	}
	if rep := w.survey(t, consent.Survey{Language: "de"}); len(rep.Cells) != 0 {
		t.Errorf("of two people is told %+v", rep.Cells)
	}
}

func TestNoticesServedAndNotAnsweredAreCounted(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for range 30 {
		w.nonce(t) // shown, and left alone
	}
	for range 12 {
		w.choose(t, nil, "measure")
	}
	if err := w.FlushShown(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	rep := w.survey(t, consent.Survey{By: "version"})
	if len(rep.Reach) != 1 || rep.Reach[0].Served.N != 40 || rep.Reach[0].Answered.N != 10 || rep.Reach[0].Silent.N != 30 {
		t.Errorf("got %+v", rep.Reach)
	}
	if rep.Waits[1].Choices.N != 10 || rep.Waits[0].Choices.Shown() {
		t.Errorf("the time to choice: %+v", rep.Waits)
	}
	if got := w.survey(t, consent.Survey{By: "viewport"}).Reach; len(got) != 0 {
		t.Errorf("what nobody knows is reported: %+v", got)
	}
}

// seedChoices writes n records of people and their counters as straight rows: what is measured is
// reading. They are spread over a hundred days, in which one version followed the other, and over six
// languages; four in ten agree to everything, four to nothing, and two to something.
func (w *world) seedChoices(b testing.TB, n, versions int) {
	b.Helper()
	langs := []string{"en", "de", "fr", "es", "it", "pl"}
	purposes := []string{"measure", "actions", "identity", "predict", "support", "sales", "marketing"}
	rnd := rand.New(rand.NewPCG(7, 8))
	w.write(b, func(tx *store.Tx) error {
		for i := range n {
			minutes := rnd.IntN(100 * 24 * 60)
			at := noon.Add(-time.Duration(minutes) * time.Minute)
			var effects []string
			kind, mood := "consent.refused", rnd.IntN(10)
			for _, p := range purposes {
				if mood < 4 || mood > 7 && rnd.IntN(2) == 0 {
					effects, kind = append(effects, p+"=ConsentGiven"), "consent.given"
				} else {
					effects = append(effects, p+"=ConsentRefused")
				}
			}
			version, lang, said := versions-minutes*versions/(100*24*60), langs[rnd.IntN(len(langs))], strings.Join(effects, ",")
			subject, record := id.NewSubject(), uuid.New()
			if _, err := tx.Exec(b.Context(), `
				INSERT INTO consent_record (tenant_id, subject, ledger, record, kind, source, deployment, at, until, notice, version, language, effects, gpc, served)
				VALUES ($1, $2, $3, $4, $5, 'banner', $6, $7, $8, $9, $10, $11, $12, FALSE, -1)`, w.tenant, subject, i, record, kind, site,
				at.UnixMicro(), at.Add(consent.Validity).UnixMicro(), notice.ID, version, lang, said); err != nil {
				return err
			}
			if _, err := tx.Exec(b.Context(), `
				INSERT INTO consent_tally (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects, times)
				VALUES ($1, $2, $3, $4, $5, $6, $7, 'banner', $8, $9, $10, 1)
				ON CONFLICT (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects)
				DO UPDATE SET times = consent_tally.times + 1`, w.tenant, at.Format(time.DateOnly), kind, notice.ID, version, lang, site,
				[]string{"m", "d"}[rnd.IntN(2)], consent.Dwells()[rnd.IntN(5)], said); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkAnswers(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		w := newWorld(b, engine.open(b))
		w.seedChoices(b, 100_000, 50)
		start := time.Now()
		if err := w.RollUp(b.Context(), w.tenant); err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d days were added up in %v", engine.name, 99, time.Since(start))
		for _, by := range append([]string{""}, consent.Groupings()...) {
			for period, days := range map[string]int{"30 days": 30, "all time": 365} {
				b.Run(engine.name+"/"+period+"/by="+by, func(b *testing.B) {
					for b.Loop() {
						if _, err := w.Answers(b.Context(), w.tenant, consent.Survey{By: by, From: noon.AddDate(0, 0, -days), To: noon}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
