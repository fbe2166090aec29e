package stream_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/internal/fail"
	"probity/internal/stream"
)

// fill makes a log of 200 single-record frames and returns its status.
func fill(t *testing.T, dir string) stream.Status {
	t.Helper()
	e, err := stream.Open(t.Context(), stream.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range 200 {
		if _, err := e.Append(t.Context(), 0, bytes.Repeat([]byte("r"), 500)); err != nil {
			t.Fatal(err)
		}
	}
	st, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no file %s in %s: %v", pattern, dir, err)
	}
	return found
}

// Whatever happens to the files, the owner of the log must be able to see it: the last number is
// below one that was acknowledged, or the generation is another. Or Open refuses and says where.
func TestDamagedFilesShowInTheStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"a bit flipped in the middle", func(t *testing.T, dir string) {
			for _, path := range glob(t, dir, "*.blk") {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				data[len(data)/2] ^= 4
				write(t, path, data)
			}
			remove(t, glob(t, dir, "index.db"))
		}},
		{"the last part cut off", func(t *testing.T, dir string) {
			for _, path := range glob(t, dir, "*.blk") {
				st, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(path, st.Size()/2); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"the messages gone", func(t *testing.T, dir string) {
			remove(t, glob(t, dir, "*.blk"))
			remove(t, glob(t, dir, "index.db"))
		}},
		{"the description of the stream overwritten", func(t *testing.T, dir string) {
			for _, path := range glob(t, dir, "meta.inf") {
				write(t, path, []byte("not what was here"))
			}
		}},
		{"everything gone", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			before := fill(t, dir)
			c.damage(t, dir)
			e, err := stream.Open(t.Context(), stream.Options{Dir: dir})
			if err != nil {
				if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), dir) {
					t.Errorf("Open refuses without naming the directory: %v", err)
				}
				return
			}
			defer e.Close()
			after, err := e.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if after.Generation == before.Generation && after.Last[0] >= before.Last[0] {
				t.Fatalf("nothing shows: before %+v, after %+v", before, after)
			}
			if err := e.Renew(t.Context(), before.Last); err != nil {
				t.Fatal(err)
			}
			if seq, err := e.Append(t.Context(), 0, []byte("new")); err != nil || seq <= before.Last[0] {
				t.Errorf("after renewing, number %d (%v); want one above %d", seq, err, before.Last[0])
			}
		})
	}
}

func TestALogThatCannotBeOpenedNamesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	write(t, dir, []byte("a file stands where the directory should"))
	_, err := stream.Open(t.Context(), stream.Options{Dir: dir})
	if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
	dir = t.TempDir()
	write(t, filepath.Join(dir, "jetstream"), []byte("a file"))
	_, err = stream.Open(t.Context(), stream.Options{Dir: dir})
	if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestTwoProcessesCannotOpenTheSameLog(t *testing.T) {
	dir := t.TempDir()
	openEngine(t, stream.Options{Dir: dir})
	_, err := stream.Open(t.Context(), stream.Options{Dir: dir})
	if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestTheNumberOfPartitionsIsFixed(t *testing.T) {
	dir := t.TempDir()
	e, err := stream.Open(t.Context(), stream.Options{Dir: dir, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	_, err = stream.Open(t.Context(), stream.Options{Dir: dir, Partitions: 3})
	if f, ok := err.(*fail.Error); !ok || f.Kind != fail.Invalid || f.Field != "log.partitions" {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	for field, o := range map[string]stream.Options{
		"log.dir":        {},
		"log.partitions": {Dir: "x", Partitions: 1000},
		"log.max_bytes":  {Dir: "x", MaxBytes: 10},
		"log.ack_sync":   {URL: "nats://127.0.0.1:4222"},
	} {
		_, err := stream.Open(t.Context(), o)
		if f, ok := err.(*fail.Error); !ok || f.Kind != fail.Invalid || f.Field != field {
			t.Errorf("%+v: got %v, want field %s", o, err, field)
		}
	}
}

func TestTheEngineSaysNothingOnStandardOutput(t *testing.T) {
	var buf bytes.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	fill(t, t.TempDir())
	os.Stdout, os.Stderr = stdout, stderr
	w.Close()
	if _, err := buf.ReadFrom(r); err != nil || buf.Len() > 0 {
		t.Errorf("it said %q (%v)", buf.String(), err)
	}
}

func TestWarningsReachTheLogger(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	for _, path := range glob(t, dir, "meta.inf") {
		write(t, path, []byte("not what was here"))
	}
	var buf bytes.Buffer
	openEngine(t, stream.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&buf, nil))})
	if !strings.Contains(buf.String(), dir) {
		t.Errorf("a stream that can't be recovered isn't mentioned: %q", buf.String())
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, paths []string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
}
