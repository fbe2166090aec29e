package rights

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
	"probity/internal/tombstone"
)

// Register is where erasures are written down outside of the databases. *tombstone.Register satisfies
// it.
type Register interface {
	// Add returns when the entries are on disk; adding one twice does nothing.
	Add(entries ...tombstone.Entry) error
	Has(entry uuid.UUID) bool
	// Each calls fn for every entry, oldest first.
	Each(fn func(tombstone.Entry) error) error
	// Since is Each for what comes after a mark that Covers knows, and returns the mark of the end.
	Since(m tombstone.Mark, fn func(tombstone.Entry) error) (tombstone.Mark, error)
	Covers(m tombstone.Mark) (bool, error)
	Mark() tombstone.Mark
	// Sync reads what other processes added.
	Sync() error
}

// rememberNames keeps what the person's identifiers leave behind, for the register. Call it before
// People.Erase, in the same transaction.
func (r *Room) rememberNames(ctx context.Context, tx *store.Tx, j *job) error {
	digests, err := r.People.Digests(ctx, tx, j.work.Subjects)
	if err != nil || len(digests) == 0 {
		return err
	}
	names := slices.Clone(j.work.Names)
	for _, d := range digests {
		n := tombstone.Name{Kind: string(d.Kind), Digest: d.Value}
		if !slices.ContainsFunc(names, func(o tombstone.Name) bool { return o.Kind == n.Kind && string(o.Digest) == string(n.Digest) }) {
			names = append(names, n)
		}
	}
	j.work.Names = names
	return nil
}

// register writes the erasure into the register, as far as it is known by now. It returns nil if there
// is no register, or nothing to write.
func (r *Room) register(j *job) (*tombstone.Entry, error) {
	if r.Register == nil || j.typ != Erasure || len(j.work.Subjects) == 0 {
		return nil, nil
	}
	e := tombstone.New(tombstone.Entry{
		At: r.Clock.Now(), Tenant: j.tenant, Request: j.id,
		Subjects: j.work.Subjects, Keys: append(slices.Clone(j.work.Keys), j.key), Names: j.work.Names,
	})
	if r.Register.Has(e.ID) {
		return &e, nil
	}
	return &e, r.Register.Add(e)
}

// noteInVault notes in the vault that its keys know of the erasure.
func (r *Room) noteInVault(ctx context.Context, e *tombstone.Entry) error {
	if e == nil {
		return nil
	}
	body, err := tombstone.Encode(*e)
	if err != nil {
		return err
	}
	return r.Keys.NoteErasure(ctx, e.Tenant, e.ID, body)
}

// noteErasure notes in the main database that it knows of the erasure.
func (r *Room) noteErasure(ctx context.Context, tx *store.Tx, e *tombstone.Entry) error {
	if e == nil {
		return nil
	}
	body, err := tombstone.Encode(*e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO rights_erasure (tenant_id, entry, body, applied_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, entry) DO NOTHING`, tx.TenantID(), e.ID[:], body, r.Clock.Now().UnixMicro())
	return err
}

// Settled says what Settle did.
type Settled struct {
	Known     int              `json:"known"`              // erasures in the register, of those that were looked at
	Recovered int              `json:"recovered"`          // entries that the register lacked and a database had
	Vault     int              `json:"applied_to_keys"`    // entries that the vault did not know
	Main      int              `json:"applied_to_data"`    // entries that the main database did not know
	Keys      int              `json:"keys_destroyed"`     // living keys that the restored vault brought back
	Rows      int64            `json:"rows_deleted"`       // rows of erased people that the restored database brought back
	Requests  []uuid.UUID      `json:"requests,omitempty"` // whose erasures were applied again
	Ledger    map[string]int64 `json:"ledger,omitempty"`   // organisation: number of the log's entry that says so

	Closed      int          `json:"closed"`                // withdrawals, refusals and objections that are in force again
	Restricted  int          `json:"restricted"`            // restrictions that are
	Held        int          `json:"held"`                  // legal holds that are
	Corrections []Correction `json:"corrections,omitempty"` // that the desk has to make again
}

// Again tells whether anything had to be applied again.
func (s *Settled) Again() bool {
	return s.Vault+s.Main+s.Closed+s.Restricted+s.Held+len(s.Corrections) > 0
}

// Settle makes sure that neither the main database nor the vault holds anybody whom the register, or
// the other of the two, knows as erased. That is so after one of them was restored from a backup, or
// both, or when a process died between the register and the databases. Call it before anything is
// served. It is idempotent: a process that dies in between is followed by one that begins again.
//
//   - What the databases know and the register does not is entered there: a lost register comes back.
//   - Keys that came back are destroyed again, with those of requests about the person.
//   - Rows that came back are deleted from every store, models are trained anew, identifiers are
//     refused again, and everything is read again, as at the first time.
//   - What people closed is closed again, restrictions and legal holds are in force again. Of what was
//     opened or lifted later the database knows nothing: the most restrictive counts.
//   - Corrections can't be made again, because the register does not hold the values: each is named, and
//     the person's data is restricted until the desk has made it again.
//   - An entry of the organisation's ledger says what was applied again.
//
// It fails rather than leaves anything behind; then nothing may be served.
//
// Both databases note up to where in the register they know everything. What comes before that place is
// not read again, so that a start takes no longer for it. A restored database has the note of its own
// time; where one has none that the register knows, all of it is read.
func (r *Room) Settle(ctx context.Context) (*Settled, error) { return r.settle(ctx, false) }

// CatchUp reads what other servers entered in the register, and applies what the databases do not know:
// that they were replaced by older ones while this process runs, as when a copy that is behind takes over.
// What is being carried out at this moment is left to whoever carries it out. It is quick when there is
// nothing new; call it often, and before data is taken in that may be of somebody who was erased.
func (r *Room) CatchUp(ctx context.Context) (*Settled, error) {
	if r.Register == nil {
		return &Settled{}, nil
	}
	if err := r.Register.Sync(); err != nil {
		return nil, err
	}
	return r.settle(ctx, true)
}

// settle is Settle; live says that requests are carried out meanwhile.
func (r *Room) settle(ctx context.Context, live bool) (*Settled, error) {
	out := &Settled{Ledger: map[string]int64{}}
	if r.Register == nil {
		return out, nil
	}
	r.settling.Lock()
	defer r.settling.Unlock()
	m, since, err := r.settledUpTo(ctx)
	if err != nil {
		return nil, err
	}
	if live && m == r.Register.Mark() {
		return out, nil
	}
	var inVault, inMain map[uuid.UUID]bool // nil: to be asked for each entry
	if m.Code == "" {
		if inVault, inMain, err = r.recoverRegister(ctx, out); err != nil {
			return nil, err
		}
	} else if err := r.recoverSince(ctx, since, out); err != nil {
		return nil, err
	}
	if !live {
		if err := r.recoverDecisions(ctx, inMain, out); err != nil {
			return nil, err
		}
		if err := r.keepRecorded(ctx, m.Code == ""); err != nil {
			return nil, err
		}
	}
	var list []tombstone.Entry
	end, err := r.Register.Since(m, func(e tombstone.Entry) error {
		if e.Kind == tombstone.Erased && inVault[e.ID] && inMain[e.ID] {
			out.Known++
			return nil
		}
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if inMain == nil {
		if inVault, inMain, err = r.knowEach(ctx, list); err != nil {
			return nil, err
		}
	}
	late, decisions := map[id.Tenant][]tombstone.Entry{}, map[id.Tenant][]tombstone.Entry{}
	var order []id.Tenant
	for _, e := range list {
		if e.Kind == tombstone.Erased && live && !(inVault[e.ID] && inMain[e.ID]) {
			if _, open, err := r.openRequest(ctx, e.Tenant, e.Request); err != nil {
				return nil, err
			} else if open {
				end = m // looked at again when it is carried out
				continue
			}
		}
		if late[e.Tenant] == nil && decisions[e.Tenant] == nil {
			order = append(order, e.Tenant)
		}
		switch {
		case e.Kind != tombstone.Erased:
			decisions[e.Tenant] = append(decisions[e.Tenant], e)
			continue
		case !inVault[e.ID] || !inMain[e.ID]:
			late[e.Tenant] = append(late[e.Tenant], e)
		}
		out.Known++
	}
	for _, t := range order {
		if len(late[t]) > 0 {
			if err := r.applyAgain(ctx, t, late[t], inVault, inMain, out); err != nil {
				return nil, fmt.Errorf("apply erasures again: %w", err)
			}
		}
		if err := r.decideAgain(ctx, t, decisions[t], inMain, out); err != nil {
			return nil, fmt.Errorf("apply decisions again: %w", err)
		}
	}
	if end == m || end.Code == "" {
		return out, nil
	}
	return out, r.noteSettled(ctx, end, m)
}

// recoverRegister enters in the register what only a database knows, and returns what each knows.
func (r *Room) recoverRegister(ctx context.Context, out *Settled) (inVault, inMain map[uuid.UUID]bool, err error) {
	inVault, inMain, lost, err := r.knownErasures(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range lost {
		if !r.Register.Has(e.ID) {
			out.Recovered++ // once, where both had it
			if err := r.Register.Add(e); err != nil {
				return nil, nil, err
			}
		}
	}
	return inVault, inMain, nil
}

// knownErasures returns which entries each of the databases knows, and those that the register lacks.
func (r *Room) knownErasures(ctx context.Context) (inVault, inMain map[uuid.UUID]bool, lost []tombstone.Entry, err error) {
	note := func(known map[uuid.UUID]bool) func(uuid.UUID, []byte) error {
		return func(entry uuid.UUID, body []byte) error {
			known[entry] = true
			if r.Register.Has(entry) {
				return nil
			}
			e, err := tombstone.Decode(body)
			if err != nil {
				return err
			}
			lost = append(lost, e)
			return nil
		}
	}
	inVault, inMain = map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	if err := r.Keys.Erasures(ctx, note(inVault)); err != nil {
		return nil, nil, nil, err
	}
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT entry, body FROM rights_erasure WHERE tenant_id IS NOT NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var entry uuid.UUID
			var body []byte
			if err := rows.Scan(&entry, &body); err != nil {
				return err
			}
			if err := note(inMain)(entry, body); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return inVault, inMain, lost, err
}

// again is how many erasures are applied together: few transactions, none of them long.
const again = 100

// applyAgain applies entries of one organisation to what does not know them.
func (r *Room) applyAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry, inVault, inMain map[uuid.UUID]bool, out *Settled) error {
	// Keys first: from then on nothing can be read, whatever else happens.
	for part := range slices.Chunk(entries, again) {
		if err := r.shredAgain(ctx, t, part, out); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if inVault[e.ID] {
			continue
		}
		if err := r.noteInVault(ctx, &e); err != nil {
			return err
		}
		out.Vault++
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e tombstone.Entry) bool { return inMain[e.ID] })
	if len(entries) == 0 {
		return nil
	}
	var rows int64
	for part := range slices.Chunk(entries, again) {
		n, err := r.deleteAgain(ctx, t, part)
		if err != nil {
			return err
		}
		rows += n
	}
	// Models that came back learnt from rows that are gone now, whenever those were deleted.
	var models []ModelReport
	if r.Models != nil {
		var err error
		if models, err = r.Models.Retrain(ctx, t, "erasure"); err != nil {
			return fmt.Errorf("retrain the models: %w", err)
		}
	}
	if err := r.DB.Scrub(ctx); err != nil {
		return fmt.Errorf("scrub the database: %w", err)
	}
	for part := range slices.Chunk(entries, again) {
		if err := r.verifyAgain(ctx, t, part); err != nil {
			return err
		}
	}
	out.Rows += rows
	return r.recordAgain(ctx, t, entries, rows, models, out)
}

// shredAgain destroys the keys that the entries name, and those of the requests that the database has
// about the same people. A request that is not finished keeps its own key: it goes on, and finds
// nothing.
func (r *Room) shredAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry, out *Settled) error {
	var keys []id.Subject
	for _, e := range entries {
		requests, err := r.requestKeys(ctx, t, e.Subjects)
		if err != nil {
			return err
		}
		own, open, err := r.openRequest(ctx, t, e.Request)
		if err != nil {
			return err
		}
		for _, k := range slices.Concat(e.Subjects, e.Keys, requests) {
			if open && k == own {
				continue
			}
			has, err := r.Keys.Has(ctx, t, k)
			if err != nil {
				return err
			}
			if has {
				out.Keys++
			}
			keys = append(keys, k)
		}
	}
	return r.Keys.Shred(ctx, t, keys...)
}

// openRequest returns the key of a request and whether it is still to be carried out.
func (r *Room) openRequest(ctx context.Context, t id.Tenant, request uuid.UUID) (key id.Subject, open bool, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT data_key FROM rights_request WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL`, t, request[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		if open = rows.Next(); open {
			return rows.Scan(&key)
		}
		return rows.Err()
	})
	return key, open, err
}

// deleteAgain deletes what the database holds of the people and tells how many rows that were.
func (r *Room) deleteAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry) (rows int64, err error) {
	var subjects []id.Subject
	for _, e := range entries {
		subjects = append(subjects, e.Subjects...)
	}
	h := r.DB.Tenant(t)
	err = h.Read(ctx, func(tx *store.Tx) error {
		counts, err := rowsOf(ctx, tx, subjects)
		rows = 0
		for _, c := range counts {
			rows += c.N
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	err = h.Write(ctx, func(tx *store.Tx) error {
		if err := r.People.Erase(ctx, tx, subjects); err != nil {
			return err
		}
		for _, e := range entries {
			if err := r.People.Suppress(ctx, tx, digestsOf(e), e.At); err != nil {
				return err
			}
		}
		_, err := r.forgetLedger(ctx, tx, subjects)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, s := range r.Stores {
		err := h.Write(ctx, func(tx *store.Tx) error {
			_, err := s.Erase(ctx, tx, subjects)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("erase from %s: %w", s.Name(), err)
		}
	}
	err = h.Write(ctx, func(tx *store.Tx) error {
		_, err := forgetRequests(ctx, tx, subjects)
		return err
	})
	r.forget(t, subjects)
	return rows, err
}

func digestsOf(e tombstone.Entry) []subject.Digest {
	digests := make([]subject.Digest, len(e.Names))
	for i, n := range e.Names {
		digests[i] = subject.Digest{Kind: subject.Kind(n.Kind), Value: n.Digest}
	}
	return digests
}

// verifyAgain reads everything again.
func (r *Room) verifyAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry) error {
	var subjects []id.Subject
	for _, e := range entries {
		subjects = append(subjects, e.Subjects...)
	}
	for _, s := range subjects {
		if has, err := r.Keys.Has(ctx, t, s); err != nil {
			return err
		} else if has {
			return fail.New(fail.Internal, "a key of somebody who was erased is still there; nothing may be served")
		}
	}
	return r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		counts, err := rowsOf(ctx, tx, subjects)
		if err != nil {
			return err
		}
		for _, c := range counts {
			if c.N > 0 {
				return fail.New(fail.Internal, "%d rows in %s are of somebody who was erased; nothing may be served", c.N, c.What)
			}
		}
		return nil
	})
}

// recordAgain notes in the ledger what was applied again, and in the database that it is done.
func (r *Room) recordAgain(ctx context.Context, t id.Tenant, entries []tombstone.Entry, rows int64, models []ModelReport, out *Settled) error {
	var requests []uuid.UUID
	var subjects int
	for _, e := range entries {
		subjects += len(e.Subjects)
		if !slices.Contains(requests, e.Request) {
			requests = append(requests, e.Request)
		}
	}
	payload, err := json.Marshal(map[string]any{
		"requests":      requests,
		"data_subjects": subjects,
		"rows_deleted":  rows,
		"models":        len(models),
		"reason":        "the database did not hold these erasures, as after a backup was restored",
		"applied_at":    stamp(r.Clock.Now()),
	})
	if err != nil {
		return err
	}
	ended, err := r.endedRequests(ctx, t, requests)
	if err != nil {
		return err
	}
	var index int64
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		for _, e := range entries {
			if err := r.noteErasure(ctx, tx, &e); err != nil {
				return err
			}
		}
		for _, request := range ended {
			if err := r.endAgain(ctx, tx, request); err != nil {
				return err
			}
		}
		index, err = r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.ErasureReapplied, Payload: payload})
		return err
	})
	if err != nil {
		return err
	}
	out.Main += len(entries)
	out.Requests = append(out.Requests, requests...)
	out.Ledger[t.String()] = index
	return nil
}

// endedRequests returns those of the requests that the database holds as they were before they were
// carried out: their keys are destroyed, so that they can't be carried out once more.
func (r *Room) endedRequests(ctx context.Context, t id.Tenant, requests []uuid.UUID) (ended []uuid.UUID, err error) {
	for _, request := range requests {
		key, open, err := r.openRequest(ctx, t, request)
		if err != nil {
			return nil, err
		}
		if !open {
			continue
		}
		if has, err := r.Keys.Has(ctx, t, key); err != nil {
			return nil, err
		} else if !has {
			ended = append(ended, request)
		}
	}
	return ended, nil
}

// endAgain closes a request that was complete before the database was restored. Its certificate, which
// the person has, went with the database.
func (r *Room) endAgain(ctx context.Context, tx *store.Tx, request uuid.UUID) error {
	report, err := json.Marshal(Report{Matched: true, Stores: []StoreReport{}, Kept: kept, Decisions: []string{
		"This erasure was carried out before the database was restored from a backup, and was applied to the restored database again. " +
			"The certificate was issued then.",
	}})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE rights_request
		SET step = $3, state = $4, report = $5, finished_at = $6, sealed = NULL, work = NULL, key_destroyed = TRUE,
			lease = NULL, leased_until = 0
		WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL`,
		tx.TenantID(), request[:], stepDone, string(Verified), string(report), r.Clock.Now().UnixMicro())
	return err
}
