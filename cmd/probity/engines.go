package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/store"
	"probity/internal/stream"
	"probity/internal/tombstone"
	"probity/internal/vault"
)

// engines are the databases, the keys and the log: what is opened first and closed last.
type engines struct {
	clock clock.Alarm
	log   *slog.Logger

	db     *store.DB
	keysDB *store.DB
	keys   *vault.Vault
	erased *tombstone.Register
	stream *stream.Engine // nil for commands that don't need it
}

// openKeys opens both databases and the vault. A root key is made if there is none and the key
// database is new: a lost root key must never be replaced by another in silence.
func openKeys(ctx context.Context, s *settings, log *slog.Logger) (_ *engines, err error) {
	e := &engines{clock: clock.System(), log: log}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, fail.Wrap(fail.Unavailable, err, "the data directory %s can't be made", s.Data)
	}
	if err := refuseHalfRestored(s); err != nil {
		return nil, err
	}
	if err := refuseLostRootKey(s); err != nil {
		return nil, err
	}
	root, created, share, err := vault.LoadOrCreateRootKey(s.rootKeyFile())
	if err != nil {
		return nil, err
	}
	defer func() {
		switch of, ok := errors.AsType[*fail.Error](err); {
		case !created:
		case ok && of.Code == "vault.root":
			// The vault has another root key, which is missing: the new one must not take its place.
			err = errors.Join(err, os.Remove(s.rootKeyFile()))
		default:
			printShare(os.Stderr, s.rootKeyFile(), share)
		}
	}()
	if !created {
		if err := refuseLostRegister(s); err != nil {
			return nil, err
		}
	}
	if e.erased, err = tombstone.Open(root.Derive("erasures"), s.registers()...); err != nil {
		return nil, err
	}
	if e.keysDB, err = store.Open(ctx, store.Config{URL: s.vaultURL()}); err != nil {
		return nil, errors.Join(err, e.close())
	}
	if e.keys, err = vault.Open(ctx, e.keysDB, root, e.clock, vault.Options{KEKEpoch: s.KEKEpoch}); err != nil {
		return nil, errors.Join(err, e.close())
	}
	if e.db, err = store.Open(ctx, store.Config{URL: s.storeURL()}); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// refuseLostRegister refuses to start without the copy of the register of erasures, where one is to be
// kept: it may be on a disk that is not mounted, and be the only one that knows of the last erasures.
func refuseLostRegister(s *settings) error {
	if s.ErasureRegister == "" {
		return nil
	}
	if _, err := os.Stat(s.ErasureRegister); errors.Is(err, os.ErrNotExist) {
		return fail.New(fail.Unavailable, "the copy of the register of erasures %s is not there: put it back; "+
			"if it is to be kept there from now on, make an empty file of that name first", s.ErasureRegister)
	}
	return nil
}

func refuseLostRootKey(s *settings) error {
	_, err := os.Stat(s.rootKeyFile())
	if !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// The register is in the data directory wherever the vault is, and was made with the key.
	if s.Vault == "" && exists(filepath.Join(s.Data, "vault.db")) || exists(s.registers()[0]) {
		return fail.New(fail.Unavailable, "the root key %s is missing but what was made with it is there: put the file back, or make it again with 'probity recover' and the recovery share", s.rootKeyFile())
	}
	return nil
}

// openLog opens the event log.
func (e *engines) openLog(ctx context.Context, s *settings) (err error) {
	e.stream, err = stream.Open(ctx, stream.Options{
		Dir:        s.logDir(),
		Partitions: s.Partitions,
		MaxBytes:   s.LogMaxBytes,
		URL:        s.LogURL,
		AckSync:    s.LogAckSync,
		Logger:     e.log,
	})
	return err
}

// close closes what is open, the log first.
func (e *engines) close() error {
	var errs []error
	if e.stream != nil {
		errs = append(errs, e.stream.Close())
	}
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	if e.keysDB != nil {
		errs = append(errs, e.keysDB.Close())
	}
	if e.erased != nil {
		errs = append(errs, e.erased.Close())
	}
	return errors.Join(errs...)
}
