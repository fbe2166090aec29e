package store

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/internal/fail"
)

// copyLive copies a database with its log as a crash would leave them.
func copyLive(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "probity.db"+suffix), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "probity.db")
}

// commitFrames returns where in a log the frames are that end a commit.
func commitFrames(t *testing.T, path string) (at []int64) {
	t.Helper()
	data, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	page := int64(binary.BigEndian.Uint32(data[8:]))
	for pos := int64(walHeaderLen); pos+frameHeadLen+page <= int64(len(data)); pos += frameHeadLen + page {
		if binary.BigEndian.Uint32(data[pos+4:]) != 0 {
			at = append(at, pos)
		}
	}
	return at
}

// flip changes one bit of the log.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func TestALogFromWhichCommitsWouldBeLostIsRefusedAndNamed(t *testing.T) {
	db, path := openFile(t)
	for range 6 {
		fill(t, db, 3)
	}
	for name, c := range map[string]struct {
		damage  func(t *testing.T, path string, commits []int64)
		refused bool
	}{
		"untouched":              {func(*testing.T, string, []int64) {}, false},
		"a bit of an early page": {func(t *testing.T, p string, at []int64) { flip(t, p, at[1]+frameHeadLen+100) }, true},
		"a bit of a checksum":    {func(t *testing.T, p string, at []int64) { flip(t, p, at[1]+17) }, true},
		"a bit of a salt":        {func(t *testing.T, p string, at []int64) { flip(t, p, at[1]+9) }, true},
		"the last but one commit": {func(t *testing.T, p string, at []int64) {
			flip(t, p, at[len(at)-2]+frameHeadLen+100)
		}, true},
		"the header": {func(t *testing.T, p string, _ []int64) { flip(t, p, 13) }, true},
		"the last commit, as a crash could": {func(t *testing.T, p string, at []int64) {
			flip(t, p, at[len(at)-1]+frameHeadLen+100)
		}, false},
		"cut in the middle of a frame": {func(t *testing.T, p string, at []int64) {
			if err := os.Truncate(p+"-wal", at[len(at)-1]+500); err != nil {
				t.Fatal(err)
			}
		}, false},
		"cut in the header": {func(t *testing.T, p string, _ []int64) {
			if err := os.Truncate(p+"-wal", 20); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			copied := copyLive(t, path)
			c.damage(t, copied, commitFrames(t, copied))
			got, err := Open(t.Context(), Config{URL: "sqlite:" + copied})
			if err == nil {
				defer got.Close()
			}
			if c.refused && (!fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), copied+"-wal")) {
				t.Errorf("got %v, want it refused by name", err)
			}
			if !c.refused && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOpeningADatabaseThatAnotherProcessIsWritingNeverFindsDamage(t *testing.T) {
	db, path := openFile(t)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			if err := db.Write(context.Background(), func(tx *Tx) error {
				_, err := tx.Exec(context.Background(), "INSERT INTO thing (body) VALUES ($1)", make([]byte, 3000))
				return err
			}); err != nil {
				t.Errorf("write: %v", err)
				return
			}
		}
	}()
	for range 30 {
		if _, err := inspectLog(path + "-wal"); err != nil {
			t.Errorf("inspect: %v", err)
		}
	}
	cancel()
	<-stopped
}

func FuzzLogScanEnds(f *testing.F) {
	f.Add(make([]byte, 100))
	f.Add(append([]byte{0x37, 0x7f, 0x06, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 2, 0}, make([]byte, 2000)...))
	f.Fuzz(func(t *testing.T, log []byte) {
		path := filepath.Join(t.TempDir(), "x-wal")
		if err := os.WriteFile(path, log, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := inspectLog(path); err != nil && !fail.Is(err, fail.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}
