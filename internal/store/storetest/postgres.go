package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// role is what tests connect as: it owns its database, but is no superuser.
const role = "probity_test"

// PostgresURL creates a fresh PostgreSQL database and returns the URL to open it with. It is dropped
// when the test ends.
//
// The server is the one that the environment variable PROBITY_TEST_POSTGRES names (a URL whose role
// may create roles and databases), or else a private one, started once per test process from
// /usr/lib/postgresql on a socket in a temporary folder. It doesn't fsync: tests of durability don't
// belong on it.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return create(t, "template0")
}

// PostgresCopy returns the URL of a new database that holds what the one at url holds now, as a backup
// of it would. Nobody may be connected to it meanwhile.
func PostgresCopy(t testing.TB, from string) string {
	t.Helper()
	u, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, strings.TrimPrefix(u.Path, "/"))
}

func create(t testing.TB, template string) string {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatal(err)
	}
	admin := c.admin
	db, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatalf("PROBITY_TEST_POSTGRES: %v", err)
	}
	defer db.Close()
	name := "probity_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" OWNER "+role+" TEMPLATE "+template); err != nil {
		t.Fatalf("create the test database: %v", err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", admin)
		if err != nil {
			t.Errorf("drop the test database: %v", err)
			return
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("PROBITY_TEST_POSTGRES: %v", err)
	}
	u.User = url.UserPassword(role, role)
	u.Path = "/" + name
	return u.String()
}

// cluster is the PostgreSQL server for tests.
type cluster struct {
	admin string    // the administrator's URL
	alive io.Closer // the private server runs as long as this is open; nil for another's server
}

// server returns the PostgreSQL server for tests. It is kept for the life of the process.
var server = sync.OnceValues(func() (*cluster, error) {
	c := &cluster{admin: os.Getenv("PROBITY_TEST_POSTGRES")}
	if c.admin == "" {
		var err error
		if c, err = startServer(); err != nil {
			return nil, err
		}
	}
	db, err := sql.Open("pgx", c.admin)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	// Test processes that share a server may get here at the same time.
	_, err = db.Exec(`DO $$ BEGIN
		IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '` + role + `') THEN
			CREATE ROLE ` + role + ` LOGIN PASSWORD '` + role + `' NOSUPERUSER NOBYPASSRLS;
		END IF;
	EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	if err != nil {
		return nil, fmt.Errorf("create the test role: %w", err)
	}
	return c, nil
})

// keeperScript starts the server and says so, waits for the end of its standard input, which is a
// pipe from the test process, and then stops the server and removes its folder, however the test
// process ended.
const keeperScript = `
bin=$1 dir=$2
trap '"$bin"/pg_ctl -D "$dir"/data -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
"$bin"/initdb -D "$dir"/data -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir"/log 2>&1 &&
"$bin"/pg_ctl -D "$dir"/data -w -t 60 -l "$dir"/log -o "-k $dir -c listen_addresses= -c fsync=off \
	-c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB" start >>"$dir"/log 2>&1 &&
echo ready || cat "$dir"/log
read -r _ || true`

// startServer starts a private PostgreSQL server that ends with this process.
func startServer() (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "probity-pg-")
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	}
	keeper := exec.Command("/bin/sh", "-c", keeperScript, "sh", bin, dir)
	keeper.Dir = "/"
	// A group of its own: an interrupt typed at the terminal must not end the shell before it has
	// cleaned up.
	keeper.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	alive, err := keeper.StdinPipe()
	if err != nil {
		return nil, err
	}
	said, err := keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := keeper.Start(); err != nil {
		return nil, err
	}
	var line [4096]byte
	n, err := said.Read(line[:])
	if string(line[:n]) != "ready\n" {
		return nil, fmt.Errorf("the test PostgreSQL does not start (%v):\n%s", err, line[:n])
	}
	return &cluster{admin: "postgres://postgres@/postgres?host=" + url.QueryEscape(dir), alive: alive}, nil
}

// binaries returns the folder of the newest installed PostgreSQL server.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	best, version := "", 0
	for _, path := range found {
		bin := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > version {
			best, version = bin, v
		}
	}
	if best == "" {
		return "", errors.New("no PostgreSQL server for tests: run `apt-get install postgresql-15`, or set PROBITY_TEST_POSTGRES to a URL whose role may create databases")
	}
	return best, nil
}

// account returns whom the server must run as: PostgreSQL refuses to run as root. nil means the
// current user.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL can't run as root and there is no user postgres: run `apt-get install postgresql-15`")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// PostgresAdmin returns the administrator's URL of the PostgreSQL server for tests, for programs that
// are no tests. The server ends with the process.
func PostgresAdmin() (string, error) {
	c, err := server()
	if err != nil {
		return "", err
	}
	return c.admin, nil
}
