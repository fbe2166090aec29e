package org

import (
	"time"

	"probity/internal/clock"
	"probity/internal/recent"
)

// cache remembers the answers of slow lookups for a while, in bounded memory.
//
// An answer that was being looked up while its key was dropped is handed out but not remembered,
// so that a change can't be undone by a slow reader.
type cache[K comparable, V any] struct {
	clk  clock.Clock
	ttl  time.Duration
	seen *recent.Cache[K, cached[V]]
}

type cached[V any] struct {
	value V
	until time.Time
}

func newCache[K comparable, V any](clk clock.Clock, size int, ttl time.Duration) *cache[K, V] {
	return &cache[K, V]{clk: clk, ttl: ttl, seen: recent.New[K, cached[V]](size)}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	hit, ok := c.seen.Get(key)
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
	epoch := c.seen.Epoch()
	v, err := find()
	if err != nil {
		return v, err
	}
	c.seen.Put(key, cached[V]{value: v, until: c.clk.Now().Add(c.ttl)}, epoch)
	return v, nil
}

func (c *cache[K, V]) drop(key K) { c.seen.Drop(key) }

func (c *cache[K, V]) clear() { c.seen.Clear() }
