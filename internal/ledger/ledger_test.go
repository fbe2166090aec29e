package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
	"probity/verify"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// world is a ledger over a real store and a real vault.
type world struct {
	*ledger.Ledger
	db     *store.DB
	vault  *vault.Vault
	keysDB *store.DB
	clk    *clock.Fake
	tenant id.Tenant
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	clk := clock.NewFake(noon)
	keysDB := storetest.SQLite(t)
	v, err := vault.Open(t.Context(), keysDB, vault.RootKey{1, 2, 3}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.New(db, v, clk, "probity.test")
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{Ledger: l, db: db, vault: v, keysDB: keysDB, clk: clk, tenant: id.NewTenant()}
}

// add appends one clear entry.
func (w *world) add(t testing.TB, kind, payload string) int64 {
	t.Helper()
	return w.append(t, ledger.Entry{Kind: kind, Payload: []byte(payload)})
}

func (w *world) append(t testing.TB, entries ...ledger.Entry) (first int64) {
	t.Helper()
	err := w.db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) (err error) {
		first, err = w.AppendAll(t.Context(), tx, entries)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// tamper runs statements as somebody who owns the database would: the triggers are taken away first.
func (w *world) tamper(t testing.TB, query string, args ...any) {
	t.Helper()
	err := w.db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"entry", "checkpoint", "payload", "head"} {
			for _, event := range []string{"UPDATE", "DELETE"} {
				drop := fmt.Sprintf("DROP TRIGGER IF EXISTS ledger_%s_no_%s", table, event)
				if tx.Dialect() == store.Postgres {
					drop += " ON ledger_" + table
				}
				if _, err := tx.Exec(t.Context(), drop); err != nil {
					return err
				}
			}
		}
		n, err := tx.Exec(t.Context(), query, args...)
		if err == nil && n == 0 {
			return errors.New("the tampering changed nothing")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEntriesAreNumberedWithoutGapPerTenant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		other := *w
		other.tenant = id.NewTenant()
		for i := range int64(5) {
			if got := w.add(t, ledger.NoticePublished, `{"n":1}`); got != i {
				t.Errorf("entry %d has index %d", i, got)
			}
			if got := other.add(t, ledger.NoticePublished, `{"n":1}`); got != i {
				t.Errorf("entry %d of the other tenant has index %d", i, got)
			}
		}
	})
}

func TestARolledBackTransactionLeavesNoEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.add(t, ledger.NoticePublished, `{}`)
		stop := errors.New("stop")
		err := db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
			if _, err := w.Append(t.Context(), tx, ledger.Entry{Kind: ledger.RightsReceived, Payload: []byte(`{}`)}); err != nil {
				return err
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatalf("got %v", err)
		}
		if got := w.add(t, ledger.NoticePublished, `{}`); got != 1 {
			t.Errorf("the next entry has index %d, want 1", got)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL1_ChangingOrDeletingAnEntryIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.add(t, ledger.NoticePublished, `{"n":1}`)
		if _, err := w.Checkpoint(t.Context(), w.tenant); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{
			`UPDATE ledger_entry SET leaf = 'x' WHERE tenant_id = $1`,
			`DELETE FROM ledger_entry WHERE tenant_id = $1`,
			`UPDATE ledger_payload SET body = NULL WHERE tenant_id = $1`,
			`UPDATE ledger_checkpoint SET note = 'x' WHERE tenant_id = $1`,
			`DELETE FROM ledger_checkpoint WHERE tenant_id = $1`,
			`DELETE FROM ledger_head WHERE tenant_id = $1`,
		} {
			err := db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), query, w.tenant)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", query, err)
			}
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestAReceiptVerifiesOffline(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for i := range 20 {
			w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d}`, i))
		}
		for i := range int64(20) {
			r, err := w.Receipt(t.Context(), w.tenant, i, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.Check(r.VerifierKey); err != nil {
				t.Errorf("entry %d: %v", i, err)
			}
			if got, want := string(r.Entry), fmt.Sprintf(`{"n":%d}`, i); got != want {
				t.Errorf("entry %d holds %s", i, got)
			}
		}
	})
}

func TestASealedPayloadIsCiphertextAtRestAndOpensForItsReceipt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := id.NewSubject()
		if err := w.vault.CreateSubject(t.Context(), w.tenant, s); err != nil {
			t.Fatal(err)
		}
		aad := []byte("test")
		n := w.append(t, ledger.Entry{
			Kind: ledger.ConsentGiven, Payload: []byte(`{"canary":"walrus"}`), Subject: s,
			Seal: func(plain []byte) ([]byte, error) { return w.vault.Seal(t.Context(), w.tenant, s, aad, plain) },
		})
		var body []byte
		err := db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT body FROM ledger_payload WHERE tenant_id = $1 AND n = $2`, w.tenant, n).Scan(&body)
		})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte("walrus")) {
			t.Error("the payload lies in the clear")
		}
		open := func(sealed []byte) ([]byte, error) { return w.vault.Open(t.Context(), w.tenant, s, aad, sealed) }
		r, err := w.Receipt(t.Context(), w.tenant, n, open)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Check(r.VerifierKey); err != nil {
			t.Error(err)
		}
	})
}

func TestL16_AForgottenEntryStillFitsTheTreeAndHasNoReceipt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := id.NewSubject()
		for i := range 9 {
			e := ledger.Entry{Kind: ledger.RightsReceived, Payload: []byte(`{}`)}
			if i%3 == 0 {
				e.Subject = s
			}
			w.append(t, e)
		}
		var n int64
		err := db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) (err error) {
			n, err = w.ForgetSubject(t.Context(), tx, s)
			return err
		})
		if err != nil || n != 3 {
			t.Fatalf("forgot %d entries: %v", n, err)
		}
		if _, err := w.Receipt(t.Context(), w.tenant, 3, nil); !fail.Is(err, fail.Gone) {
			t.Errorf("the receipt of a forgotten entry: %v", err)
		}
		if _, err := w.Receipt(t.Context(), w.tenant, 9, nil); !fail.Is(err, fail.NotFound) {
			t.Errorf("the receipt of an entry that never was: %v", err)
		}
		if _, err := w.Receipt(t.Context(), w.tenant, 4, nil); err != nil {
			t.Error(err)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL9_ProofsAgreeWithAnIndependentTree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		rapid.Check(t, func(rt *rapid.T) {
			w := *w
			w.tenant = id.NewTenant()
			var reference hashes
			var leaves []string
			var sizes []int64
			for _, batch := range rapid.SliceOfN(rapid.IntRange(1, 9), 1, 8).Draw(rt, "batches") {
				entries := make([]ledger.Entry, batch)
				for i := range entries {
					entries[i] = ledger.Entry{Kind: ledger.NoticePublished, Payload: []byte(`{"a":1}`)}
				}
				first := w.append(t, entries...)
				for i := range int64(batch) {
					leaf := w.leaf(t, first+i)
					stored, err := tlog.StoredHashes(first+i, []byte(leaf), &reference)
					if err != nil {
						rt.Fatal(err)
					}
					reference = append(reference, stored...)
					leaves = append(leaves, leaf)
				}
				if _, err := w.Checkpoint(t.Context(), w.tenant); err != nil {
					rt.Fatal(err)
				}
				sizes = append(sizes, int64(len(leaves)))
			}
			key, err := w.VerifierKey(t.Context(), w.tenant)
			if err != nil {
				rt.Fatal(err)
			}
			size := int64(len(leaves))
			root, err := tlog.TreeHash(size, &reference)
			if err != nil {
				rt.Fatal(err)
			}
			n := rapid.Int64Range(0, size-1).Draw(rt, "entry")
			p, err := w.Prove(t.Context(), w.tenant, n)
			if err != nil {
				rt.Fatal(err)
			}
			c, err := p.Check([]byte(leaves[n]), key)
			if err != nil {
				rt.Fatal(err)
			}
			if c.Tree.N != size || c.Tree.Hash != root {
				rt.Fatalf("the checkpoint states %d %v, the reference %d %v", c.Tree.N, c.Tree.Hash, size, root)
			}
			want, err := tlog.ProveRecord(size, n, &reference)
			if err != nil {
				rt.Fatal(err)
			}
			if fmt.Sprint(want) != fmt.Sprint(p.Path) {
				rt.Fatalf("inclusion proof of %d in %d differs", n, size)
			}
			old := rapid.SampledFrom(sizes).Draw(rt, "old size")
			x, err := w.Consistency(t.Context(), w.tenant, old)
			if err != nil {
				rt.Fatal(err)
			}
			if _, _, err := x.Check(key); err != nil {
				rt.Fatal(err)
			}
			if err := w.Audit(t.Context(), w.tenant); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

// hashes is the reference: the stored hashes in a slice.
type hashes []tlog.Hash

func (h *hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = (*h)[x]
	}
	return out, nil
}

func (w *world) leaf(t testing.TB, n int64) (leaf string) {
	t.Helper()
	err := w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT leaf FROM ledger_entry WHERE tenant_id = $1 AND n = $2`, w.tenant, n).Scan(&leaf)
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestL10_AnAuditNamesTheFirstBadEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct {
			name  string
			query string
			entry int64
		}{
			{"a payload was edited", `UPDATE ledger_payload SET body = (SELECT body FROM ledger_payload WHERE tenant_id = $1 AND n = 0) WHERE tenant_id = $1 AND n = 5`, 5},
			{"a leaf was replaced", `UPDATE ledger_entry SET leaf = (SELECT leaf FROM ledger_entry WHERE tenant_id = $1 AND n = 2) WHERE tenant_id = $1 AND n = 6`, 6},
			{"a kind was changed", `UPDATE ledger_entry SET leaf = replace(leaf, 'notice.published', 'consent.given') WHERE tenant_id = $1 AND n = 3`, 3},
			{"a stored hash was replaced", `UPDATE ledger_entry SET hashes = (SELECT hashes FROM ledger_entry WHERE tenant_id = $1 AND n = 2) WHERE tenant_id = $1 AND n = 4`, 4},
			{"an entry was dropped", `DELETE FROM ledger_entry WHERE tenant_id = $1 AND n = 7`, 7},
			{"the end was cut off", `UPDATE ledger_head SET size = 6 WHERE tenant_id = $1`, 6},
		} {
			t.Run(c.name, func(t *testing.T) {
				w := newWorld(t, db)
				for i := range 10 {
					w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d}`, i))
				}
				if _, err := w.Checkpoint(t.Context(), w.tenant); err != nil {
					t.Fatal(err)
				}
				if err := w.Audit(t.Context(), w.tenant); err != nil {
					t.Fatal(err)
				}
				w.tamper(t, c.query, w.tenant)
				var d *ledger.Damage
				if err := w.Audit(t.Context(), w.tenant); !errors.As(err, &d) || d.Entry != c.entry {
					t.Errorf("got %v, want damage at entry %d", err, c.entry)
				}
			})
		}
	})
}

func TestL10_ARewrittenLogIsFoundByACheckpointKeptElsewhere(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for i := range 10 {
		w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d}`, i))
	}
	kept, err := w.Checkpoint(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	// Somebody with both databases and the key starts over with another history of the same length.
	w.forgetPublished(t)
	for _, table := range []string{"ledger_checkpoint", "ledger_payload", "ledger_entry", "ledger_head"} {
		w.tamper(t, `DELETE FROM `+table+` WHERE tenant_id = $1`, w.tenant)
	}
	for i := range 10 {
		w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d}`, i+1))
	}
	forged, err := w.Checkpoint(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Fatalf("the forged log contradicts itself: %v", err)
	}
	if err := w.Audit(t.Context(), w.tenant, kept); err == nil {
		t.Error("the kept checkpoint did not reveal the forgery")
	}
	key, err := w.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	if yes, err := verify.Equivocation(kept, forged, key); err != nil || !yes {
		t.Errorf("L11: the two checkpoints don't prove equivocation: %v %v", yes, err)
	}
}

// forgetPublished makes the vault as old as it was before anything was published.
func (w *world) forgetPublished(t testing.TB) {
	t.Helper()
	err := w.keysDB.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"log_published", "log_key"} {
			if _, err := tx.Exec(t.Context(), "DELETE FROM "+table+" WHERE tenant_id = $1", w.tenant); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestACheckpointIsSignedOnlyWhenTheLogHasGrown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if _, err := w.Checkpoint(t.Context(), w.tenant); !fail.Is(err, fail.NotFound) {
			t.Errorf("the checkpoint of an empty log: %v", err)
		}
		w.add(t, ledger.NoticePublished, `{}`)
		a := w.checkpoint(t)
		w.clk.Advance(time.Hour)
		if b := w.checkpoint(t); a != b {
			t.Error("the same tree was signed twice")
		}
		w.add(t, ledger.NoticePublished, `{}`)
		if c := w.checkpoint(t); c.Tree.N != 2 || !c.Time.After(a.Time) {
			t.Errorf("the checkpoint of two entries is %+v", c)
		}
	})
}

func (w *world) checkpoint(t testing.TB) verify.Checkpoint {
	t.Helper()
	signed, err := w.Checkpoint(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	c, err := verify.OpenCheckpoint(signed, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestL30_AClockThatGoesBackIsNoticedAndTimeInTheLogIsMonotone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.add(t, ledger.NoticePublished, `{}`)
		before := w.checkpoint(t)
		w.clk.Advance(-6 * time.Hour)
		w.add(t, ledger.NoticePublished, `{}`)
		after := w.checkpoint(t)
		if after.Time.Before(before.Time) {
			t.Errorf("the checkpoint's time went from %v to %v", before.Time, after.Time)
		}
		leaf, err := verify.ParseLeaf(w.leaf(t, after.Tree.N-1))
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Time().Before(noon) {
			t.Errorf("an entry is dated %v, before the one that precedes it", leaf.Time())
		}
		if first, err := verify.ParseLeaf(w.leaf(t, 1)); err != nil || first.Kind != ledger.ClockStepped {
			t.Errorf("the step of the clock is not in the log: %v %v", first.Kind, err)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestConcurrentAppendsMakeOneLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		const writers, each = 8, 10
		errs := make(chan error, writers)
		for range writers {
			go func() {
				for range each {
					err := db.Tenant(w.tenant).Write(context.WithoutCancel(t.Context()), func(tx *store.Tx) error {
						_, err := w.Append(t.Context(), tx, ledger.Entry{Kind: ledger.NoticePublished, Payload: []byte(`{}`)})
						return err
					})
					if err == nil {
						_, err = w.Ledger.Checkpoint(t.Context(), w.tenant)
					}
					if err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range writers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if c := w.checkpoint(t); c.Tree.N != writers*each {
			t.Errorf("the log has %d entries, want %d", c.Tree.N, writers*each)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestABadEntryIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for name, e := range map[string]ledger.Entry{
		"a kind with a separator":   {Kind: "a|b", Payload: []byte(`{}`)},
		"no kind":                   {Payload: []byte(`{}`)},
		"a payload that is no JSON": {Kind: "a", Payload: []byte(`{`)},
		"a payload that is a list":  {Kind: "a", Payload: []byte(`[]`)},
		"no payload":                {Kind: "a"},
	} {
		err := w.db.Tenant(w.tenant).Write(t.Context(), func(tx *store.Tx) error {
			_, err := w.Append(t.Context(), tx, e)
			return err
		})
		if !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyThatCannotBeHadIsUnavailable(t *testing.T) {
	db := storetest.SQLite(t)
	w := newWorld(t, db)
	w.add(t, ledger.NoticePublished, `{}`)
	broken := ledger.New(db, noSigner{w.vault}, w.clk, "probity.test")
	if _, err := broken.Checkpoint(t.Context(), w.tenant); !fail.Is(err, fail.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// noSigner is a vault whose keys are out of reach.
type noSigner struct{ *vault.Vault }

func (noSigner) SignerNo(context.Context, id.Tenant, string, int64) (note.Signer, string, error) {
	return nil, "", errors.New("the keeper of keys is out of reach")
}

func BenchmarkAppendBatched(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	const batch = 250
	entries := make([]ledger.Entry, batch)
	for i := range entries {
		entries[i] = ledger.Entry{Kind: ledger.ConsentGiven, Payload: []byte(`{"schema":"probity/consent/1","purposes":["measure","actions"],"n":1}`)}
	}
	b.ResetTimer()
	for range b.N {
		w.append(b, entries...)
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkProve(b *testing.B) {
	w := newWorld(b, storetest.SQLite(b))
	entries := make([]ledger.Entry, 5300)
	for i := range entries {
		entries[i] = ledger.Entry{Kind: ledger.ConsentGiven, Payload: []byte(`{}`)}
	}
	w.append(b, entries...)
	if _, err := w.Checkpoint(b.Context(), w.tenant); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, err := w.Prove(b.Context(), w.tenant, 777); err != nil {
			b.Fatal(err)
		}
	}
}
