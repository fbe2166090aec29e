package org

import (
	"sync"
	"time"

	"probity/internal/clock"
)

// cache remembers the answers of slow lookups for a while. It is bounded: when it is full it
// forgets everything, which costs one lookup each and needs no bookkeeping per hit.
//
// An answer that was being looked up while its key was dropped is handed out but not remembered,
// so that a change can't be undone by a slow reader.
type cache[K comparable, V any] struct {
	clk  clock.Clock
	max  int
	ttl  time.Duration
	mu   sync.RWMutex // guards the fields below
	seen map[K]cached[V]
	age  uint64 // counts drops
}

type cached[V any] struct {
	value V
	until time.Time
}

func newCache[K comparable, V any](clk clock.Clock, max int, ttl time.Duration) *cache[K, V] {
	return &cache[K, V]{clk: clk, max: max, ttl: ttl, seen: make(map[K]cached[V])}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.RLock()
	hit, ok := c.seen[key]
	c.mu.RUnlock()
	if !ok || c.clk.Now().After(hit.until) {
		var none V
		return none, false
	}
	return hit.value, true
}

// load returns the remembered value, or that of find. Failures are not remembered.
func (c *cache[K, V]) load(key K, find func() (V, error)) (V, error) {
	if v, ok := c.get(key); ok {
		return v, nil
	}
	c.mu.RLock()
	before := c.age
	c.mu.RUnlock()
	v, err := find()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.age == before {
		c.put(key, v)
	}
	return v, nil
}

func (c *cache[K, V]) put(key K, v V) {
	if len(c.seen) >= c.max {
		clear(c.seen)
	}
	c.seen[key] = cached[V]{value: v, until: c.clk.Now().Add(c.ttl)}
}

func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	delete(c.seen, key)
}

func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	clear(c.seen)
}
