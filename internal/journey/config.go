package journey

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// The kinds of configuration, as they stand in the database.
const (
	kindOutcome  = "outcome"
	kindSegment  = "segment"
	kindMap      = "action_map"
	kindTemplate = "template"
)

// How many of each an organisation may have.
const (
	MaxOutcomes   = 100
	MaxSegments   = 500
	MaxActionMaps = 500
	MaxTemplates  = 500
)

// configured is what all kinds of configuration have in common.
type configured interface {
	meta() *Meta
	check() error
}

func (m *Meta) meta() *Meta { return m }

// CreateOutcome stores a new outcome and returns it with its id, version and times. Errors:
// fail.Invalid names the field; fail.Conflict if there are MaxOutcomes already.
func (s *Store) CreateOutcome(ctx context.Context, t id.Tenant, o Outcome) (*Outcome, error) {
	return &o, s.create(ctx, t, kindOutcome, MaxOutcomes, &o)
}

// UpdateOutcome replaces an outcome. A Version other than 0 must be the present one. Errors:
// fail.NotFound; fail.Conflict with code version.conflict; fail.Invalid.
func (s *Store) UpdateOutcome(ctx context.Context, t id.Tenant, o Outcome) (*Outcome, error) {
	return &o, s.update(ctx, t, kindOutcome, &o)
}

// Outcome returns an outcome, or fail.NotFound.
func (s *Store) Outcome(ctx context.Context, t id.Tenant, oid uuid.UUID) (*Outcome, error) {
	return get[Outcome](ctx, s, t, kindOutcome, oid)
}

// Outcomes returns all outcomes by time of creation.
func (s *Store) Outcomes(ctx context.Context, t id.Tenant) ([]Outcome, error) {
	return list[Outcome](ctx, s, t, kindOutcome)
}

// DeleteOutcome removes an outcome. Past achievements keep its id. Error: fail.NotFound.
func (s *Store) DeleteOutcome(ctx context.Context, t id.Tenant, oid uuid.UUID) error {
	return s.remove(ctx, t, kindOutcome, oid)
}

// CreateSegment is as CreateOutcome.
func (s *Store) CreateSegment(ctx context.Context, t id.Tenant, g Segment) (*Segment, error) {
	return &g, s.create(ctx, t, kindSegment, MaxSegments, &g)
}

// UpdateSegment is as UpdateOutcome.
func (s *Store) UpdateSegment(ctx context.Context, t id.Tenant, g Segment) (*Segment, error) {
	return &g, s.update(ctx, t, kindSegment, &g)
}

// Segment returns a segment, or fail.NotFound.
func (s *Store) Segment(ctx context.Context, t id.Tenant, gid uuid.UUID) (*Segment, error) {
	return get[Segment](ctx, s, t, kindSegment, gid)
}

// Segments returns all segments by time of creation.
func (s *Store) Segments(ctx context.Context, t id.Tenant) ([]Segment, error) {
	return list[Segment](ctx, s, t, kindSegment)
}

// DeleteSegment removes a segment. Past assignments keep its id. Error: fail.NotFound.
func (s *Store) DeleteSegment(ctx context.Context, t id.Tenant, gid uuid.UUID) error {
	return s.remove(ctx, t, kindSegment, gid)
}

// CreateActionMap is as CreateOutcome.
func (s *Store) CreateActionMap(ctx context.Context, t id.Tenant, m ActionMap) (*ActionMap, error) {
	return &m, s.create(ctx, t, kindMap, MaxActionMaps, &m)
}

// UpdateActionMap is as UpdateOutcome.
func (s *Store) UpdateActionMap(ctx context.Context, t id.Tenant, m ActionMap) (*ActionMap, error) {
	return &m, s.update(ctx, t, kindMap, &m)
}

// ActionMap returns an action map, or fail.NotFound.
func (s *Store) ActionMap(ctx context.Context, t id.Tenant, mid uuid.UUID) (*ActionMap, error) {
	return get[ActionMap](ctx, s, t, kindMap, mid)
}

// ActionMaps returns all action maps by time of creation.
func (s *Store) ActionMaps(ctx context.Context, t id.Tenant) ([]ActionMap, error) {
	return list[ActionMap](ctx, s, t, kindMap)
}

// DeleteActionMap removes an action map. Offers that were made stay as they are. Error:
// fail.NotFound.
func (s *Store) DeleteActionMap(ctx context.Context, t id.Tenant, mid uuid.UUID) error {
	return s.remove(ctx, t, kindMap, mid)
}

// CreateTemplate is as CreateOutcome.
func (s *Store) CreateTemplate(ctx context.Context, t id.Tenant, a ActionTemplate) (*ActionTemplate, error) {
	return &a, s.create(ctx, t, kindTemplate, MaxTemplates, &a)
}

// UpdateTemplate is as UpdateOutcome.
func (s *Store) UpdateTemplate(ctx context.Context, t id.Tenant, a ActionTemplate) (*ActionTemplate, error) {
	return &a, s.update(ctx, t, kindTemplate, &a)
}

// Template returns an action template, or fail.NotFound.
func (s *Store) Template(ctx context.Context, t id.Tenant, aid uuid.UUID) (*ActionTemplate, error) {
	return get[ActionTemplate](ctx, s, t, kindTemplate, aid)
}

// Templates returns all action templates by time of creation.
func (s *Store) Templates(ctx context.Context, t id.Tenant) ([]ActionTemplate, error) {
	return list[ActionTemplate](ctx, s, t, kindTemplate)
}

// DeleteTemplate removes an action template. Maps that name it make no offer any more. Error:
// fail.NotFound.
func (s *Store) DeleteTemplate(ctx context.Context, t id.Tenant, aid uuid.UUID) error {
	return s.remove(ctx, t, kindTemplate, aid)
}

// Plan returns a snapshot of what the organisation has configured.
func (s *Store) Plan(ctx context.Context, t id.Tenant) (*Plan, error) {
	var (
		p         Plan
		templates []ActionTemplate
	)
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		if p.Outcomes, err = listTx[Outcome](ctx, tx, kindOutcome); err != nil {
			return err
		}
		if p.Segments, err = listTx[Segment](ctx, tx, kindSegment); err != nil {
			return err
		}
		if p.ActionMaps, err = listTx[ActionMap](ctx, tx, kindMap); err != nil {
			return err
		}
		templates, err = listTx[ActionTemplate](ctx, tx, kindTemplate)
		return err
	})
	if err != nil {
		return nil, err
	}
	return NewPlan(p.Outcomes, p.Segments, p.ActionMaps, templates), nil
}

// NewPlan returns a plan with the default times. It takes over the slices.
func NewPlan(outcomes []Outcome, segments []Segment, maps []ActionMap, templates []ActionTemplate) *Plan {
	p := &Plan{
		Outcomes: outcomes, Segments: segments, ActionMaps: maps,
		Templates: make(map[uuid.UUID]ActionTemplate, len(templates)),
		Idle:      DefaultIdle, Cap: DefaultCap,
	}
	for _, a := range templates {
		p.Templates[a.ID] = a
	}
	slices.SortStableFunc(p.ActionMaps, func(a, b ActionMap) int {
		if a.Weight != b.Weight {
			return b.Weight - a.Weight
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return p
}

func (s *Store) create(ctx context.Context, t id.Tenant, kind string, most int, c configured) error {
	if err := c.check(); err != nil {
		return err
	}
	m := c.meta()
	if m.ID == uuid.Nil {
		m.ID = id.New()
	}
	now := fromMicros(micros(s.clock.Now()))
	m.Version, m.Created, m.Modified = 1, now, now
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM journey_config WHERE tenant_id = $1 AND kind = $2`,
			t, kind).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			return fail.New(fail.Conflict, "there are %d of this kind already, which is the most there may be", n).WithCode("limit.reached")
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO journey_config (tenant_id, kind, id, version, body, created, modified)
			VALUES ($1, $2, $3, 1, $4, $5, $5)`, t, kind, m.ID, string(body), micros(now))
		if store.IsUnique(err) {
			return fail.New(fail.Conflict, "there is one with this id already")
		}
		return err
	})
}

func (s *Store) update(ctx context.Context, t id.Tenant, kind string, c configured) error {
	if err := c.check(); err != nil {
		return err
	}
	m := c.meta()
	expected := m.Version
	return s.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var (
			version int
			created int64
		)
		err := tx.QueryRow(ctx, `
			SELECT version, created FROM journey_config WHERE tenant_id = $1 AND kind = $2 AND id = $3`,
			t, kind, m.ID).Scan(&version, &created)
		if errors.Is(err, sql.ErrNoRows) {
			return notConfigured(kind)
		}
		if err != nil {
			return err
		}
		if expected != 0 && expected != version {
			return fail.New(fail.Conflict, "version %d does not match the current version %d", expected, version).WithCode("version.conflict")
		}
		m.Version, m.Created, m.Modified = version+1, fromMicros(created), fromMicros(micros(s.clock.Now()))
		body, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE journey_config SET version = $4, body = $5, modified = $6
			WHERE tenant_id = $1 AND kind = $2 AND id = $3`,
			t, kind, m.ID, m.Version, string(body), micros(m.Modified))
		return err
	})
}

func (s *Store) remove(ctx context.Context, t id.Tenant, kind string, cid uuid.UUID) error {
	return s.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM journey_config WHERE tenant_id = $1 AND kind = $2 AND id = $3`, t, kind, cid)
		if err == nil && n == 0 {
			err = notConfigured(kind)
		}
		return err
	})
}

func get[T any](ctx context.Context, s *Store, t id.Tenant, kind string, cid uuid.UUID) (*T, error) {
	var c T
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		var body string
		err := tx.QueryRow(ctx, `SELECT body FROM journey_config WHERE tenant_id = $1 AND kind = $2 AND id = $3`,
			t, kind, cid).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return notConfigured(kind)
		}
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(body), &c)
	})
	if err != nil {
		return nil, err
	}
	return &c, nil
}

func list[T any](ctx context.Context, s *Store, t id.Tenant, kind string) (all []T, err error) {
	err = s.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		all, err = listTx[T](ctx, tx, kind)
		return err
	})
	return all, err
}

func listTx[T any](ctx context.Context, tx *store.Tx, kind string) ([]T, error) {
	rows, err := tx.Query(ctx, `
		SELECT body FROM journey_config WHERE tenant_id = $1 AND kind = $2 ORDER BY created, id`, tx.TenantID(), kind)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var c T
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func notConfigured(kind string) error {
	words := map[string]string{kindOutcome: "outcome", kindSegment: "segment", kindMap: "action map", kindTemplate: "action template"}
	return fail.New(fail.NotFound, "there is no such %s", words[kind])
}
