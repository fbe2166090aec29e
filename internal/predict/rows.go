package predict

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// row is one closed visit as a training row.
type row struct {
	subject  id.Subject
	session  uuid.UUID
	recorded int64 // unix microseconds; not part of the hash
	body     []byte
	hash     [32]byte
}

// newRow makes the row of a visit.
func newRow(v *Visit) row {
	r := row{subject: v.Subject, session: v.Session, body: encodeBody(v)}
	r.hash = hashRow(r.subject, r.session, r.body)
	return r
}

// hashRow names a row by its content.
func hashRow(s id.Subject, session uuid.UUID, body []byte) [32]byte {
	b := make([]byte, 0, 512)
	b = append(b, "probity/predict/row/v1\x00"...)
	b = append(b, s[:]...)
	b = append(b, session[:]...)
	return sha256.Sum256(append(b, body...))
}

const bodyVersion = 1

// encodeBody returns what a model may learn from a visit: which event achieved which outcome, sorted
// by outcome, and the features after each event.
func encodeBody(v *Visit) []byte {
	outcomes := make([]uuid.UUID, 0, len(v.Achieved))
	for o := range v.Achieved {
		outcomes = append(outcomes, o)
	}
	slices.SortFunc(outcomes, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	b := []byte{bodyVersion}
	b = binary.AppendUvarint(b, uint64(len(outcomes)))
	for _, o := range outcomes {
		b = append(b, o[:]...)
		b = binary.AppendUvarint(b, uint64(max(0, v.Achieved[o])))
	}
	var t Trace
	for i := range v.Vectors {
		t.Add(&v.Vectors[i])
	}
	return append(b, t.data...)
}

var errBody = fail.New(fail.Internal, "a training row is damaged or of another version")

// decodeBody is the inverse of encodeBody: it calls fn for every outcome and returns the vectors, still
// in the form of a trace.
func decodeBody(b []byte, fn func(outcome uuid.UUID, at int)) (trace []byte, err error) {
	if len(b) == 0 || b[0] != bodyVersion {
		return nil, errBody
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > uint64(len(b)) {
		return nil, errBody
	}
	b = b[1+w:]
	for range n {
		if len(b) < 16 {
			return nil, errBody
		}
		o := uuid.UUID(b[:16])
		at, w := binary.Uvarint(b[16:])
		if w <= 0 || at > 1<<31 {
			return nil, errBody
		}
		fn(o, int(at))
		b = b[16+w:]
	}
	return b, nil
}

// achieved returns which event achieved the outcome, -1 if none did, and the row's trace.
func (r *row) achieved(outcome uuid.UUID) (at int, trace []byte, err error) {
	at = -1
	trace, err = decodeBody(r.body, func(o uuid.UUID, i int) {
		if o == outcome {
			at = i
		}
	})
	return at, trace, err
}

// rowSet is a set of training rows in the one order that everything is computed in: by hash. So the
// order in which they came from the store can't matter.
type rowSet struct {
	tenant id.Tenant
	rows   []row
}

// newRowSet sorts rows, which then belong to the set. Rows of the same content count once.
func newRowSet(t id.Tenant, rows []row) *rowSet {
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.recorded, b.recorded))
	})
	return &rowSet{tenant: t, rows: slices.CompactFunc(rows, func(a, b row) bool { return a.hash == b.hash })}
}

// folds is how many parts the rows are divided into to see how a model does on people it has not
// learnt from.
const folds = 5

// foldOf assigns a data subject to a fold. It depends on nobody else, so that forgetting one person
// moves no other.
func foldOf(t id.Tenant, s id.Subject) uint8 {
	h := sha256.New()
	h.Write([]byte("probity/predict/fold/v1\x00"))
	h.Write(t[:])
	h.Write(s[:])
	return uint8(binary.BigEndian.Uint64(h.Sum(nil)) % folds)
}

// root returns the Merkle root of the rows' hashes, in the manner of RFC 9162: it commits to the set
// without showing it. That of no rows is the hash of nothing.
func (s *rowSet) root() [32]byte {
	hashes := make([][32]byte, len(s.rows))
	for i := range s.rows {
		hashes[i] = sha256.Sum256(append([]byte{0}, s.rows[i].hash[:]...))
	}
	return merkle(hashes)
}

func merkle(hashes [][32]byte) [32]byte {
	switch len(hashes) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashes[0]
	}
	split := 1
	for split*2 < len(hashes) {
		split *= 2
	}
	l, r := merkle(hashes[:split]), merkle(hashes[split:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}
