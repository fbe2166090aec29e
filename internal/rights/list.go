package rights

import (
	"context"
	"fmt"
	"strings"

	"probity/internal/id"
	"probity/internal/store"
)

// Filter chooses requests of a list. The zero value chooses all, newest first.
type Filter struct {
	Types  []Type
	States []State
	Open   bool // not final
	Late   bool // open, and due before now
	ByDue  bool // what is due first comes first
}

// Genesys are the types that clients of the Genesys GDPR API know.
var Genesys = []Type{Access, Portability, Rectification, Erasure}

// Select returns a page of the organisation's requests that the filter chooses, and how many there are
// in all.
func (r *Room) Select(ctx context.Context, t id.Tenant, f Filter, offset, limit int) (page []*Request, total int, err error) {
	args := []any{t}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where := ""
	in := func(column string, values []string) {
		marks := make([]string, len(values))
		for i, v := range values {
			marks[i] = arg(v)
		}
		where += " AND q." + column + " IN (" + strings.Join(marks, ", ") + ")"
	}
	if len(f.Types) > 0 {
		in("type", texts(f.Types))
	}
	if len(f.States) > 0 {
		in("state", texts(f.States))
	}
	if f.Open || f.Late {
		where += " AND q.finished_at IS NULL"
	}
	if f.Late {
		// While a question stops the clock nothing becomes late.
		where += " AND q.due_at <= " + arg(r.Clock.Now().UnixMicro()) +
			" AND (q.state <> " + arg(string(IdentityPending)) + ` OR q.facts LIKE '%"late":true%')`
	}
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM rights_request q WHERE q.tenant_id = $1`+where, args...).Scan(&total)
	})
	if err != nil {
		return nil, 0, err
	}
	order := " ORDER BY q.id DESC"
	if f.ByDue {
		order = " ORDER BY q.due_at, q.id"
	}
	where += order + " LIMIT " + arg(limit)
	where += " OFFSET " + arg(offset)
	page, err = r.query(ctx, t, where, args[1:]...)
	return page, total, err
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
