package verify

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// Trust is what a reader knows by other means than the file. The zero value trusts nobody: the key
// inside the file is used, and the report says so.
type Trust struct {
	Keys      []string // verifier keys of logs; the file's key must be one of them
	Periods   []Period // of a checked key list: what a key of it signed outside its period is refused
	Witnesses []string // verifier keys of witnesses
	Needed    int      // so many of Witnesses must have signed each proof's checkpoint; 0: all of them
}

// Follow trusts the other keys of a checked key list too, each within its own period. One of the
// list must be trusted already, otherwise the reason is WrongKey.
func (t *Trust) Follow(periods []Period) error {
	if !slices.ContainsFunc(periods, func(p Period) bool { return slices.Contains(t.Keys, p.Key) }) {
		return fault(WrongKey, "the list of keys does not name one that you trust")
	}
	for _, p := range periods {
		if !slices.Contains(t.Keys, p.Key) {
			t.Keys = append(t.Keys, p.Key)
		}
	}
	t.Periods = append(t.Periods, periods...)
	return nil
}

// File verifies a file of any type as the function File does, with all that the reader knows.
func (t Trust) File(data []byte) (*Report, error) { return file(data, t) }

// Read verifies a file of any type from a stream as the function Read does, with all that the reader
// knows.
func (t Trust) Read(r io.Reader) (*Report, error) { return read(r, t) }

// key tells whether a key may be used: any, if none is trusted.
func (t *Trust) key(key string) error {
	if len(t.Keys) > 0 && !slices.Contains(t.Keys, key) {
		return fault(WrongKey, "the file names a key that is not among the %d keys you trust", len(t.Keys))
	}
	return nil
}

// period refuses a tree that the key may not have signed. A key that is in no list may sign any.
func (t *Trust) period(key string, c Checkpoint) error {
	var named *Period
	for i := range t.Periods {
		p := &t.Periods[i]
		if p.Key != key {
			continue
		}
		if p.Covers(c.Tree.N) {
			return nil
		}
		named = p
	}
	switch {
	case named == nil:
		return nil
	case c.Tree.N < named.From:
		return fault(WrongPeriod, "the key signed a tree of %d entries, but it was in use only from %d on: %s", c.Tree.N, named.From, key)
	}
	return fault(WrongPeriod, "the key signed a tree of %d entries, but another one had replaced it after %d: %s", c.Tree.N, named.Until, key)
}

// witnessed returns what the reader's witnesses signed below a checkpoint, and an error unless that
// are enough.
func (t *Trust) witnessed(signed []byte) ([]Cosignature, error) {
	if len(t.Witnesses) == 0 {
		return nil, nil
	}
	list, err := Cosignatures(signed, t.Witnesses...)
	if err != nil {
		return nil, err
	}
	needed := t.Needed
	if needed <= 0 {
		needed = len(t.Witnesses)
	}
	if len(list) < needed {
		return nil, fault(NotWitnessed, "a checkpoint is signed by %d of the %d witnesses you know, and %d are needed", len(list), len(t.Witnesses), needed)
	}
	return list, nil
}

// proven looks at the checkpoint that a proof leads to: whether its key might sign it, and who
// witnessed it.
func (c *checker) proven(signed []byte, key string, at Checkpoint) error {
	if err := c.trust.period(key, at); err != nil {
		return err
	}
	list, err := c.trust.witnessed(signed)
	if err != nil || c.witnessed[at.Tree.N] {
		return err
	}
	c.witnessed[at.Tree.N] = true
	for _, s := range list {
		c.report.verified("Witness %s, which you know, saw the tree of %d entries as the largest of the log on %s UTC.", s.Name, at.Tree.N, s.Time.Format("2 January 2006 15:04"))
	}
	return nil
}

// keychain checks a list of keys.
func (c *checker) keychain(k *Keychain) (*Report, error) {
	periods, err := k.Check()
	if err != nil {
		return nil, err
	}
	r := &c.report
	if len(c.trust.Keys) > 0 {
		if err := c.trust.Follow(periods); err != nil {
			return nil, err
		}
		r.Trusted = true
	}
	r.Key = periods[len(periods)-1].Key
	r.Log, _, _ = strings.Cut(r.Key, "+")
	for i := range periods {
		p := &periods[i]
		log, _, _ := strings.Cut(p.Key, "+")
		if p.Until < 0 {
			r.verified("Key %d signs log %s from %d entries on.", i+1, log, p.From)
		} else {
			r.verified("Key %d signed log %s from %d to %d entries.", i+1, log, p.From, p.Until)
		}
		if p.Handover != nil {
			c.handedOver(p.Handover)
		}
	}
	c.owner(periods[0].Key)
	r.unverified("That the list is the newest: a key may have been replaced since.")
	return r, nil
}

// handover checks the statement of one key about its successor, a file of its own.
func (c *checker) handover(signed string) (*Report, error) {
	h, err := OpenHandover(signed)
	if err != nil {
		return nil, err
	}
	if c.trust.key(h.Old) != nil {
		if err := c.trust.key(h.New); err != nil {
			return nil, err
		}
	}
	r := &c.report
	r.Trusted = len(c.trust.Keys) > 0
	r.Key = h.New
	r.Log, _, _ = strings.Cut(h.New, "+")
	c.handedOver(h)
	r.verified("The old key signed trees of up to %d entries, the new one signs those of %d and more: %s", h.Until, h.From, h.New)
	c.owner(h.Old)
	r.unverified("That the old key named no other successor: compare this statement with one that somebody else keeps.")
	return r, nil
}

func (c *checker) handedOver(h *Handover) {
	c.report.verified("On %s the key of the log was %s: both keys signed that.", h.Time.Format("2 January 2006"), h.Kind)
	if first, n := h.Lost(); n > 0 {
		c.report.unverified("What %d entries from number %d on say: the log was restored from an older copy then, and they are no longer part of it. Receipts for them still hold.", n, first)
	}
}

// owner says whether the reader knew the key.
func (c *checker) owner(key string) {
	if c.report.Trusted {
		c.report.verified("One of the keys is one that you trust.")
		return
	}
	c.report.unverified("Whose keys they are: no key was given. Compare the first one with the one that the organisation publishes: %s", key)
}

// isHandover tells whether a file looks like a signed handover.
func isHandover(data []byte) bool { return bytes.HasPrefix(data, []byte(handoverType+"\n")) }
