package journey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"probity/internal/id"
)

// packer compresses before sealing: what is sealed looks random and can't be compressed any more.
// It is safe for concurrent use.
//
// Compressing personal data before encrypting it leaks its length more finely than padding would.
// Here nobody who could choose parts of a plaintext can watch the lengths of the rows.
type packer struct {
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	buffers sync.Pool // of *[]byte, for what is not yet sealed
}

// buffer returns a buffer; put it back into buffers.
func (z *packer) buffer() *[]byte {
	if b, ok := z.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// largestPlain bounds what a damaged row may unpack to.
const largestPlain = 16 << 20

func newPacker() (*packer, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), // the seal finds every change
		zstd.WithWindowSize(128<<10),
		zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderMaxMemory(largestPlain), zstd.IgnoreChecksum(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("set up decompression: %w", err)
	}
	return &packer{enc: enc, dec: dec}, nil
}

// How sealed bytes were compressed, in front of them. Never renumber: it is on disk.
const (
	packedWell    = 1 // zstd: for what is written once
	packedQuickly = 2 // S2, in a tenth of the time: for what will be written again soon
)

// seal compresses plain and seals it under the subject's key. The place says what the bytes are and
// is bound to them, so that no row can be taken for another.
func (s *Store) seal(ctx context.Context, t id.Tenant, sub id.Subject, place string, how byte, plain []byte) ([]byte, error) {
	buf := s.zip.buffer()
	defer s.zip.buffers.Put(buf)
	packed := slices.Grow((*buf)[:0], 1+s2.MaxEncodedLen(len(plain)))[:1]
	packed[0] = how
	if how == packedQuickly {
		packed = packed[:1+len(s2.Encode(packed[1:cap(packed)], plain))]
	} else {
		packed = s.zip.enc.EncodeAll(plain, packed)
	}
	*buf = packed
	return s.keys.SealAppend(ctx, t, sub, make([]byte, 0, len(packed)+48), aad(t, sub, place), packed)
}

// open undoes seal.
func (s *Store) open(ctx context.Context, t id.Tenant, sub id.Subject, place string, sealed []byte) ([]byte, error) {
	packed, err := s.keys.OpenAppend(ctx, t, sub, make([]byte, 0, len(sealed)), aad(t, sub, place), sealed)
	if err != nil {
		return nil, err
	}
	plain, err := s.zip.unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("a stored %s can't be unpacked: %w", place, err)
	}
	return plain, nil
}

func (z *packer) unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errPacked
	}
	switch how, packed := packed[0], packed[1:]; how {
	case packedWell:
		return z.dec.DecodeAll(packed, make([]byte, 0, 4*len(packed)))
	case packedQuickly:
		if n, err := s2.DecodedLen(packed); err != nil || n > largestPlain {
			return nil, errPacked
		}
		return s2.Decode(nil, packed)
	}
	return nil, errPacked
}

var errPacked = errors.New("it is compressed in a way that this program does not know")

// aad binds the place, tenant and subject. The two identifiers have a fixed length and come first,
// so that no two places give the same bytes.
func aad(t id.Tenant, sub id.Subject, place string) []byte {
	b := make([]byte, 0, 64)
	b = append(b, t[:]...)
	b = append(b, sub[:]...)
	b = append(b, "journey/"...)
	return append(b, place...)
}
