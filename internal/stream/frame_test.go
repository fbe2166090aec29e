package stream

import (
	"bytes"
	"testing"
)

func buildFrame(records ...[]byte) []byte {
	f := beginFrame(nil)
	for _, r := range records {
		f = appendRecord(f, r)
	}
	sealFrame(f, len(records))
	return f
}

func TestAFrameGivesBackItsRecords(t *testing.T) {
	want := [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 300), {}}
	got, err := openFrame(buildFrame(want...))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("record %d: %q", i, got[i])
		}
	}
}

func TestAFlippedBitOrACutIsNoticed(t *testing.T) {
	frame := buildFrame([]byte("first"), []byte("second"))
	for i := range frame {
		for bit := range 8 {
			damaged := bytes.Clone(frame)
			damaged[i] ^= 1 << bit
			if _, err := openFrame(damaged); err == nil {
				t.Fatalf("bit %d of byte %d was flipped and nobody noticed", bit, i)
			}
		}
	}
	for n := range frame {
		if _, err := openFrame(frame[:n]); err == nil {
			t.Fatalf("a frame cut to %d bytes was taken", n)
		}
	}
}

func FuzzOpenFrame(f *testing.F) {
	f.Add(buildFrame())
	f.Add(buildFrame([]byte("a"), nil, []byte("ccc")))
	f.Add([]byte{1, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		// A checksum that fits makes the parser see what a fuzzer would else never reach.
		if len(data) >= frameHeader {
			n := int(data[5]) | int(data[6])<<8
			sealFrame(data, n)
		}
		records, err := openFrame(data)
		if err != nil {
			return
		}
		size := 0
		for _, r := range records {
			size += len(r)
		}
		if size > len(data) {
			t.Fatalf("%d bytes of records in %d bytes", size, len(data))
		}
		// Lengths have several spellings; what is read must survive our own.
		again, err := openFrame(buildFrame(records...))
		if err != nil || len(again) != len(records) {
			t.Fatalf("written again it can't be read: %v", err)
		}
	})
}
