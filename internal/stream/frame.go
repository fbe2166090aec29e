package stream

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame on the wire: one byte of version, CRC-32C of all that follows it (little endian), the
// number of records (4 bytes, little endian), then each record after its length (uvarint). The
// engine has checksums of its own; this one covers the way through client, memory and copies too.
const (
	frameVersion = 1
	frameHeader  = 1 + 4 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFrame says that bytes are not a frame, or no longer.
var errFrame = errors.New("the frame is damaged")

// beginFrame returns dst as an empty frame.
func beginFrame(dst []byte) []byte {
	return append(dst[:0], make([]byte, frameHeader)...)
}

// appendRecord adds a record to an open frame.
func appendRecord(frame, record []byte) []byte {
	frame = binary.AppendUvarint(frame, uint64(len(record)))
	return append(frame, record...)
}

// sealFrame completes an open frame of n records in place.
func sealFrame(frame []byte, n int) {
	frame[0] = frameVersion
	binary.LittleEndian.PutUint32(frame[5:], uint32(n))
	binary.LittleEndian.PutUint32(frame[1:], crc32.Checksum(frame[5:], castagnoli))
}

// openFrame returns the records of a frame. They share memory with it.
func openFrame(frame []byte) ([][]byte, error) {
	if len(frame) < frameHeader || frame[0] != frameVersion ||
		crc32.Checksum(frame[5:], castagnoli) != binary.LittleEndian.Uint32(frame[1:]) {
		return nil, errFrame
	}
	n := int(binary.LittleEndian.Uint32(frame[5:]))
	rest := frame[frameHeader:]
	if n > len(rest) { // every record takes a byte at least
		return nil, errFrame
	}
	records := make([][]byte, n)
	for i := range records {
		size, w := binary.Uvarint(rest)
		if w <= 0 || size > uint64(len(rest)-w) {
			return nil, errFrame
		}
		end := w + int(size)
		records[i] = rest[w:end:end]
		rest = rest[end:]
	}
	if len(rest) != 0 {
		return nil, errFrame
	}
	return records, nil
}
