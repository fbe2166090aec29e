// Package recent keeps the values used last in a bounded amount of memory.
package recent

import "sync"

// Cache is a map that holds at most 2×size values: when the young half is full, the old half is
// dropped and the young one becomes old. A hit in the old half makes a value young again. It costs
// no list and no clock. The zero value is not usable; call New. It is safe for concurrent use.
//
// A value read from a store may be out of date before it is put. Callers therefore take Epoch
// before they read, and Put refuses the value if anything was dropped since.
type Cache[K comparable, V any] struct {
	mu    sync.RWMutex // guards all below
	size  int
	young map[K]V
	old   map[K]V
	epoch uint64
}

// New returns an empty cache of at most 2×size values.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{size: max(size, 1), young: map[K]V{}}
}

// Get returns the value kept for k.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[k]
	if ok {
		c.mu.RUnlock()
		return v, true
	}
	_, ok = c.old[k]
	c.mu.RUnlock()
	if !ok {
		return v, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Look again: it may have been dropped between the locks.
	if v, ok = c.young[k]; ok {
		return v, true
	}
	if v, ok = c.old[k]; ok {
		delete(c.old, k)
		c.put(k, v)
	}
	return v, ok
}

// Epoch returns a number that changes with every Drop and Clear.
func (c *Cache[K, V]) Epoch() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch
}

// Put keeps v for k unless something was dropped after epoch was taken. It tells whether it did.
func (c *Cache[K, V]) Put(k K, v V, epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return false
	}
	delete(c.old, k)
	c.put(k, v)
	return true
}

func (c *Cache[K, V]) put(k K, v V) {
	if _, ok := c.young[k]; !ok && len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[K]V, c.size/4)
	}
	c.young[k] = v
}

// Drop forgets the values of the keys.
func (c *Cache[K, V]) Drop(keys ...K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, k := range keys {
		delete(c.young, k)
		delete(c.old, k)
	}
}

// Clear forgets everything.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.young, c.old = map[K]V{}, nil
}

// Len returns how many values are kept.
func (c *Cache[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}
