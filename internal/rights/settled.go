package rights

import (
	"context"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/tombstone"
)

// settledUpTo returns up to where in the register both databases know everything, and since when the main
// database does; the zero mark if one of them does not say so of this register.
func (r *Room) settledUpTo(ctx context.Context) (m tombstone.Mark, since time.Time, err error) {
	type noted struct {
		tombstone.Mark
		at int64
	}
	var marks []noted
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		marks = nil
		rows, err := tx.Query(ctx, `SELECT code, place, noted_at FROM rights_register_mark`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n noted
			if err := rows.Scan(&n.Code, &n.Place, &n.at); err != nil {
				return err
			}
			marks = append(marks, n)
		}
		return rows.Err()
	})
	if err != nil {
		return m, since, err
	}
	inVault, err := r.Keys.RegisterMarks(ctx)
	if err != nil {
		return m, since, err
	}
	for _, n := range marks {
		if ok, err := r.Register.Covers(n.Mark); err != nil {
			return m, since, err
		} else if ok && n.Place > m.Place {
			m, since = n.Mark, micro(n.at)
		}
	}
	var v tombstone.Mark
	for code, place := range inVault {
		n := tombstone.Mark{Place: place, Code: code}
		if ok, err := r.Register.Covers(n); err != nil {
			return m, since, err
		} else if ok && place > v.Place {
			v = n
		}
	}
	if v.Place < m.Place {
		m = v // the zero mark if there is none
	}
	return m, since, nil
}

// noteSettled notes in both databases that they know everything up to a place, instead of an earlier one.
func (r *Room) noteSettled(ctx context.Context, end, instead tombstone.Mark) error {
	if err := r.Keys.SetRegisterMark(ctx, end.Code, end.Place, instead.Code); err != nil {
		return err
	}
	return r.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO rights_register_mark (code, place, noted_at) VALUES ($1, $2, $3) ON CONFLICT (code) DO NOTHING`,
			end.Code, end.Place, r.Clock.Now().UnixMicro())
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM rights_register_mark WHERE code = $1`, instead.Code)
		}
		return err
	})
}

// slack is how much the clocks of servers may be apart.
const slack = 24 * time.Hour

// recoverSince enters in the register what the main database noted since an instant and a process that
// died did not enter.
func (r *Room) recoverSince(ctx context.Context, since time.Time, out *Settled) error {
	var bodies [][]byte
	err := r.DB.Read(ctx, func(tx *store.Tx) (err error) {
		bodies, err = firstColumn[[]byte](ctx, tx, `SELECT body FROM rights_erasure WHERE tenant_id IS NOT NULL AND applied_at >= $1`, since.Add(-slack).UnixMicro())
		return err
	})
	if err != nil {
		return err
	}
	for _, body := range bodies {
		e, err := tombstone.Decode(body)
		if err != nil {
			return err
		}
		if r.Register.Has(e.ID) {
			continue
		}
		if err := r.Register.Add(e); err != nil {
			return err
		}
		out.Recovered++
	}
	return nil
}

// knowEach returns which of the entries each database knows.
func (r *Room) knowEach(ctx context.Context, entries []tombstone.Entry) (inVault, inMain map[uuid.UUID]bool, err error) {
	inVault, inMain = map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, e := range entries {
		if e.Kind == tombstone.Closed {
			continue // their records say so themselves
		}
		if inMain[e.ID], err = r.knows(ctx, e.Tenant, e.ID); err != nil {
			return nil, nil, err
		}
		if e.Kind != tombstone.Erased {
			continue
		}
		if inVault[e.ID], err = r.Keys.KnowsErasure(ctx, e.Tenant, e.ID); err != nil {
			return nil, nil, err
		}
	}
	return inVault, inMain, nil
}

// knows tells whether the main database knows an entry.
func (r *Room) knows(ctx context.Context, t id.Tenant, entry uuid.UUID) (known bool, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		var n int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_erasure WHERE tenant_id = $1 AND entry = $2`, t, entry[:]).Scan(&n)
		known = n > 0
		return err
	})
	return known, err
}
