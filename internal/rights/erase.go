package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"probity/internal/id"
	"probity/internal/store"
)

// stepSuppress deletes who the person is and leaves keyed digests of the identifiers, so that
// nothing new of them is accepted while the rest is being deleted. Devices that were merged with the
// person since they were located are taken in.
func (r *Room) stepSuppress(ctx context.Context, j *job) error {
	held, err := r.countRows(ctx, j)
	if err != nil {
		return err
	}
	soonGone, err := r.expiring(ctx, j.tenant, j.work.Subjects)
	if err != nil {
		return err
	}
	var fields []FieldReport
	err = r.DB.Tenant(j.tenant).Read(ctx, func(tx *store.Tx) error {
		fields, err = fieldsOf(ctx, tx, j.work.Subjects)
		return err
	})
	if err != nil {
		return err
	}
	own, err := r.ownIdentities(ctx, j.tenant, &j.content.Who, j.work.Subjects)
	if err != nil {
		return err
	}
	digests, err := r.digests(ctx, j.tenant, &j.content.Who)
	if err != nil {
		return err
	}
	err = r.step(ctx, j, stepShred, Erasing, func(tx *store.Tx, j *job) (err error) {
		if j.work.Subjects, err = r.expand(ctx, tx, j.work.Subjects); err != nil {
			return err
		}
		if h, err := heldBy(ctx, tx, j.work.Subjects, digests); err != nil {
			return err
		} else if h != nil {
			return errHeld{*h}
		}
		j.report.Found, j.report.Matched = len(j.work.Subjects), len(j.work.Subjects) > 0
		j.report.add("database", "rows of the person before", held)
		j.report.Expiring = soonGone
		j.report.Fields = fields
		if r.hasDatabases(j.tenant) {
			j.work.keep(own)
		}
		n := int64(len(j.work.Subjects))
		if err := r.rememberNames(ctx, tx, j); err != nil {
			return err
		}
		if err := r.People.Erase(ctx, tx, j.work.Subjects); err != nil {
			return err
		}
		j.report.add("identities", "deleted, suppressed", []Count{{"data subjects", n}})
		return nil
	})
	if h, ok := errors.AsType[errHeld](err); ok {
		return r.stopFor(ctx, j, h.by)
	}
	return err
}

// stepShred enters the erasure in the register, so that no backup brings the person back, and destroys
// the keys. From here on nothing the person ever sent can be read, whatever
// happens to the rest of the procedure. Other requests of the person, with packages made for them,
// lose their keys too.
func (r *Room) stepShred(ctx context.Context, j *job) error {
	requests, err := r.requestKeys(ctx, j.tenant, j.work.Subjects)
	if err != nil {
		return err
	}
	j.work.Keys = slices.Concat(j.work.Keys, requests)
	entry, err := r.register(j)
	if err != nil {
		return err
	}
	keys := slices.Concat(j.work.Subjects, requests)
	if len(keys) > 0 {
		if err := r.Keys.Shred(ctx, j.tenant, keys...); err != nil {
			return err
		}
	}
	if err := r.noteInVault(ctx, entry); err != nil {
		return err
	}
	r.forget(j.tenant, j.work.Subjects)
	return r.step(ctx, j, stepDelete, Erasing, func(tx *store.Tx, j *job) error {
		if err := r.noteErasure(ctx, tx, entry); err != nil {
			return err
		}
		if j.work.Rounds > 0 {
			return nil // they were counted in the first round
		}
		j.report.add("keys", "destroyed", []Count{
			{"data keys of the person", int64(len(j.work.Subjects))},
			{"keys of other requests and their packages", int64(len(requests))},
		})
		return nil
	})
}

// forget drops the subjects from the caches of this and other processes and from the live views.
func (r *Room) forget(t id.Tenant, subjects []id.Subject) {
	r.People.Forget(t, subjects...)
	if r.Bus == nil {
		return
	}
	for _, s := range subjects {
		inval, _ := json.Marshal(map[string]string{"subject": s.String(), "why": "erased"})
		live, _ := json.Marshal(map[string]string{"type": "erased", "subject": s.String()})
		stop, _ := json.Marshal(map[string][]string{"withdrawn": {"*"}})
		for topic, data := range map[string][]byte{
			"inval." + t.String():   inval,
			"live." + t.String():    live,
			"consent." + s.String(): stop,
		} {
			// Lost messages are made good by expiring caches; the keys are gone in any case.
			if err := r.Bus.Publish(topic, data); err != nil {
				r.Logger.Warn("caches could not be told of an erasure", "error", err)
			}
		}
	}
}

// stepDelete removes the rows, one store and one transaction after the other. It is repeated as a
// whole after a crash; each deletion is counted in its own transaction, so that no count is lost or
// doubled.
func (r *Room) stepDelete(ctx context.Context, j *job) error {
	if len(j.work.Subjects) == 0 {
		return r.step(ctx, j, stepDatabases, Erasing, nil)
	}
	// The ledger first: what it holds of the person is counted here, though the room whose entries
	// they are may forget them too.
	err := r.step(ctx, j, stepDelete, Erasing, func(tx *store.Tx, j *job) error {
		n, err := r.forgetLedger(ctx, tx, j.work.Subjects)
		j.report.add("ledger", "contents deleted", []Count{{"entries", n}})
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range r.Stores {
		err := r.step(ctx, j, stepDelete, Erasing, func(tx *store.Tx, j *job) error {
			counts, err := s.Erase(ctx, tx, j.work.Subjects)
			if err != nil {
				return fmt.Errorf("erase from %s: %w", s.Name(), err)
			}
			j.report.add(s.Name(), "deleted", counts)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return r.step(ctx, j, stepRetrain, Erasing, func(tx *store.Tx, j *job) error {
		requests, err := forgetRequests(ctx, tx, j.work.Subjects)
		if err != nil {
			return err
		}
		j.report.add("requests", "contents deleted", []Count{{"other requests and their packages", requests}})
		// Events that were on their way when the tombstones were set may have brought rows back.
		if err := r.rememberNames(ctx, tx, j); err != nil {
			return err
		}
		return r.People.Erase(ctx, tx, j.work.Subjects)
	})
}

func (r *Room) forgetLedger(ctx context.Context, tx *store.Tx, subjects []id.Subject) (total int64, err error) {
	for _, s := range subjects {
		n, err := r.Ledger.ForgetSubject(ctx, tx, s)
		if err != nil {
			return total, fmt.Errorf("erase from the ledger: %w", err)
		}
		total += n
	}
	return total, nil
}

// stepRetrain trains the models without the person's rows and empties the database's own log.
func (r *Room) stepRetrain(ctx context.Context, j *job) error {
	var models []ModelReport
	if r.Models != nil && j.trained() {
		var err error
		if models, err = r.Models.Retrain(ctx, j.tenant, "erasure"); err != nil {
			return fmt.Errorf("retrain the models: %w", err)
		}
	}
	if err := r.DB.Scrub(ctx); err != nil {
		return fmt.Errorf("scrub the database: %w", err)
	}
	return r.step(ctx, j, stepDatabases, Erasing, func(_ *store.Tx, j *job) error {
		j.report.Models = models
		return nil
	})
}

// trained tells whether the erasure removed rows that a model was trained on. Only then may the
// models know anything of the person.
func (j *job) trained() bool {
	for _, s := range j.report.Stores {
		if s.Store != lessonsName {
			continue
		}
		for _, c := range s.Counts {
			if c.N > 0 {
				return true
			}
		}
	}
	return false
}

// horizon returns the day after which no backup holds a key that opens the erased data.
func (r *Room) horizon(now time.Time) string {
	return now.Add(r.Keys.Horizon()).UTC().Format(time.DateOnly)
}
