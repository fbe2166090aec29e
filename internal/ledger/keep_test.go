package ledger

import (
	"errors"
	"slices"
	"testing"

	"probity/internal/vault"
)

func newRound(size int64) *round {
	return &round{remembered: make(chan struct{}), stored: make(chan struct{}), signed: checkpoint{generation: 1, size: size}}
}

// The database may refuse what the vault already remembers, and what was handed out is then stored later,
// in order.
func TestWhatARoundCouldNotStoreTheNextOneStores(t *testing.T) {
	var kept []int64
	down := true
	storing := func(size int64) func() error {
		return func() error {
			if down {
				return errors.New("out of reach")
			}
			kept = append(kept, size)
			return nil
		}
	}
	first, second, third, fourth := newRound(3), newRound(5), newRound(5), newRound(8)
	first.keep(nil, storing(3))
	second.keep(first, storing(5))
	third.keep(second, nil) // nothing was new
	for _, r := range []*round{first, second, third} {
		if r.lost == nil || r.stores(vault.Published{Generation: 1, Size: r.signed.size}) {
			t.Errorf("the round of %d entries says that all is stored", r.signed.size)
		}
	}
	down = false
	fourth.keep(third, storing(8))
	if want := []int64{3, 5, 8}; !slices.Equal(kept, want) || fourth.lost != nil || len(fourth.todo) > 0 {
		t.Errorf("stored %v, want %v; %v", kept, want, fourth.lost)
	}
	if !fourth.stores(vault.Published{Generation: 1, Size: 8}) || fourth.stores(vault.Published{Generation: 2, Size: 8}) {
		t.Error("the last round does not know what it stored")
	}
}

func TestARoundStoresAfterTheOneBefore(t *testing.T) {
	var kept []int64
	first, second := newRound(3), newRound(5)
	if !first.stores(vault.Published{Generation: 1, Size: 3}) {
		t.Error("what is on its way counts as lost")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		second.keep(first, func() error { kept = append(kept, 5); return nil })
	}()
	first.keep(nil, func() error { kept = append(kept, 3); return nil })
	<-ended
	if want := []int64{3, 5}; !slices.Equal(kept, want) {
		t.Errorf("stored %v, want %v", kept, want)
	}
}
