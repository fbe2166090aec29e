package journey

import (
	"context"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"probity/internal/id"
)

// packer compresses before sealing: what is sealed looks random and can't be compressed any more.
// It is safe for concurrent use.
//
// Compressing personal data before encrypting it leaks its length more finely than padding would.
// Here nobody who could choose parts of a plaintext can watch the lengths of the rows.
type packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
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

// seal compresses plain and seals it under the subject's key. The place says what the bytes are and
// is bound to them, so that no row can be taken for another.
func (s *Store) seal(ctx context.Context, t id.Tenant, sub id.Subject, place string, plain []byte) ([]byte, error) {
	packed := s.zip.enc.EncodeAll(plain, make([]byte, 0, len(plain)/2+64))
	return s.keys.SealAppend(ctx, t, sub, make([]byte, 0, len(packed)+48), aad(t, sub, place), packed)
}

// open undoes seal.
func (s *Store) open(ctx context.Context, t id.Tenant, sub id.Subject, place string, sealed []byte) ([]byte, error) {
	packed, err := s.keys.OpenAppend(ctx, t, sub, make([]byte, 0, len(sealed)), aad(t, sub, place), sealed)
	if err != nil {
		return nil, err
	}
	plain, err := s.zip.dec.DecodeAll(packed, make([]byte, 0, 4*len(packed)))
	if err != nil {
		return nil, fmt.Errorf("a stored %s can't be unpacked: %w", place, err)
	}
	return plain, nil
}

// aad binds the place, tenant and subject. The two identifiers have a fixed length and come first,
// so that no two places give the same bytes.
func aad(t id.Tenant, sub id.Subject, place string) []byte {
	b := make([]byte, 0, 64)
	b = append(b, t[:]...)
	b = append(b, sub[:]...)
	b = append(b, "journey/"...)
	return append(b, place...)
}
