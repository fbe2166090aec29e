package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/store"
)

// reader gives tlog the stored hashes of one tenant's tree. The hash at a level and position was
// completed by the last leaf below it, and is stored in that leaf's row.
type reader struct {
	ctx   context.Context
	tx    *store.Tx
	fresh map[int64][]byte // packed hashes by leaf, known without asking
}

// errGap says that an entry below the head is not there, or lacks a tree hash.
var errGap = errors.New("an entry of the ledger is missing or lacks a tree hash")

// ReadHashes implements tlog.HashReader.
func (r *reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if r.fresh == nil {
		r.fresh = map[int64][]byte{}
	}
	var missing []int64
	for _, i := range indexes {
		leaf, _ := completedBy(i)
		if _, ok := r.fresh[leaf]; !ok {
			r.fresh[leaf] = nil
			missing = append(missing, leaf)
		}
	}
	if err := r.load(missing); err != nil {
		return nil, err
	}
	out := make([]tlog.Hash, len(indexes))
	for k, i := range indexes {
		leaf, level := completedBy(i)
		packed := r.fresh[leaf]
		if len(packed) < (level+1)*tlog.HashSize {
			return nil, fmt.Errorf("%w: entry %d, level %d", errGap, leaf, level)
		}
		copy(out[k][:], packed[level*tlog.HashSize:])
	}
	return out, nil
}

// load reads rows in groups of one of two sizes, so that few different statements are prepared.
func (r *reader) load(leaves []int64) error {
	for len(leaves) > 0 {
		width := 1
		if len(leaves) > 1 {
			width = 16
		}
		n := min(width, len(leaves))
		args := []any{r.tx.TenantID()}
		for i := range width {
			args = append(args, leaves[min(i, n-1)])
		}
		if err := r.query(width, args); err != nil {
			return err
		}
		leaves = leaves[n:]
	}
	return nil
}

func (r *reader) query(width int, args []any) error {
	rows, err := r.tx.Query(r.ctx, selectHashes(width), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var packed []byte
		if err := rows.Scan(&n, &packed); err != nil {
			return err
		}
		r.fresh[n] = packed
	}
	return rows.Err()
}

func selectHashes(width int) string {
	var b strings.Builder
	b.WriteString(`SELECT n, hashes FROM ledger_entry WHERE tenant_id = $1 AND n IN (`)
	for i := range width {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 2))
	}
	b.WriteByte(')')
	return b.String()
}

// completedBy returns the leaf whose row holds a stored hash, and the hash's level.
func completedBy(index int64) (leaf int64, level int) {
	level, n := tlog.SplitStoredHashIndex(index)
	return (n+1)<<level - 1, level
}
