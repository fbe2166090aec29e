package consent_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestS4_AFullRefusalStoresNoIdentifier(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		c := w.choice(t, nil)
		c.UI.Action = "reject_all"
		out, err := w.Choose(t.Context(), w.tenant, c)
		if err != nil {
			t.Fatal(err)
		}
		if out.Visitor != nil || !out.Subject.IsZero() {
			t.Errorf("the refuser got an identifier: %+v", out)
		}
		if out.Token != "v1.n.20261122" || !regexp.MustCompile(`^v\d+\.(n|[a-z,]+)\.\d{8}$`).MatchString(out.Token) {
			t.Errorf("the token is %q", out.Token)
		}
		if other := w.choose(t, nil); other.Token != out.Token {
			t.Error("two refusers of one day can be told apart by their tokens")
		}
		for _, table := range []string{"subject", "subject_identity", "consent_record"} {
			if n := w.count(t, table); n != 0 {
				t.Errorf("%s has %d rows", table, n)
			}
		}
		entry := w.verified(t, out.Receipt)
		if entry["type"] != ledger.ConsentRefused || entry["subject"] != nil {
			t.Errorf("the entry is %v", entry)
		}
		if entry["id"] != out.RecordID.String() {
			t.Errorf("the entry's id is %v", entry["id"])
		}
		for p, yes := range out.Purposes {
			if yes {
				t.Errorf("%s is granted", p)
			}
		}
	})
}

func TestS6_AGrantOpensTheGateForWhatWasGrantedAndNothingElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		out := w.choose(t, nil, notice.Measure, notice.Predict)
		if out.Visitor == nil {
			t.Fatal("there is no visitor id")
		}
		if out.Token != "v1.measure,predict.20261122" {
			t.Errorf("the token is %q", out.Token)
		}
		for _, p := range notice.DefaultPurposes() {
			want := p.ID == notice.Measure || p.ID == notice.Predict
			if out.Purposes[p.ID] != want {
				t.Errorf("the outcome says %v for %s", out.Purposes[p.ID], p.ID)
			}
			g, err := w.Gate(t.Context(), w.tenant, out.Subject, p.ID)
			if want && (err != nil || g.Basis != "consent" || g.Ledger < 0 || g.Declared != "") {
				t.Errorf("the gate for %s: %+v, %v", p.ID, g, err)
			}
			if !want && !fail.Is(err, fail.ConsentRequired) {
				t.Errorf("the gate for %s: %+v, %v", p.ID, g, err)
			}
		}
		if has, err := w.vault.Has(t.Context(), w.tenant, out.Subject); err != nil || !has {
			t.Errorf("the subject has no key: %v", err)
		}
	})
}

func TestL2_AnEntrySaysAllThatIsKnown(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.Describe(consent.Terms{Jurisdiction: "DE", Storage: "DE", Retention: "P90D", Build: build})
	first := w.choose(t, nil, notice.Measure)
	w.fake.Advance(time.Minute)
	c := w.choice(t, first.Visitor, notice.Measure, notice.Actions)
	c.DNT = true
	out, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	notice, err := w.Notice(t.Context(), w.tenant, "en")
	if err != nil {
		t.Fatal(err)
	}
	got := w.verified(t, out.Receipt)
	config := w.configDigest(t)
	served, _ := got["served"].(map[string]any)
	if served == nil || len(served["nonce"].(string)) != 32 {
		t.Errorf("L4: the entry does not say what was served: %v", got["served"])
	} else {
		delete(served, "nonce")
		if which, err := uuid.Parse(served["id"].(string)); err != nil || which == out.RecordID {
			t.Errorf("L4: the entry of the notice served is %v, %v", served["id"], err)
		}
		delete(served, "id")
	}
	want := `{
			"schema": "probity/consent/1", "id": "` + out.RecordID.String() + `", "type": "consent.given",
			"subject": "` + out.Subject.String() + `", "site": "` + site.String() + `", "source": "banner",
			"purposes": [
				{"id": "actions", "state": "ConsentGiven", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "identity", "state": "ConsentRefused", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "marketing", "state": "ConsentRefused", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "measure", "state": "ConsentGiven", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "predict", "state": "ConsentRefused", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "sales", "state": "ConsentRefused", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1},
				{"id": "support", "state": "ConsentRefused", "basis": "6(1)(a)", "source": "banner", "conditional": false, "version": 1}
			],
			"notice": {"id": "privacy", "version": 1, "text_sha256": "` + notice.SHA256 + `", "layout_sha256": "` + sha(build.Files["banner.css"]) + `", "layout_seen": "assumed", "language": "en"},
			"build": {"banner_sha256": "` + sha(build.Files["banner.js"]) + `", "config_sha256": "` + config + `", "sdk_version": "1a2b3c"},
			"controller_id": "` + w.tenant.String() + `", "recipients_version": "privacy/1", "storage_location": "DE", "retention": "P90D", "tc_string": "none",
			"served": {"issued_at": "2026-11-22T12:01:00.000000Z", "dwell_ms": 4200},
			"ui": {"component": "banner", "action": "save", "dwell_ms": 4200, "trusted": true, "viewport": "d"},
			"signals": {"gpc": false, "dnt": true}, "conflicts_with_gpc": false, "conditional_services": [],
			"valid_until": "2027-05-23T12:01:00.000000Z",
			"client_time": "2026-11-22T12:01:02.000000Z", "client_clock_skewed": false,
			"server_time": "2026-11-22T12:01:00.000000Z",
			"prev_id": "` + first.RecordID.String() + `",
			"withdrawal_method": "/privacy/", "jurisdiction": "DE", "actor": "data_subject", "proof_level": "first-hand"
		}`
	var wanted map[string]any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	a, _ := json.MarshalIndent(got, "", " ")
	b, _ := json.MarshalIndent(wanted, "", " ")
	if string(a) != string(b) {
		t.Errorf("the entry is\n%s\nwant\n%s", a, b)
	}
}

func TestL14_AReceiptHoldsTheNoticeThatWasShown(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	w.verified(t, out.Receipt)
	artefact, err := w.Artefact(t.Context(), w.tenant, notice.ID, 1, "en")
	if err != nil {
		t.Fatal(err)
	}
	if out.Receipt.Notice == nil || out.Receipt.Notice.Text != string(artefact) {
		t.Error("the receipt does not hold the exact notice")
	}
	again, err := w.Receipt(t.Context(), w.tenant, out.Subject, out.RecordID)
	if err != nil {
		t.Fatal(err)
	}
	w.verified(t, again)
	if _, err := w.Receipt(t.Context(), w.tenant, id.NewSubject(), out.RecordID); !fail.Is(err, fail.NotFound) {
		t.Errorf("somebody else's receipt: %v", err)
	}
}

func TestL15_AnEntryHoldsNoDirectIdentifier(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	if strings.Contains(string(out.Receipt.Entry), out.Visitor.String()) {
		t.Error("the entry names the visitor's cookie")
	}
}

func TestL5_TheServersClockCountsAndASkewedBrowserIsFlagged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	c := w.choice(t, nil, notice.Measure)
	c.ClientTime = noon.Add(-3 * time.Hour)
	out, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	entry := w.verified(t, out.Receipt)
	if entry["client_clock_skewed"] != true || entry["server_time"] != "2026-11-22T12:00:00.000000Z" || entry["client_time"] != "2026-11-22T09:00:00.000000Z" {
		t.Errorf("the entry says %v, %v, %v", entry["client_clock_skewed"], entry["server_time"], entry["client_time"])
	}
}

func TestL24_AForgedStaleForeignOrUsedNonceIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, c := range []struct {
		name   string
		change func(c *consent.Choice)
		kind   fail.Kind
		code   string
	}{
		{"an invented nonce", func(c *consent.Choice) { c.Nonce = "AAAA" }, fail.Invalid, "consent.nonce.bad"},
		{"a nonce with a changed character", func(c *consent.Choice) {
			b := []byte(c.Nonce)
			b[30] ^= 1
			c.Nonce = string(b)
		}, fail.Invalid, "consent.nonce.bad"},
		{"a nonce of another deployment", func(c *consent.Choice) { c.Deployment = uuid.New() }, fail.Invalid, "consent.nonce.foreign"},
		{"a nonce that is a day old", func(*consent.Choice) { w.fake.Advance(consent.NonceLife) }, fail.Conflict, "consent.nonce.stale"},
		{"a nonce from the future", func(*consent.Choice) { w.fake.Advance(-2 * time.Hour) }, fail.Conflict, "consent.nonce.stale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.count(t, "ledger_entry")
			choice := w.choice(t, nil, notice.Measure)
			c.change(&choice)
			_, err := w.Choose(t.Context(), w.tenant, choice)
			wantCode(t, err, c.kind, c.code)
			if n := w.count(t, "ledger_entry"); n != before {
				t.Errorf("%d entries were made", n-before)
			}
		})
	}
	choice := w.choice(t, nil, notice.Measure)
	if _, err := w.Choose(t.Context(), w.tenant, choice); err != nil {
		t.Fatal(err)
	}
	_, err := w.Choose(t.Context(), w.tenant, choice)
	wantCode(t, err, fail.Conflict, "consent.nonce.used")
	other := id.NewTenant()
	if err := w.EnsureDefaults(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err = w.Choose(t.Context(), other, w.choice(t, nil, notice.Measure))
	wantCode(t, err, fail.Invalid, "consent.nonce.bad")
}

func wantCode(t *testing.T, err error, kind fail.Kind, code string) {
	t.Helper()
	e, ok := err.(*fail.Error)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("got %#v, want kind %v and code %s", err, kind, code)
	}
}

func TestL23_OneNonceMakesOneEntryHoweverOftenItIsSentAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		choice := w.choice(t, nil, notice.Measure)
		before := w.count(t, "ledger_entry")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 8 {
			wg.Go(func() {
				_, err := w.Choose(t.Context(), w.tenant, choice)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !fail.Is(err, fail.Conflict) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.count(t, "ledger_entry"); won != 1 || n != before+2 { // what was served, and the choice
			t.Errorf("%d calls won and %d entries were made", won, n-before)
		}
		if n := w.count(t, "consent_record"); n != 1 {
			t.Errorf("%d records were made", n)
		}
	})
}

func TestT2_NoForgedNonceIsEverAccepted(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	good := w.choice(t, nil, notice.Measure)
	rapid.Check(t, func(rt *rapid.T) {
		c := good
		switch rapid.IntRange(0, 2).Draw(rt, "how") {
		case 0:
			c.Nonce = rapid.StringMatching(`[A-Za-z0-9_-]{0,200}`).Draw(rt, "nonce")
		case 1:
			b := []byte(c.Nonce)
			i := rapid.IntRange(0, len(b)-1).Draw(rt, "at")
			b[i] = rapid.SampledFrom([]byte("ABCxyz019_-")).Draw(rt, "to")
			c.Nonce = string(b)
		default:
			c.Nonce = c.Nonce[:rapid.IntRange(0, len(c.Nonce)-1).Draw(rt, "cut")]
		}
		if c.Nonce == good.Nonce {
			return
		}
		if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Invalid) {
			rt.Fatalf("%q: %v", c.Nonce, err)
		}
	})
}

func TestAChoiceMustAnswerEveryPurposeAndNoOther(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, c := range []struct {
		name   string
		field  string
		change func(c *consent.Choice)
	}{
		{"a purpose is left out", "purposes.predict", func(c *consent.Choice) { delete(c.Purposes, "predict") }},
		{"a purpose is invented", "purposes", func(c *consent.Choice) { c.Purposes["telepathy"] = true }},
		{"no component", "ui.component", func(c *consent.Choice) { c.UI.Component = "" }},
		{"closing the banner is no choice", "ui.action", func(c *consent.Choice) { c.UI.Action = "dismiss" }},
		{"accepting all leaves one out", "purposes.actions", func(c *consent.Choice) { c.UI.Action = "accept_all" }},
		{"rejecting all accepts one", "purposes.measure", func(c *consent.Choice) { c.UI.Action = "reject_all" }},
		{"a negative dwell time", "ui.dwell_ms", func(c *consent.Choice) { c.UI.DwellMS = -1 }},
		{"an unknown viewport", "ui.viewport", func(c *consent.Choice) { c.UI.Viewport = "watch" }},
		{"no deployment", "deployment", func(c *consent.Choice) { c.Deployment = uuid.Nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice := w.choice(t, nil, notice.Measure)
			c.change(&choice)
			_, err := w.Choose(t.Context(), w.tenant, choice)
			if e, ok := err.(*fail.Error); !ok || e.Kind != fail.Invalid || e.Field != c.field {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestAVisitorIDThatNobodyKnowsIsNotTakenOver(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	mine := uuid.New()
	out := w.choose(t, &mine, notice.Measure)
	if *out.Visitor == mine {
		t.Error("the browser chose its own identifier")
	}
	refused := w.choose(t, &mine)
	if refused.Visitor != nil || !refused.Subject.IsZero() {
		t.Errorf("a refusal under an unknown id made %+v", refused)
	}
}

func TestG1_UnderGPCMarketingIsRefusedByTheSignalAndNothingIsGranted(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	c := w.choice(t, nil)
	c.GPC = true
	out, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	if out.Visitor != nil {
		t.Error("the signal granted something")
	}
	entry := w.verified(t, out.Receipt)
	if entry["conflicts_with_gpc"] != false || entry["signals"].(map[string]any)["gpc"] != true {
		t.Errorf("the entry says %v, %v", entry["conflicts_with_gpc"], entry["signals"])
	}
	for _, p := range entry["purposes"].([]any) {
		p := p.(map[string]any)
		want := "banner"
		if p["id"] == notice.Marketing {
			want = "gpc"
		}
		if p["source"] != want {
			t.Errorf("%v was refused by %v", p["id"], p["source"])
		}
	}
}

func TestG4_AnExplicitGrantUnderGPCWinsAndIsMarked(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	c := w.choice(t, nil, notice.Marketing)
	c.GPC = true
	out, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	if entry := w.verified(t, out.Receipt); entry["conflicts_with_gpc"] != true {
		t.Error("the conflict is not recorded")
	}
	if !w.open(t, out.Subject, notice.Marketing) {
		t.Error("the explicit grant does not count")
	}
	history, err := w.History(t.Context(), w.tenant, []id.Subject{out.Subject})
	if err != nil || len(history) != 1 || !history[0].ConflictsWithGPC {
		t.Errorf("the history is %+v, %v", history, err)
	}
	c = w.choice(t, nil, notice.Measure)
	c.GPC = true
	if out, err = w.Choose(t.Context(), w.tenant, c); err != nil {
		t.Fatal(err)
	}
	if entry := w.verified(t, out.Receipt); entry["conflicts_with_gpc"] != false {
		t.Error("a grant of a purpose that shares nothing is marked as a conflict")
	}
}

func TestG1_AcceptingAllUnderGPCMayLeaveOutWhatTheSignalRefuses(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	c := w.choice(t, nil, notice.Measure, notice.Actions, notice.Identity, notice.Predict, notice.Support, notice.Sales)
	c.UI.Action = "accept_all"
	if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Invalid) {
		t.Errorf("without the signal: %v", err)
	}
	c.GPC = true
	out, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	if out.Purposes[notice.Marketing] || !out.Purposes[notice.Sales] {
		t.Errorf("the outcome is %v", out.Purposes)
	}
}

func TestUsedNoncesAreSweptOnceTheyAreStale(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.choose(t, nil)
	if n, err := w.Sweep(t.Context(), w.tenant); err != nil || n != 0 {
		t.Errorf("swept %d fresh nonces: %v", n, err)
	}
	w.fake.Advance(26 * time.Hour)
	if n, err := w.Sweep(t.Context(), w.tenant); err != nil || n != 1 {
		t.Errorf("swept %d stale nonces: %v", n, err)
	}
}

func TestB29_AChoiceSaysNothingAboutWhatRestsOnAnotherBasis(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.publishWith(t, notice.Actions, notice.LegitimateInterest)
		choice := w.choice(t, nil, notice.Measure)
		if _, err := w.Choose(t.Context(), w.tenant, choice); !fail.Is(err, fail.Invalid) {
			t.Fatalf("a choice about a legitimate interest: %v", err)
		}
		delete(choice.Purposes, notice.Actions)
		out, err := w.Choose(t.Context(), w.tenant, choice)
		if err != nil {
			t.Fatal(err)
		}
		if out.Purposes[notice.Actions] {
			t.Error("without a recorded assessment the other basis opens the gate")
		}
		if _, err := w.Declare(t.Context(), w.tenant, consent.Declaration{
			Deployment: site, Basis: string(notice.LegitimateInterest), Purposes: []string{notice.Actions}, Assessment: "The interest in a working basket was weighed against that of the visitors.",
		}); err != nil {
			t.Fatal(err)
		}
		choose := func(visitor *uuid.UUID, yes ...string) *consent.Outcome {
			t.Helper()
			c := w.choice(t, visitor, yes...)
			c.Nonce = w.nonceFor(t, 2)
			delete(c.Purposes, notice.Actions)
			out, err := w.Choose(t.Context(), w.tenant, c)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		out = choose(out.Visitor, notice.Measure)
		if !out.Purposes[notice.Actions] || !strings.HasPrefix(out.Token, "v1.measure,actions.") {
			t.Errorf("the declared purpose is %v, the token %s", out.Purposes[notice.Actions], out.Token)
		}
		objected, err := w.ObjectFrom(t.Context(), w.tenant, consent.Withdrawal{
			Deployment: site, Visitor: *out.Visitor, Purposes: []string{notice.Actions}, UI: consent.UI{Component: "preferences", Action: "save"},
		})
		if err != nil || objected.Purposes[notice.Actions] || objected.RecordID == uuid.Nil {
			t.Fatalf("%+v, %v", objected, err)
		}
		// Agreeing to everything else takes no objection back.
		if out = choose(out.Visitor, notice.Measure, notice.Identity, notice.Predict, notice.Support, notice.Sales, notice.Marketing); out.Purposes[notice.Actions] {
			t.Error("the objection was lost with the next choice")
		}
		if out = choose(nil); out.Visitor != nil || out.Purposes[notice.Actions] {
			t.Errorf("after a full refusal by a stranger: %+v", out)
		}
	})
}

func TestG1_DoNotTrackCountsOnlyWhereItIsHonoured(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	choice := w.choice(t, nil, notice.Measure, notice.Actions, notice.Identity, notice.Predict, notice.Support, notice.Sales)
	choice.UI.Action, choice.DNT = "accept_all", true
	if _, err := w.Choose(t.Context(), w.tenant, choice); !fail.Is(err, fail.Invalid) {
		t.Fatalf("all was accepted but what shares: %v", err)
	}
	choice.HonourDNT = true
	out, err := w.Choose(t.Context(), w.tenant, choice)
	if err != nil {
		t.Fatal(err)
	}
	if out.Purposes[notice.Marketing] || !out.Purposes[notice.Measure] {
		t.Errorf("got %v", out.Purposes)
	}
	var entry struct {
		Signals  struct{ DNT bool }
		Purposes []struct{ ID, State, Source string }
	}
	if err := json.Unmarshal(out.Receipt.Entry, &entry); err != nil {
		t.Fatal(err)
	}
	if !entry.Signals.DNT {
		t.Error("the signal is not recorded")
	}
	for _, p := range entry.Purposes {
		if want := map[bool]string{true: "dnt", false: "banner"}[p.ID == notice.Marketing]; p.Source != want {
			t.Errorf("%s was decided by %s, want %s", p.ID, p.Source, want)
		}
	}
}
