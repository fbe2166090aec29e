package vault

import (
	"sync"
	"sync/atomic"
	"time"

	"probity/internal/id"
)

// keyCache keeps subjects' keys ready to use, the most recently used ones up to a bound. It is cut
// into shards so that requests for different subjects don't wait for each other.
//
// Only the expanded AES key is kept; the key itself was overwritten when it was expanded. What is
// evicted is left to the garbage collector: Go gives no means to overwrite an expanded key.
type keyCache struct {
	shards [64]keyShard
}

type keyShard struct {
	mu      sync.Mutex // guards all below
	byName  map[keyName]*keyEntry
	front   *keyEntry // most recently used
	back    *keyEntry
	room    int
	changed uint64 // counts drops, so that a key read before a drop isn't stored after it
	hits    atomic.Uint64
	misses  atomic.Uint64
}

type keyName struct {
	tenant  id.Tenant
	subject id.Subject
}

type keyEntry struct {
	name       keyName
	key        dataKey
	loaded     time.Time
	prev, next *keyEntry
}

func newKeyCache(size int) *keyCache {
	c := new(keyCache)
	for i := range c.shards {
		c.shards[i].byName = make(map[keyName]*keyEntry)
		c.shards[i].room = max(1, size/len(c.shards))
	}
	return c
}

// shard picks by the subject, which is random.
func (c *keyCache) shard(n keyName) *keyShard { return &c.shards[n.subject[15]%64] }

// get returns the key if it was loaded at or after oldest. If not, mark is to be handed to put.
func (c *keyCache) get(n keyName, oldest time.Time) (k dataKey, mark uint64, ok bool) {
	s := c.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byName[n]
	if e == nil {
		s.misses.Add(1)
		return dataKey{}, s.changed, false
	}
	if e.loaded.Before(oldest) {
		s.remove(e)
		s.misses.Add(1)
		return dataKey{}, s.changed, false
	}
	if s.front != e {
		s.unlink(e)
		s.pushFront(e)
	}
	s.hits.Add(1)
	return e.key, 0, true
}

// mark returns the mark for a put, for a key about to be made.
func (c *keyCache) mark(n keyName) uint64 {
	s := c.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// put stores a key, unless something was dropped from its shard since mark was taken.
func (c *keyCache) put(n keyName, k dataKey, loaded time.Time, mark uint64) {
	s := c.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed != mark {
		return
	}
	if e := s.byName[n]; e != nil {
		s.remove(e)
	}
	e := &keyEntry{name: n, key: k, loaded: loaded}
	s.byName[n] = e
	s.pushFront(e)
	for len(s.byName) > s.room {
		s.remove(s.back)
	}
}

// drop forgets a key, also one that is being loaded right now.
func (c *keyCache) drop(n keyName) {
	s := c.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed++
	if e := s.byName[n]; e != nil {
		s.remove(e)
	}
}

func (c *keyCache) stats() (keys int, hits, misses uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		keys += len(s.byName)
		s.mu.Unlock()
		hits += s.hits.Load()
		misses += s.misses.Load()
	}
	return keys, hits, misses
}

func (s *keyShard) remove(e *keyEntry) {
	s.unlink(e)
	delete(s.byName, e.name)
	e.key = dataKey{}
}

func (s *keyShard) pushFront(e *keyEntry) {
	e.prev, e.next = nil, s.front
	if s.front != nil {
		s.front.prev = e
	}
	s.front = e
	if s.back == nil {
		s.back = e
	}
}

func (s *keyShard) unlink(e *keyEntry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.front = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.back = e.prev
	}
	e.prev, e.next = nil, nil
}
