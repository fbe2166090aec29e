package consent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// MaxReason is how many characters a reason for an objection may have.
const MaxReason = 2000

// OtherBases returns, by purpose, on what but consent data may be used: the purpose's own basis, as the
// notice shows it, and every declared one in force, of whatever deployment. A purpose that rests on
// consent alone is left out.
func (r *Room) OtherBases(ctx context.Context, t id.Tenant) (map[string][]notice.Basis, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.clk.Now()
	out := map[string][]notice.Basis{}
	for _, p := range set.purposes {
		var bases []notice.Basis
		if p.Basis != notice.Consent {
			bases = append(bases, p.Basis)
		}
		for i := range set.declarations {
			if d := &set.declarations[i]; d.holds(p.ID, now) && !slices.Contains(bases, d.Basis) {
				bases = append(bases, d.Basis)
			}
		}
		if len(bases) > 0 {
			out[p.ID] = bases
		}
	}
	return out, nil
}

// Object records an objection under Art. 21 against the purposes, whatever basis they have. It
// closes the gate as Withdraw does.
func (r *Room) Object(ctx context.Context, t id.Tenant, s id.Subject, purposes []string) error {
	w := Withdrawal{Subject: s, Purposes: purposes, UI: UI{Component: "form", Action: "withdraw_all"}}
	_, err := r.ObjectFrom(ctx, t, w)
	return err
}

// ObjectFrom is Object for an objection made on a device, which names the visitor, or one with a reason.
// As with Withdraw, an objection by somebody unknown closes nothing, because nothing is open for them.
//
// Objecting again makes no new record; a reason given then replaces the earlier one.
func (r *Room) ObjectFrom(ctx context.Context, t id.Tenant, w Withdrawal) (*Outcome, error) {
	w.Reason = strings.TrimSpace(strings.ReplaceAll(w.Reason, "\r\n", "\n"))
	if utf8.RuneCountInString(w.Reason) > MaxReason || !utf8.ValidString(w.Reason) {
		return nil, fail.Field("reason", "The reason is longer than %d characters.", MaxReason)
	}
	return r.close(ctx, t, w, closing{kind: ledger.ConsentObjected, actor: "data_subject", status: func(Status) Status { return Objected }})
}

// keepReason stores why somebody objected, for whoever weighs it (Art. 21(1)).
func (r *Room) keepReason(ctx context.Context, tx *store.Tx, s id.Subject, record uuid.UUID, reason string) error {
	t := tx.TenantID()
	sealed, err := r.keys.Seal(ctx, t, s, reasonAAD(t, s, record), []byte(reason))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO consent_objection (tenant_id, record, subject, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, record) DO UPDATE SET sealed = excluded.sealed`, t, record, s, sealed)
	return err
}

// Reasons returns why the subjects objected, by record, where they said so.
func (r *Room) Reasons(ctx context.Context, t id.Tenant, subjects []id.Subject) (map[uuid.UUID]string, error) {
	type kept struct {
		subject id.Subject
		record  uuid.UUID
		sealed  []byte
	}
	var list []kept
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = nil
		for _, s := range subjects {
			rows, err := tx.Query(ctx, `SELECT record, sealed FROM consent_objection WHERE tenant_id = $1 AND subject = $2`, t, s)
			if err != nil {
				return err
			}
			for rows.Next() {
				k := kept{subject: s}
				if err := rows.Scan(&k.record, &k.sealed); err != nil {
					return errors.Join(err, rows.Close())
				}
				list = append(list, k)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read the reasons of objections")
	}
	out := make(map[uuid.UUID]string, len(list))
	for _, k := range list {
		reason, err := r.keys.Open(ctx, t, k.subject, reasonAAD(t, k.subject, k.record), k.sealed)
		if err != nil {
			return nil, unavailable(err, "open the reason of an objection")
		}
		out[k.record] = string(reason)
	}
	return out, nil
}

// reasonAAD binds a sealed reason to its record.
func reasonAAD(t id.Tenant, s id.Subject, record uuid.UUID) []byte {
	b := make([]byte, 0, 80)
	b = append(b, "probity/consent/reason/v1\x00"...)
	b = append(b, t[:]...)
	b = append(b, s[:]...)
	return append(b, record[:]...)
}
