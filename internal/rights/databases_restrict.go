package rights

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// The steps of a restriction in the organisation's databases. Their names are stored: don't change them.
const (
	stepOutside = "outside" // restrict there what is restricted here
	stepLift    = "lift"    // and lift it again
)

// Restrictor is Databases in which the use of data can be restricted. *Connected satisfies it.
type Restrictor interface {
	// Restrict sets what tells the organisation's programs that data of the person may only be stored, or
	// takes it back. Of how it reads Lift, DryRun and Before.
	Restrict(ctx context.Context, t id.Tenant, who []datamap.Identity, how datamap.Restriction) (*datamap.Restricted, error)
}

// Restrict implements Restrictor.
func (c *Connected) Restrict(ctx context.Context, t id.Tenant, who []datamap.Identity, how datamap.Restriction) (*datamap.Restricted, error) {
	g := c.groups[t]
	how.Request = datamap.Request{Datasets: g.Datasets, Connections: g.Write, Identities: who}
	how.MaxShare = g.MaxShare
	return datamap.Restrict(ctx, &how)
}

// RestrictionReport is what a restriction did in the databases, or its lifting. It holds no value and no key
// of a row.
type RestrictionReport struct {
	Lifted      bool                     `json:"lifted"` // the rest tells what the lifting did
	Rows        []datamap.RestrictedRows `json:"rows"`
	Tasks       []ByHand                 `json:"by_hand"`
	Kept        []KeptRows               `json:"kept"`        // rows that belong to others too: left as they are
	Unreachable []string                 `json:"unreachable"` // collections that no identifier of the request leads to
	Verified    bool                     `json:"verified"`    // everything was read again and found so
}

// ByHand is a collection whose rows of the person somebody must restrict, or free again.
type ByHand struct {
	datamap.RestrictTask
	Done bool `json:"done"` // somebody said so; who, when and how stands in the trail
}

func (p *RestrictionReport) clone() *RestrictionReport {
	if p == nil {
		return nil
	}
	c := *p
	c.Rows, c.Tasks, c.Kept = slices.Clone(p.Rows), slices.Clone(p.Tasks), slices.Clone(p.Kept)
	return &c
}

// newRestrictionReport tells what a run did. What somebody did by hand before stays done. Rows that an earlier
// run set are found set by a later one, so that the larger count stands.
func newRestrictionReport(out *datamap.Restricted, earlier *RestrictionReport, lift bool) *RestrictionReport {
	p := &RestrictionReport{
		Lifted: lift, Rows: append([]datamap.RestrictedRows{}, out.Rows...), Tasks: []ByHand{}, Kept: []KeptRows{},
		Unreachable: append([]string{}, out.Unreachable...), Verified: out.Verified,
	}
	for _, s := range out.Skipped {
		i := slices.IndexFunc(p.Kept, func(k KeptRows) bool { return k.Collection == s.Collection })
		if i < 0 {
			p.Kept = append(p.Kept, KeptRows{Collection: s.Collection})
			i = len(p.Kept) - 1
		}
		p.Kept[i].Rows++
	}
	for _, t := range out.Tasks {
		p.Tasks = append(p.Tasks, ByHand{RestrictTask: t})
	}
	if earlier == nil || earlier.Lifted != lift {
		return p
	}
	for i, t := range p.Tasks {
		p.Tasks[i].Done = slices.ContainsFunc(earlier.Tasks, func(e ByHand) bool { return e.Collection == t.Collection && e.Done })
	}
	for i, now := range p.Rows {
		for _, e := range earlier.Rows {
			if e.Collection == now.Collection && e.Rows > now.Rows {
				p.Rows[i].Rows, p.Rows[i].Before = e.Rows, max(0, now.Before-(e.Rows-now.Rows))
			}
		}
	}
	return p
}

// matched tells whether anything of the person is held there.
func (p *RestrictionReport) matched() bool {
	return p != nil && len(p.Rows)+len(p.Tasks)+len(p.Kept) > 0
}

// open returns the error of a request that waits for people, nil if it does not.
func (p *RestrictionReport) open() error {
	var names []string
	for _, t := range p.Tasks {
		if !t.Done {
			names = append(names, t.Collection+" ("+t.Why+")")
		}
	}
	do := "restrict the use of"
	if p.Lifted {
		do = "lift the restriction of"
	}
	if len(names) == 0 {
		return nil
	}
	return fail.New(fail.Conflict, "%s the person's rows in %s by hand, and say when it is done", do, strings.Join(names, ", "))
}

// outside tells whether a restriction reaches into the databases of the organisation.
func (r *Room) outside(j *job) bool {
	_, ok := r.Databases.(Restrictor)
	return ok && j.typ == Restriction && r.hasDatabases(j.tenant)
}

// stepOutside restricts the person's rows in the databases. First it is noted, in the request, which rows were
// restricted before, so that those alone that this request restricts are freed when it ends; then it is done
// and read again. What somebody must do by hand keeps the request open until they say that it is done, and a
// database out of reach until it answers.
func (r *Room) stepOutside(ctx context.Context, j *job) error {
	if !j.work.Planned {
		own, err := r.ownIdentities(ctx, j.tenant, &j.content.Who, j.work.Subjects)
		if err != nil {
			return err
		}
		ids := databaseIdentities(own)
		if len(ids) == 0 {
			return r.settled(ctx, j)
		}
		before, found, err := r.restrictedBefore(ctx, j)
		if err != nil {
			return err
		}
		plan, err := r.Databases.(Restrictor).Restrict(ctx, j.tenant, ids, datamap.Restriction{DryRun: true})
		if err != nil {
			return r.keepOpen(ctx, j, err)
		}
		if !found {
			before = plan.Before
		}
		return r.step(ctx, j, stepOutside, Restricting, func(_ *store.Tx, j *job) error {
			j.work.keep(own)
			j.work.Planned, j.work.Before = true, before
			j.report.Restricted = newRestrictionReport(plan, nil, false)
			return nil
		})
	}
	if err := r.reachOut(ctx, j, false); err != nil {
		return err
	}
	j.report.Matched = j.report.Matched || j.report.Restricted.matched()
	return r.settled(ctx, j)
}

// stepLift frees the rows in the databases that the request restricted. While another request restricts the
// use of the same person's data, that one frees them later.
func (r *Room) stepLift(ctx context.Context, j *job) error {
	if !r.outside(j) {
		return r.liftByHand(ctx, j)
	}
	_, found, err := r.restrictedBefore(ctx, j)
	if err != nil {
		return err
	}
	if found {
		j.report = j.report.clone()
		j.report.Decisions = append(j.report.Decisions, "The restriction of the other databases goes on by another request.")
		return r.end(ctx, j, Verified, "", nil, nil)
	}
	if err := r.reachOut(ctx, j, true); err != nil {
		return err
	}
	return r.end(ctx, j, Verified, "", nil, nil)
}

// liftByHand leaves to people what was restricted in databases that are not connected any more.
func (r *Room) liftByHand(ctx context.Context, j *job) error {
	left := &datamap.Restricted{}
	for _, t := range j.report.Restricted.Tasks {
		left.Tasks = append(left.Tasks, t.RestrictTask)
	}
	if !j.report.Restricted.Lifted {
		for _, c := range j.report.Restricted.Rows {
			left.Tasks = append(left.Tasks, datamap.RestrictTask{Collection: c.Collection, Rows: c.Rows, Why: "its database is not connected any more"})
		}
	}
	j.report = j.report.clone()
	j.report.Restricted = newRestrictionReport(left, j.report.Restricted, true)
	if err := j.report.Restricted.open(); err != nil {
		return r.keepOpen(ctx, j, err)
	}
	return r.end(ctx, j, Verified, "", nil, nil)
}

// reachOut makes one run and notes in the job what it did. An error is one that ended the work for now.
func (r *Room) reachOut(ctx context.Context, j *job, lift bool) error {
	out, err := r.Databases.(Restrictor).Restrict(ctx, j.tenant, databaseIdentities(j.work.own()), datamap.Restriction{Lift: lift, Before: j.work.Before})
	if out != nil && out.Rows != nil || err == nil {
		j.report = j.report.clone()
		j.report.Restricted = newRestrictionReport(out, j.report.Restricted, lift)
	}
	if err == nil {
		err = j.report.Restricted.open()
	}
	if err != nil {
		return r.keepOpen(ctx, j, err)
	}
	return nil
}

// restrictedBefore returns which rows were restricted before another request about the same person restricted
// the rest, if there is one whose restriction is in force in the databases.
func (r *Room) restrictedBefore(ctx context.Context, j *job) (before []string, found bool, err error) {
	type other struct {
		id     uuid.UUID
		key    id.Subject
		sealed []byte
	}
	var list []other
	err = r.DB.Tenant(j.tenant).Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT q.id, q.data_key, q.work FROM rights_request q
			WHERE q.tenant_id = $1 AND q.id <> $2 AND q.type = 'restriction' AND q.work IS NOT NULL AND q.step <> $3 AND q.state <> 'failed' AND q.id IN (
				SELECT o.request_id FROM rights_request_digest d JOIN rights_request_digest o ON o.tenant_id = d.tenant_id AND o.digest = d.digest
				WHERE d.tenant_id = $1 AND d.request_id = $2
				UNION SELECT o.request_id FROM rights_request_subject d JOIN rights_request_subject o ON o.tenant_id = d.tenant_id AND o.subject = d.subject
				WHERE d.tenant_id = $1 AND d.request_id = $2)
			ORDER BY q.id`, j.tenant, j.id[:], stepLift)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o other
			if err := rows.Scan(&o.id, &o.key, &o.sealed); err != nil {
				return err
			}
			list = append(list, o)
		}
		return rows.Err()
	})
	for _, o := range list {
		if err != nil {
			return nil, false, err
		}
		var w work
		k := &job{tenant: j.tenant, id: o.id, key: o.key}
		if err = r.openInto(ctx, k, "work", o.sealed, &w); fail.Is(err, fail.Gone) {
			err = nil
			continue
		}
		if err == nil && w.Planned {
			return w.Before, true, nil
		}
	}
	return nil, false, err
}

// DoneByHand notes that somebody restricted the person's rows in a collection, or freed them, where nothing
// here can. How goes to the trail. The request goes on when nothing else is left.
//
// Errors: fail.NotFound; fail.Invalid without a reason; fail.Conflict if the request does not wait for that.
func (r *Room) DoneByHand(ctx context.Context, t id.Tenant, request uuid.UUID, by Actor, collection, how string) error {
	if how = strings.TrimSpace(how); how == "" || len(how) > maxValue {
		return fail.Field("reason", "Say in up to %d bytes how it was done, without naming the person.", maxValue)
	}
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return err
	}
	waits := fail.New(fail.Conflict, "This request does not wait for anything that is done by hand in this collection.")
	if q.State.Final() || q.Report.Restricted == nil {
		return waits
	}
	p := q.Report.clone()
	i := slices.IndexFunc(p.Restricted.Tasks, func(h ByHand) bool { return h.Collection == collection && !h.Done })
	if i < 0 {
		return waits
	}
	p.Restricted.Tasks[i].Done = true
	report, err := json.Marshal(p)
	if err != nil {
		return err
	}
	words, err := masked(&q.Who, map[string]string{"reason": how})
	if err != nil {
		return err
	}
	now := r.Clock.Now().UnixMicro()
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(r.announce)
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET report = $4, next_at = $3
			WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL AND leased_until <= $3 AND step IN ($5, $6)`,
			t, request[:], now, string(report), stepOutside, stepLift)
		if err == nil && n == 0 {
			return fail.New(fail.Conflict, "The request is being carried out at this moment. Say it again.").WithCode("request.moving")
		}
		if err != nil {
			return err
		}
		return r.note(ctx, tx, request, by, "by-hand", q.State, with(words, "collection", collection))
	})
}

// forgetRestrictions deletes what requests hold that restrict the use of the same person's data in the
// databases: whom an erasure names as they do. The person may be known there only.
func forgetRestrictions(ctx context.Context, tx *store.Tx, request uuid.UUID) error {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT q.id FROM rights_request q
		JOIN rights_request_digest o ON o.tenant_id = q.tenant_id AND o.request_id = q.id
		JOIN rights_request_digest d ON d.tenant_id = o.tenant_id AND d.digest = o.digest
		WHERE d.tenant_id = $1 AND d.request_id = $2 AND q.type = 'restriction' AND q.finished_at IS NOT NULL AND q.work IS NOT NULL`,
		tx.TenantID(), request[:])
	if err != nil {
		return err
	}
	var list []uuid.UUID
	for rows.Next() {
		var v uuid.UUID
		if err := rows.Scan(&v); err != nil {
			rows.Close()
			return err
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, v := range list {
		if err := forgetContent(ctx, tx, v); err != nil {
			return err
		}
	}
	return nil
}
