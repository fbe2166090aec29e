package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"probity/internal/fail"
)

// startTimeout is how long the embedded engine may take to recover its files.
const startTimeout = 2 * time.Minute

// embedded is the engine inside this process. It listens on no socket: the only way in is a
// connection made by this process.
type embedded struct {
	dir    string
	logger *slog.Logger
	lock   *dirLock

	mu  sync.Mutex // guards srv
	srv *server.Server
}

// LockFile is the file in a log's directory that keeps a second process off it.
const LockFile = "lock"

// Lock keeps the embedded engine of any process off a log's directory, which is made if it is missing,
// until release is called. It fails with fail.Unavailable while a process has the log open.
func Lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log can't create its directory %s", dir)
	}
	lock, err := lockDir(filepath.Join(dir, LockFile))
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log in %s is in use by another process or can't be locked", dir)
	}
	return lock.release, nil
}

// startEmbedded locks the directory, then starts the engine on it.
func startEmbedded(dir string, logger *slog.Logger) (*embedded, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log can't create its directory %s", dir)
	}
	lock, err := lockDir(filepath.Join(dir, LockFile))
	if err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the log in %s is in use by another process or can't be locked", dir)
	}
	e := &embedded{dir: dir, logger: logger, lock: lock}
	if e.srv, err = e.start(); err != nil {
		lock.release()
		return nil, err
	}
	return e, nil
}

// start runs an engine on the directory. Every write is synced before it is acknowledged.
func (e *embedded) start() (*server.Server, error) {
	log := &serverLog{logger: e.logger, dir: e.dir}
	srv, err := server.NewServer(&server.Options{
		ServerName:      "probity",
		DontListen:      true,
		NoSigs:          true,
		NoSystemAccount: true,
		MaxPayload:      maxPayload,

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               e.dir,
		SyncAlways:             true,
		// The log's own MaxBytes is the limit that counts. While it is being renewed, two
		// generations stand side by side.
		JetStreamMaxStore:  math.MaxInt64 / 4,
		JetStreamMaxMemory: 64 << 20, // followers' positions only
	})
	if err != nil {
		return nil, fail.Wrap(fail.Internal, err, "the log can't be configured")
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if log.failed() || !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fail.Wrap(fail.Unavailable, log.reason(), "the log in %s can't be opened", e.dir)
	}
	return srv, nil
}

// InProcessConn gives the client a connection to the engine of the moment, also when it connects
// again after a restart.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil {
		return nil, errors.New("the log engine is not running")
	}
	return e.srv.InProcessConn()
}

// restart stops the engine and starts it again on the same files.
func (e *embedded) restart() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shutdown()
	srv, err := e.start()
	if err != nil {
		return err
	}
	e.srv = srv
	return nil
}

// stop ends the engine; what was acknowledged is on disk already.
func (e *embedded) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shutdown()
	e.lock.release()
}

// shutdown ends the engine if it runs. The caller holds mu.
func (e *embedded) shutdown() {
	if e.srv != nil {
		e.srv.Shutdown()
		e.srv.WaitForShutdown()
		e.srv = nil
	}
}

// serverLog hands the engine's warnings and errors to our logger and remembers the fatal ones: the
// engine must never end the process.
type serverLog struct {
	logger *slog.Logger
	dir    string

	mu    sync.Mutex // guards fatal
	fatal string
}

// The levels below a warning are left out: they tell of a normal life.
func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any) {
	l.logger.Warn("the log engine warns", "dir", l.dir, "detail", detail(format, v))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.logger.Error("the log engine reports an error", "dir", l.dir, "detail", detail(format, v))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	d := detail(format, v)
	l.logger.Error("the log engine can't go on", "dir", l.dir, "detail", d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = d
}

// failed tells whether the engine gave up.
func (l *serverLog) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal != ""
}

// reason returns why the engine didn't start.
func (l *serverLog) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == "" {
		return fmt.Errorf("it was not ready after %s", startTimeout)
	}
	return fmt.Errorf("%s", l.fatal)
}

func detail(format string, v []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, v...))
}
