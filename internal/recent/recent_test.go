package recent

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestAPutValueIsFoundAndADroppedOneIsNot(t *testing.T) {
	c := New[int, string](4)
	c.Put(1, "one", c.Epoch())
	if v, ok := c.Get(1); !ok || v != "one" {
		t.Errorf("got %q %v", v, ok)
	}
	c.Drop(1)
	if _, ok := c.Get(1); ok {
		t.Error("the dropped value is still there")
	}
}

func TestAValueReadBeforeADropIsNotKept(t *testing.T) {
	c := New[int, string](4)
	epoch := c.Epoch()
	c.Drop(2)
	if c.Put(1, "stale", epoch) {
		t.Error("the stale value was kept")
	}
	if _, ok := c.Get(1); ok {
		t.Error("the stale value is found")
	}
}

func TestTheCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c := New[int, int](10)
	c.Put(-1, 1, c.Epoch())
	for i := range 1000 {
		c.Put(i, i, c.Epoch())
		if _, ok := c.Get(-1); !ok {
			t.Fatalf("a value in constant use was dropped after %d others", i)
		}
		if c.Len() > 20 {
			t.Fatalf("%d values are kept", c.Len())
		}
	}
}

// It agrees with a plain map on every value it still has, and never invents one.
func TestTheCacheNeverReturnsAnythingButTheNewestValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New[int, int](3)
		model := map[int]int{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			k := rapid.IntRange(0, 9).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				v := rapid.Int().Draw(t, "value")
				c.Put(k, v, c.Epoch())
				model[k] = v
			case 1:
				c.Drop(k)
				delete(model, k)
			case 2:
				c.Clear()
				clear(model)
			default:
				if v, ok := c.Get(k); ok {
					if want, there := model[k]; !there || want != v {
						t.Fatalf("key %d gives %d, want %d (%v)", k, v, want, there)
					}
				}
			}
		}
	})
}

func TestConcurrentUseIsSafe(t *testing.T) {
	c := New[int, int](8)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				k := (i + g) % 30
				if v, ok := c.Get(k); ok && v != k {
					t.Errorf("key %d gives %d", k, v)
				}
				c.Put(k, k, c.Epoch())
				if i%50 == 0 {
					c.Drop(k)
				}
			}
		})
	}
	wg.Wait()
}
