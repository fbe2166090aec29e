package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
)

// state is how far a replay has got: every row before Offset was acknowledged by the server, or
// left out. It is on disk before the next batch is sent.
type state struct {
	Version int    `json:"version"`
	File    mark   `json:"file"`
	Map     string `json:"map_sha256"`
	Offset  int64  `json:"offset"` // bytes of the CSV that are done
	Row     int64  `json:"row"`    // rows that are done
}

const stateVersion = 1

// mark recognises a file by its beginning, so that a file that has grown is still the same.
type mark struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"` // how much of the beginning SHA256 covers
}

// fingerprintBytes is how much of a file is looked at to recognise it.
const fingerprintBytes = 64 << 10

// fingerprint returns the mark of the first n bytes of a file, or of all it has.
func fingerprint(file string, n int64) (mark, error) {
	f, err := os.Open(file)
	if err != nil {
		return mark{}, fmt.Errorf("read the CSV: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, io.LimitReader(f, n))
	if err != nil {
		return mark{}, fmt.Errorf("read the CSV: %w", err)
	}
	return mark{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, nil
}

// source names this file under this map: the same on every run, so that the server recognises rows
// that it gets twice.
func (s *state) source() uuid.UUID {
	return uuid.NewHash(sha256.New(), uuid.UUID{}, []byte("probity/replay/v1\x00"+s.File.SHA256+"\x00"+s.Map), 8)
}

// loadState reads a state. It is nil if there is none.
func loadState(path string) (*state, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	s := new(state)
	if err := json.Unmarshal(raw, s); err != nil || s.Version != stateVersion || s.Offset < 0 || s.Row < 0 {
		return nil, fmt.Errorf("%s: this is not the state of a replay; start anew with --restart, or name another state file", path)
	}
	return s, nil
}

// save writes the state so that after a crash either the old or the new one is there.
func (s *state) save(path string) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	_, err = tmp.Write(append(raw, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("save the state: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
