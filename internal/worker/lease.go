package worker

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"probity/internal/store"
)

// lease is the right to process a partition. It is lost when another worker has claimed it, which
// the fence in every transaction finds out.
type lease struct {
	partition  int
	epoch      int64
	seq        uint64
	generation string // of the log when it was last compared; empty: never
}

// errFenced says that the lease is lost, or that the outcome of a transaction was not what it
// seemed: what is held in memory can't be trusted.
var errFenced = errors.New("the partition belongs to another worker now")

// claim takes the partition if nobody holds it; nil if somebody does. An SQLite file has one
// process, so a lease found in it is of one that died.
func (w *Worker) claim(ctx context.Context, n int) (*lease, error) {
	now := w.Clock.Now()
	l := &lease{partition: n}
	err := w.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO worker_partition (number, owner, epoch, seq, lease_until, generation)
			VALUES ($1, '', 0, 0, 0, '') ON CONFLICT (number) DO NOTHING`, n); err != nil {
			return err
		}
		over := now.UnixMicro()
		if tx.Dialect() == store.SQLite {
			over = 1<<62 - 1
		}
		return tx.QueryRow(ctx, `
			UPDATE worker_partition SET owner = $2, epoch = epoch + 1, lease_until = $3
			WHERE number = $1 AND (lease_until < $4 OR owner = $2)
			RETURNING epoch, seq, generation`,
			n, w.opts.Name, now.Add(w.opts.Lease).UnixMicro(), over).Scan(&l.epoch, &l.seq, &l.generation)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim a partition: %w", err)
	}
	return l, nil
}

// hold moves the offset from one number to another within tx and prolongs the lease. It fails with
// errFenced if the partition is no longer ours at that offset.
func (w *Worker) hold(ctx context.Context, tx *store.Tx, l *lease, from, to uint64) error {
	n, err := tx.Exec(ctx, `
		UPDATE worker_partition SET seq = $5, lease_until = $6
		WHERE number = $1 AND owner = $2 AND epoch = $3 AND seq = $4`,
		l.partition, w.opts.Name, l.epoch, int64(from), int64(to), w.Clock.Now().Add(w.opts.Lease).UnixMicro())
	if err == nil && n != 1 {
		err = errFenced
	}
	return err
}

// release gives the partition back, so that another worker need not wait for the lease to end.
func (w *Worker) release(l *lease) {
	// The context of the run is over by now.
	ctx := context.Background()
	err := w.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE worker_partition SET lease_until = 0 WHERE number = $1 AND owner = $2 AND epoch = $3`,
			l.partition, w.opts.Name, l.epoch)
		return err
	})
	if err != nil {
		w.Logger.Debug("a partition could not be given back; its lease will end", "partition", l.partition, "error", err)
	}
}

// offset is how far a partition is processed, as the database says.
type offset struct {
	partition  int
	seq        uint64
	generation string
}

func (w *Worker) offsets(ctx context.Context) (all []offset, err error) {
	err = w.DB.Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		rows, err := tx.Query(ctx, `SELECT number, seq, generation FROM worker_partition WHERE number >= 0 ORDER BY number`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o offset
			if err := rows.Scan(&o.partition, &o.seq, &o.generation); err != nil {
				return err
			}
			all = append(all, o)
		}
		return rows.Err()
	})
	return all, err
}
