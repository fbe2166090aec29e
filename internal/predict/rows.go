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
	h := sha256.New()
	h.Write([]byte("probity/predict/row/v1\x00"))
	h.Write(s[:])
	h.Write(session[:])
	h.Write(body)
	return [32]byte(h.Sum(nil))
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

// decodeBody is the inverse of encodeBody, with the vectors still in the form of a trace.
func decodeBody(b []byte) (achieved map[uuid.UUID]int, trace []byte, err error) {
	if len(b) == 0 || b[0] != bodyVersion {
		return nil, nil, errBody
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > uint64(len(b)) {
		return nil, nil, errBody
	}
	b = b[1+w:]
	for range n {
		if len(b) < 16 {
			return nil, nil, errBody
		}
		o := uuid.UUID(b[:16])
		at, w := binary.Uvarint(b[16:])
		if w <= 0 || at > 1<<31 {
			return nil, nil, errBody
		}
		if achieved == nil {
			achieved = make(map[uuid.UUID]int, n)
		}
		achieved[o] = int(at)
		b = b[16+w:]
	}
	return achieved, b, nil
}

// rowSet is a set of training rows in the one order that everything is computed in: by hash. So the
// order in which they came from the store can't matter.
type rowSet struct {
	rows  []setRow
	cells []uint16 // NumFeatures for each prefix, compact
}

type setRow struct {
	hash     [32]byte
	fold     uint8
	recorded int64
	achieved map[uuid.UUID]int
	from, to int32 // its prefixes
}

// newRowSet sorts rows and lays out their features. Rows of the same content count once.
func newRowSet(t id.Tenant, rows []row) (*rowSet, error) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(bytes.Compare(a.hash[:], b.hash[:]), cmp.Compare(a.recorded, b.recorded))
	})
	rows = slices.CompactFunc(rows, func(a, b row) bool { return a.hash == b.hash })
	s := &rowSet{rows: make([]setRow, 0, len(rows))}
	for i := range rows {
		achieved, trace, err := decodeBody(rows[i].body)
		if err != nil {
			return nil, err
		}
		r := setRow{
			hash: rows[i].hash, fold: foldOf(t, rows[i].subject), recorded: rows[i].recorded,
			achieved: achieved, from: int32(len(s.cells) / NumFeatures),
		}
		err = eachVector(trace, func(q *[NumFeatures]uint16) { s.cells = append(s.cells, q[:]...) })
		if err != nil {
			return nil, fail.Wrap(fail.Internal, err, "a training row can't be read")
		}
		r.to = int32(len(s.cells) / NumFeatures)
		s.rows = append(s.rows, r)
	}
	return s, nil
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
