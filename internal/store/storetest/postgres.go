package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	admin, err := server()
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatalf("PROBITY_TEST_POSTGRES: %v", err)
	}
	defer db.Close()
	name := "probity_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" OWNER "+role+" TEMPLATE template0"); err != nil {
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

// server returns the administrator's URL of the PostgreSQL server for tests.
var server = sync.OnceValues(func() (string, error) {
	admin := os.Getenv("PROBITY_TEST_POSTGRES")
	if admin == "" {
		var err error
		if admin, err = startServer(); err != nil {
			return "", err
		}
	}
	db, err := sql.Open("pgx", admin)
	if err != nil {
		return "", err
	}
	defer db.Close()
	_, err = db.Exec(`DO $$ BEGIN
		IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '` + role + `') THEN
			CREATE ROLE ` + role + ` LOGIN PASSWORD '` + role + `' NOSUPERUSER NOBYPASSRLS;
		END IF;
	EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	if err != nil {
		return "", fmt.Errorf("create the test role: %w", err)
	}
	return admin, nil
})

// startServer starts a private PostgreSQL server that ends with this process.
func startServer() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	who, err := account()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("/tmp", "probity-pg-")
	if err != nil {
		return "", err
	}
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	// The shell lives as long as its standard input, which is a pipe from this process: however the
	// process ends, the server is stopped and its folder removed.
	const script = `"$1"/postgres -D "$2"/data -k "$2" -c listen_addresses= -c fsync=off \
		-c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB \
		-c autovacuum_naptime=600 >"$2"/log 2>&1 </dev/null &
	server=$!
	read -r _ || true
	kill -INT "$server" 2>/dev/null
	wait "$server"
	rm -rf "$2"`
	keeper := exec.Command("/bin/sh", "-c", script, "sh", bin, dir)
	keeper.Dir = "/"
	// A group of its own: an interrupt typed at the terminal must not end the shell before it has
	// cleaned up.
	keeper.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	if _, err := keeper.StdinPipe(); err != nil {
		return "", err
	}
	if err := keeper.Start(); err != nil {
		return "", err
	}
	if out, err := exec.Command(filepath.Join(bin, "pg_isready"), "-h", dir, "-t", "30").CombinedOutput(); err != nil {
		if err := await(dir); err != nil {
			return "", fmt.Errorf("the test PostgreSQL does not answer: %w\n%s", err, out)
		}
	}
	return "postgres://postgres@/postgres?host=" + url.QueryEscape(dir), nil
}

// await tries to connect until the server answers; psql itself does the waiting between tries.
func await(dir string) error {
	db, err := sql.Open("pgx", "postgres://postgres@/postgres?host="+url.QueryEscape(dir))
	if err != nil {
		return err
	}
	defer db.Close()
	for range 300 {
		if err = db.Ping(); err == nil {
			return nil
		}
		if perr := pause(); perr != nil {
			return perr
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log")) // without it the error alone must do
	return fmt.Errorf("%w\n%s", err, log)
}

// pause lets a tenth of a second pass.
func pause() error { return exec.Command("sleep", "0.1").Run() }

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
