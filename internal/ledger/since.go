package ledger

import (
	"context"
	"database/sql"
	"errors"

	"probity/internal/id"
	"probity/internal/store"
	"probity/verify"
)

// News is what others must know of an entry to forget what it made untrue.
type News struct {
	Kind    string     // empty: the leaf is damaged, which is for an audit to say
	Subject id.Subject // whose payload it is; zero: nobody's, or it was forgotten meanwhile
}

// Since returns what was appended from index from on, in order, at most limit entries, and the size of
// the log. Entries of one log become visible in the order of their indexes, so whoever asks again from
// that size misses none. It costs one look at an index while nothing was appended.
func (l *Ledger) Since(ctx context.Context, tx *store.Tx, from int64, limit int) (news []News, size int64, err error) {
	t := tx.TenantID()
	err = tx.QueryRow(ctx, `SELECT size FROM ledger_head WHERE tenant_id = $1`, t).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil || size <= from {
		return nil, size, err
	}
	rows, err := tx.Query(ctx, `
		SELECT e.leaf, p.subject FROM ledger_entry e
		LEFT JOIN ledger_payload p ON p.tenant_id = e.tenant_id AND p.n = e.n
		WHERE e.tenant_id = $1 AND e.n >= $2 ORDER BY e.n LIMIT $3`, t, from, limit)
	if err != nil {
		return nil, size, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var subject []byte
		if err := rows.Scan(&text, &subject); err != nil {
			return nil, size, err
		}
		var one News
		if leaf, err := verify.ParseLeaf(text); err == nil {
			one.Kind = leaf.Kind
		}
		copy(one.Subject[:], subject)
		news = append(news, one)
	}
	return news, size, rows.Err()
}

// Size returns how many entries the log has.
func (l *Ledger) Size(ctx context.Context, tx *store.Tx) (size int64, err error) {
	err = tx.QueryRow(ctx, `SELECT size FROM ledger_head WHERE tenant_id = $1`, tx.TenantID()).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return size, err
}
