package ledger

import (
	"context"
	"maps"
	"strings"
	"sync"

	"probity/internal/id"
	"probity/internal/store"
)

// census is how many entries of each kind there are below an index.
type census struct {
	mu    sync.Mutex // guards what follows
	below int64
	kinds map[string]int64
}

// leafTail is how many characters of a leaf follow its kind: two bars, a minute of eight digits (until
// the year 2160) and a commitment.
const leafTail = 1 + 8 + 1 + 44

// Kinds returns how many entries of each kind the log has; a leaf that can't be read counts as "", and
// is for an audit to name. The first question of a process looks at every leaf, later ones at what was
// appended since.
func (l *Ledger) Kinds(ctx context.Context, t id.Tenant) (map[string]int64, error) {
	kept, _ := l.counted.LoadOrStore(t, &census{})
	c := kept.(*census)
	c.mu.Lock()
	defer c.mu.Unlock()
	var size int64
	var news map[string]int64
	err := l.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		news = map[string]int64{}
		if size, err = l.Size(ctx, tx); err != nil {
			return err
		}
		if size < c.below {
			c.below, c.kinds = 0, nil // an older copy was restored
		}
		rows, err := tx.Query(ctx, `
			SELECT substr(leaf, 1, length(leaf) - $4), count(*) FROM ledger_entry
			WHERE tenant_id = $1 AND n >= $2 AND n < $3 GROUP BY 1`, t, c.below, size, leafTail)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var head string
			var n int64
			if err := rows.Scan(&head, &n); err != nil {
				return err
			}
			_, kind, _ := strings.Cut(head, "|")
			news[kind] += n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "count the entries of the log")
	}
	if c.kinds == nil {
		c.kinds = map[string]int64{}
	}
	for kind, n := range news {
		c.kinds[kind] += n
	}
	c.below = size
	return maps.Clone(c.kinds), nil
}
