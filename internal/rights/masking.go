package rights

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/redact"
	"probity/internal/store"
)

// MaskingRule is what an organisation wants masked in texts that are handed out, beside e-mail addresses
// and phone numbers of others.
type MaskingRule struct {
	ID           uuid.UUID `json:"-"`
	Name         string    `json:"name"`
	Description  string    `json:"description,omitempty"`
	Substitute   string    `json:"substitute"` // one character, for each of a match
	Definition   string    `json:"definition"` // a regular expression of RE2
	Enabled      bool      `json:"enabled"`
	Direction    string    `json:"direction,omitempty"` // inbound, outbound or empty; kept for other systems, packages mask either way
	Integrations []string  `json:"integrations,omitempty"`
	Made         time.Time `json:"-"`
	Changed      time.Time `json:"-"`
}

const (
	maxRules        = 100  // of an organisation
	maxRuleName     = 256  // characters
	maxRuleWords    = 2000 // characters of a description
	maxIntegrations = 50
)

func (m *MaskingRule) validate() error {
	switch {
	case m.Name == "" || utf8.RuneCountInString(m.Name) > maxRuleName:
		return fail.Field("name", "A rule needs a name of at most %d characters.", maxRuleName)
	case utf8.RuneCountInString(m.Description) > maxRuleWords:
		return fail.Field("description", "A description has at most %d characters.", maxRuleWords)
	case m.Substitute == "":
		return fail.Field("substituteCharacter", "A rule needs a character that stands in place of each one masked.")
	case !slices.Contains([]string{"", "inbound", "outbound"}, m.Direction):
		return fail.Field("direction", "The direction is inbound or outbound.")
	case len(m.Integrations) > maxIntegrations:
		return fail.Field("integrations", "A rule names at most %d integrations.", maxIntegrations)
	}
	for _, i := range m.Integrations {
		if len(i) > maxRuleName {
			return fail.Field("integrations", "The name of an integration has at most %d bytes.", maxRuleName)
		}
	}
	_, err := redact.NewRule(m.Definition, m.Substitute)
	return err
}

// MaskingRules returns the organisation's rules in the order in which they were made.
func (r *Room) MaskingRules(ctx context.Context, t id.Tenant) (list []MaskingRule, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = []MaskingRule{}
		rows, err := tx.Query(ctx, `SELECT id, body, made_at, changed_at FROM rights_masking_rule WHERE tenant_id = $1 ORDER BY id`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			m, err := scanRule(rows.Scan)
			if err != nil {
				return err
			}
			list = append(list, *m)
		}
		return rows.Err()
	})
	return list, err
}

func scanRule(scan func(...any) error) (*MaskingRule, error) {
	var m MaskingRule
	var body string
	var made, changed int64
	if err := scan(&m.ID, &body, &made, &changed); err != nil {
		return nil, err
	}
	m.Made, m.Changed = micro(made), micro(changed)
	return &m, json.Unmarshal([]byte(body), &m)
}

// MaskingRule returns one rule, or fail.NotFound.
func (r *Room) MaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID) (m *MaskingRule, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		m, err = scanRule(tx.QueryRow(ctx, `SELECT id, body, made_at, changed_at FROM rights_masking_rule WHERE tenant_id = $1 AND id = $2`, t, rule[:]).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fail.New(fail.NotFound, "There is no such masking rule.")
	}
	return m, err
}

// AddMaskingRule keeps a rule. Errors: fail.Invalid and the field; fail.Conflict if there are too many.
func (r *Room) AddMaskingRule(ctx context.Context, t id.Tenant, m MaskingRule) (*MaskingRule, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	m.ID, m.Made = id.New(), micro(r.Clock.Now().UnixMicro())
	m.Changed = m.Made
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_masking_rule WHERE tenant_id = $1`, t).Scan(&n); err != nil {
			return err
		}
		if n >= maxRules {
			return fail.New(fail.Conflict, "There are %d masking rules, the most that an organisation can have; delete one.", n)
		}
		_, err := tx.Exec(ctx, `INSERT INTO rights_masking_rule (tenant_id, id, body, made_at, changed_at) VALUES ($1, $2, $3, $4, $5)`,
			t, m.ID[:], string(body), m.Made.UnixMicro(), m.Changed.UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// ChangeMaskingRule changes a rule by what change does to it. Errors: as AddMaskingRule, and
// fail.NotFound.
func (r *Room) ChangeMaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID, change func(*MaskingRule)) (m *MaskingRule, err error) {
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		m, err = scanRule(tx.QueryRow(ctx, `SELECT id, body, made_at, changed_at FROM rights_masking_rule WHERE tenant_id = $1 AND id = $2`, t, rule[:]).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no such masking rule.")
		}
		if err != nil {
			return err
		}
		change(m)
		if err := m.validate(); err != nil {
			return err
		}
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		m.Changed = micro(r.Clock.Now().UnixMicro())
		_, err = tx.Exec(ctx, `UPDATE rights_masking_rule SET body = $3, changed_at = $4 WHERE tenant_id = $1 AND id = $2`,
			t, rule[:], string(body), m.Changed.UnixMicro())
		return err
	})
	return m, err
}

// DropMaskingRule deletes a rule. Error: fail.NotFound.
func (r *Room) DropMaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID) error {
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM rights_masking_rule WHERE tenant_id = $1 AND id = $2`, t, rule[:])
		if err == nil && n == 0 {
			err = fail.New(fail.NotFound, "There is no such masking rule.")
		}
		return err
	})
}

// detectors compiles the rules that are enabled.
func (r *Room) detectors(ctx context.Context, t id.Tenant) ([]*redact.Rule, error) {
	list, err := r.MaskingRules(ctx, t)
	if err != nil {
		return nil, err
	}
	var out []*redact.Rule
	for _, m := range list {
		if !m.Enabled {
			continue
		}
		rule, err := redact.NewRule(m.Definition, m.Substitute)
		if err != nil {
			return nil, fail.Wrap(fail.Internal, err, "the masking rule %s does not compile; change or disable it", m.ID)
		}
		out = append(out, rule)
	}
	return out, nil
}
