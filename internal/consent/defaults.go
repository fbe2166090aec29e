package consent

import (
	"context"
	"encoding/json"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// EnsureDefaults gives an organisation the default purposes and the first version of its notice, in
// all built-in languages, if it has none. It changes nothing that is there.
func (r *Room) EnsureDefaults(ctx context.Context, t id.Tenant) error {
	return r.EnsureDefaultsFor(ctx, t, notice.Facts{})
}

// EnsureDefaultsFor is EnsureDefaults with the facts that the notice names.
func (r *Room) EnsureDefaultsFor(ctx context.Context, t id.Tenant, f notice.Facts) error {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return err
	}
	if len(set.purposes) > 0 && len(set.notices) > 0 {
		return nil
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		set, err := r.readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		if len(set.purposes) == 0 {
			set.purposes = notice.DefaultPurposes()
			if err := r.writePurposes(ctx, tx, set.purposes); err != nil {
				return err
			}
		}
		if len(set.notices) == 0 {
			if _, err := r.publish(ctx, tx, notice.Draft{Facts: f, Texts: notice.DefaultTexts()}); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() { r.settings.Drop(t) })
		return nil
	})
	if err != nil {
		return unavailable(err, "publish the default notice")
	}
	return nil
}

// writePurposes replaces the organisation's purposes and logs them.
func (r *Room) writePurposes(ctx context.Context, tx *store.Tx, purposes []notice.Purpose) error {
	if _, err := tx.Exec(ctx, `DELETE FROM consent_purpose WHERE tenant_id = $1`, tx.TenantID()); err != nil {
		return err
	}
	for i, p := range purposes {
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO consent_purpose (tenant_id, id, place, body) VALUES ($1, $2, $3, $4)`,
			tx.TenantID(), p.ID, i, string(body)); err != nil {
			return err
		}
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/purposes/1",
		"type":        ledger.PurposesPublished,
		"purposes":    purposes,
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.PurposesPublished, Payload: payload})
	return err
}
