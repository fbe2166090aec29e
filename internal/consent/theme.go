package consent

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// SetTheme keeps how the banner looks on a deployment. The zero id stands for all deployments of the
// organisation that have no theme of their own. A nil theme takes one away. Other processes serve it after
// a minute at the latest. What was agreed to does not change by it, so nobody is asked again.
//
// Errors: those of notice.Theme.Check.
func (r *Room) SetTheme(ctx context.Context, t id.Tenant, deployment uuid.UUID, theme *notice.Theme) error {
	if theme != nil {
		if err := theme.Check(); err != nil {
			return err
		}
	}
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		tx.AfterCommit(func() { r.settings.Drop(t) })
		if theme == nil {
			_, err := tx.Exec(ctx, `DELETE FROM consent_theme WHERE tenant_id = $1 AND deployment = $2`, t, deployment)
			return err
		}
		body, err := json.Marshal(theme)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO consent_theme (tenant_id, deployment, body) VALUES ($1, $2, $3)
			ON CONFLICT (tenant_id, deployment) DO UPDATE SET body = excluded.body`, t, deployment, string(body))
		return err
	})
	if err != nil {
		return unavailable(err, "set a theme")
	}
	return nil
}

// Theme returns how the banner looks on a deployment: its own theme, else the organisation's, else the
// zero theme, which is ours. own tells whether the theme was set for this very id.
func (r *Room) Theme(ctx context.Context, t id.Tenant, deployment uuid.UUID) (theme notice.Theme, own bool, err error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return notice.Theme{}, false, err
	}
	_, own = set.themes[deployment]
	return set.theme(deployment), own, nil
}

func (s *settings) theme(deployment uuid.UUID) notice.Theme {
	if own, ok := s.themes[deployment]; ok {
		return own
	}
	return s.themes[uuid.Nil]
}

func (s *settings) readThemes(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.Query(ctx, `SELECT deployment, body FROM consent_theme WHERE tenant_id = $1`, tx.TenantID())
	if err != nil {
		return err
	}
	defer rows.Close()
	s.themes = map[uuid.UUID]notice.Theme{}
	for rows.Next() {
		var d uuid.UUID
		var body string
		if err := rows.Scan(&d, &body); err != nil {
			return err
		}
		var theme notice.Theme
		if err := json.Unmarshal([]byte(body), &theme); err != nil {
			return err
		}
		s.themes[d] = theme
	}
	return rows.Err()
}
