package consent

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
)

// Withdraw takes consent back for some or all purposes (Art. 7(3)). From the instant it is stamped,
// which is before the commit, the gate is closed on all devices of the person; if the commit fails
// it stays closed in this process and the error says that it must be tried again.
//
// It is idempotent: what is closed already makes no new entry, and the receipt of the entry that
// closed it is returned. For a visitor nobody knows, such as an erased one, there is nothing to take
// back: the outcome says that nothing is granted and has no record.
//
// Earlier entries are never touched.
func (r *Room) Withdraw(ctx context.Context, t id.Tenant, w Withdrawal) (*Outcome, error) {
	return r.close(ctx, t, w, closing{kind: ledger.ConsentWithdrawn, actor: "data_subject", status: func(before Status) Status {
		if before == Given || before == Suspended {
			return Withdrawn
		}
		return Refused
	}})
}

// closing is a way to close purposes.
type closing struct {
	kind   string
	actor  string
	status func(before Status) Status
}

func (r *Room) close(ctx context.Context, t id.Tenant, w Withdrawal, how closing) (*Outcome, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := w.UI.check("banner", "preferences", "link", "form"); err != nil {
		return nil, err
	}
	purposes := w.Purposes
	if purposes == nil {
		purposes = set.purposeIDs()
	}
	if len(purposes) == 0 {
		return nil, fail.Field("purposes", "The list of purposes is empty.")
	}
	for _, p := range purposes {
		if set.purpose(p) == nil {
			return nil, fail.Field("purposes", "The list names a purpose that does not exist.")
		}
	}
	s, visitor, err := r.whose(ctx, t, w)
	if err != nil {
		return nil, err
	}
	if s.IsZero() {
		return r.nothing(set), nil
	}
	var members []id.Subject
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		members, err = r.subjects.Person(ctx, tx, s)
		return err
	})
	if err != nil {
		// Without the list of devices at least this one is closed before the caller hears of it.
		r.gate.deny(t, []id.Subject{s}, purposes, r.clk.Now)
		return nil, unavailable(err, "read the devices of a person")
	}
	denial := r.gate.deny(t, members, purposes, r.clk.Now)
	var rec Record
	var states map[string]State
	erased := false
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		// It may have been erased since it was looked up.
		there, err := r.subjects.Exists(ctx, tx, s)
		if erased = !there; err != nil || erased {
			return err
		}
		own, err := recordsOf(ctx, tx, s)
		if err != nil {
			return err
		}
		rec, err = r.closed(ctx, tx, set, s, own, purposes, w, how, denial, members)
		if err != nil {
			return err
		}
		if w.Reason != "" {
			if err := r.keepReason(ctx, tx, s, rec.ID, w.Reason); err != nil {
				return err
			}
		}
		if own, err = recordsOf(ctx, tx, s); err != nil {
			return err
		}
		states = fold(own, nil, denial.at, set.materialAt(denial.at))
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "record a withdrawal; the purposes stay closed here, but try again")
	}
	if erased {
		r.gate.release(t, members, denial)
		return r.nothing(set), nil
	}
	if err := r.keep(ctx, t, closings(members, rec)...); err != nil {
		return nil, err
	}
	out := &Outcome{Subject: s, RecordID: rec.ID, Purposes: map[string]bool{}}
	var granted []string
	for _, p := range set.purposes {
		ok := states[p.ID].Status == Given
		out.Purposes[p.ID] = ok
		if ok {
			granted = append(granted, p.ID)
		}
	}
	out.Token = token(granted, denial.at)
	if len(granted) > 0 && visitor != uuid.Nil {
		out.Visitor = &visitor
	}
	if rec.ID != uuid.Nil {
		out.Receipt = r.receiptNow(ctx, t, &rec)
	}
	return out, nil
}

// whose returns the subject of a withdrawal, the zero subject if nobody is known by that id.
func (r *Room) whose(ctx context.Context, t id.Tenant, w Withdrawal) (id.Subject, uuid.UUID, error) {
	if !w.Subject.IsZero() {
		return w.Subject, w.Visitor, nil
	}
	if w.Visitor == uuid.Nil {
		return id.Subject{}, uuid.Nil, fail.Field("visitor", "The visitor is missing.")
	}
	s, _, err := r.subjects.Lookup(ctx, t, subject.Cookie, w.Visitor.String())
	return s, w.Visitor, err
}

// nothing is the outcome for somebody nobody knows.
func (r *Room) nothing(set *settings) *Outcome {
	out := &Outcome{Purposes: map[string]bool{}, Token: token(nil, r.clk.Now())}
	for _, p := range set.purposes {
		out.Purposes[p.ID] = false
	}
	return out
}

// closed writes the record, or returns the one that says all of it already.
func (r *Room) closed(ctx context.Context, tx *store.Tx, set *settings, s id.Subject, own []Record, purposes []string,
	w Withdrawal, how closing, d *denial, members []id.Subject) (Record, error) {
	t := tx.TenantID()
	rec := Record{
		ID:         id.New(),
		Subject:    s,
		Kind:       how.kind,
		Source:     w.UI.Component,
		Deployment: w.Deployment,
		At:         d.at,
	}
	if n := len(own); n > 0 {
		// A withdrawal is about the notice under which consent was given.
		rec.Notice, rec.Version, rec.Language = own[n-1].Notice, own[n-1].Version, own[n-1].Language
		if rec.Deployment == uuid.Nil {
			rec.Deployment = own[n-1].Deployment
		}
	}
	material := set.materialAt(d.at)
	var decides State
	news := false
	for _, p := range purposes {
		before := latest(own, p, d.at, material)
		status := how.status(before.Status)
		// That somebody else says that the person refused does not spare them their own word.
		if !before.Status.denies() || before.Asserted || how.kind == ledger.ConsentObjected && before.Status != Objected {
			news = true
		} else {
			status = before.Status
			if before.Ledger >= decides.Ledger {
				decides = before
			}
		}
		rec.Effects = append(rec.Effects, Effect{p, status})
	}
	if !news {
		i := slices.IndexFunc(own, func(x Record) bool { return x.ID == decides.RecordID })
		tx.AfterCommit(func() { r.gate.settle(t, members, d) })
		return own[i], nil
	}
	slices.SortFunc(rec.Effects, func(a, b Effect) int { return strings.Compare(a.Purpose, b.Purpose) })
	rec.Effects = slices.Compact(rec.Effects)
	e := newEntry(&rec)
	e.Actor = how.actor
	e.UI = &w.UI
	e.Notice = set.textOf(&rec)
	e.setClientTime(w.ClientTime, d.at)
	e.addPurposes(set, &rec, nil)
	return rec, r.append(ctx, tx, &rec, e, members, d)
}

// Expire records the end of validity of grants that ran out, so that the ledger says it too. The
// gate needs no such record: it looks at the time. It returns how many records it wrote, at most
// limit; call it again until it returns less. It looks at what has run out since its last look, so
// that it can be called often.
func (r *Room) Expire(ctx context.Context, t id.Tenant, limit int) (int, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return 0, err
	}
	now := r.clk.Now().UTC().Truncate(time.Microsecond)
	written := 0
	// What ends is known long before, but for what an import brings: a day is looked at again.
	looked, _ := r.expired.Get(t)
	looked = looked.Add(-24 * time.Hour)
	// Nothing is due as a rule: look without holding up those who write.
	var due []Record
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		due, err = ranOut(ctx, tx, looked, now, 1)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "look for expired consent")
	}
	if len(due) == 0 {
		r.expired.Put(t, now, r.expired.Epoch())
		return 0, nil
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		written = 0
		due, err := ranOut(ctx, tx, looked, now, limit)
		if err != nil {
			return err
		}
		for _, old := range due {
			rec := Record{
				ID: id.New(), Subject: old.Subject, Kind: ledger.ConsentExpired, Source: "expiry", Deployment: old.Deployment,
				At: now, Notice: old.Notice, Version: old.Version, Language: old.Language,
			}
			for _, ef := range old.Effects {
				if ef.Status == Given {
					rec.Effects = append(rec.Effects, Effect{ef.Purpose, Expired})
				}
			}
			e := newEntry(&rec)
			e.Actor, e.Proof = "system", proofNone
			e.addPurposes(set, &rec, nil)
			e.Notice = set.textOf(&rec)
			if err := r.append(ctx, tx, &rec, e, []id.Subject{rec.Subject}, nil); err != nil {
				return err
			}
			written++
		}
		return nil
	})
	if err != nil {
		return 0, unavailable(err, "record expired consent")
	}
	return written, nil
}

// ranOut returns the newest records of subjects whose validity ended after one instant and until
// another.
func ranOut(ctx context.Context, tx *store.Tx, after, now time.Time, limit int) ([]Record, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+recordColumns+` FROM consent_record a
		WHERE tenant_id = $1 AND kind IN ($2, $7) AND until > $5 AND until <= $3 AND NOT EXISTS (
			SELECT 1 FROM consent_record b
			WHERE b.tenant_id = a.tenant_id AND b.subject = a.subject AND b.ledger > a.ledger AND b.kind <> $6)
		ORDER BY until, ledger LIMIT $4`, tx.TenantID(), ledger.ConsentGiven, now.UnixMicro(), limit, after.UnixMicro(), ledger.ConsentConflict, ledger.ConsentImported)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		rec, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, rows.Err()
}

// Expiring returns how many devices' newest choice is a grant that ends before an instant to come.
func (r *Room) Expiring(ctx context.Context, t id.Tenant, until time.Time) (n int64, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT count(*) FROM consent_record a
			WHERE tenant_id = $1 AND kind IN ($2, $3) AND until > $4 AND until <= $5 AND NOT EXISTS (
				SELECT 1 FROM consent_record b
				WHERE b.tenant_id = a.tenant_id AND b.subject = a.subject AND b.ledger > a.ledger AND b.kind <> $6)`,
			t, ledger.ConsentGiven, ledger.ConsentImported, r.clk.Now().UnixMicro(), until.UnixMicro(), ledger.ConsentConflict).Scan(&n)
	})
	if err != nil {
		return 0, unavailable(err, "count what expires soon")
	}
	return n, nil
}

// OnClosed has fn called in the transaction of every record that closes what was open: a withdrawal, a
// narrower choice, an objection, an expiry. purposes are those it closed. Set it before use.
func (r *Room) OnClosed(fn func(ctx context.Context, tx *store.Tx, rec *Record, purposes []string) error) {
	r.closedHook = fn
}

// newlyClosed returns the purposes that the record closes and that were open before, by the newest
// earlier record that mentions them. An objection closes whatever there was.
func newlyClosed(earlier []Record, rec *Record) (purposes []string) {
	for _, ef := range rec.Effects {
		if !ef.Status.denies() && ef.Status != Expired {
			continue
		}
		before := Status("")
		for i := len(earlier) - 1; i >= 0 && before == ""; i-- {
			before = earlier[i].says(ef.Purpose)
		}
		if before == Given || ef.Status == Objected && before != Objected {
			purposes = append(purposes, ef.Purpose)
		}
	}
	return purposes
}
