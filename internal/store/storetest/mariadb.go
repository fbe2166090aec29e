package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/go-sql-driver/mysql" // the driver "mysql"
	"github.com/google/uuid"
)

// MariaDB creates a fresh database on a private MariaDB server, which is started once per test
// process on a socket in a temporary folder, and returns the URL that Probity's connections take and
// an open handle. The database is dropped when the test ends.
func MariaDB(t testing.TB) (string, *sql.DB) {
	t.Helper()
	if _, err := exec.LookPath("mariadbd"); err != nil {
		t.Skip("not run: MariaDB is not installed (Debian package mariadb-server)")
	}
	c, err := mariadb()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("mysql", "root@unix("+c.socket+")/")
	if err != nil {
		t.Fatal(err)
	}
	name := "probity_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" CHARACTER SET utf8mb4"); err != nil {
		admin.Close()
		t.Fatalf("create the test database: %v", err)
	}
	db, err := sql.Open("mysql", "root@unix("+c.socket+")/"+name+"?multiStatements=true")
	if err != nil {
		admin.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
		admin.Close()
	})
	return "mysql://root@localhost/" + name + "?socket=" + c.socket, db
}

// mariaServer is the MariaDB server for tests. It ends with this process.
type mariaServer struct {
	socket string
	alive  io.Closer
}

// mariaScript starts the server and says so, waits for the end of its standard input, and stops it.
const mariaScript = `
dir=$1 user=$2
cleanup() { [ -f "$dir"/pid ] && kill -9 "$(cat "$dir"/pid)" 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT
mariadb-install-db --no-defaults --datadir="$dir"/data --user="$user" --auth-root-authentication-method=normal --skip-test-db >"$dir"/log 2>&1 || { cat "$dir"/log; exit; }
mariadbd --no-defaults --datadir="$dir"/data --user="$user" --socket="$dir"/s --pid-file="$dir"/pid --skip-networking --skip-log-bin \
	--innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --performance-schema=OFF >>"$dir"/log 2>&1 &
for i in $(seq 600); do
	if mariadb-admin --no-defaults --socket="$dir"/s --user=root ping >/dev/null 2>&1; then echo ready; read -r _; exit; fi
	sleep 0.1
done
cat "$dir"/log`

// mariadb returns the MariaDB server for tests.
var mariadb = sync.OnceValues(func() (*mariaServer, error) {
	who, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "probity-maria-")
	if err != nil {
		return nil, err
	}
	name := ""
	if who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
		name = "postgres"
	}
	keeper := exec.Command("/bin/sh", "-c", mariaScript, "sh", dir, name)
	keeper.Dir = "/"
	keeper.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	alive, err := keeper.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := keeper.Start(); err != nil {
		return nil, err
	}
	said := make([]byte, 4096)
	n, _ := out.Read(said)
	if !strings.HasPrefix(string(said[:n]), "ready") {
		rest, _ := io.ReadAll(io.LimitReader(out, 1<<16))
		return nil, fmt.Errorf("start MariaDB: %s%s", said[:n], rest)
	}
	return &mariaServer{socket: filepath.Join(dir, "s"), alive: alive}, nil
})

// MariaSocket returns the socket of the MariaDB server for tests, for programs that are no tests; root
// has no password. The server ends with the process.
func MariaSocket() (string, error) {
	if _, err := exec.LookPath("mariadbd"); err != nil {
		return "", err
	}
	c, err := mariadb()
	if err != nil {
		return "", err
	}
	return c.socket, nil
}
