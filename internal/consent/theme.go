package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

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
		if _, err := tx.Exec(ctx, `
			INSERT INTO consent_look (tenant_id, deployment, look, body, since) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant_id, deployment, look) DO NOTHING`, t, deployment, theme.Look(), string(body), r.clk.Now().UnixMicro()); err != nil {
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

// How the layout that an entry cites is known.
const (
	layoutNamed   = "named"   // the browser named the style sheet that the dialog had
	layoutAssumed = "assumed" // nobody said, so it is the one in force when the choice arrived
	layoutNone    = "none"    // the dialog was shown without its style sheet
	layoutUnknown = "unknown" // the browser named one that was never published for the deployment
)

// themeSeen returns the theme of the dialog that somebody answered, and how that is known; nil if there
// was no dialog, or none that the deployment ever had. A theme may have been replaced while the dialog
// was open: what counts is the one that was seen. A choice is taken even so, because a refusal must not
// be lost for its looks, and the entry does not cite what nobody knows.
func (r *Room) themeSeen(ctx context.Context, t id.Tenant, set *settings, c *Choice) (*notice.Theme, string, error) {
	if c.UI.Component != "banner" && c.UI.Component != "preferences" {
		return nil, "", nil
	}
	current := set.theme(c.Deployment)
	if c.Look == nil {
		return &current, layoutAssumed, nil
	}
	switch look := strings.TrimSpace(*c.Look); look {
	case current.Look():
		return &current, layoutNamed, nil
	case notice.Plain:
		return &notice.Theme{}, layoutNamed, nil
	case "":
		return nil, layoutNone, nil
	default:
		theme, err := r.pastTheme(ctx, t, c.Deployment, look)
		if theme == nil {
			return nil, layoutUnknown, err
		}
		return theme, layoutNamed, nil
	}
}

// pastTheme returns a theme that the deployment, or the organisation, had once or has; nil if neither did.
func (r *Room) pastTheme(ctx context.Context, t id.Tenant, deployment uuid.UUID, look string) (theme *notice.Theme, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		theme = nil
		var body string
		err := tx.QueryRow(ctx, `
			SELECT body FROM consent_look WHERE tenant_id = $1 AND deployment IN ($2, $3) AND look = $4 LIMIT 1`,
			t, deployment, uuid.Nil, look).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(body), &theme)
	})
	if err != nil {
		return nil, unavailable(err, "look up a theme")
	}
	return theme, nil
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
