package rights

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// The steps of the procedures. Their names are stored: don't change them.
const (
	stepLocate    = "locate"    // all: find the data subjects of the person
	stepSuppress  = "suppress"  // erasure: tombstones first, so that nothing new comes in
	stepShred     = "shred"     // erasure: destroy the keys; from here on nothing can be read
	stepDelete    = "delete"    // erasure: remove the rows, store by store
	stepRetrain   = "retrain"   // erasure: models forget
	stepDatabases = "databases" // erasure: the organisation's other databases
	stepVerify    = "verify"    // erasure, rectification: read everything again
	stepRewrite   = "rewrite"   // rectification
	stepPackage   = "package"   // access, portability
	stepRecord    = "record"    // erasure, rectification: the ledger entry
	stepCertify   = "certify"   // erasure, rectification: sign, finish
	stepDone      = "done"
)

const (
	leaseFor    = 2 * time.Minute // longer than the slowest step; renewed with each one
	maxAttempts = 6               // of one step, before a fault of ours fails the request
	maxRounds   = 5               // of delete and verify, against writers that were under way
)

// job is a request while it is being carried out by one process.
type job struct {
	tenant   id.Tenant
	id       uuid.UUID
	key      id.Subject
	lease    uuid.UUID
	typ      Type
	step     string
	state    State
	facts    Facts
	received time.Time
	sealed   []byte // content and work, as stored
	worked   []byte
	content  content
	work     work
	report   Report
	ledger   int64 // index of the closing entry, -1 before it
	attempts int
	created  Actor
}

// work is what a step leaves for the next ones. It is sealed, because it ties the request to people.
type work struct {
	Subjects []id.Subject     `json:"subjects"`
	Names    []tombstone.Name `json:"names,omitempty"` // erasure: what is refused from now on
	Keys     []id.Subject     `json:"keys,omitempty"`  // erasure: of other requests, destroyed with it
	Rounds   int              `json:"rounds"`
	Body     []byte           `json:"body,omitempty"` // the certificate's, once it is fixed
	// Identities are what the person is known by, for the databases: own stores forget it before.
	Identities []heldIdentity `json:"identities,omitempty"`
	Planned    bool           `json:"planned,omitempty"` // the databases may be changed now
	// Before are digests of rows in databases whose use was restricted before this request restricted the rest.
	Before []string `json:"before,omitempty"`
}

var errLostLease = errors.New("another process carries the request out")

// Run carries out requests until ctx ends, two at a time, and has old ones forget whom they were
// about. Several processes may run over one database: each request is leased to one of them.
func (r *Room) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range 2 {
		g.Go(func() error {
			poll := time.NewTicker(2 * time.Second) // finds what others left behind
			defer poll.Stop()
			for {
				if _, err := r.Work(ctx); err != nil && ctx.Err() == nil {
					r.Logger.ErrorContext(ctx, "requests of data subjects can't be read", "error", err)
				}
				select {
				case <-r.wake:
				case <-poll.C:
				case <-ctx.Done():
					return nil
				}
			}
		})
	}
	g.Go(func() error {
		poll := time.NewTicker(2 * time.Second)
		defer poll.Stop()
		for {
			if _, err := r.Deliver(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "a package can't be sent", "error", err)
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	g.Go(func() error {
		often := time.NewTicker(time.Second)
		defer often.Stop()
		for {
			if _, err := r.Tell(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "recipients can't be told; it is tried again", "error", err)
			}
			if _, err := r.Amend(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "certificates can't be amended; it is tried again", "error", err)
			}
			select {
			case <-often.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	g.Go(func() error {
		hourly := time.NewTicker(time.Hour)
		defer hourly.Stop()
		for {
			if _, _, err := r.Chase(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "requests whose questions are not answered can't be closed; it is tried again", "error", err)
			}
			if err := r.forgetTold(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "old messages to recipients can't be dropped", "error", err)
			}
			if _, err := r.Expire(ctx); err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "old requests can't forget what they hold", "error", err)
			}
			select {
			case <-hourly.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}

// Work carries out all requests that are due now and returns how many it took up. A request whose
// step failed is due again later.
func (r *Room) Work(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		j, err := r.claim(ctx)
		if err != nil || j == nil {
			return n, err
		}
		// Another runner may take the next one meanwhile.
		r.announce()
		if err := r.load(ctx, j); err != nil {
			err = r.postpone(ctx, j, err)
			if err != nil {
				return n, err
			}
			continue
		}
		if err := r.carryOut(ctx, j); err != nil {
			return n, err
		}
	}
}

// load opens what the job is about and what its earlier steps left.
func (r *Room) load(ctx context.Context, j *job) error {
	if len(j.sealed) == 0 {
		return fail.New(fail.Gone, "whom the request is about was erased")
	}
	if err := r.openInto(ctx, j, "content", j.sealed, &j.content); err != nil {
		return err
	}
	return r.openInto(ctx, j, "work", j.worked, &j.work)
}

// carryOut takes the job from step to step to its end. An error of a step is noted in the request
// and is no error of carryOut; only a database that can't note it is.
func (r *Room) carryOut(ctx context.Context, j *job) error {
	for j.step != stepDone {
		err := r.do(ctx, j)
		if err == nil {
			r.moved()
			continue
		}
		if errors.Is(err, errLostLease) || errors.Is(err, errKeptOpen) {
			return nil
		}
		if ctx.Err() != nil {
			return r.release(context.WithoutCancel(ctx), j)
		}
		return r.postpone(ctx, j, err)
	}
	return nil
}

func (r *Room) do(ctx context.Context, j *job) error {
	switch j.step {
	case stepLocate:
		return r.stepLocate(ctx, j)
	case stepSuppress:
		return r.stepSuppress(ctx, j)
	case stepShred:
		return r.stepShred(ctx, j)
	case stepDelete:
		return r.stepDelete(ctx, j)
	case stepRetrain:
		return r.stepRetrain(ctx, j)
	case stepDatabases:
		return r.stepDatabases(ctx, j)
	case stepVerify:
		return r.stepVerify(ctx, j)
	case stepRewrite:
		return r.stepRewrite(ctx, j)
	case stepPackage:
		return r.stepPackage(ctx, j)
	case stepRestrict:
		return r.stepRestrict(ctx, j)
	case stepOutside:
		return r.stepOutside(ctx, j)
	case stepLift:
		return r.stepLift(ctx, j)
	case stepConfirm:
		return r.stepConfirm(ctx, j)
	case stepSettle:
		return r.stepSettle(ctx, j)
	case stepRecord:
		return r.stepRecord(ctx, j)
	case stepCertify:
		return r.stepCertify(ctx, j)
	}
	return fail.New(fail.Internal, "a request stands at a step that this version does not know")
}

// claim leases the request that has been due for longest, or returns nil. Load it before use.
func (r *Room) claim(ctx context.Context) (*job, error) {
	now := r.Clock.Now()
	lease := uuid.New()
	var j *job
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		j = &job{lease: lease, ledger: -1}
		var report, facts string
		var received int64
		var index sql.NullInt64
		err := tx.QueryRow(ctx, `
			UPDATE rights_request SET lease = $1, leased_until = $2
			WHERE leased_until <= $3 AND finished_at IS NULL AND (tenant_id, id) = (
				SELECT tenant_id, id FROM rights_request
				WHERE finished_at IS NULL AND next_at <= $3 AND leased_until <= $3
				ORDER BY next_at, id LIMIT 1)
			RETURNING tenant_id, id, data_key, type, step, received_at, sealed, work, report, ledger_index, attempts,
				created_by, created_by_kind, state, facts`,
			lease[:], now.Add(leaseFor).UnixMicro(), now.UnixMicro()).
			Scan(&j.tenant, &j.id, &j.key, &j.typ, &j.step, &received, &j.sealed, &j.worked, &report, &index, &j.attempts,
				&j.created.ID, &j.created.Kind, &j.state, &facts)
		if errors.Is(err, sql.ErrNoRows) {
			j = nil
			return nil
		}
		if err != nil {
			return err
		}
		if index.Valid {
			j.ledger = index.Int64
		}
		j.received = micro(received)
		return errors.Join(json.Unmarshal([]byte(report), &j.report), json.Unmarshal([]byte(facts), &j.facts))
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

func (r *Room) openInto(ctx context.Context, j *job, part string, sealed []byte, dst any) error {
	if len(sealed) == 0 {
		return nil
	}
	plain, err := r.Keys.Open(ctx, j.tenant, j.key, requestAAD(j.tenant, j.id, part), sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, dst)
}

// advance stores, in the transaction of a step's effect, that the step is done and which is next.
func (r *Room) advance(ctx context.Context, tx *store.Tx, j *job, next string, state State) error {
	plain, err := json.Marshal(j.work)
	if err != nil {
		return err
	}
	sealed, err := r.Keys.Seal(ctx, j.tenant, j.key, requestAAD(j.tenant, j.id, "work"), plain)
	if err != nil {
		return err
	}
	report, err := json.Marshal(j.report)
	if err != nil {
		return err
	}
	var index any
	if j.ledger >= 0 {
		index = j.ledger
	}
	n, err := tx.Exec(ctx, `
		UPDATE rights_request
		SET step = $4, state = $5, work = $6, report = $7, ledger_index = $8, leased_until = $9,
			attempts = CASE WHEN step = $4 THEN attempts ELSE 0 END
		WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND finished_at IS NULL`,
		j.tenant, j.id[:], j.lease[:], next, string(state), sealed, string(report), index,
		r.Clock.Now().Add(leaseFor).UnixMicro())
	if err == nil && n == 0 {
		return errLostLease
	}
	if err == nil && state != j.state {
		j.state = state
		err = r.note(ctx, tx, j.id, system, string(state), state, nil)
	}
	return err
}

// finish closes the request in its final state and gives up the lease. One that failed keeps where it
// stands, so that it can go on from there, and a restriction of other databases what it takes to lift it.
func (r *Room) finish(ctx context.Context, tx *store.Tx, j *job, state State, problem string, certificate []byte) error {
	report, err := json.Marshal(j.report)
	if err != nil {
		return err
	}
	step := stepDone
	if state == Failed {
		step = j.step
	}
	n, err := tx.Exec(ctx, `
		UPDATE rights_request
		SET step = $4, state = $5, report = $6, problem = $7, certificate = $8, finished_at = $9,
			work = CASE WHEN $10 THEN work END, lease = NULL, leased_until = 0
		WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND finished_at IS NULL`,
		j.tenant, j.id[:], j.lease[:], step, string(state), string(report), problem, certificate, r.Clock.Now().UnixMicro(),
		state == Failed || state == Verified && j.step == stepOutside && j.work.Planned)
	if err == nil && n == 0 {
		return errLostLease
	}
	if err == nil {
		err = r.note(ctx, tx, j.id, system, string(state), state, nil)
	}
	return err
}

// postpone notes that a step failed. An engine out of reach is tried again for as long as it
// takes, because a right does not lapse with a full disk; any other fault fails the request after
// some attempts.
func (r *Room) postpone(ctx context.Context, j *job, cause error) error {
	j.attempts++
	r.Logger.ErrorContext(ctx, "a step of a data subject's request failed",
		"request", j.id.String(), "step", j.step, "attempt", j.attempts, "error", cause)
	// A request loses its key when the person is erased by another one.
	erased := fail.Is(cause, fail.Gone)
	giveUp := erased || j.attempts >= maxAttempts && !fail.Is(cause, fail.Unavailable)
	now := r.Clock.Now()
	defer r.moved()
	err := r.DB.Tenant(j.tenant).Write(ctx, func(tx *store.Tx) error {
		if giveUp {
			problem := "step " + j.step + " failed again and again; the log of the server says why"
			if erased {
				problem = "the person was erased while this request was being carried out"
			}
			return r.finish(ctx, tx, j, Failed, problem, nil)
		}
		wait := min(time.Second<<min(j.attempts, 8), 5*time.Minute)
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET attempts = $4, next_at = $5, lease = NULL, leased_until = 0
			WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND finished_at IS NULL`,
			j.tenant, j.id[:], j.lease[:], j.attempts, now.Add(wait).UnixMicro())
		if err == nil && n == 0 {
			return errLostLease
		}
		return err
	})
	if errors.Is(err, errLostLease) {
		return nil
	}
	return err
}

// release gives the lease up when the process is told to stop, so that the next one goes on at once.
func (r *Room) release(ctx context.Context, j *job) error {
	return r.DB.Tenant(j.tenant).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE rights_request SET lease = NULL, leased_until = 0
			WHERE tenant_id = $1 AND id = $2 AND lease = $3`, j.tenant, j.id[:], j.lease[:])
		return err
	})
}

// step runs fn and the advance to the next step in one transaction. The report and work that fn
// works on are a fresh copy each time, because a transaction may run more than once.
func (r *Room) step(ctx context.Context, j *job, next string, state State, fn func(tx *store.Tx, j *job) error) error {
	var done *job
	err := r.DB.Tenant(j.tenant).Write(ctx, func(tx *store.Tx) error {
		try := *j
		try.report = j.report.clone()
		done = &try
		if fn != nil {
			if err := fn(tx, &try); err != nil {
				return err
			}
		}
		return r.advance(ctx, tx, &try, next, state)
	})
	if err == nil {
		*j = *done
		if j.step != next {
			j.step, j.attempts = next, 0
		}
	}
	return err
}

// end runs fn and closes the request in one transaction.
func (r *Room) end(ctx context.Context, j *job, state State, problem string, certificate []byte, fn func(tx *store.Tx) error) error {
	err := r.DB.Tenant(j.tenant).Write(ctx, func(tx *store.Tx) error {
		if fn != nil {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return r.finish(ctx, tx, j, state, problem, certificate)
	})
	if err == nil {
		j.step = stepDone
	}
	return err
}
