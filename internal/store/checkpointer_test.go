package store

import (
	"context"
	"os"
	"testing"
)

// salt returns what a log's header says anew each time the log is begun from its start.
func salt(t *testing.T, path string) string {
	t.Helper()
	head, err := os.ReadFile(path + "-wal")
	if err != nil || len(head) < walHeaderLen {
		t.Fatalf("the log's header: %d bytes, %v", len(head), err)
	}
	return string(head[16:24])
}

func TestTheLogIsMovedWhileOthersReadAndBegunAnewWhenTheyAreDone(t *testing.T) {
	db, path := openFile(t)
	ctx := t.Context()
	e := db.engine.(*sqliteEngine)
	before := salt(t, path)
	// Somebody reads an old state all the while.
	release, reading, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.Read(ctx, func(tx *Tx) error {
			var n int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&n); err != nil {
				return err
			}
			close(reading)
			<-release
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&n); err != nil || n != 0 {
				t.Errorf("the reader of an old state counts %d, %v", n, err)
			}
			return nil
		})
	}()
	<-reading
	for range 10 {
		fill(t, db, 2000) // 800 bytes a row
	}
	e.moves.pass(ctx)
	fill(t, db, 1)
	if got := salt(t, path); got != before {
		t.Error("the log was begun anew although somebody reads an old state from it")
	}
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	e.moves.pass(ctx)
	fill(t, db, 1)
	if got := salt(t, path); got == before {
		t.Error("the log was not begun anew")
	}
	var n int
	if err := db.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM thing").Scan(&n)
	}); err != nil || n != 20002 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestTheLogStaysShortUnderWritesThatDoNotPause(t *testing.T) {
	db, path := openFile(t)
	for range 100 {
		fill(t, db, 2000)
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	// What is written while the writer itself moves all of it is nothing; one more commit may precede it.
	if most := int64(logTooFar+2000) * (4096 + frameHeadLen); info.Size() > most {
		t.Errorf("the log has %d MB, more than %d MB", info.Size()>>20, most>>20)
	}
	if err := db.Scrub(context.Background()); err != nil {
		t.Error(err)
	}
}
