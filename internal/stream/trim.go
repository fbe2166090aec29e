package stream

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"probity/internal/fail"
)

// marks is what this process knows of its partitions, so that an engine of its own is only ever
// trimmed from the front: then every number from the first frame to the last must be there, and a
// hole is damage.
type marks struct {
	mu       sync.Mutex // guards what follows
	appended []uint64   // last number of each partition
	trimmed  []uint64   // up to where each partition is no longer needed
}

// remember starts the marks of a generation.
func (e *Engine) remember(ctx context.Context, g *generation) error {
	info, err := g.write.Info(ctx)
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "the state of the log can't be read")
	}
	appended := make([]uint64, e.opts.Partitions)
	for p := range appended {
		if appended[p], err = e.last(ctx, g, p, info); err != nil {
			return err
		}
	}
	e.marks.mu.Lock()
	defer e.marks.mu.Unlock()
	e.marks.appended = appended
	e.marks.trimmed = make([]uint64, e.opts.Partitions)
	return nil
}

// note remembers that a frame was written.
func (m *marks) note(g *group) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appended[g.partition] = max(m.appended[g.partition], g.seq)
}

// trim notes that a partition needs nothing up to upto, and returns up to where no partition does.
func (m *marks) trim(partition int, upto uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trimmed[partition] = max(m.trimmed[partition], min(upto, m.appended[partition]))
	idle, busy, floor := uint64(0), false, uint64(0)
	for p, t := range m.trimmed {
		if t >= m.appended[p] { // nothing of it waits
			idle = max(idle, t)
			continue
		}
		if !busy || t < floor {
			floor = t
		}
		busy = true
	}
	if !busy {
		return idle
	}
	return floor
}

// Trim implements Log.
func (e *Engine) Trim(ctx context.Context, partition int, upto uint64) error {
	if err := e.checkPartition(partition); err != nil {
		return err
	}
	e.turn.RLock()
	defer e.turn.RUnlock()
	g := e.gen.Load()
	var opts []jetstream.StreamPurgeOpt
	if e.server == nil {
		// Other processes own other partitions.
		opts = append(opts, jetstream.WithPurgeSubject(g.subject(partition)))
	} else {
		upto = e.marks.trim(partition, upto)
	}
	if upto == 0 {
		return nil
	}
	if err := g.write.Purge(ctx, append(opts, jetstream.WithPurgeSequence(upto+1))...); err != nil {
		return fail.Wrap(fail.Unavailable, err, "the log can't be trimmed")
	}
	return nil
}

// missing returns how many frames have disappeared without being trimmed. Behind a URL that can't be
// told, and is for the servers' replicas to prevent.
func (e *Engine) missing(info *jetstream.StreamInfo) uint64 {
	st := info.State
	if e.server == nil || st.Msgs == 0 || st.LastSeq < st.FirstSeq {
		return 0
	}
	return st.LastSeq - st.FirstSeq + 1 - min(st.Msgs, st.LastSeq-st.FirstSeq+1)
}
