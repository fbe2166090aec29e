package consent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

func (w *world) excerpt(t testing.TB, p consent.Period) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.Excerpt(t.Context(), w.tenant, p, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestL26_AnExcerptForARegulatorIsCompleteAndVerifiesOffline(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.choose(t, nil, notice.Measure) // before the period
		if _, err := w.ledger.Checkpoint(t.Context(), w.tenant); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(time.Hour)
		from := w.clk.Now()
		w.fake.Advance(time.Minute)
		kept := w.choose(t, nil, notice.Measure)
		gone := w.choose(t, nil, notice.Actions)
		w.choose(t, nil) // a refusal by somebody unknown
		other := w.choice(t, nil, notice.Sales)
		other.Deployment = uuid.New()
		n, err := w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: other.Deployment, NoticeID: notice.ID, Version: 1, Language: "en"})
		if err != nil {
			t.Fatal(err)
		}
		other.Nonce = n
		if _, err := w.Choose(t.Context(), w.tenant, other); err != nil {
			t.Fatal(err)
		}
		w.withdraw(t, *kept.Visitor)
		w.write(t, func(tx *store.Tx) error { return w.Erase(t.Context(), tx, []id.Subject{gone.Subject}) })
		w.fake.Advance(time.Hour)

		file := w.excerpt(t, consent.Period{From: from, To: w.clk.Now(), Site: site})
		key, err := w.ledger.VerifierKey(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		report, err := verify.Read(bytes.NewReader(file), key)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{"notice.served": 4, "consent.given": 3, "consent.refused": 1, "consent.withdrawn": 1}
		if fmt.Sprint(report.Kinds) != fmt.Sprint(want) || report.Erased != 2 || report.Withheld != 2 {
			t.Errorf("counted %v, erased %d, withheld %d", report.Kinds, report.Erased, report.Withheld)
		}
		if bytes.Contains(file, []byte(gone.Subject.String())) || bytes.Contains(file, []byte(other.Deployment.String())) {
			t.Error("the excerpt holds what was erased or was not asked for")
		}
		if bytes.Contains(file, []byte(kept.Visitor.String())) {
			t.Error("the excerpt holds the id of a visitor")
		}

		// The same file through the other door, and with every line taken out, doubled or swapped.
		if _, err := verify.File(file, key); err != nil {
			t.Error(err)
		}
		lines := bytes.SplitAfter(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
		for i := range lines {
			without := bytes.Join(append(append([][]byte{}, lines[:i]...), lines[i+1:]...), nil)
			if _, err := verify.Read(bytes.NewReader(without), key); err == nil && !bytes.HasPrefix(lines[i], []byte(`{"receipt"`)) {
				t.Errorf("line %d was left out unnoticed: %.80s", i+1, lines[i])
			}
			if bytes.HasPrefix(lines[i], []byte(`{"leaf"`)) {
				twice := bytes.Join(append(append([][]byte{}, lines[:i+1]...), lines[i:]...), nil)
				if _, err := verify.Read(bytes.NewReader(twice), key); err == nil {
					t.Errorf("line %d was doubled unnoticed", i+1)
				}
			}
			if _, err := verify.Read(bytes.NewReader(bytes.Join(lines[:i], nil)), key); err == nil {
				t.Errorf("a file cut off before line %d verifies", i+1)
			}
		}
		lie := strings.Replace(string(file), `"consent.given":3`, `"consent.given":4`, 1)
		if _, err := verify.Read(strings.NewReader(lie), key); verify.ReasonOf(err) != verify.Incomplete {
			t.Errorf("wrong counts: %v", err)
		}
	})
}

func TestAnExcerptOfNothingAndOfAPeriodThatMakesNoSense(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	var b bytes.Buffer
	if err := w.Excerpt(t.Context(), w.tenant, consent.Period{From: noon, To: noon.Add(-time.Hour)}, &b); !fail.Is(err, fail.Invalid) || b.Len() > 0 {
		t.Errorf("got %v", err)
	}
	if err := w.Excerpt(t.Context(), id.NewTenant(), consent.Period{From: noon, To: noon}, &b); !fail.Is(err, fail.NotFound) {
		t.Errorf("an organisation without a log: %v", err)
	}
	// A period in which nothing was logged.
	if _, err := w.ledger.Checkpoint(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	w.fake.Advance(time.Hour)
	report, err := verify.Read(bytes.NewReader(w.excerpt(t, consent.Period{From: w.clk.Now(), To: w.clk.Now()})))
	if err != nil || report.Kinds["consent.given"] != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// The state at any time in the past, folded from the bundle alone by somebody who has nothing else,
// is what the room says it was.
func TestL8_TheStateAtAnyTimeIsReproducibleFromTheBundleAlone(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	purposes := []string{notice.Measure, notice.Actions, notice.Predict}
	rapid.Check(t, func(rt *rapid.T) {
		first := w.choose(t, nil, notice.Measure)
		var times []time.Time
		for range rapid.IntRange(0, 5).Draw(rt, "steps") {
			w.fake.Advance(time.Duration(rapid.IntRange(1, 100).Draw(rt, "days")) * 24 * time.Hour)
			times = append(times, w.clk.Now())
			some := purposes[rapid.IntRange(0, 2).Draw(rt, "purpose"):]
			if rapid.Bool().Draw(rt, "withdraw") {
				w.withdraw(t, *first.Visitor, some...)
			} else {
				w.choose(t, first.Visitor, some...)
			}
		}
		times = append(times, w.clk.Now().Add(time.Hour), w.clk.Now().Add(400*24*time.Hour))
		b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{first.Subject})
		if err != nil {
			rt.Fatal(err)
		}
		file, err := json.Marshal(b)
		if err != nil {
			rt.Fatal(err)
		}
		report, err := verify.File(file)
		if err != nil {
			rt.Fatal(err)
		}
		for _, at := range times {
			at = at.Add(time.Duration(rapid.IntRange(-30, 30).Draw(rt, "off")) * 24 * time.Hour)
			want, err := w.StateAt(t.Context(), w.tenant, first.Subject, at)
			if err != nil {
				rt.Fatal(err)
			}
			got := map[string]verify.PurposeState{}
			for _, st := range report.StateAt(at) {
				got[st.Purpose] = st
			}
			for p, st := range want {
				g, ok := got[p]
				if !ok && st.Status == consent.Unknown {
					continue
				}
				if g.Status != string(st.Status) || g.Entry != st.Ledger || g.ID != st.RecordID.String() {
					rt.Fatalf("at %s the bundle says %+v of %s, the room %+v", at, g, p, st)
				}
			}
		}
	})
}

func TestL26_ALeftOutChoiceOfABundleIsFound(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	for range 2 {
		w.fake.Advance(time.Hour)
		w.choose(t, out.Visitor, notice.Actions)
	}
	b, err := w.Bundle(t.Context(), w.tenant, []id.Subject{out.Subject})
	if err != nil {
		t.Fatal(err)
	}
	check := func(receipts []verify.Receipt) error {
		file, err := json.Marshal(&verify.Bundle{Type: b.Type, VerifierKey: b.VerifierKey, Receipts: receipts, Certificates: b.Certificates, Consistency: b.Consistency})
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.File(file)
		return err
	}
	if err := check(b.Receipts); err != nil {
		t.Fatal(err)
	}
	at := -1 // the second choice
	for i, r := range b.Receipts {
		if strings.Contains(r.Leaf, "consent.given") {
			if at >= 0 {
				at = i
				break
			}
			at = 0
		}
	}
	if err := check(append(append([]verify.Receipt{}, b.Receipts[:at]...), b.Receipts[at+1:]...)); verify.ReasonOf(err) != verify.Incomplete {
		t.Errorf("the second choice was left out: %v", err)
	}
}
