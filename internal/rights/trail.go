package rights

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/redact"
	"probity/internal/store"
)

// Happened is one entry of a request's trail: what happened, when, by whom, and where the request stood
// then. Entries are added, in the transaction of what they tell, and never changed.
type Happened struct {
	ID    uuid.UUID
	At    time.Time
	By    Actor
	What  string // a Move, "received", "code-sent", "code-wrong", or a state that the procedure came to
	State State
	Words map[string]string // what somebody wrote, such as "reason"; what names a person is masked
}

// system is who acts when the procedure goes on by itself.
var system = Actor{Kind: "system"}

// note adds to the trail of a request.
func (r *Room) note(ctx context.Context, tx *store.Tx, request uuid.UUID, by Actor, what string, state State, words map[string]string) error {
	t, entry := tx.TenantID(), id.New()
	var sealed any
	if len(words) > 0 {
		plain, err := json.Marshal(words)
		if err != nil {
			return err
		}
		if sealed, err = r.Keys.SealTenant(ctx, t, trailAAD(t, request, entry), plain); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO rights_trail (tenant_id, request_id, id, happened_at, actor_kind, actor_id, what, state, words)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		t, request[:], entry[:], r.Clock.Now().UnixMicro(), by.Kind, by.ID[:], what, string(state), sealed)
	return err
}

// Trail returns what happened to the request, oldest first. It stays when the request has forgotten
// who it was about.
func (r *Room) Trail(ctx context.Context, t id.Tenant, request uuid.UUID) ([]Happened, error) {
	if _, err := r.Get(ctx, t, request); err != nil {
		return nil, err
	}
	var list []Happened
	var sealed [][]byte
	err := r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list, sealed = []Happened{}, nil
		rows, err := tx.Query(ctx, `
			SELECT id, happened_at, actor_kind, actor_id, what, state, words FROM rights_trail
			WHERE tenant_id = $1 AND request_id = $2 ORDER BY happened_at, id`, t, request[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var h Happened
			var at int64
			var words []byte
			if err := rows.Scan(&h.ID, &at, &h.By.Kind, &h.By.ID, &h.What, &h.State, &words); err != nil {
				return err
			}
			h.At = micro(at)
			list, sealed = append(list, h), append(sealed, words)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	for i, words := range sealed {
		if len(words) == 0 {
			continue
		}
		plain, err := r.Keys.OpenTenant(ctx, t, trailAAD(t, request, list[i].ID), words)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(plain, &list[i].Words); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func trailAAD(t id.Tenant, request, entry uuid.UUID) []byte {
	return append(requestAAD(t, request, "trail"), entry[:]...)
}

// masked returns the texts without what names a person: the trail outlives an erasure.
func masked(w *Who, texts map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name, text := range texts {
		if text = strings.TrimSpace(text); text != "" {
			out[name] = text
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	known := redact.Known{Handles: slices.DeleteFunc([]string{w.UserID, w.ExternalContactID, w.ExternalID}, func(s string) bool { return s == "" })}
	if words := strings.Fields(w.Name); len(words) > 0 {
		known.Given, known.Family = strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	}
	for _, c := range w.identifiers() {
		if c.kind != nameKind && c.kind != addressKind {
			known.Handles = append(known.Handles, c.value)
		}
	}
	mask, err := redact.New(redact.Options{Known: []redact.Known{known}})
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "prepare to mask what names a person")
	}
	for name, text := range out {
		for _, a := range w.Addresses {
			if a = strings.TrimSpace(a); a != "" {
				text = strings.ReplaceAll(text, a, redact.Location.Token())
			}
		}
		out[name] = mask.Text(text)
	}
	return out, nil
}
