package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/verify"
)

// How far back an assertion may reach.
const (
	BackdateImport = 10 * 365 * 24 * time.Hour // what another system kept
	Backdate       = 31 * 24 * time.Hour       // everything else: staff write down what they heard within a month
)

// channels are the ways on which somebody may have said it.
var channels = []string{"phone", "paper", "chat", "form", "import"}

// Channels are the ways on which somebody may have said what is asserted.
func Channels() []string { return slices.Clone(channels) }

// Who names a person by one identity.
type Who struct {
	Kind  subject.Kind
	Value string
}

// Assertion is the controller's claim that a person said something elsewhere: on the telephone, on
// paper, in a chat, in a form, or to a system that data is imported from. It is recorded as a claim and
// never counts as proof of what the person did.
type Assertion struct {
	Who        Who
	Subject    id.Subject      // whom staff have found already; zero: Who says
	Deployment uuid.UUID       // zero: none in particular
	Channel    string          // "phone", "paper", "chat", "form" or "import"
	Purposes   map[string]bool // what was said about each purpose that was spoken of
	Objection  bool            // the person objected (Art. 21); then every purpose is false
	Said       time.Time       // when the person said it
	Notice     string          // published notice that was read or shown; empty: Text
	Version    int
	Language   string
	Text       string // what was read or shown, if it was no published notice; nothing personal
	RecordedBy string // who records it: a reference to a client or a member of staff, no name
	Evidence   string // where the recording, paper or form is kept; at most 500 characters
	Explicit   bool   // it was said in words or writing, not shown by conduct (Art. 9(2)(a))
	Key        string // of the caller's own: what comes in twice under one key is recorded once; empty: none
}

// Asserted is what an assertion led to.
type Asserted struct {
	RecordID uuid.UUID
	Subject  id.Subject
	Repeated bool            // it had been recorded under the key before
	Receipt  *verify.Receipt // nil if it was repeated, or can't be made just now
	Purposes map[string]Status
}

// Assert records an assertion. It counts from now on, never before, and expires by when it was said.
// What it closes is closed on all devices of the person; what it grants opens nothing that a first-hand
// word has closed and gives way to every later first-hand choice: see fold.
//
// Errors: fail.Invalid naming the field; fail.Conflict with code consent.key.reused if something else
// was recorded under the key; fail.Gone for an identity of a person who was
// erased after they said it. Who says something later is somebody new.
func (r *Room) Assert(ctx context.Context, t id.Tenant, a Assertion) (*Asserted, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	if err := a.check(set, now); err != nil {
		return nil, err
	}
	digest, content, err := r.once(ctx, t, &a)
	if err != nil {
		return nil, err
	}
	if done, err := r.repeated(ctx, t, digest, content); err != nil {
		return nil, err
	} else if done != nil {
		return done, r.keep(ctx, t) // which may be why it is repeated
	}
	s := a.Subject
	if s.IsZero() {
		if s, err = r.subjects.EnsureSince(ctx, t, a.Who.Kind, a.Who.Value, a.Said); err != nil {
			return nil, err
		}
	}
	var members []id.Subject
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		members, err = r.subjects.Person(ctx, tx, s)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read the devices of a person")
	}
	// What it closes is shut before it is written, as with a withdrawal.
	var shut []string
	for p, yes := range a.Purposes {
		if !yes {
			shut = append(shut, p)
		}
	}
	var d *denial
	if len(shut) > 0 {
		d = r.gate.deny(t, members, shut, r.clk.Now)
		now = d.at
	}
	w := &asserting{denial: d, room: r, set: set, a: &a, subject: s, members: members, digest: digest, content: content, now: now}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error { return w.write(ctx, tx) })
	if err != nil {
		if d != nil && (fail.Is(err, fail.Conflict) || fail.Is(err, fail.Gone)) {
			r.gate.release(t, members, d) // nothing new was said
		}
		return nil, unavailable(err, "record an assertion")
	}
	if w.done != nil {
		if d != nil {
			r.gate.release(t, members, d)
		}
		return w.done, r.keep(ctx, t)
	}
	if err := r.keep(ctx, t, closings(members, w.record)...); err != nil {
		return nil, err
	}
	out := &Asserted{RecordID: w.record.ID, Subject: s, Purposes: map[string]Status{}, Receipt: r.receiptNow(ctx, t, &w.record)}
	states, err := r.State(ctx, t, s)
	if err != nil {
		return nil, err
	}
	for p, st := range states {
		out.Purposes[p] = st.Status
	}
	return out, nil
}

func (a *Assertion) check(set *settings, now time.Time) error {
	if !slices.Contains(channels, a.Channel) {
		return fail.Field("channel", "The channel is not one of %s.", strings.Join(channels, ", "))
	}
	if len(a.Purposes) == 0 {
		return fail.Field("purposes", "The assertion names no purpose.")
	}
	for p, yes := range a.Purposes {
		switch which := set.purpose(p); {
		case which == nil:
			return fail.Field("purposes", "The assertion names a purpose that does not exist.")
		case yes && a.Objection:
			return fail.Field("purposes", "Nobody objects and agrees in one breath: every purpose of an objection is false.")
		case yes && special(which) && !a.Explicit:
			return fail.Field("explicit", "The purpose %q uses special categories of data, which need explicit consent (Art. 9(2)(a)).", p)
		}
	}
	a.Said = a.Said.UTC().Truncate(time.Microsecond)
	oldest := now.Add(-Backdate)
	if a.Channel == "import" {
		oldest = now.Add(-BackdateImport)
	}
	switch {
	case a.Said.IsZero() || a.Said.UnixMicro() <= 0:
		return fail.Field("said_at", "The assertion does not say when it was said.")
	case a.Said.After(now):
		return fail.Field("said_at", "It can't have been said in the future.")
	case a.Said.Before(oldest):
		return fail.Field("said_at", "It was said more than %d days ago, which is too long for the channel %s.", int(now.Sub(oldest).Hours()/24), a.Channel)
	}
	switch {
	case strings.TrimSpace(a.RecordedBy) == "" || utf8.RuneCountInString(a.RecordedBy) > 200:
		return fail.Field("recorded_by", "The assertion does not say who records it.")
	case utf8.RuneCountInString(a.Evidence) > 500:
		return fail.Field("evidence", "The reference to the evidence is longer than 500 characters.")
	case len(a.Key) > 200:
		return fail.Field("key", "The key is longer than 200 bytes.")
	}
	grants := slices.Contains(slices.Collect(maps.Values(a.Purposes)), true)
	if a.Text != "" {
		if a.Notice != "" {
			return fail.Field("text", "Either a published notice was shown or another text, not both.")
		}
		if len(a.Text) > maxScript || !utf8.ValidString(a.Text) || len(a.Language) < 2 || len(a.Language) > 35 {
			return fail.Field("text", "The text must be at most %d bytes and name its language.", maxScript)
		}
		return nil
	}
	if a.Notice == "" && grants {
		return fail.Field("notice", "A grant needs the notice that was read or shown, or its text (Art. 7(1)).")
	}
	if a.Notice != "" {
		shown := set.published(a.Notice, a.Version, a.Language)
		if shown == nil {
			return fail.Field("notice", "There is no published notice of that id, version and language.")
		}
		if a.Said.Before(shown.published) && grants {
			return fail.Field("notice", "That notice was published after it is said to have been shown.")
		}
	}
	return nil
}

// once returns keyed digests of the caller's key and of what is said under it; nil without a key.
func (r *Room) once(ctx context.Context, t id.Tenant, a *Assertion) (digest, content []byte, err error) {
	if a.Key == "" {
		return nil, nil, nil
	}
	kind, value := subject.Kind("subject"), a.Subject.String()
	if a.Subject.IsZero() {
		kind = a.Who.Kind
		if value, err = subject.Normalise(kind, a.Who.Value); err != nil {
			return nil, nil, err
		}
	}
	said, err := json.Marshal([]any{kind, value, a.Deployment, a.Channel, a.Purposes, a.Objection, a.Said, a.Notice, a.Version, a.Language, a.Text})
	if err != nil {
		return nil, nil, err
	}
	if digest, err = r.keys.BlindIndex(ctx, t, "consent.once", a.Key); err == nil {
		content, err = r.keys.BlindIndex(ctx, t, "consent.once.content", string(said))
	}
	if err != nil {
		return nil, nil, unavailable(err, "make the digest of a key")
	}
	return digest, content, nil
}

// repeated returns what was recorded under the key before, nil if nothing was.
func (r *Room) repeated(ctx context.Context, t id.Tenant, digest, content []byte) (done *Asserted, err error) {
	if digest == nil {
		return nil, nil
	}
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		done, err = before(ctx, tx, digest, content)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "look up a key")
	}
	return done, nil
}

func before(ctx context.Context, tx *store.Tx, digest, content []byte) (*Asserted, error) {
	var was []byte
	done := &Asserted{Repeated: true}
	var whose []byte
	err := tx.QueryRow(ctx, `
		SELECT o.content, o.record, r.subject FROM consent_once o
		LEFT JOIN consent_record r ON r.tenant_id = o.tenant_id AND r.record = o.record
		WHERE o.tenant_id = $1 AND o.digest = $2`, tx.TenantID(), digest).Scan(&was, &done.RecordID, &whose)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	copy(done.Subject[:], whose) // empty once the proof was deleted in its time
	if err == nil && string(was) != string(content) {
		return nil, reused()
	}
	return done, err
}

func reused() error {
	return fail.New(fail.Conflict, "Something else was recorded under this key.").WithCode("consent.key.reused")
}

// asserting is one assertion on its way into the store.
type asserting struct {
	room            *Room
	set             *settings
	a               *Assertion
	subject         id.Subject
	members         []id.Subject
	digest, content []byte
	now             time.Time
	denial          *denial // nil: it closes nothing

	record Record
	done   *Asserted // it was recorded before
}

func (w *asserting) write(ctx context.Context, tx *store.Tx) error {
	r, a := w.room, w.a
	w.done = nil
	if w.digest != nil {
		var err error
		if w.done, err = before(ctx, tx, w.digest, w.content); err != nil || w.done != nil {
			return err
		}
	}
	if there, err := r.subjects.Exists(ctx, tx, w.subject); err != nil {
		return err
	} else if !there {
		return fail.New(fail.Gone, "The data of this person was erased a moment ago.").WithCode("subject.erased")
	}
	own, err := recordsOf(ctx, tx, w.subject)
	if err != nil {
		return err
	}
	script := ""
	if a.Text != "" {
		if script, err = r.keepScript(ctx, tx, a.Text, a.Language); err != nil {
			return err
		}
	}
	e := w.fill(own, script)
	if err := r.append(ctx, tx, &w.record, e, w.members, w.denial); err != nil {
		return err
	}
	if w.digest == nil {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO consent_once (tenant_id, digest, content, record) VALUES ($1, $2, $3, $4)`,
		tx.TenantID(), w.digest, w.content, w.record.ID)
	return err
}

// fill makes the record and returns its entry. script names the text that was read or shown, if it was
// no published notice.
func (w *asserting) fill(own []Record, script string) *entry {
	a, rec := w.a, &w.record
	*rec = a.record(w.subject, own, w.now, w.set.materialAt(w.now))
	if script != "" {
		rec.Notice, rec.Version = script, 1
	}
	e := newEntry(rec)
	e.Actor, e.Proof = "controller", proofAssertion
	e.Assertion = &entryAssertion{
		Channel: a.Channel, SaidAt: a.Said.Format(timeFormat), RecordedBy: a.RecordedBy, Evidence: a.Evidence, Explicit: a.Explicit,
	}
	e.Notice = w.set.textOf(rec)
	e.addPurposes(w.set, rec, nil)
	return e
}

// record is what the assertion says of the subject, whose records are known.
func (a *Assertion) record(s id.Subject, own []Record, now time.Time, material map[string]int) Record {
	rec := Record{
		ID: id.New(), Subject: s, Kind: ledger.ConsentImported, Source: a.Channel, Deployment: a.Deployment,
		At: now, Said: a.Said, Until: a.Said.Add(Validity), Notice: a.Notice, Version: a.Version, Language: a.Language,
	}
	withdraws := true
	for _, p := range slices.Sorted(maps.Keys(a.Purposes)) {
		status := Given
		if !a.Purposes[p] {
			status = Refused
			if was := latest(own, p, now, material).Status; was == Given || was == Suspended {
				status = Withdrawn
			}
		}
		if a.Objection {
			status = Objected
		}
		withdraws = withdraws && status == Withdrawn
		rec.Effects = append(rec.Effects, Effect{p, status})
	}
	if withdraws || a.Objection {
		rec.Until = time.Time{} // what was taken back stays taken back
	}
	return rec
}

// eraseWays deletes what other ways in and out keep of a subject, before its records go.
func (r *Room) eraseWays(ctx context.Context, tx *store.Tx, s id.Subject) error {
	t := tx.TenantID()
	for _, query := range []string{
		`DELETE FROM consent_once WHERE tenant_id = $1 AND record IN (
			SELECT record FROM consent_record WHERE tenant_id = $1 AND subject = $2)`,
		`DELETE FROM consent_link WHERE tenant_id = $1 AND subject = $2`,
		`DELETE FROM consent_ask WHERE tenant_id = $1 AND (subject = $2 OR asked_subject = $2)`,
		`DELETE FROM consent_objection WHERE tenant_id = $1 AND subject = $2`,
	} {
		if _, err := tx.Exec(ctx, query, t, s); err != nil {
			return err
		}
	}
	return nil
}
