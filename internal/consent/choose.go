package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/verify"
)

// Outcome is what a choice or a withdrawal led to.
type Outcome struct {
	Visitor  *uuid.UUID      // nil when nothing is granted: the device keeps no identifier
	Subject  id.Subject      // zero after a full refusal by somebody unknown
	RecordID uuid.UUID       // zero if there was nothing to record
	Receipt  *verify.Receipt // nil if there was nothing to record, or if it can't be made just now; Room.Receipt makes it later
	Purposes map[string]bool // every purpose: may it be processed on this device now?
	Token    string          // for the device, such as "v1.measure,actions.20261122" or "v1.n.20261122"
}

// Choose records a choice about every purpose that rests on consent. What rests on another basis is
// no question, so the choice says nothing about it, and an objection to it stands.
//
//   - A full refusal by somebody unknown leaves no identifier: no subject, no cookie, one entry in
//     the ledger under a random record id.
//   - A grant by somebody unknown makes a visitor id, a key and a subject.
//   - A known visitor's choice replaces the earlier one from the instant it is stamped. What it
//     closes is closed in the gate before the commit.
//   - A visitor id that is unknown or belonged to an erased person is treated as no id at all.
//   - Global Privacy Control never grants. Under it purposes that share data are recorded as refused
//     by the signal, unless the person grants them all the same: that wins and is marked. Do Not
//     Track does the same where the deployment honours it, and is recorded everywhere.
//
// Errors: fail.Invalid naming the field; fail.Conflict with code consent.nonce.used or
// consent.nonce.stale; fail.Invalid with code consent.nonce.foreign or consent.nonce.bad;
// fail.Unavailable when nothing was recorded.
func (r *Room) Choose(ctx context.Context, t id.Tenant, c Choice) (*Outcome, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := c.check(set); err != nil {
		return nil, err
	}
	if err := set.checkAge(&c); err != nil {
		return nil, err
	}
	nonce, err := r.openNonce(ctx, t, c.Nonce, c.Deployment)
	if err != nil {
		return nil, err
	}
	shown := set.published(nonce.NoticeID, nonce.Version, nonce.Language)
	if shown == nil {
		return nil, fail.Field("nonce", "The notice that was shown is not known.").WithCode("consent.nonce.bad")
	}
	if err := shown.fit(); err != nil {
		return nil, err
	}
	w := &writing{room: r, tenant: t, set: set, choice: &c, nonce: nonce, shown: shown}
	if w.touches() {
		// The transaction would find it, too, but only after a key was made or the gate was closed.
		if spent, err := r.isUsed(ctx, t, nonce); err != nil {
			return nil, err
		} else if spent {
			return nil, used()
		}
	}
	if w.theme, w.seen, err = r.themeSeen(ctx, t, set, &c); err != nil {
		return nil, err
	}
	return w.run(ctx)
}

// signal names what the browser sent that refuses the purpose until the person chooses otherwise;
// empty for none. Global Privacy Control comes first, Do Not Track counts where it is honoured.
func (c *Choice) signal(p *notice.Purpose) string {
	switch {
	case !p.Sharing:
		return ""
	case c.GPC:
		return "gpc"
	case c.DNT && c.HonourDNT:
		return "dnt"
	}
	return ""
}

// check sees to it that the choice says yes or no to each purpose that rests on consent, and to nothing else.
func (c *Choice) check(set *settings) error {
	if c.Deployment == uuid.Nil {
		return fail.Field("deployment", "The deployment is missing.")
	}
	if len(set.purposes) == 0 {
		return fail.New(fail.NotFound, "The organisation has published no purposes yet.")
	}
	for _, p := range set.asked() {
		if _, ok := c.Purposes[p.ID]; !ok {
			return fail.Field("purposes."+p.ID, "The choice says nothing about the purpose %q.", p.ID)
		}
	}
	for id := range c.Purposes {
		p := set.purpose(id)
		if p == nil {
			return fail.Field("purposes", "The choice names a purpose that does not exist.")
		}
		if p.Basis != notice.Consent {
			return fail.Field("purposes."+id, "The purpose %q does not rest on consent, so nobody can be asked for it.", id)
		}
	}
	if err := c.UI.check("banner", "preferences", "placeholder", "form"); err != nil {
		return err
	}
	// The record must not say that somebody accepted all who didn't, or the other way round.
	for _, p := range set.asked() {
		yes := c.Purposes[p.ID]
		if c.UI.Action == "accept_all" && !yes && c.signal(&p) == "" ||
			(c.UI.Action == "reject_all" || c.UI.Action == "withdraw_all") && yes {
			return fail.Field("purposes."+p.ID, "The choice about %q does not fit the action %s.", p.ID, c.UI.Action)
		}
	}
	return nil
}

func (u *UI) check(components ...string) error {
	if !slices.Contains(components, u.Component) {
		return fail.Field("ui.component", "The component is not one of %s.", strings.Join(components, ", "))
	}
	if !slices.Contains([]string{"accept_all", "reject_all", "save", "withdraw_all"}, u.Action) {
		return fail.Field("ui.action", "The action is not one of accept_all, reject_all, save, withdraw_all.")
	}
	if u.DwellMS < 0 || u.DwellMS > int(NonceLife.Milliseconds()) {
		return fail.Field("ui.dwell_ms", "The time that the notice was visible is out of range.")
	}
	if u.Viewport != "" && u.Viewport != "m" && u.Viewport != "d" {
		return fail.Field("ui.viewport", `The viewport is neither "m" nor "d".`)
	}
	return nil
}

// writing is one choice on its way into the store.
type writing struct {
	room   *Room
	tenant id.Tenant
	set    *settings
	choice *Choice
	nonce  *issued
	shown  *edition
	theme  *notice.Theme // of the dialog; nil: none, or not known
	seen   string        // see themeSeen

	visitor uuid.UUID
	subject id.Subject
	known   bool
	members []id.Subject // of the person, the subject included
	denial  *denial
	record  Record
}

// touches tells whether anything happens before the transaction.
func (w *writing) touches() bool {
	return w.choice.Visitor != nil || !w.choice.Subject.IsZero() || len(w.granted()) > 0
}

func (w *writing) granted() []string {
	var out []string
	for _, p := range w.set.asked() {
		if w.choice.Purposes[p.ID] {
			out = append(out, p.ID)
		}
	}
	return out
}

func (w *writing) refused() []string {
	var out []string
	for _, p := range w.set.asked() {
		if !w.choice.Purposes[p.ID] {
			out = append(out, p.ID)
		}
	}
	return out
}

func (w *writing) run(ctx context.Context) (*Outcome, error) {
	r := w.room
	if err := w.identify(ctx); err != nil {
		return nil, err
	}
	at := r.clk.Now().UTC().Truncate(time.Microsecond)
	if refused := w.refused(); w.known && len(refused) > 0 {
		w.denial = r.gate.deny(w.tenant, w.members, refused, r.clk.Now)
		at = w.denial.at
	}
	w.fill(at)
	err := r.db.Tenant(w.tenant).Write(ctx, func(tx *store.Tx) error { return w.write(ctx, tx) })
	if err != nil {
		if (fail.Is(err, fail.Conflict) || fail.Is(err, fail.Gone)) && w.denial != nil {
			r.gate.release(w.tenant, w.members, w.denial) // nothing new was said
		}
		return nil, unavailable(err, "record a choice")
	}
	if w.known {
		if err := r.keep(ctx, w.tenant, closings(w.members, w.record)...); err != nil {
			return nil, err
		}
	}
	out := &Outcome{RecordID: w.record.ID, Subject: w.subject, Purposes: map[string]bool{}}
	granted := w.granted()
	if len(granted) > 0 && w.visitor != uuid.Nil {
		v := w.visitor
		out.Visitor = &v
	}
	var open []string
	for _, p := range w.set.purposes {
		ok := slices.Contains(granted, p.ID)
		if p.Basis != notice.Consent && out.Visitor != nil {
			// Without an identifier nothing can be told apart, on whatever basis.
			_, err := r.GateFor(ctx, w.tenant, w.subject, w.choice.Deployment, p.ID)
			ok = err == nil
		}
		if out.Purposes[p.ID] = ok; ok {
			open = append(open, p.ID)
		}
	}
	out.Token = token(open, at)
	if out.Receipt = r.receiptNow(ctx, w.tenant, &w.record); out.Receipt != nil {
		if err := r.addLink(ctx, w.tenant, &w.record, out.Receipt); err != nil {
			out.Receipt = nil // as if it could not be made: the choice is recorded
		}
	}
	return out, nil
}

// identify finds the subject of a known visitor, or makes one if there is something to grant.
func (w *writing) identify(ctx context.Context) error {
	r := w.room
	if s := w.choice.Subject; !s.IsZero() {
		w.subject, w.known = s, true
		return r.db.Tenant(w.tenant).Read(ctx, func(tx *store.Tx) (err error) {
			w.members, err = r.subjects.Person(ctx, tx, s)
			return err
		})
	}
	if v := w.choice.Visitor; v != nil {
		s, ok, err := r.subjects.Lookup(ctx, w.tenant, subject.Cookie, v.String())
		if err != nil {
			return err
		}
		if ok {
			w.visitor, w.subject, w.known = *v, s, true
			return r.db.Tenant(w.tenant).Read(ctx, func(tx *store.Tx) error {
				w.members, err = r.subjects.Person(ctx, tx, s)
				return err
			})
		}
	}
	if len(w.granted()) == 0 {
		return nil
	}
	s, err := r.keys.NewSubject(ctx, w.tenant)
	if err != nil {
		return unavailable(err, "create the key of a subject")
	}
	w.visitor, w.subject, w.members = uuid.New(), s, []id.Subject{s}
	return nil
}

func (w *writing) fill(at time.Time) {
	w.record = Record{
		ID:         id.New(),
		Subject:    w.subject,
		Kind:       ledger.ConsentRefused,
		Source:     w.choice.UI.Component,
		Deployment: w.choice.Deployment,
		At:         at,
		Until:      at.Add(Validity),
		Notice:     w.shown.ID,
		Version:    w.shown.Version,
		Language:   w.shown.Language,
	}
	for _, p := range w.set.asked() {
		status := Refused
		if w.choice.Purposes[p.ID] {
			status = Given
			w.record.Kind = ledger.ConsentGiven
			if w.choice.GPC && p.Sharing {
				w.record.ConflictsWithGPC = true
			}
		}
		w.record.Effects = append(w.record.Effects, Effect{p.ID, status})
	}
	slices.SortFunc(w.record.Effects, func(a, b Effect) int { return strings.Compare(a.Purpose, b.Purpose) })
}

func (w *writing) write(ctx context.Context, tx *store.Tx) error {
	r := w.room
	if err := spend(ctx, tx, w.nonce); err != nil {
		return err
	}
	e := w.entry()
	if w.subject.IsZero() {
		r.complete(e, w.tenant)
		first, n, err := r.log(ctx, tx, &w.record, e)
		w.record.Ledger = first + n - 1
		return err
	}
	if w.known {
		// It may have been erased since it was looked up.
		if there, err := r.subjects.Exists(ctx, tx, w.subject); err != nil {
			return err
		} else if !there {
			return fail.New(fail.Gone, "The data of this visitor was erased a moment ago. Choose again.").WithCode("subject.erased")
		}
	} else {
		if err := r.subjects.EnsureTx(ctx, tx, w.subject, subject.Cookie, w.visitor.String()); err != nil {
			return err
		}
	}
	return r.append(ctx, tx, &w.record, e, w.members, w.denial)
}

func (w *writing) entry() *entry {
	c := w.choice
	e := newEntry(&w.record)
	e.Notice = &entryNotice{ID: w.shown.ID, Version: w.shown.Version, TextSHA256: w.shown.SHA256, Language: w.shown.Language, LayoutSeen: w.seen}
	e.theme = w.theme
	e.Served = &entryServed{ID: id.New().String(), Nonce: hex.EncodeToString(w.nonce.digest), IssuedAt: w.nonce.at.Format(timeFormat), DwellMS: c.UI.DwellMS}
	e.UI = &c.UI
	e.Signals = entrySignals{GPC: c.GPC, DNT: c.DNT}
	e.setClientTime(c.ClientTime, w.record.At)
	e.Age = c.Age.entry()
	e.addPurposes(w.set, &w.record, func(p *notice.Purpose, given bool) string {
		if by := c.signal(p); by != "" && !given {
			return by
		}
		return c.UI.Component
	})
	return e
}

// append writes a subject's record: its entry in the ledger, sealed, and its row. After the commit
// the gate learns of it and others are told.
func (r *Room) append(ctx context.Context, tx *store.Tx, rec *Record, e *entry, members []id.Subject, d *denial) error {
	t := tx.TenantID()
	earlier, err := recordsOf(ctx, tx, rec.Subject)
	if err != nil {
		return err
	}
	if n := len(earlier); n > 0 {
		e.PrevID = earlier[n-1].ID.String()
	}
	r.complete(e, t)
	first, n, err := r.log(ctx, tx, rec, e)
	if err != nil {
		return err
	}
	rec.Ledger, rec.Served = first+n-1, -1
	if n > 1 {
		rec.Served = first
	}
	if err := insertRecord(ctx, tx, rec); err != nil {
		return err
	}
	var given, closed []string
	for _, ef := range rec.Effects {
		if ef.Status == Given && rec.Said.IsZero() { // an assertion lifts no denial
			given = append(given, ef.Purpose)
		} else if ef.Status.closes() {
			closed = append(closed, ef.Purpose)
		}
	}
	if news := newlyClosed(earlier, rec); len(news) > 0 && r.closedHook != nil {
		if err := r.closedHook(ctx, tx, rec, news); err != nil {
			return err
		}
	}
	subj, at, known := rec.Subject, rec.At, len(earlier) > 0
	tx.AfterCommit(func() {
		r.gate.settle(t, members, d)
		r.gate.lift(t, subj, given, at)
		r.announce(t, members, closed, known)
	})
	return nil
}

// announce tells the other processes, and open pages of the person, what changed.
func (r *Room) announce(t id.Tenant, members []id.Subject, closed []string, known bool) {
	if r.bus == nil {
		return
	}
	for _, s := range members {
		r.tell("inval."+t.String(), map[string]any{"subject": s.String(), "why": "consent"})
		if known && len(closed) > 0 {
			r.tell("consent."+s.String(), map[string]any{"withdrawn": closed})
		}
		r.tell("live."+t.String(), map[string]any{"type": "consent", "subject": s.String()})
	}
}

func (r *Room) tell(topic string, message map[string]any) {
	if data, err := json.Marshal(message); err == nil {
		// Fire and forget: who misses it learns of the change after 2×CacheLife.
		_ = r.bus.Publish(topic, data)
	}
}

// token is what the device keeps: which purposes, and the day of the choice. It names nobody: equal
// choices of one day are equal.
func token(granted []string, at time.Time) string {
	what := "n"
	if len(granted) > 0 {
		what = strings.Join(granted, ",")
	}
	return "v1." + what + "." + at.UTC().Format("20060102")
}
