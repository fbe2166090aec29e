package predict

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// Digest is a SHA-256 hash, written in hexadecimal.
type Digest [32]byte

// String returns the hash in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the hash in hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) != 2*len(d) {
		return fail.New(fail.Invalid, "a hash has 64 hexadecimal digits")
	}
	_, err := hex.Decode(d[:], b)
	return err
}

// Attestation says that the model of an outcome was trained, and from what. It names rows only by a
// hash over the whole set. Whoever has the rows can train again and must get NewModel.
type Attestation struct {
	Outcome    uuid.UUID `json:"outcome"`
	Reason     string    `json:"reason"`
	At         time.Time `json:"at"`
	RowsBefore int64     `json:"rows_before"` // 0 if there was no model before
	RowsAfter  int64     `json:"rows_after"`
	RootBefore Digest    `json:"root_before"`
	RootAfter  Digest    `json:"root_after"`
	OldModel   Digest    `json:"old_model"`
	NewModel   Digest    `json:"new_model"`
	Procedure  Digest    `json:"procedure"` // hash of the training code's version and its configuration
}

// procedureDigest names how models are made: by which code, features and settings.
func procedureDigest() Digest {
	h := sha256.New()
	h.Write([]byte(procedure))
	for _, f := range features {
		h.Write([]byte{0, byte(f.scale)})
		h.Write([]byte(f.name))
	}
	var b []byte
	b = appendFloats(b, penalty, newtonPrecision, learningRate, leafPenalty, leafCurvature, fixed)
	for _, n := range [...]uint64{
		folds, chunk, newtonSteps, minConversions, minCalibrated, maxVisits, maxRows, MaxVectors, histogramBins,
		maxTrees, patience, fewLeaves, manyLeaves, maxBins, forestConversions, forestVisits, manyConversions,
	} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	h.Write(b)
	return Digest(h.Sum(nil))
}
