package collect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/id"
)

// Record is one entry of the log: events of one subject that came in together, sealed under the
// subject's key. What stands beside the seal is needed to open it and says nothing about the
// person; the seal covers it, so that a record can't be moved to another subject or tenant.
type Record struct {
	Tenant     id.Tenant
	Subject    id.Subject
	Deployment uuid.UUID
	Event      uuid.UUID // id of the first event
	Received   time.Time
	Sealed     []byte // aliases what DecodeRecord was given
}

// Layout of a record: version, tenant, subject, deployment, event id, received as Unix
// microseconds, sealed events. The plain text is one or more events, each with its length in front.
const (
	recordVersion = 1
	headerSize    = 1 + 16 + 16 + 16 + 16 + 8
)

// ErrRecord is in the tree of every error that a malformed record causes.
var ErrRecord = errors.New("not a record of events")

// Opener opens what a Sealer sealed. A subject that was erased is fail.Gone.
type Opener interface {
	OpenAppend(ctx context.Context, t id.Tenant, s id.Subject, dst, aad, sealed []byte) ([]byte, error)
}

// EncodeRecord returns the bytes of a record that go to the log.
func EncodeRecord(r Record) []byte {
	b := make([]byte, 0, headerSize+len(r.Sealed))
	return append(r.appendHeader(b), r.Sealed...)
}

// DecodeRecord reads a record. It checks the form, not the seal. Sealed aliases b.
func DecodeRecord(b []byte) (r Record, err error) {
	if len(b) <= headerSize {
		return r, fmt.Errorf("%w: it has %d bytes", ErrRecord, len(b))
	}
	if b[0] != recordVersion {
		return r, fmt.Errorf("%w: version %d, and this program reads version %d", ErrRecord, b[0], recordVersion)
	}
	copy(r.Tenant[:], b[1:])
	copy(r.Subject[:], b[17:])
	copy(r.Deployment[:], b[33:])
	copy(r.Event[:], b[49:])
	r.Received = time.UnixMicro(int64(binary.BigEndian.Uint64(b[65:]))).UTC()
	r.Sealed = b[headerSize:]
	return r, nil
}

func (r *Record) appendHeader(dst []byte) []byte {
	dst = append(dst, recordVersion)
	dst = append(dst, r.Tenant[:]...)
	dst = append(dst, r.Subject[:]...)
	dst = append(dst, r.Deployment[:]...)
	dst = append(dst, r.Event[:]...)
	return binary.BigEndian.AppendUint64(dst, uint64(r.Received.UnixMicro()))
}

// AAD returns the data that the seal covers beside the events.
func (r *Record) AAD() []byte { return r.appendHeader(make([]byte, 0, headerSize)) }

// Open returns the events of the record, in the order in which they were sent. Errors are those of
// the opener (fail.Gone: the subject was erased), ErrRecord or event.ErrEncoding.
func (r *Record) Open(ctx context.Context, o Opener) ([]*event.Event, error) {
	plain, err := o.OpenAppend(ctx, r.Tenant, r.Subject, nil, r.AAD(), r.Sealed)
	if err != nil {
		return nil, err
	}
	return decodeEvents(plain)
}

// appendEvents appends the events, each with its length in front.
func appendEvents(dst []byte, events []*event.Event) ([]byte, error) {
	for _, e := range events {
		// The length is known only afterwards. Two bytes hold it for nearly every event: leave
		// that much room, and move the rare longer one.
		at := len(dst)
		dst = append(dst, 0, 0)
		var err error
		if dst, err = e.AppendBinary(dst); err != nil {
			return dst, err
		}
		n := len(dst) - at - 2
		var size [binary.MaxVarintLen64]byte
		k := binary.PutUvarint(size[:], uint64(n))
		if k != 2 {
			dst = append(dst, size[:]...)
			copy(dst[at+k:], dst[at+2:at+2+n])
			dst = dst[:at+k+n]
		}
		copy(dst[at:], size[:k])
	}
	return dst, nil
}

// decodeEvents reads what appendEvents wrote.
func decodeEvents(plain []byte) ([]*event.Event, error) {
	var events []*event.Event
	for len(plain) > 0 {
		n, k := binary.Uvarint(plain)
		if k <= 0 || n > uint64(len(plain)-k) {
			return nil, fmt.Errorf("%w: event %d is longer than the rest", ErrRecord, len(events))
		}
		e, err := event.Decode(plain[k : k+int(n)])
		if err != nil {
			return nil, fmt.Errorf("event %d of a record: %w", len(events), err)
		}
		events = append(events, e)
		plain = plain[k+int(n):]
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("%w: it holds no event", ErrRecord)
	}
	return events, nil
}
