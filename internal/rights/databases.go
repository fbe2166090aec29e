package rights

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/datamap"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/subject"
)

// Databases are an organisation's own databases, outside Probity. *Connected satisfies it. An
// identity is a kind such as email with a value; what no dataset knows finds nothing.
type Databases interface {
	// List describes the databases of the organisation; none means that there is nothing to ask.
	List(t id.Tenant) []Database
	// Access collects what they hold about the person, or only what the person can take elsewhere (Art.
	// 20); it only reads. If one does not answer, the error is not nil. nil without error: nothing is
	// portable.
	Access(ctx context.Context, t id.Tenant, who []datamap.Identity, portable bool) (*datamap.Found, error)
	// Erase masks or deletes what is the person's alone and reads it again; a dry run tells the same and
	// changes nothing. It is idempotent: what is gone is not found again. The result tells what was not
	// done, also beside an error.
	Erase(ctx context.Context, t id.Tenant, who []datamap.Identity, dryRun bool) (*datamap.Erased, error)
}

// Database is one database as it is shown to staff.
type Database struct {
	Key         string   `json:"key"`
	Collections []string `json:"collections"`
	Strategy    string   `json:"strategy"`
	Targets     []string `json:"targets"`
	Portable    []string `json:"-"` // data categories that a person can take elsewhere
	Brake       float64  `json:"-"` // share of a table's rows that no erasure goes beyond
	OwnReader   bool     `json:"-"` // copies are made with an account of their own
}

// DatabasesReport is what an erasure did in the databases. It holds no value and no key of a row.
type DatabasesReport struct {
	Fields      []datamap.FieldCount  `json:"fields"`      // what was done, with zeros
	Kept        []KeptRows            `json:"kept"`        // rows that belong to others too
	Unmaskable  []datamap.Unmaskable  `json:"unmaskable"`  // what can't be masked: it keeps the request open
	Substituted []datamap.Substituted `json:"substituted"` // masked in another way than asked, for a constraint
	Unreachable []string              `json:"unreachable"` // collections that no identifier of the request leads to
	Verified    bool                  `json:"verified"`    // everything due was read again and found gone
	// Settled is why staff decided that what can't be masked stays; empty: nobody did.
	Settled string `json:"stays_because,omitempty"`
}

// KeptRows says how many rows of a collection were kept because they belong to others too.
type KeptRows struct {
	Collection string `json:"collection"`
	Rows       int    `json:"rows"`
}

// DatabasesPlan is what an erasure would do, before anything is touched.
type DatabasesPlan struct {
	DatabasesReport
	Shared []SharedRow `json:"shared"`            // each row that would be kept, with its key
	Hints  []string    `json:"hints,omitempty"`   // kinds of identifiers that were found and not asked for
	Fault  string      `json:"refused,omitempty"` // why it would not be carried out as it stands
}

// identityKinds are what kinds of identities are called in dataset files, beside what they are called
// here. The first ones are Fides' own.
var identityKinds = map[subject.Kind][]string{
	subject.Email:      {"email"},
	subject.Phone:      {"phone_number", "phone"},
	subject.ExternalID: {"external_id", "customer_id"},
}

// databaseIdentities returns the identifiers as dataset files call them, each value as it was written
// and in its normal form: databases compare texts, not numbers.
func databaseIdentities(own []identifier) []datamap.Identity {
	var all []datamap.Identity
	for _, i := range own {
		if i.kind == nameKind || i.kind == addressKind {
			continue // many people share a name
		}
		kinds := identityKinds[i.kind]
		if kinds == nil {
			kinds = []string{string(i.kind)}
		}
		values := []string{strings.TrimSpace(i.value)}
		if normal, err := subject.Normalise(i.kind, i.value); err == nil && !slices.Contains(values, normal) {
			values = append(values, normal)
		}
		for _, k := range kinds {
			for _, v := range values {
				if one := (datamap.Identity{Kind: k, Value: v}); v != "" && !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
		}
	}
	return all
}

// hasDatabases tells whether the organisation has any.
func (r *Room) hasDatabases(t id.Tenant) bool {
	return r.Databases != nil && len(r.Databases.List(t)) > 0
}

// ConnectedDatabases lists the organisation's databases.
func (r *Room) ConnectedDatabases(t id.Tenant) []Database {
	if r.Databases == nil {
		return []Database{}
	}
	return append([]Database{}, r.Databases.List(t)...)
}

// PlanDatabases tells what an erasure of the person would do in the databases: counts by field, rows
// that belong to others too, and what could not be masked. Nothing is changed. It fails with Invalid if
// Who names nobody, and with Unavailable if a database does not answer.
func (r *Room) PlanDatabases(ctx context.Context, t id.Tenant, who Who) (*DatabasesPlan, error) {
	if err := who.validate(); err != nil {
		return nil, err
	}
	subjects, err := r.locate(ctx, t, &who)
	if err != nil {
		return nil, err
	}
	own, err := r.ownIdentities(ctx, t, &who, subjects)
	if err != nil {
		return nil, err
	}
	plan := &DatabasesPlan{Shared: []SharedRow{}}
	ids := databaseIdentities(own)
	if !r.hasDatabases(t) || len(ids) == 0 {
		return plan, nil
	}
	out, err := r.Databases.Erase(ctx, t, ids, true)
	if out == nil || err != nil && !fail.Is(err, fail.Conflict) {
		return nil, err
	}
	if err != nil {
		plan.Fault = message(err)
	}
	plan.DatabasesReport = newDatabasesReport(out)
	for _, s := range out.Skipped {
		plan.Shared = append(plan.Shared, SharedRow{s.Collection, s.Key, s.Owners, []string{}})
	}
	return plan, nil
}

func newDatabasesReport(out *datamap.Erased) DatabasesReport {
	p := DatabasesReport{
		Fields: append([]datamap.FieldCount{}, out.Fields...), Kept: []KeptRows{},
		Unmaskable:  append([]datamap.Unmaskable{}, out.Unmaskable...),
		Substituted: append([]datamap.Substituted{}, out.Substituted...),
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
	return p
}

// merge takes over what a later run says. What an earlier run did, or planned to do, is not found again:
// the larger count stands, as everything was read again. Rows that are kept and what is open are as the
// later run found them, unless nothing led to them any more.
func (p *DatabasesReport) merge(later DatabasesReport) {
	for _, f := range later.Fields {
		same := func(o datamap.FieldCount) bool { return o.Collection == f.Collection && o.Field == f.Field }
		i := slices.IndexFunc(p.Fields, func(o datamap.FieldCount) bool { return same(o) && o.Did == f.Did })
		switch {
		case i >= 0:
			p.Fields[i].Rows = max(p.Fields[i].Rows, f.Rows)
		case f.Rows > 0 || !slices.ContainsFunc(p.Fields, same):
			p.Fields = slices.DeleteFunc(p.Fields, func(o datamap.FieldCount) bool { return same(o) && o.Rows == 0 })
			p.Fields = append(p.Fields, f)
		}
	}
	for _, k := range later.Kept {
		i := slices.IndexFunc(p.Kept, func(o KeptRows) bool { return o.Collection == k.Collection })
		if i < 0 {
			p.Kept = append(p.Kept, k)
			continue
		}
		p.Kept[i].Rows = max(p.Kept[i].Rows, k.Rows)
	}
	for _, s := range later.Substituted {
		if !slices.Contains(p.Substituted, s) {
			p.Substituted = append(p.Substituted, s)
		}
	}
	p.Unmaskable, p.Verified = later.Unmaskable, later.Verified
	if later.Unreachable != nil {
		p.Unreachable = later.Unreachable
	}
}

// rows returns how many rows, at most, hold something of the person's.
func (p *DatabasesReport) rows() (n int) {
	for _, f := range p.Fields {
		n += f.Rows
	}
	return n
}

// stepDatabases erases the person from the organisation's databases: first it is planned, and only
// when everything can be done, or staff decided otherwise, it is done and read again. Whoever was erased
// in part could not be found again for the rest. Each run is idempotent, so that a process that died in
// between is followed by one that goes on. What can't be done, for whatever reason, keeps the request
// open; it is tried again until it is done.
func (r *Room) stepDatabases(ctx context.Context, j *job) error {
	ids := databaseIdentities(j.work.own())
	if !r.hasDatabases(j.tenant) || len(ids) == 0 {
		return r.step(ctx, j, stepVerify, Verifying, nil)
	}
	if !j.work.Planned {
		return r.planErasure(ctx, j, ids)
	}
	settled := j.report.Databases.Settled != ""
	if len(j.report.Databases.Unmaskable) > 0 && !settled {
		return r.keepOpen(ctx, j, errUnmaskable(j.report.Databases))
	}
	out, err := r.Databases.Erase(ctx, j.tenant, ids, false)
	later := (*DatabasesReport)(nil)
	if out != nil && out.Fields != nil { // it was carried out
		p := newDatabasesReport(out)
		later = &p
	}
	if err != nil && (later == nil || len(later.Unmaskable) == 0 || !settled) {
		if later != nil {
			j.report = j.report.clone()
			j.report.Databases.merge(*later)
		}
		return r.keepOpen(ctx, j, err)
	}
	return r.step(ctx, j, stepVerify, Verifying, func(_ *store.Tx, j *job) error {
		j.report.Databases.merge(*later)
		j.report.Matched = j.report.Matched || j.report.Databases.rows() > 0
		return nil
	})
}

// planErasure notes what would be done.
func (r *Room) planErasure(ctx context.Context, j *job, ids []datamap.Identity) error {
	plan, err := r.Databases.Erase(ctx, j.tenant, ids, true)
	if plan == nil || err != nil && len(plan.Unmaskable) == 0 {
		return r.keepOpen(ctx, j, err)
	}
	p := newDatabasesReport(plan)
	if j.report.Databases != nil {
		p.Settled = j.report.Databases.Settled
	}
	if len(p.Unmaskable) > 0 && p.Settled == "" {
		j.report.Databases = &p
		return r.keepOpen(ctx, j, errUnmaskable(&p))
	}
	return r.step(ctx, j, stepDatabases, Erasing, func(_ *store.Tx, j *job) error {
		j.report.Databases, j.work.Planned = &p, true
		return nil
	})
}

func errUnmaskable(p *DatabasesReport) error {
	var names []string
	for _, u := range p.Unmaskable {
		names = append(names, u.Collection+"."+u.Field+" ("+u.Why+")")
	}
	return fail.New(fail.Conflict, "no strategy can mask %s; change the table, or decide that it stays and why", strings.Join(names, ", "))
}

// SettleDatabases has an erasure go on that waits because of fields no strategy can mask: they stay, for
// the reason given, which the certificate says. It fails with NotFound, with Invalid without a reason, and
// with Conflict if the request does not wait for that.
func (r *Room) SettleDatabases(ctx context.Context, t id.Tenant, request uuid.UUID, by Actor, reason string) error {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxValue {
		return fail.Field("reason", "say in up to %d bytes why these fields may stay, without naming the person; the certificate repeats it", maxValue)
	}
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return err
	}
	waits := fail.New(fail.Conflict, "this request does not wait for fields that can't be masked")
	if q.State.Final() || q.Report.Databases == nil || len(q.Report.Databases.Unmaskable) == 0 || q.Report.Databases.Settled != "" {
		return waits
	}
	p := q.Report.clone()
	p.Databases.Settled = reason
	report, err := json.Marshal(p)
	if err != nil {
		return err
	}
	entry, err := json.Marshal(map[string]any{"request": request, "decision": "unmaskable fields stay", "reason": reason, "by": by.Kind})
	if err != nil {
		return err
	}
	now := r.Clock.Now().UnixMicro()
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(r.announce)
		if _, err := r.Ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.OverrideMade, Payload: entry}); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET report = $4, next_at = $3
			WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL AND leased_until <= $3 AND step = $5`,
			t, request[:], now, string(report), stepDatabases)
		if err == nil && n == 0 {
			return waits
		}
		return err
	})
}

// errKeptOpen ends the work on a request for now.
var errKeptOpen = errors.New("the request stays open")

// keepOpen notes in the request why a database could not be dealt with, and has it tried again. It is
// never given up: the person's right does not lapse with a wrong password.
func (r *Room) keepOpen(ctx context.Context, j *job, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	j.attempts++
	r.Logger.WarnContext(ctx, "a request stays open: a database of the organisation was not dealt with",
		"request", j.id.String(), "step", j.step, "attempt", j.attempts, "error", cause)
	report, err := json.Marshal(j.report)
	if err != nil {
		return err
	}
	wait := min(time.Second<<min(j.attempts, 10), 10*time.Minute)
	err = r.DB.Tenant(j.tenant).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE rights_request SET report = $4, problem = $5, attempts = $6, next_at = $7, lease = NULL, leased_until = 0
			WHERE tenant_id = $1 AND id = $2 AND lease = $3 AND finished_at IS NULL`,
			j.tenant, j.id[:], j.lease[:], string(report), "databases: "+message(cause)+"; it is tried again", j.attempts, r.Clock.Now().Add(wait).UnixMicro())
		if err == nil && n == 0 {
			return errLostLease
		}
		return err
	})
	if err != nil {
		return err
	}
	r.moved()
	return errKeptOpen
}

// message returns what an error says to a person. Errors of datamap hold no values.
func message(err error) string {
	if f, ok := errors.AsType[*fail.Error](err); ok {
		return f.Message
	}
	return "an error; the log of the server says which"
}

// gatherDatabases collects what the databases hold about the person, as sections of a package.
func (r *Room) gatherDatabases(ctx context.Context, t id.Tenant, typ Type, own []identifier, w words) (all []Section, shared []SharedRow, missing []string, report []StoreReport, err error) {
	ids := databaseIdentities(own)
	if !r.hasDatabases(t) || len(ids) == 0 {
		return nil, nil, nil, nil, nil
	}
	found, err := r.Databases.Access(ctx, t, ids, typ == Portability)
	if found != nil {
		defer found.Close()
	}
	if found == nil || err != nil {
		return nil, nil, nil, nil, err
	}
	did := map[string]int{} // place in report by database
	for _, name := range found.Collections() {
		rows := []json.RawMessage{}
		err := found.Rows(name, func(row []byte) error {
			rows = append(rows, slices.Clone(row))
			return nil
		})
		if err != nil {
			return nil, nil, nil, nil, err
		}
		key, collection, _ := strings.Cut(name, ":")
		if typ == Access || len(rows) > 0 {
			all = append(all, Section{
				File:  "datamap/" + fileName(key) + "." + fileName(collection),
				Title: w.text("external.title", key, collection), About: w.text("external.about"),
				Provided: typ == Portability, Origin: FromOthers, Rows: true, Data: rows,
			})
		}
		if _, ok := did[key]; !ok {
			did[key] = len(report)
			report = append(report, StoreReport{Store: "datamap " + key, Did: "exported", Counts: []Count{}})
		}
		s := &report[did[key]]
		s.Counts = append(s.Counts, Count{collection, int64(len(rows))})
	}
	for _, s := range found.Shared {
		shared = append(shared, SharedRow{s.Collection, s.Key, s.Owners, append([]string{}, s.Withheld...)})
	}
	return all, shared, found.Unreachable, report, nil
}

// fileName returns a name that is safe in a file's path, whatever stands in a dataset file.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

// heldIdentity is an identifier as work keeps it.
type heldIdentity struct {
	Kind  subject.Kind `json:"kind"`
	Value string       `json:"value"`
}

func (w *work) own() []identifier {
	list := make([]identifier, len(w.Identities))
	for i, h := range w.Identities {
		list[i] = identifier{h.Kind, h.Value}
	}
	return list
}

func (w *work) keep(own []identifier) {
	w.Identities = make([]heldIdentity, len(own))
	for i, o := range own {
		w.Identities[i] = heldIdentity{o.kind, o.value}
	}
}

// Connected are databases that dataset files describe, by organisation. It is safe for concurrent use.
type Connected struct{ groups map[id.Tenant]ConnectedGroup }

// ConnectedGroup is what one organisation connected. References lead from one dataset to another, so
// all its datasets are walked together.
type ConnectedGroup struct {
	Datasets []*datamap.Dataset
	Read     map[string]string // DSNs by dataset key of accounts that need only read
	Write    map[string]string // and of those that erase
	Targets  []string          // data categories that an erasure covers
	Strategy string            // what becomes of the values
	Portable []string          // data categories that a person can take elsewhere: what they gave or what was observed
	MaxShare float64           // the brake, see datamap.Erasure
}

// Connect returns the databases. It connects to none of them: one that is out of reach must not keep
// the server from starting. Error: fail.Invalid, naming what is missing.
func Connect(groups map[id.Tenant]ConnectedGroup) (*Connected, error) {
	for _, g := range groups {
		if !slices.Contains(datamap.Strategies, g.Strategy) {
			return nil, fail.Field("strategy", "databases: the strategy %q is unknown; known are %s", g.Strategy, strings.Join(datamap.Strategies, ", "))
		}
		if len(g.Targets) == 0 {
			return nil, fail.Field("targets", "databases: name the data categories that an erasure covers, such as user")
		}
		for _, d := range g.Datasets {
			if g.Read[d.Key] == "" || g.Write[d.Key] == "" {
				return nil, fail.Field("connection", "databases: the dataset %s has no connection", d.Key)
			}
		}
	}
	return &Connected{groups}, nil
}

// List implements Databases.
func (c *Connected) List(t id.Tenant) []Database {
	g := c.groups[t]
	var all []Database
	for _, d := range g.Datasets {
		one := Database{Key: d.Key, Collections: []string{}, Strategy: g.Strategy, Targets: g.Targets, Portable: g.Portable, Brake: cmp.Or(max(g.MaxShare, 0), datamap.DefaultShare), OwnReader: g.Read[d.Key] != g.Write[d.Key]}
		for _, col := range d.Collections {
			one.Collections = append(one.Collections, col.Name)
		}
		all = append(all, one)
	}
	return all
}

// Access implements Databases.
func (c *Connected) Access(ctx context.Context, t id.Tenant, who []datamap.Identity, portable bool) (*datamap.Found, error) {
	g := c.groups[t]
	req := &datamap.Request{Datasets: g.Datasets, Connections: g.Read, Identities: who}
	if portable {
		if req.Targets = g.Portable; len(req.Targets) == 0 {
			return nil, nil
		}
	}
	return datamap.Access(ctx, req)
}

// Erase implements Databases.
func (c *Connected) Erase(ctx context.Context, t id.Tenant, who []datamap.Identity, dryRun bool) (*datamap.Erased, error) {
	g := c.groups[t]
	return datamap.Erase(ctx, &datamap.Erasure{
		Request:  datamap.Request{Datasets: g.Datasets, Connections: g.Write, Identities: who, Targets: g.Targets},
		Strategy: g.Strategy, DryRun: dryRun, MaxShare: g.MaxShare,
	})
}
