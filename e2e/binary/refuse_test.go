package binary

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/internal/store"
)

// filled is a stopped installation with a visitor and some events in it. Tests copy it.
func filled(t *testing.T) (h *house, cookie string) {
	t.Helper()
	h = newHouse(t)
	s := h.start(t)
	cookie, _ = s.grant(t)
	for seq := range 40 {
		s.send(t, batch(cookie, event(seq+1, map[string]any{"title": strings.Repeat("A long title. ", 40)})), 1)
	}
	s.settle(t)
	s.stop(t)
	return h, cookie
}

// copied returns the installation on a copy of its files.
func (h *house) copied(t *testing.T) *house {
	t.Helper()
	c := *h
	c.data = filepath.Join(t.TempDir(), "data")
	copyTree(t, h.data, c.data)
	return &c
}

// damage changes a file.
func damage(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flip inverts n bytes from at on.
func flip(at, n int) func([]byte) []byte {
	return func(b []byte) []byte {
		for i := at; i < min(at+n, len(b)); i++ {
			b[i] ^= 0xff
		}
		return b
	}
}

func TestStartRefusesWhatIsDamagedAndNamesIt(t *testing.T) {
	t.Parallel()
	whole, _ := filled(t)
	for name, c := range map[string]struct {
		file  string // in the data directory; damaged by change, or removed
		how   func([]byte) []byte
		flags []string
		says  []string
	}{
		"a main database with a broken header":        {"probity.db", flip(0, 16), nil, []string{"probity.db", "not a SQLite database"}},
		"a main database with broken settings":        {"probity.db", flip(16, 84), nil, []string{"probity.db"}},
		"a main database with a broken first page":    {"probity.db", flip(100, 300), nil, []string{"probity.db", "damaged"}},
		"a main database with a broken page":          {"probity.db", func(b []byte) []byte { return flip(len(b)/4096/2*4096, 64)(b) }, nil, []string{"probity.db", "damaged"}},
		"a main database cut in half":                 {"probity.db", func(b []byte) []byte { return b[:len(b)/2] }, nil, []string{"probity.db", "damaged"}},
		"a main database cut within its header":       {"probity.db", func(b []byte) []byte { return b[:50] }, nil, []string{"probity.db", "cut short"}},
		"a key database cut in half":                  {"vault.db", func(b []byte) []byte { return b[:len(b)/2] }, nil, []string{"vault.db", "damaged"}},
		"a key database that is another file":         {"vault.db", func([]byte) []byte { return bytes.Repeat([]byte("no database "), 1000) }, nil, []string{"vault.db", "not a SQLite database"}},
		"a key database with a broken page":           {"vault.db", func(b []byte) []byte { return flip(4096*2, 64)(b) }, nil, []string{"vault.db", "damaged"}},
		"no root key":                                 {"root.key", nil, nil, []string{"root.key is missing", "probity recover"}},
		"an empty root key":                           {"root.key", func([]byte) []byte { return nil }, nil, []string{"root.key", "empty"}},
		"a root key with a typing error":              {"root.key", func(b []byte) []byte { b[len(b)-4] ^= 1; return b }, nil, []string{"root.key"}},
		"a root key file with something else":         {"root.key", func([]byte) []byte { return []byte("hello\n") }, nil, []string{"root.key", "not a root key"}},
		"a lock of the log that is a folder":          {"log/lock", nil, nil, []string{"log"}},
		"a number of partitions that the log has not": {"", nil, []string{"--partitions", "3"}, []string{"partitions"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := whole.copied(t)
			h.flags = c.flags
			path := filepath.Join(h.data, c.file)
			switch {
			case c.file == "":
			case c.how != nil:
				damage(t, path, c.how)
			default:
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if c.file == "log/lock" {
					if err := os.Mkdir(path, 0o700); err != nil {
						t.Fatal(err)
					}
				}
			}
			said := h.refused(t)
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("the message does not hold %q:\n%s", want, said)
				}
			}
			if strings.Contains(said, "goroutine ") {
				t.Errorf("it ended with a stack trace:\n%s", said)
			}
		})
	}
}

func TestStartRefusesAnothersRootKey(t *testing.T) {
	t.Parallel()
	h, other := newHouse(t), newHouse(t)
	h.start(t).stop(t)
	other.start(t).stop(t)
	b, err := os.ReadFile(filepath.Join(other.data, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(h.data, "root.key"), func([]byte) []byte { return b })
	if said := h.refused(t); !strings.Contains(said, "root key") {
		t.Errorf("it says %s", said)
	}
	// A world-readable key is as good as another's.
	if err := os.Chmod(filepath.Join(other.data, "root.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := other.refused(t); !strings.Contains(said, "root.key") || !strings.Contains(said, "chmod 600") {
		t.Errorf("it says %s", said)
	}
}

func TestStartRefusesAnInstallationInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	cookie, _ := s.grant(t)
	if said := h.refused(t); !strings.Contains(said, h.data) || !strings.Contains(said, "in use") {
		t.Errorf("it says %s", said)
	}
	s.send(t, batch(cookie, event(1, nil)), 1) // the first one goes on
	out, said, err := command(t, nil, "doctor", "--data", h.data)
	if err == nil || !strings.Contains(out, "in use") {
		t.Errorf("doctor beside a server: %v\n%s%s", err, out, said)
	}
	s.stop(t)
	if out, said, err := command(t, nil, "doctor", "--data", h.data); err != nil {
		t.Errorf("doctor of the stopped server: %v\n%s%s", err, out, said)
	}
}

func TestStartRefusesTablesOfALaterVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, room string }{{"probity.db", "journey"}, {"vault.db", "vault"}, {"probity.db", "worker"}} {
		t.Run(c.room, func(t *testing.T) {
			h := newHouse(t)
			h.start(t).stop(t)
			db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(h.data, c.file)})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO goose_"+c.room+" (version_id, is_applied, tstamp) VALUES (999, 1, '2030-01-01')")
				return err
			})
			if cerr := db.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				t.Fatal(err)
			}
			if said := h.refused(t); !strings.Contains(said, c.room) || !strings.Contains(said, "newer") {
				t.Errorf("it says %s", said)
			}
		})
	}
}

// What was acknowledged and processed is in the database; damage to the log must not take it away,
// and must not pass in silence.
func TestADamagedLogIsReportedAndCostsNothingThatWasProcessed(t *testing.T) {
	t.Parallel()
	whole, cookie := filled(t)
	for name, how := range map[string]func(t *testing.T, path string){
		"cut":                    func(t *testing.T, p string) { damage(t, p, func(b []byte) []byte { return b[:len(b)/3] }) },
		"with flipped bytes":     func(t *testing.T, p string) { damage(t, p, func(b []byte) []byte { return flip(len(b)/2, 200)(b) }) },
		"flipped from the start": func(t *testing.T, p string) { damage(t, p, flip(0, 400)) },
		"gone": func(t *testing.T, p string) {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for kind, pattern := range map[string]string{"blocks": "*.blk", "the description": "meta.inf", "the sum of the description": "meta.sum"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				h := whole.copied(t)
				var hit int
				streams, err := filepath.Glob(filepath.Join(h.data, "log", "jetstream", "*", "streams", "EV*"))
				if err != nil || len(streams) == 0 {
					t.Fatalf("the log's files were not found: %v", err)
				}
				for _, dir := range streams {
					for _, in := range []string{dir, filepath.Join(dir, "msgs")} {
						files, err := filepath.Glob(filepath.Join(in, pattern))
						if err != nil {
							t.Fatal(err)
						}
						for _, f := range files {
							how(t, f)
							hit++
						}
						// Without its index the engine reads the blocks themselves.
						if err := os.Remove(filepath.Join(in, "index.db")); err != nil && !os.IsNotExist(err) {
							t.Fatal(err)
						}
					}
				}
				if hit == 0 {
					t.Fatal("nothing was damaged")
				}
				s := h.launch(t)
				select {
				case <-s.over:
					said := s.log.String()
					if s.err == nil || !strings.Contains(said, filepath.Join(h.data, "log")) {
						t.Errorf("it ended with %v and does not name the log's directory:\n%s", s.err, said)
					}
					return
				case <-s.out.first:
				}
				s.base = strings.TrimPrefix(strings.TrimSpace(s.out.String()), "ready ")
				s.settle(t)
				if n := s.metric(t, "probity_log_incidents_total"); n == "0" || !strings.Contains(s.log.String(), "incident=log.") {
					t.Errorf("%s incidents were reported", n)
				}
				s.send(t, batch(cookie, event(41, nil)), 1)
				s.settle(t)
				if n := h.countEvents(t, s, cookie); n != 41 {
					t.Errorf("%d events are stored, want the 40 of before and a new one", n)
				}
			})
		}
	}
}
