package rights

import (
	"context"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Statements is the Store of what people had added to their data, because it was incomplete or because
// they see it differently (Art. 16 GDPR, second sentence). A statement stands beside the data for as
// long as the data does: it is sealed under the key of the person's first device.
func Statements(db *store.DB, keys Keys) Store { return statements{db, keys} }

type statements struct {
	db   *store.DB
	keys Keys
}

func (statements) Name() string { return "statements" }

func (s statements) Export(ctx context.Context, t id.Tenant, subjects []id.Subject) ([]Section, error) {
	type held struct {
		At        string    `json:"at"`
		Request   uuid.UUID `json:"request"`
		Statement string    `json:"statement"`
		subject   id.Subject
		sealed    []byte
	}
	list := []held{}
	err := s.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = list[:0]
		for _, sub := range subjects {
			rows, err := tx.Query(ctx, `
				SELECT request_id, made_at, sealed FROM rights_statement
				WHERE tenant_id = $1 AND subject = $2 ORDER BY made_at, request_id`, t, sub)
			if err != nil {
				return err
			}
			for rows.Next() {
				h := held{subject: sub}
				var at int64
				if err := rows.Scan(&h.Request, &at, &h.sealed); err != nil {
					rows.Close()
					return err
				}
				h.At = stamp(micro(at))
				list = append(list, h)
			}
			rows.Close()
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	open := list[:0]
	for _, h := range list {
		plain, err := s.keys.Open(ctx, t, h.subject, requestAAD(t, h.Request, "statement"), h.sealed)
		if fail.Is(err, fail.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		h.Statement = string(plain)
		open = append(open, h)
	}
	if len(open) == 0 {
		return nil, nil
	}
	return []Section{{
		File: "rectification/statements", Title: "What you had added",
		About:    "Statements of yours that stand beside your data, as you wrote them.",
		Provided: true, Origin: FromPerson, Basis: "legal_obligation", Data: open,
	}}, nil
}

func (s statements) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) ([]Count, error) {
	var n int64
	for _, sub := range subjects {
		k, err := tx.Exec(ctx, `DELETE FROM rights_statement WHERE tenant_id = $1 AND subject = $2`, tx.TenantID(), sub)
		if err != nil {
			return nil, err
		}
		n += k
	}
	return []Count{{"statements", n}}, nil
}

// addStatement puts the statement of the request beside the person's data. A repeated step adds none.
func (r *Room) addStatement(ctx context.Context, tx *store.Tx, j *job) error {
	if j.content.Statement == "" {
		return nil
	}
	if len(j.work.Subjects) == 0 {
		j.report.Decisions = append(j.report.Decisions, "Nothing is held under these identifiers, so the statement stands beside nothing.")
		return nil
	}
	first := j.work.Subjects[0]
	sealed, err := r.Keys.Seal(ctx, j.tenant, first, requestAAD(j.tenant, j.id, "statement"), []byte(j.content.Statement))
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO rights_statement (tenant_id, subject, request_id, made_at, sealed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, j.tenant, first, j.id[:], r.Clock.Now().UnixMicro(), sealed)
	if err != nil {
		return err
	}
	j.report.add("statements", "added", []Count{{"statements", n}})
	return nil
}
