package vault

import (
	"context"
	"sync"

	"probity/internal/id"
)

// stockMost bounds how many keys of nobody yet are kept ready for an organisation.
const stockMost = 64

// stock holds subjects of an organisation whose keys are durable and who are nobody yet. Whoever asks
// for a new subject under load need not wait for the disk. It is as large as what was asked for within
// a second: where little happens it is empty. What is in stock when the process ends stays behind as
// keys of nobody, which open nothing.
type stock struct {
	mu        sync.Mutex // guards all below
	ready     []id.Subject
	second    int64 // in which taken is counted
	taken     int
	before    int // taken in the second before
	refilling bool
}

// NewSubject makes a subject with a random key and returns it when the key is durable. Errors:
// fail.Unavailable.
func (v *Vault) NewSubject(ctx context.Context, t id.Tenant) (id.Subject, error) {
	have, _ := v.stocks.LoadOrStore(t, &stock{})
	st := have.(*stock)
	s, ok, refill := st.take(v.clk.Now().Unix())
	if refill > 0 {
		go v.refill(context.WithoutCancel(ctx), t, st, refill)
	}
	if ok {
		return s, nil
	}
	s = id.NewSubject()
	return s, v.CreateSubject(ctx, t, s)
}

// take returns a subject, if there is one, and how many the caller must now add.
func (st *stock) take(second int64) (s id.Subject, ok bool, refill int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case second == st.second+1:
		st.before, st.taken = st.taken, 0
	case second != st.second:
		st.before, st.taken = 0, 0
	}
	st.second = second
	st.taken++
	if n := len(st.ready); n > 0 {
		s, ok = st.ready[n-1], true
		st.ready = st.ready[:n-1]
	}
	want := min(max(st.taken, st.before)-1, stockMost)
	if st.refilling || 2*len(st.ready) >= want {
		return s, ok, 0
	}
	st.refilling = true
	return s, ok, want - len(st.ready)
}

// refill adds n subjects. If it can't, the next who asks tries again.
func (v *Vault) refill(ctx context.Context, t id.Tenant, st *stock, n int) {
	fresh := make([]id.Subject, n)
	for i := range fresh {
		fresh[i] = id.NewSubject()
	}
	err := v.CreateSubjects(ctx, t, fresh)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.refilling = false
	if err == nil {
		st.ready = append(st.ready, fresh...)
	}
}
