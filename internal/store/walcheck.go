package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"probity/internal/fail"
)

// Sizes and marks of a write-ahead log, see https://www.sqlite.org/fileformat2.html §4.
const (
	walHeaderLen = 32
	frameHeadLen = 24
	walMagic     = 0x377f0682 // the lowest bit tells the byte order of the checksums
)

// inspectLog refuses a write-ahead log from which acknowledged commits are missing. SQLite reads a
// log up to the first frame whose checksum is wrong and silently forgets the rest: right after a
// crash, when the rest was never acknowledged, wrong after damage, when it was.
//
// The two can be told apart. A commit is synced before the next transaction begins to write; so
// behind a broken frame there can be one commit at most that was never acknowledged. Two of them in
// one chain prove that an acknowledged one is lost. (Damage to the very last commit looks like a
// crash.)
//
// It returns whether the log holds anything.
func inspectLog(path string) (logged bool, err error) {
	var before walDamage
	for first := true; ; first = false {
		found, logged, err := scanLog(path)
		if err != nil || found.commits < 2 {
			return logged, err
		}
		// Another process may be writing: what was half written then is whole now. Damage stays.
		if !first && found == before {
			return false, fail.New(fail.Unavailable, "the log %s is damaged: commits behind the damage would be lost; restore the database from a backup", path)
		}
		before = found
	}
}

// walDamage says where a log breaks and what is behind.
type walDamage struct {
	salt    [8]byte
	frame   int // the first broken one
	commits int // in the longest unbroken chain behind it
}

// scanLog reads through the log.
func scanLog(path string) (found walDamage, logged bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return walDamage{}, false, nil
	}
	if err != nil {
		return walDamage{}, false, fail.Wrap(fail.Unavailable, err, "the log %s can't be read", path)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<18)
	var head [walHeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return walDamage{}, false, nil // empty, or cut off in the moment it was begun
		}
		return walDamage{}, false, fail.Wrap(fail.Unavailable, err, "the log %s can't be read", path)
	}
	if head == [walHeaderLen]byte{} {
		return walDamage{}, false, nil // its header never reached the disk: neither did a commit
	}
	w, ok := newWALScan(head)
	if !ok {
		return walDamage{}, false, fail.New(fail.Unavailable, "the log %s is damaged: its header is not valid; restore the database from a backup", path)
	}
	found, err = w.scan(r)
	if err != nil {
		return walDamage{}, false, fail.Wrap(fail.Unavailable, err, "the log %s can't be read", path)
	}
	return found, true, nil
}

// walScan reads through a log and follows its chain of checksums.
type walScan struct {
	order    binary.ByteOrder
	salt     [8]byte
	a, b     uint32 // the checksum so far
	pageSize int
}

// newWALScan starts behind the header. It tells when the header is not valid.
func newWALScan(head [walHeaderLen]byte) (w walScan, ok bool) {
	magic := binary.BigEndian.Uint32(head[:])
	w.order = binary.LittleEndian
	if magic&1 == 1 {
		w.order = binary.BigEndian
	}
	w.pageSize = int(binary.BigEndian.Uint32(head[8:]))
	if w.pageSize == 1 {
		w.pageSize = 65536
	}
	copy(w.salt[:], head[16:24])
	w.add(head[:24])
	ok = magic&^1 == walMagic && w.pageSize >= 512 && w.pageSize <= 65536 && w.pageSize&(w.pageSize-1) == 0 &&
		w.a == binary.BigEndian.Uint32(head[24:]) && w.b == binary.BigEndian.Uint32(head[28:])
	return w, ok
}

// add takes an even number of words into the checksum.
func (w *walScan) add(data []byte) {
	for len(data) >= 8 {
		w.a += w.order.Uint32(data) + w.b
		w.b += w.order.Uint32(data[4:]) + w.a
		data = data[8:]
	}
}

// scan reads all frames and returns where the chain of checksums breaks first, if it does, and how
// many commits are in the longest chain behind. Frames of an earlier log, which have other salts,
// follow behind the end and count for nothing.
func (w *walScan) scan(r io.Reader) (walDamage, error) {
	found := walDamage{salt: w.salt, frame: -1}
	frame := make([]byte, frameHeadLen+w.pageSize)
	chain := 0 // commits since the last break
	for n := 0; ; n++ {
		if _, err := io.ReadFull(r, frame); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return found, nil
			}
			return walDamage{}, err
		}
		ours := [8]byte(frame[8:16]) == w.salt
		commit := ours && binary.BigEndian.Uint32(frame[4:]) != 0
		w.add(frame[:8])
		w.add(frame[frameHeadLen:])
		a, b := binary.BigEndian.Uint32(frame[16:]), binary.BigEndian.Uint32(frame[20:])
		if !ours || w.a != a || w.b != b {
			if found.frame < 0 {
				found.frame = n
			}
			// What follows a damaged frame still fits to the checksum that was written with it.
			w.a, w.b, chain = a, b, 0
		}
		if commit && found.frame >= 0 {
			chain++
			found.commits = max(found.commits, chain)
		}
	}
}
