package consent

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/subject"
)

// MaxImport is how many assertions one call of Import takes. They are one transaction, and a choice
// that comes in meanwhile waits for it.
const MaxImport = 250

// Imported is what became of one assertion.
type Imported struct {
	Record   uuid.UUID // zero: it was refused, or this was a rehearsal
	Repeated bool      // it had been recorded under its key before
	Refused  error     // a *fail.Error that says why and what to do; nil: it is recorded
}

// Import records what another system kept, as assertions that are never first-hand, at most MaxImport
// at a time and in the order given. The answer has one element for each. One that can't be recorded
// keeps none of the others from it. All that are recorded become durable together; a call that failed,
// or whose answer was lost, is made again: what is recorded already is recognised by its key, which each
// must have.
//
// A rehearsal checks everything and records nothing.
//
// Errors: fail.Invalid for a list that is empty or too long; fail.Unavailable when nothing was recorded.
func (r *Room) Import(ctx context.Context, t id.Tenant, list []Assertion, rehearsal bool) ([]Imported, error) {
	if len(list) == 0 || len(list) > MaxImport {
		return nil, fail.Field("rows", "An import takes 1 to %d rows at a time.", MaxImport)
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.fresh != nil {
		if err := r.fresh(ctx); err != nil {
			return nil, unavailable(err, "read what was erased")
		}
	}
	im := &importing{room: r, tenant: t, set: set, out: make([]Imported, len(list))}
	if err := im.check(ctx, list); err != nil {
		return nil, err
	}
	// Somebody else may make the same people at the same time. Then they are looked up again.
	for range 4 {
		if err = im.resolve(ctx); err != nil || rehearsal {
			break
		}
		if err = im.record(ctx); !fail.Is(err, fail.Conflict) {
			break
		}
	}
	if fail.Is(err, fail.Conflict) {
		err = fail.Wrap(fail.Unavailable, err, "Others record the same people at the moment. Try again")
	}
	if err != nil {
		return nil, unavailable(err, "import consents")
	}
	for _, row := range im.rows {
		if row.denial != nil && !im.open(row) {
			r.gate.release(t, row.denied, row.denial) // nothing new was said
		}
	}
	if rehearsal {
		return im.out, nil
	}
	var closed []Closing
	for _, row := range im.rows {
		if !row.fresh && im.open(row) {
			closed = append(closed, closings(row.whose.Person, row.record)...)
		}
	}
	if err := r.keep(ctx, t, closed...); err != nil {
		return nil, err
	}
	return im.out, nil
}

// importing is a list of assertions on its way into the store.
type importing struct {
	room   *Room
	tenant id.Tenant
	set    *settings
	out    []Imported
	rows   []*imported // those that were not refused at once
}

// imported is one assertion of them.
type imported struct {
	at              int // in the list
	a               *Assertion
	name            subject.Name // normalised
	digest, content []byte       // of the key
	whose           subject.Resolved
	fresh           bool    // the subject has a key and is not stored yet
	denial          *denial // nil: it closes nothing of somebody known
	denied          []id.Subject
	record          Record
}

// check refuses what can be refused without looking anything up.
func (im *importing) check(ctx context.Context, list []Assertion) error {
	now := im.room.clk.Now().UTC().Truncate(time.Microsecond)
	for i := range list {
		a := list[i]
		a.Channel = "import"
		row := &imported{at: i, a: &a, name: subject.Name{Kind: a.Who.Kind}}
		err := a.check(im.set, now)
		if err == nil && a.Key == "" {
			err = fail.Field("key", "Without a key it could be recorded twice.")
		}
		if err == nil {
			row.name.Value, err = subject.Normalise(a.Who.Kind, a.Who.Value)
		}
		if err == nil {
			row.digest, row.content, err = im.room.once(ctx, im.tenant, &a)
		}
		switch {
		case err == nil:
			im.rows = append(im.rows, row)
		case fail.Is(err, fail.Invalid):
			im.out[i].Refused = err
		default:
			return err
		}
	}
	return nil
}

// resolve finds out what was recorded before and whom the others are about, and makes keys for those
// who are new. It changes nothing that counts, so it may be done again.
func (im *importing) resolve(ctx context.Context) error {
	r := im.room
	names := make([]subject.Name, len(im.rows))
	for i, row := range im.rows {
		names[i] = row.name
	}
	err := r.db.Tenant(im.tenant).Read(ctx, func(tx *store.Tx) error {
		used := map[string]*imported{}
		found, err := r.subjects.Resolve(ctx, tx, names)
		if err != nil {
			return err
		}
		for i, row := range im.rows {
			row.whose = found[i]
			if err := im.before(ctx, tx, row); err != nil {
				return err
			}
			im.twice(row, used)
		}
		return nil
	})
	if err != nil {
		return err
	}
	made := map[subject.Name]id.Subject{}
	var fresh []id.Subject
	for _, row := range im.rows {
		row.fresh = false
		if !im.open(row) || !row.whose.Subject.IsZero() {
			continue
		}
		s, ok := made[row.name]
		if !ok {
			s = id.NewSubject()
			made[row.name] = s
			fresh = append(fresh, s)
		}
		row.fresh = !ok
		row.whose.Subject, row.whose.Person = s, []id.Subject{s}
	}
	if len(fresh) == 0 {
		return nil
	}
	return r.keys.CreateSubjects(ctx, im.tenant, fresh)
}

// before settles a row whose key was used before, or whose person was erased.
func (im *importing) before(ctx context.Context, tx *store.Tx, row *imported) error {
	out := &im.out[row.at]
	*out = Imported{}
	done, err := before(ctx, tx, row.digest, row.content)
	switch {
	case fail.Is(err, fail.Conflict):
		out.Refused = err
	case err != nil:
		return err
	case done != nil:
		out.Record, out.Repeated = done.RecordID, true
	case !row.whose.Erased.IsZero() && !row.a.Said.After(row.whose.Erased):
		out.Refused = gone()
	}
	return nil
}

func gone() error {
	return fail.New(fail.Gone, "This person's data was erased. What was erased stays erased: leave the row out.").WithCode("subject.erased")
}

// open tells whether the row is still to be recorded.
func (im *importing) open(row *imported) bool {
	out := &im.out[row.at]
	return out.Refused == nil && !out.Repeated
}

// record writes all rows that are open in one transaction. fail.Conflict asks for another look.
func (im *importing) record(ctx context.Context) error {
	r := im.room
	if !slices.ContainsFunc(im.rows, im.open) {
		return nil
	}
	// What is closed for somebody known is shut before it is written, as with a withdrawal.
	for _, row := range im.rows {
		var shut []string
		for p, yes := range row.a.Purposes {
			if !yes {
				shut = append(shut, p)
			}
		}
		if row.denial == nil && len(shut) > 0 && !row.fresh && im.open(row) {
			row.denied = row.whose.Person
			row.denial = r.gate.deny(im.tenant, row.denied, shut, r.clk.Now)
		}
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	return r.db.Tenant(im.tenant).Write(ctx, func(tx *store.Tx) error { return im.write(ctx, tx, now) })
}

func (im *importing) write(ctx context.Context, tx *store.Tx, now time.Time) error {
	r := im.room
	if err := r.recordBuild(ctx, tx, notice.Theme{}); err != nil {
		return err
	}
	past := map[id.Subject][]Record{} // of everybody in the list, with what this transaction adds
	scripts := map[[2]string]string{}
	tallies := map[tallied]int64{}
	used := map[string]*imported{}
	var entries []ledger.Entry
	var written []*imported
	var fresh []subject.Fresh
	for _, row := range im.rows {
		if im.out[row.at].Refused != nil {
			continue
		}
		ok, err := im.admit(ctx, tx, row, used, past)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		s := row.whose.Subject
		if row.fresh {
			fresh = append(fresh, subject.Fresh{Subject: s, Name: row.name, Said: row.a.Said})
		}
		if _, known := past[s]; !known && !row.fresh {
			if past[s], err = recordsOf(ctx, tx, s); err != nil {
				return err
			}
		}
		at := now
		if row.denial != nil {
			at = row.denial.at
		}
		e, err := im.fill(ctx, tx, row, past[s], at, scripts)
		if err != nil {
			return err
		}
		if n := len(past[s]); n > 0 {
			e.PrevID = past[s][n-1].ID.String()
		}
		payload, err := json.Marshal(e)
		if err != nil {
			return err
		}
		record := row.record.ID
		entries = append(entries, ledger.Entry{
			Kind: row.record.Kind, Payload: payload, Subject: s,
			Seal: func(plain []byte) ([]byte, error) {
				return r.keys.Seal(ctx, im.tenant, s, entryAAD(im.tenant, s, record), plain)
			},
		})
		past[s] = append(past[s], row.record)
		written = append(written, row)
		tallies[tallyOf(&row.record, e)]++
	}
	if len(written) == 0 {
		return nil
	}
	if err := r.subjects.Make(ctx, tx, fresh); err != nil {
		return err
	}
	first, err := r.ledger.AppendAll(ctx, tx, entries)
	if err != nil {
		return err
	}
	var records, keys [][]any
	for i, row := range written {
		row.record.Ledger, row.record.Served = first+int64(i), -1
		records = append(records, append([]any{im.tenant}, row.record.values()...))
		keys = append(keys, []any{im.tenant, row.digest, row.content, row.record.ID})
	}
	if _, err := tx.Insert(ctx, `INSERT INTO consent_record (tenant_id, `+recordColumns+`)`, records, ""); err != nil {
		return err
	}
	if _, err := tx.Insert(ctx, `INSERT INTO consent_once (tenant_id, digest, content, record)`, keys, ""); err != nil {
		return err
	}
	for _, row := range written {
		if err := im.pass(ctx, tx, row, past[row.whose.Subject]); err != nil {
			return err
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(tallies), tallied.compare) {
		if err := k.add(ctx, tx, tallies[k]); err != nil {
			return err
		}
	}
	return nil
}

// admit looks once more, within the transaction, whether the row is to be recorded and its person is
// there. past has those whom an earlier row of the list is about.
func (im *importing) admit(ctx context.Context, tx *store.Tx, row *imported, used map[string]*imported, past map[id.Subject][]Record) (bool, error) {
	if err := im.before(ctx, tx, row); err != nil || !im.open(row) {
		return false, err
	}
	if im.twice(row, used) {
		return false, nil
	}
	if _, known := past[row.whose.Subject]; known || row.fresh {
		return true, nil
	}
	if there, err := im.room.subjects.Exists(ctx, tx, row.whose.Subject); err != nil {
		return false, err
	} else if !there {
		return false, fail.New(fail.Conflict, "Somebody was erased a moment ago.")
	}
	return true, nil
}

// twice settles a row whose key stands on an earlier row of the list.
func (im *importing) twice(row *imported, used map[string]*imported) bool {
	if !im.open(row) {
		return false
	}
	out, first := &im.out[row.at], used[string(row.digest)]
	switch {
	case first == nil:
		used[string(row.digest)] = row
		return false
	case string(first.content) == string(row.content):
		out.Repeated, out.Record = true, first.record.ID
	default:
		out.Refused = reused()
	}
	return true
}

// fill makes the record of a row and its entry.
func (im *importing) fill(ctx context.Context, tx *store.Tx, row *imported, own []Record, at time.Time, scripts map[[2]string]string) (*entry, error) {
	r, a := im.room, row.a
	w := &asserting{room: r, set: im.set, a: a, subject: row.whose.Subject, now: at}
	which := ""
	if a.Text != "" {
		text := [2]string{a.Language, a.Text}
		if scripts[text] == "" {
			name, err := r.keepScript(ctx, tx, a.Text, a.Language)
			if err != nil {
				return nil, err
			}
			scripts[text] = name
		}
		which = scripts[text]
	}
	e := w.fill(own, which)
	row.record = w.record
	im.out[row.at] = Imported{Record: w.record.ID}
	r.complete(e, im.tenant)
	return e, nil
}

// pass tells those who have to know of the row's record, which is written.
func (im *importing) pass(ctx context.Context, tx *store.Tx, row *imported, all []Record) error {
	r, rec := im.room, &row.record
	here := slices.IndexFunc(all, func(o Record) bool { return o.ID == rec.ID })
	if here < 0 {
		return errors.New("a record that was just made is missing")
	}
	if news := newlyClosed(all[:here], rec); len(news) > 0 && r.closedHook != nil {
		if err := r.closedHook(ctx, tx, rec, news); err != nil {
			return err
		}
	}
	if row.fresh {
		return nil // nobody remembers anything of somebody new
	}
	var closed []string
	for _, ef := range rec.Effects {
		if ef.Status.closes() {
			closed = append(closed, ef.Purpose)
		}
	}
	members, d, known := row.whose.Person, row.denial, here > 0
	tx.AfterCommit(func() {
		r.gate.settle(im.tenant, row.denied, d)
		r.gate.drop(im.tenant, members)
		r.announce(im.tenant, members, closed, known)
	})
	return nil
}
