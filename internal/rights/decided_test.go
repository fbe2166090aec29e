package rights_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/internal/tombstone"
)

// decided is an installation of which a backup was made before people decided all kinds of things.
type decided struct {
	tenant                                                                     id.Tenant
	withdrew, objected, refused, linked, device                                person
	restricts, lifted, holds, freed, corrected, objects, upheld, erased, other person
	hold                                                                       *rights.Keeping
	restriction, correction, objection                                         *rights.Request
	main, keys, oldMain, oldKeys                                               string
	register                                                                   string
}

// decidedSince loads an installation, makes a backup, and has everything decided afterwards.
func decidedSince(t *testing.T, e engine) *decided {
	t.Helper()
	d := &decided{main: e.url(t), keys: e.url(t), register: filepath.Join(t.TempDir(), "erasures.register"), tenant: id.NewTenant()}
	mainDB, keysDB := openDB(t, d.main), openDB(t, d.keys)
	h := houseOver(t, d.tenant, mainDB, keysDB, openRegister(t, d.register))
	for _, p := range []*person{
		&d.withdrew, &d.objected, &d.refused, &d.linked, &d.device, &d.restricts, &d.lifted, &d.holds, &d.freed, &d.corrected, &d.objects, &d.upheld, &d.erased, &d.other,
	} {
		*p = h.newPerson(t)
	}
	if _, err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	earlier := tombstone.New(tombstone.Entry{Tenant: d.tenant, Kind: tombstone.Closed, Of: id.NewSubject(), Effects: "measure=Objected"})
	if err := h.deps.Register.Add(earlier); err != nil { // so that the backup holds a mark
		t.Fatal(err)
	}
	if _, err := h.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	mainDB.Close()
	keysDB.Close()
	d.oldMain, d.oldKeys = e.copy(t, d.main), e.copy(t, d.keys)

	mainDB, keysDB = openDB(t, d.main), openDB(t, d.keys)
	h = houseOver(t, d.tenant, mainDB, keysDB, openRegister(t, d.register))
	h.clk.Advance(time.Hour)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ui := consent.UI{Component: "preferences", Action: "withdraw_all"}
	_, err := h.consent.Withdraw(t.Context(), h.t, consent.Withdrawal{Deployment: deployment, Visitor: d.withdrew.cookie, Purposes: []string{"predict"}, UI: ui})
	must(err)
	must(h.consent.Object(t.Context(), h.t, d.objected.subject, []string{"marketing"}))
	h.chooses(t, d.refused, "predict")
	// Two devices are found to be one person's, who then takes consent back on one of them.
	h.identify(t, d.device.subject, map[subject.Kind]string{subject.Email: d.linked.email})
	_, err = h.consent.Withdraw(t.Context(), h.t, consent.Withdrawal{Deployment: deployment, Visitor: d.linked.cookie, Purposes: []string{"measure"}, UI: ui})
	must(err)

	d.restriction = h.carryOut(t, rights.Request{Type: rights.Restriction, Who: byMail(d.restricts)})
	lifted := h.carryOut(t, rights.Request{Type: rights.Restriction, Who: byMail(d.lifted)})
	h.act(t, lifted, rights.Act{Do: rights.MoveAnnounce, Reason: "The data is right.", Told: "letter"})
	h.clk.Advance(25 * time.Hour)
	h.act(t, lifted, rights.Act{Do: rights.MoveLift, Reason: "The data is right."})
	d.objection = h.carryOut(t, rights.Request{Type: rights.Objection, Who: byMail(d.objects), Facts: rights.Facts{Purposes: []string{"support"}}})
	upheld := h.carryOut(t, rights.Request{Type: rights.Objection, Who: byMail(d.upheld), Facts: rights.Facts{Purposes: []string{"support"}}})
	h.act(t, upheld, rights.Act{Do: rights.MoveDecide, Outcome: rights.OutcomeUpheld, Reason: "It holds."})
	if q := h.work(t, upheld); q.State != rights.Verified {
		t.Fatalf("the objection is %s", q.State)
	}
	d.hold, err = h.Keep(t.Context(), h.t, byMail(d.holds), "Art. 17(3)(e)", "Claim 12.", clerk)
	must(err)
	freed, err := h.Keep(t.Context(), h.t, byMail(d.freed), "Art. 17(3)(e)", "Claim 13.", clerk)
	must(err)
	must(h.Release(t.Context(), h.t, freed.ID, "It was settled.", clerk))
	d.correction = h.carryOut(t, rights.Request{Type: rights.Rectification, Who: byMail(d.corrected), Replacements: []rights.ReplacementTerm{
		{Type: "PHONE", Existing: d.corrected.phone, Updated: "+46701239999"},
	}})
	if d.correction.State != rights.Verified {
		t.Fatalf("the correction is %s: %s", d.correction.State, d.correction.Problem)
	}
	// Somebody withdraws, and is erased afterwards.
	_, err = h.consent.Withdraw(t.Context(), h.t, consent.Withdrawal{Deployment: deployment, Visitor: d.erased.cookie, UI: ui})
	must(err)
	if q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(d.erased)}); q.State != rights.Verified {
		t.Fatalf("the erasure is %s: %s", q.State, q.Problem)
	}
	mainDB.Close()
	keysDB.Close()
	return d
}

// registerCopy is the register as it is after everything was decided.
func (d *decided) registerCopy(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(d.register)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "copy.register")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// chooses has a known visitor allow all purposes but some.
func (h *house) chooses(t testing.TB, p person, but ...string) {
	t.Helper()
	list, err := h.consent.Purposes(t.Context(), h.t)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, purpose := range list {
		all[purpose.ID] = !slices.Contains(but, purpose.ID)
	}
	_, err = h.consent.Choose(t.Context(), h.t, consent.Choice{
		Deployment: deployment, Nonce: h.nonce(t), Visitor: &p.cookie, Purposes: all,
		UI: consent.UI{Component: "preferences", Action: "save", Trusted: true, Viewport: "d"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inForce sees that everything that was decided is.
func (d *decided) inForce(t *testing.T, h *house) {
	t.Helper()
	for _, c := range []struct {
		what    string
		whose   person
		purpose string
		want    bool
	}{
		{"a withdrawal", d.withdrew, "predict", false},
		{"what was not withdrawn", d.withdrew, "measure", true},
		{"an objection", d.objected, "marketing", false},
		{"what was not objected to", d.objected, "measure", true},
		{"a narrower choice", d.refused, "predict", false},
		{"what the choice allowed", d.refused, "measure", true},
		{"a withdrawal", d.linked, "measure", false},
		{"a withdrawal on another device of the person", d.device, "measure", false},
		{"a restriction", d.restricts, "measure", false},
		{"a restriction that was lifted", d.lifted, "measure", true},
		{"an objection that waits for a decision", d.objects, "measure", false},
		{"an objection that was upheld", d.upheld, "support", false},
		{"what an upheld objection left", d.upheld, "measure", true},
		{"the data of whoever was corrected", d.corrected, "measure", false},
		{"somebody else", d.other, "measure", true},
		{"somebody else", d.other, "marketing", true},
	} {
		if got := h.allows(t, c.whose.subject, c.purpose); got != c.want {
			t.Errorf("%s: %s is allowed: %v", c.what, c.purpose, got)
		}
	}
	for who, want := range map[*person]bool{&d.holds: true, &d.freed: false} {
		if got := h.mustStay(t, who.subject); got != want {
			t.Errorf("the data must stay: %v, want %v", got, want)
		}
	}
	list, err := h.Keepings(t.Context(), h.t)
	if err != nil || len(list) == 0 {
		t.Fatalf("the holds are %v, %v", list, err)
	}
	k := list[slices.IndexFunc(list, func(k rights.Keeping) bool { return k.ID == d.hold.ID })]
	if k.Article != d.hold.Article || !k.At.Equal(d.hold.At) || k.By != d.hold.By || !k.Released.IsZero() || k.Reason == "" {
		t.Errorf("the hold is %+v, was %+v", k, d.hold)
	}
	if q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(d.holds)}); q.State != rights.Held {
		t.Errorf("an erasure that the hold stands against is %s", q.State)
	}
	if n := h.held(t, d.erased.subject); n != 0 {
		t.Errorf("%d things of the erased person are held", n)
	}
	if err := h.ledger.Audit(t.Context(), h.t); err != nil {
		t.Errorf("the ledger: %v", err)
	}
}

func TestARestoredBackupUndoesNothingThatPeopleDecided(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			d := decidedSince(t, e)
			for _, c := range []struct {
				what       string
				main, keys string
				restored   bool
			}{
				{"the main database", d.oldMain, d.keys, true},
				{"both", d.oldMain, d.oldKeys, true},
				{"neither", d.main, d.keys, false},
			} {
				t.Run(c.what, func(t *testing.T) {
					h := houseOver(t, d.tenant, openDB(t, e.copy(t, c.main)), openDB(t, e.copy(t, c.keys)), openRegister(t, d.registerCopy(t)))
					h.clk.Advance(48 * time.Hour)
					if c.restored && (!h.allows(t, d.withdrew.subject, "predict") || !h.allows(t, d.restricts.subject, "measure") || h.mustStay(t, d.holds.subject)) {
						t.Fatal("the backup knows what was decided: the test would prove nothing")
					}
					s, err := h.Settle(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !c.restored {
						if s.Again() {
							t.Errorf("with nothing restored it did %+v", s)
						}
						return
					}
					// d.device is closed by itself: that it is the same person's was not known yet.
					if s.Closed != 5 || s.Restricted != 2 || s.Held != 1 || len(s.Corrections) != 1 || s.Corrections[0].Request != d.correction.ID {
						t.Errorf("it did %+v", s)
					}
					d.inForce(t, h)
					if kinds, err := h.ledger.Kinds(t.Context(), h.t); err != nil || kinds[ledger.DecisionsReapplied] != 1 {
						t.Errorf("the ledger notes %v, %v", kinds, err)
					}
					if again, err := h.Settle(t.Context()); err != nil || again.Again() {
						t.Errorf("done twice it did %+v, %v", again, err)
					}
					d.redo(t, h, s.Corrections[0])
				})
			}
		})
	}
}

// redo makes the correction again, as the desk does, and lifts what it brought about.
func (d *decided) redo(t *testing.T, h *house, c rights.Correction) {
	t.Helper()
	if open, err := h.Redos(t.Context()); err != nil || len(open) != 1 || open[0] != c {
		t.Fatalf("to be made again: %v, %v, want %v", open, err, c)
	}
	q, err := h.Get(t.Context(), h.t, c.Task)
	if err != nil || q.Type != rights.Restriction || q.Facts.Redo == nil || q.Facts.Redo.Request != d.correction.ID {
		t.Fatalf("the task is %+v, %v", q, err)
	}
	trail, err := h.Trail(t.Context(), h.t, c.Task)
	if err != nil || len(trail) != 1 || trail[0].Words["reason"] == "" {
		t.Errorf("its trail is %v, %v", trail, err)
	}
	again := h.carryOut(t, rights.Request{Type: rights.Rectification, Who: byMail(d.corrected), Replacements: []rights.ReplacementTerm{
		{Type: "PHONE", Existing: d.corrected.phone, Updated: "+46701239999"},
	}})
	if again.State != rights.Verified || !again.Report.Matched {
		t.Fatalf("made again it is %s: %+v", again.State, again.Report)
	}
	h.act(t, q, rights.Act{Do: rights.MoveAnnounce, Reason: "The data is right again.", Told: "letter"})
	h.clk.Advance(25 * time.Hour)
	h.act(t, q, rights.Act{Do: rights.MoveLift, Reason: "The data is right again."})
	if open, err := h.Redos(t.Context()); err != nil || len(open) > 0 || !h.allows(t, d.corrected.subject, "measure") {
		t.Errorf("after it was made again %v is open (%v)", open, err)
	}
	if s, err := h.Settle(t.Context()); err != nil || s.Again() {
		t.Errorf("the next start did %+v, %v", s, err)
	}
}

// The process dies at each contact with another room while it puts decisions in force again.
func TestPuttingDecisionsInForceAgainSurvivesDeathAtEveryStep(t *testing.T) {
	e := engines["sqlite"]
	d := decidedSince(t, e)
	deaths := 0
	for n := 1; ; n++ {
		h := houseOver(t, d.tenant, openDB(t, e.copy(t, d.oldMain)), openDB(t, e.copy(t, d.oldKeys)), openRegister(t, d.registerCopy(t)))
		h.clk.Advance(48 * time.Hour)
		room, _ := h.doomed(n)
		died := dies(t, func() error { _, err := room.Settle(t.Context()); return err })
		if _, err := h.Settle(t.Context()); err != nil {
			t.Fatalf("after death at contact %d: %v", n, err)
		}
		d.inForce(t, h)
		if open, err := h.Redos(t.Context()); err != nil || len(open) != 1 {
			t.Fatalf("after death at contact %d there is to be made again %v, %v", n, open, err)
		}
		if !died {
			break
		}
		deaths++
	}
	if deaths < 10 {
		t.Errorf("only %d deaths: the fuse does not burn", deaths)
	}
}

// A later word of the person goes before what the register says of an earlier time.
func TestALaterChoiceStandsWhenAnOldRegisterIsPutBack(t *testing.T) {
	e := engines["sqlite"]
	d := decidedSince(t, e)
	db, keys := openDB(t, e.copy(t, d.oldMain)), openDB(t, e.copy(t, d.keys))
	h := houseOver(t, d.tenant, db, keys, nil)
	h.clk.Advance(48 * time.Hour)
	h.chooses(t, d.withdrew)
	h = houseOver(t, d.tenant, db, keys, openRegister(t, d.register))
	h.clk.Advance(72 * time.Hour)
	if _, err := h.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !h.allows(t, d.withdrew.subject, "predict") {
		t.Error("what was chosen later is closed by what was said before")
	}
	if h.allows(t, d.objected.subject, "marketing") {
		t.Error("what nobody chose later is open")
	}
}

// What a process recorded and could not enter in the register is entered by the next start, as is what
// was decided before the register knew of such things.
func TestWhatTheRegisterLacksIsEnteredAtTheNextStart(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			d := decidedSince(t, e)
			path := filepath.Join(t.TempDir(), "another.register")
			h := houseOver(t, d.tenant, openDB(t, e.copy(t, d.main)), openDB(t, e.copy(t, d.keys)), openRegister(t, path))
			forgetDecisions(t, h)
			h.clk.Advance(48 * time.Hour)
			if s, err := h.Settle(t.Context()); err != nil || s.Recovered == 0 || s.Again() {
				t.Fatalf("it did %+v, %v", s, err)
			}
			old := houseOver(t, d.tenant, openDB(t, e.copy(t, d.oldMain)), openDB(t, e.copy(t, d.oldKeys)), openRegister(t, path))
			old.clk.Advance(48 * time.Hour)
			if s, err := old.Settle(t.Context()); err != nil || s.Closed != 5 || s.Restricted != 2 || s.Held != 1 {
				t.Fatalf("it did %+v, %v", s, err)
			}
			if old.allows(t, d.withdrew.subject, "predict") || old.allows(t, d.restricts.subject, "measure") || !old.mustStay(t, d.holds.subject) {
				t.Error("something that was decided is undone")
			}
		})
	}
}

// forgetDecisions makes a database one of a former version, which noted erasures only.
func forgetDecisions(t *testing.T, h *house) {
	t.Helper()
	err := h.db.Tenant(h.t).Write(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT body FROM rights_erasure WHERE tenant_id = $1`, h.t)
		if err != nil {
			return err
		}
		var bodies [][]byte
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return err
			}
			bodies = append(bodies, body)
		}
		rows.Close()
		for _, body := range bodies {
			e, err := tombstone.Decode(body)
			if err != nil {
				return err
			}
			if e.Kind == tombstone.Erased {
				continue
			}
			if _, err := tx.Exec(t.Context(), `DELETE FROM rights_erasure WHERE tenant_id = $1 AND entry = $2`, h.t, e.ID[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// watched counts what is read of a register.
type watched struct {
	*tombstone.Register
	read int
}

func (w *watched) Since(m tombstone.Mark, fn func(tombstone.Entry) error) (tombstone.Mark, error) {
	return w.Register.Since(m, func(e tombstone.Entry) error { w.read++; return fn(e) })
}

// What both databases know is not read again; what a restored one does not know is.
func TestAStartReadsOfTheRegisterOnlyWhatADatabaseMayNotKnow(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			d := decidedSince(t, e)
			start := func(main, keys string, path string) (int, *rights.Settled) {
				t.Helper()
				w := &watched{Register: openRegister(t, path)}
				h := houseOver(t, d.tenant, openDB(t, main), openDB(t, keys), w)
				h.clk.Advance(48 * time.Hour)
				s, err := h.Settle(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return w.read, s
			}
			path := d.registerCopy(t)
			all := openRegister(t, path).Len()
			main, keys := e.copy(t, d.main), e.copy(t, d.keys)
			if n, s := start(main, keys, path); n != all-1 || s.Again() {
				t.Errorf("after the entry that the backup knows it reads %d of %d, and did %+v", n, all, s)
			}
			if n, s := start(main, keys, path); n != 0 || s.Again() {
				t.Errorf("with nothing new it reads %d of %d, and did %+v", n, all, s)
			}
			// One of the two is restored.
			if n, s := start(e.copy(t, d.oldMain), keys, path); n != all-1 || s.Closed != 5 || s.Main != 1 {
				t.Errorf("for a restored main database it reads %d of %d, and did %+v", n, all, s)
			}
			if n, s := start(main, e.copy(t, d.oldKeys), path); n != all-1 || s.Vault != 1 {
				t.Errorf("for a restored vault it reads %d of %d, and did %+v", n, all, s)
			}
			// A register that was made anew knows no mark.
			if n, s := start(main, keys, filepath.Join(t.TempDir(), "new")); n == 0 || s.Recovered == 0 {
				t.Errorf("with another register it reads %d, and did %+v", n, s)
			}
		})
	}
}

// Two servers over one database, each with its own file and one shared copy.
func TestASecondServerKnowsWhatTheFirstEnteredWithoutANewStart(t *testing.T) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			shared := filepath.Join(dir, "shared")
			both := func(own string) *tombstone.Register {
				r, err := tombstone.Open([]byte("register key"), filepath.Join(dir, own), shared)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				return r
			}
			db, keys, tenant := openDB(t, e.url(t)), openDB(t, e.url(t)), id.NewTenant()
			one, two := both("one"), both("two")
			first, second := houseOver(t, tenant, db, keys, one), houseOver(t, tenant, db, keys, two)
			p, other := first.newPerson(t), first.newPerson(t)
			q := first.submit(t, rights.Request{Type: rights.Erasure, Who: byMail(p)})
			if q := first.work(t, q); q.State != rights.Verified {
				t.Fatalf("the erasure is %s", q.State)
			}
			if err := first.consent.Object(t.Context(), tenant, other.subject, []string{"sales"}); err != nil {
				t.Fatal(err)
			}
			if two.Len() != 0 {
				t.Fatal("the second server knows it already: the test would prove nothing")
			}
			if s, err := second.CatchUp(t.Context()); err != nil || s.Again() {
				t.Errorf("it did %+v, %v", s, err)
			}
			if two.Len() != one.Len() || two.Len() < 2 {
				t.Errorf("the first knows %d entries, the second %d", one.Len(), two.Len())
			}
			alone, err := tombstone.Open([]byte("register key"), filepath.Join(dir, "two"))
			if err != nil || alone.Len() != one.Len() {
				t.Errorf("the second server's own file holds %d entries, %v", alone.Len(), err)
			}
			alone.Close()
		})
	}
}

// A database that is behind takes over while the server runs.
func TestADatabaseThatIsReplacedByAnOlderOneUnderTheServerIsNoticed(t *testing.T) {
	e := engines["sqlite"]
	d := decidedSince(t, e)
	// The register that the server knows of ends before the decisions; those come in from another.
	path := d.registerCopy(t)
	h := houseOver(t, d.tenant, openDB(t, e.copy(t, d.oldMain)), openDB(t, e.copy(t, d.oldKeys)), openRegister(t, path))
	h.clk.Advance(48 * time.Hour)
	if h.allows(t, d.withdrew.subject, "predict") != true {
		t.Fatal("the older database knows what was decided: the test would prove nothing")
	}
	if s, err := h.CatchUp(t.Context()); err != nil || !s.Again() {
		t.Fatalf("it did %+v, %v", s, err)
	}
	d.inForce(t, h)
	if s, err := h.CatchUp(t.Context()); err != nil || s.Again() {
		t.Errorf("done twice it did %+v, %v", s, err)
	}
}

// What is being carried out is left to whoever does it.
func TestCatchingUpLeavesAnErasureToWhoCarriesItOut(t *testing.T) {
	h := houseOver(t, id.NewTenant(), openDB(t, engines["sqlite"].url(t)), openDB(t, engines["sqlite"].url(t)), openRegister(t, filepath.Join(t.TempDir(), "r")))
	p := h.newPerson(t)
	q := h.submit(t, rights.Request{Type: rights.Erasure, Who: byMail(p)})
	if err := h.deps.Register.Add(tombstone.New(tombstone.Entry{At: h.clk.Now(), Tenant: h.t, Request: q.ID, Subjects: []id.Subject{p.subject}})); err != nil {
		t.Fatal(err)
	}
	if s, err := h.CatchUp(t.Context()); err != nil || s.Again() || h.held(t, p.subject) == 0 {
		t.Fatalf("it did %+v, %v", s, err)
	}
	if q := h.work(t, q); q.State != rights.Verified {
		t.Fatalf("the erasure is %s", q.State)
	}
	if s, err := h.CatchUp(t.Context()); err != nil || h.held(t, p.subject) != 0 {
		t.Errorf("it did %+v, %v", s, err)
	}
}
