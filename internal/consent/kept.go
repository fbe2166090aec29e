package consent

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// Closing is what one record closed, as it is kept outside of the database, so that a restored backup
// does not open it again. It holds no personal data.
type Closing struct {
	Record  uuid.UUID
	Subject id.Subject   // whose record it is
	Person  []id.Subject // all devices of the person at the time
	At      time.Time
	Effects string // the purposes and how each was closed
}

// KeptBy has fn called with what records of people closed, after the commit and before whoever said it
// hears that it was recorded. fn returns when it is durable; adding the same twice does nothing. What
// brought a new visitor about is left out: no older database knows them. Call it before the room is
// used.
func (r *Room) KeptBy(fn func(ctx context.Context, t id.Tenant, list ...Closing) error) {
	r.keeper = fn
}

// FreshBy has fn called before consents are imported, so that what other servers erased is known here. Call
// it before the room is used.
func (r *Room) FreshBy(fn func(ctx context.Context) error) { r.fresh = fn }

// owed are closings that are recorded and could not be kept elsewhere.
type owed struct {
	tenant id.Tenant
	list   []Closing
}

// keep has closings that are recorded kept outside of the database, with what could not be kept before.
// It returns fail.Unavailable if that fails; the records are made all the same, and saying the same
// again makes no new ones.
func (r *Room) keep(ctx context.Context, t id.Tenant, list ...Closing) error {
	if r.keeper == nil {
		return nil
	}
	r.owing.Lock()
	todo := r.owed
	r.owed = nil
	r.owing.Unlock()
	if len(list) > 0 {
		todo = append(todo, owed{t, list})
	}
	for len(todo) > 0 {
		if err := r.keeper(context.WithoutCancel(ctx), todo[0].tenant, todo[0].list...); err != nil {
			r.owing.Lock()
			r.owed = append(r.owed, todo...)
			r.owing.Unlock()
			return unavailable(err, "keep what was closed outside of the database; it is closed here, but try again")
		}
		todo = todo[1:]
	}
	return nil
}

// closings returns what the records of a person close.
func closings(person []id.Subject, records ...Record) (list []Closing) {
	for i := range records {
		if c, ok := closingOf(&records[i], person); ok {
			list = append(list, c)
		}
	}
	return list
}

func closingOf(rec *Record, person []id.Subject) (Closing, bool) {
	if rec.Subject.IsZero() {
		return Closing{}, false
	}
	var effects []Effect
	for _, ef := range rec.Effects {
		if ef.Status.closes() {
			effects = append(effects, ef)
		}
	}
	return Closing{rec.ID, rec.Subject, person, rec.At, encodeEffects(effects)}, len(effects) > 0
}

// Organisations lists those that have published purposes.
func (r *Room) Organisations(ctx context.Context) (list []id.Tenant, err error) {
	err = r.db.Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT tenant_id FROM consent_purpose WHERE tenant_id IS NOT NULL ORDER BY tenant_id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t id.Tenant
			if err := rows.Scan(&t); err != nil {
				return err
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "list the organisations")
	}
	return list, nil
}

// Closings calls fn with what the records after an entry of the log closed for people who were known
// before, a part at a time, and with the newest entry that the part covers.
func (r *Room) Closings(ctx context.Context, t id.Tenant, after int64, fn func(list []Closing, upTo int64) error) error {
	const many = 500
	for {
		var records []Record
		var persons [][]id.Subject
		err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
			records, persons = nil, nil
			rows, err := tx.Query(ctx, `
				SELECT `+recordColumns+` FROM consent_record a
				WHERE tenant_id = $1 AND ledger > $2
					AND (effects LIKE '%=ConsentRefused%' OR effects LIKE '%=ConsentWithdrawn%' OR effects LIKE '%=Objected%'
						OR effects LIKE '%=ConsentInvalidated%' OR effects LIKE '%=ConsentRevoked%')
					AND EXISTS (SELECT 1 FROM consent_record b
						WHERE b.tenant_id = a.tenant_id AND b.subject = a.subject AND b.ledger < a.ledger)
				ORDER BY ledger LIMIT $3`, t, after, many)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				rec, err := scanRecord(rows)
				if err != nil {
					return err
				}
				records = append(records, rec)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			rows.Close()
			for i := range records {
				members, err := r.subjects.Person(ctx, tx, records[i].Subject)
				if err != nil {
					return err
				}
				persons = append(persons, members)
			}
			return nil
		})
		if err != nil {
			return unavailable(err, "read what was closed")
		}
		if len(records) == 0 {
			return nil
		}
		var list []Closing
		for i := range records {
			if c, ok := closingOf(&records[i], persons[i]); ok {
				list = append(list, c)
			}
		}
		after = records[len(records)-1].Ledger
		if err := fn(list, after); err != nil {
			return err
		}
	}
}

// CloseAgain closes what was closed before and what this database does not know, as after it was
// restored from a backup. It returns how many of the closings it had to make, each with an entry in the
// log that says that it was entered again. It is idempotent, and all of it is one transaction.
//
// Rules:
//   - A closing whose record is here is known.
//   - It counts from when the person said it, and on each of the devices that were theirs then: a device
//     that was found to be theirs after the backup is closed by itself.
//   - A device that is not here has nothing that could be used: it is asked anew.
//   - A word about the purpose that was said on the device later goes before it.
func (r *Room) CloseAgain(ctx context.Context, t id.Tenant, list []Closing) (again int, err error) {
	return r.closeAll(ctx, t, list, nil)
}

// OpenYet returns how many of the closings CloseAgain would make, and makes none.
func (r *Room) OpenYet(ctx context.Context, t id.Tenant, list []Closing) (open int, err error) {
	return r.closeAll(ctx, t, list, errRehearsal)
}

// errRehearsal rolls a transaction back that was tried only.
var errRehearsal = errors.New("this was a rehearsal")

// closeAll is CloseAgain, in a transaction that ends with an error if one is given.
func (r *Room) closeAll(ctx context.Context, t id.Tenant, list []Closing, end error) (again int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	set, err := r.tenant(ctx, t)
	if err != nil {
		return 0, err
	}
	if list, err = r.unknown(ctx, t, list); err != nil || len(list) == 0 {
		return 0, err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		again = 0
		for i := range list {
			made, err := r.closeAgain(ctx, tx, set, &list[i])
			if err != nil {
				return err
			}
			if made {
				again++
			}
		}
		return end
	})
	if err != nil && !errors.Is(err, errRehearsal) {
		return 0, unavailable(err, "close again what was closed before")
	}
	return again, nil
}

// unknown returns the closings whose record is not here, without holding up those who write.
func (r *Room) unknown(ctx context.Context, t id.Tenant, list []Closing) (rest []Closing, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rest = nil
		for _, c := range list {
			known, err := recorded(ctx, tx, c.Record)
			if err != nil {
				return err
			}
			if !known {
				rest = append(rest, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "look for what was closed")
	}
	return rest, nil
}

func (r *Room) closeAgain(ctx context.Context, tx *store.Tx, set *settings, c *Closing) (made bool, err error) {
	if known, err := recorded(ctx, tx, c.Record); err != nil || known {
		return false, err
	}
	effects, err := decodeEffects(c.Effects)
	if err != nil {
		return false, err
	}
	var members []id.Subject // whom a record of the subject's covers here
	if there, err := r.subjects.Exists(ctx, tx, c.Subject); err != nil {
		return false, err
	} else if there {
		if members, err = r.subjects.Person(ctx, tx, c.Subject); err != nil {
			return false, err
		}
		if made, err = r.enterAgain(ctx, tx, set, c, c.Subject, c.Record, effects, members); err != nil {
			return false, err
		}
	}
	for _, s := range c.Person {
		if s == c.Subject || slices.Contains(members, s) {
			continue
		}
		if there, err := r.subjects.Exists(ctx, tx, s); err != nil {
			return false, err
		} else if !there {
			continue
		}
		of := sha256.Sum256(slices.Concat(c.Record[:], s[:]))
		record := uuid.UUID(of[:16])
		if known, err := recorded(ctx, tx, record); err != nil {
			return false, err
		} else if known {
			continue
		}
		one, err := r.enterAgain(ctx, tx, set, c, s, record, effects, []id.Subject{s})
		if err != nil {
			return false, err
		}
		made = made || one
	}
	return made, nil
}

// enterAgain writes the record of one device, unless later words about all of its purposes are there.
func (r *Room) enterAgain(ctx context.Context, tx *store.Tx, set *settings, c *Closing, s id.Subject, record uuid.UUID, effects []Effect, members []id.Subject) (bool, error) {
	own, err := recordsOf(ctx, tx, s)
	if err != nil {
		return false, err
	}
	rec := Record{ID: record, Subject: s, Kind: ledger.ConsentRefused, Source: "register", At: c.At.UTC().Truncate(time.Microsecond)}
	if n := len(own); n > 0 {
		rec.Deployment, rec.Notice, rec.Version, rec.Language = own[n-1].Deployment, own[n-1].Notice, own[n-1].Version, own[n-1].Language
	}
	for _, ef := range effects {
		later := slices.ContainsFunc(own, func(o Record) bool { return o.Said.IsZero() && o.At.After(rec.At) && o.says(ef.Purpose) != "" })
		if later {
			continue
		}
		rec.Effects = append(rec.Effects, ef)
		if kind := kindOf[ef.Status]; kind != "" {
			rec.Kind = kind
		}
	}
	if len(rec.Effects) == 0 {
		return false, nil
	}
	e := newEntry(&rec)
	e.Actor, e.Proof = "system", proofNone
	e.EnteredAgain = r.clk.Now().UTC().Format(timeFormat)
	e.Notice = set.textOf(&rec)
	e.addPurposes(set, &rec, nil)
	return true, r.append(ctx, tx, &rec, e, members, nil)
}

// kindOf is how a record is called that closes a purpose in a way, where that is not a refusal.
var kindOf = map[Status]string{
	Withdrawn: ledger.ConsentWithdrawn, Objected: ledger.ConsentObjected,
	Invalidated: ledger.ConsentInvalidated, Revoked: ledger.ConsentRevoked,
}

func recorded(ctx context.Context, tx *store.Tx, record uuid.UUID) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM consent_record WHERE tenant_id = $1 AND record = $2`, tx.TenantID(), record).Scan(&n)
	return n > 0, err
}
