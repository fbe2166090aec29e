package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"probity/internal/fail"
	"probity/internal/store"
	"probity/internal/stream"
)

// The parts of a backup, each a folder of its own, so that keys and data can be kept apart.
const (
	partLog  = "log"
	partData = "data"
	partKeys = "keys"
)

// manifestFile says what a backup holds.
const manifestFile = "manifest.json"

// manifest is what a backup holds.
type manifest struct {
	Format string       `json:"format"`
	MadeAt time.Time    `json:"made_at"` // what was accepted before is in the backup
	Made   string       `json:"made_by"`
	Parts  []string     `json:"parts"`
	Absent []string     `json:"absent"` // what has to be saved by other means
	Files  []backedFile `json:"files"`
}

// backedFile is one file of a backup.
type backedFile struct {
	Path   string `json:"path"` // within the backup, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const backupFormat = "probity backup v1"

// backupCommand copies an installation, whether its server runs or not. The root key and the register
// of erasures are no part of it: the one must not lie beside the data, and the other must not go back
// with it.
type backupCommand struct {
	settings `embed:""`

	To string `required:"" placeholder:"DIR" help:"Directory to make; it must not exist yet."`
}

// Run makes the backup under another name and gives it its own when it is whole.
func (c *backupCommand) Run(ctx context.Context) error {
	if err := c.existing(); err != nil {
		return err
	}
	if _, err := os.Lstat(c.To); err == nil {
		return fail.New(fail.Conflict, "%s is there already; name a directory that is not", c.To)
	}
	dir := c.To + ".partial"
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	m := manifest{Format: backupFormat, MadeAt: time.Now().UTC(), Made: "probity " + version, Absent: []string{"the root key", "the register of erasures"}}
	// The log comes first: what it holds and the database has processed since is in the database, which
	// comes later; and the keys come last, so that none is missing for what the others hold.
	if err := c.backUpLog(ctx, dir, &m); err != nil {
		return err
	}
	for _, db := range []struct{ part, url, file string }{{partData, c.storeURL(), "probity.db"}, {partKeys, c.vaultURL(), "vault.db"}} {
		if err := snapshot(ctx, db.url, filepath.Join(dir, db.part), db.file); err != nil {
			return err
		} else if strings.HasPrefix(db.url, "sqlite:") {
			m.Parts = append(m.Parts, db.part)
		} else {
			m.Absent = append(m.Absent, "the database of "+db.part+", which PostgreSQL's own tools save")
		}
	}
	if err := m.write(dir); err != nil {
		return err
	}
	if err := os.Rename(dir, c.To); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(filepath.Clean(c.To))); err != nil {
		return err
	}
	fmt.Printf("Backup of %s in %s: %s\nNot in it: %s\n", m.MadeAt.Format(time.RFC3339), c.To, strings.Join(m.Parts, ", "), strings.Join(m.Absent, "; "))
	return nil
}

// backUpLog copies the log's files. Beside a running server it copies what is there and sees that it
// opens; what a write leaves unfinished at that moment was not acknowledged yet.
func (c *backupCommand) backUpLog(ctx context.Context, dir string, m *manifest) error {
	if c.LogURL != "" {
		m.Absent = append(m.Absent, "the log, which the NATS servers keep")
		return nil
	}
	to := filepath.Join(dir, partLog)
	var err error
	for range 5 {
		if err = os.RemoveAll(to); err != nil {
			return err
		}
		if err = copyFolder(c.logDir(), to); err != nil {
			return err
		}
		if err = c.tryLog(ctx, to); err == nil {
			m.Parts = append(m.Parts, partLog)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fail.Wrap(fail.Unavailable, err, "the log could not be copied whole; stop the server and try again")
}

// tryLog opens a copy of the log and sees that nothing is missing in it.
func (c *backupCommand) tryLog(ctx context.Context, dir string) error {
	log, err := stream.Open(ctx, stream.Options{Dir: dir, Partitions: c.Partitions, MaxBytes: c.LogMaxBytes, Logger: c.logger()})
	if err != nil {
		return err
	}
	_, err = log.Status(ctx)
	return errors.Join(err, log.Close())
}

// snapshot copies a SQLite database as it is at one moment. PostgreSQL saves its databases itself.
func snapshot(ctx context.Context, url, dir, name string) error {
	if !strings.HasPrefix(url, "sqlite:") {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{URL: url, ReadConns: 1})
	if err != nil {
		return err
	}
	return errors.Join(db.Snapshot(ctx, filepath.Join(dir, name)), db.Close())
}

// write lists and digests all files of the backup, makes them durable, and writes the list.
func (m *manifest) write(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return syncDir(path)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		n, err := io.Copy(h, f)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, backedFile{filepath.ToSlash(name), n, hex.EncodeToString(h.Sum(nil))})
		return f.Sync()
	})
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(dir, manifestFile), append(b, '\n')); err != nil {
		return err
	}
	return syncDir(dir)
}

// readManifest reads what a backup holds and sees that it is all there, byte for byte.
func readManifest(dir string) (*manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, fail.Wrap(fail.Invalid, err, "%s is not a backup", dir)
	}
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil || m.Format != backupFormat {
		return nil, fail.New(fail.Invalid, "%s is not a backup that this version reads", dir)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return nil, fail.New(fail.Invalid, "the backup %s names a file outside of it", dir)
		}
		sum, n, err := digest(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err != nil {
			return nil, fail.Wrap(fail.Invalid, err, "the backup %s is not whole", dir)
		}
		if sum != f.SHA256 || n != f.Size {
			return nil, fail.New(fail.Invalid, "%s of the backup %s was altered or is damaged", f.Path, dir)
		}
	}
	return &m, nil
}

// of returns the files of a part.
func (m *manifest) of(part string) []backedFile {
	return slices.DeleteFunc(slices.Clone(m.Files), func(f backedFile) bool { return !strings.HasPrefix(f.Path, part+"/") })
}

func digest(path string) (sum string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// copyFolder copies a folder and what is in it, except its lock. A file that its owner deletes
// meanwhile is left out.
func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != from {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !d.Type().IsRegular() || name == stream.LockFile:
			return nil
		}
		if err := copyFile(path, filepath.Join(to, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// copyFile copies one file and makes it durable.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

func writeDurably(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
