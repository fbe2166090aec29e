package journey

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"probity/internal/event"
)

// A chunk holds events of one visitor in the order in which they were counted. Full chunks are
// rows of their own and never change; the latest, not yet full one is kept with the visitor.
const (
	chunkEvents = 8
	chunkBytes  = 8 << 10
)

// tail is the open chunk. Its bytes are records: the id of the session if it differs from that of
// the record before (a flag byte tells), the length, the event.
type tail struct {
	number  int       // of the open chunk, from 0
	events  int       // in it
	bytes   []byte    // its records
	session uuid.UUID // of its last record
	full    []chunk   // filled since the last save
}

// chunk is a full chunk on its way to the store.
type chunk struct {
	number int
	events int
	bytes  []byte
}

// add appends an event, which must be encodable: Apply has checked it.
func (t *tail) add(session uuid.UUID, encoded []byte) {
	if t.events >= chunkEvents || t.events > 0 && len(t.bytes)+len(encoded)+32 > chunkBytes {
		t.full = append(t.full, chunk{number: t.number, events: t.events, bytes: t.bytes})
		t.number, t.events, t.bytes, t.session = t.number+1, 0, nil, uuid.Nil
	}
	t.put(session, encoded)
}

// put appends a record to the open chunk.
func (t *tail) put(session uuid.UUID, encoded []byte) {
	if t.bytes == nil {
		t.bytes = make([]byte, 0, max(1024, len(encoded)+32))
	}
	if session == t.session {
		t.bytes = append(t.bytes, 0)
	} else {
		t.bytes = append(append(t.bytes, 1), session[:]...)
		t.session = session
	}
	t.bytes = binary.AppendUvarint(t.bytes, uint64(len(encoded)))
	t.bytes = append(t.bytes, encoded...)
	t.events++
}

// eachRecord calls fn for the records of a chunk, in order.
func eachRecord(b []byte, fn func(session uuid.UUID, encoded []byte) error) error {
	var session uuid.UUID
	for n := 0; len(b) > 0; n++ {
		flag := b[0]
		b = b[1:]
		if flag == 1 {
			if len(b) < len(session) {
				return fmt.Errorf("record %d of a chunk of events is cut short", n)
			}
			copy(session[:], b)
			b = b[len(session):]
		}
		size, width := binary.Uvarint(b)
		if flag > 1 || width <= 0 || size > uint64(len(b)-width) {
			return fmt.Errorf("record %d of a chunk of events is damaged", n)
		}
		b = b[width:]
		if err := fn(session, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// StoredEvent is an event as it was counted, with its session.
type StoredEvent struct {
	Session uuid.UUID
	Event   *event.Event
}

// eachStoredEvent calls fn for the events of a chunk, in order.
func eachStoredEvent(b []byte, fn func(StoredEvent) error) error {
	return eachRecord(b, func(session uuid.UUID, encoded []byte) error {
		ev, err := event.Decode(encoded)
		if err != nil {
			return err
		}
		return fn(StoredEvent{Session: session, Event: ev})
	})
}
