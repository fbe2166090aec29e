package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/fail"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

// grow appends entries and signs the log.
func (w *world) grow(t testing.TB, n int) verify.Checkpoint {
	t.Helper()
	for i := range n {
		w.add(t, ledger.NoticePublished, fmt.Sprintf(`{"n":%d,"at":%d}`, i, w.clk.Now().Unix()))
		w.clk.Advance(time.Second)
	}
	return w.checkpoint(t)
}

// cut removes what came after the first n entries, as a restored older copy of the database lacks it.
func (w *world) cut(t testing.TB, n int64) {
	t.Helper()
	for _, query := range []string{
		`DELETE FROM ledger_checkpoint WHERE tenant_id = $1 AND size > $2`,
		`DELETE FROM ledger_entry WHERE tenant_id = $1 AND n >= $2`,
		`DELETE FROM ledger_payload WHERE tenant_id = $1 AND n >= $2`,
		`UPDATE ledger_head SET size = $2 WHERE tenant_id = $1`,
	} {
		w.tamper(t, query, w.tenant, n)
	}
	if err := w.Migrate(t.Context()); err != nil { // the triggers are back after a start
		t.Fatal(err)
	}
}

// entry returns what an entry of the log says.
func (w *world) entry(t testing.TB, n int64) map[string]any {
	t.Helper()
	r, err := w.Receipt(t.Context(), w.tenant, n, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Check(r.VerifierKey); err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(r.Entry, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestARestoredOlderDatabaseIsBridgedAndNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.grow(t, 6)
		kept, err := w.Receipt(t.Context(), w.tenant, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := w.grow(t, 4)
		lost, err := w.Receipt(t.Context(), w.tenant, 8, nil)
		if err != nil {
			t.Fatal(err)
		}
		oldKey := lost.VerifierKey
		w.cut(t, 6)

		b, err := w.Resume(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil || b.Generation != 2 || b.Lost != 4 || b.First != 6 || b.To != last.Origin+"/2" {
			t.Fatalf("the bridge is %+v", b)
		}
		if again, err := w.Resume(t.Context(), w.tenant); err != nil || again != nil {
			t.Errorf("the log was bridged twice: %+v, %v", again, err)
		}
		now := w.checkpoint(t)
		if now.Origin != last.Origin+"/2" || now.Tree.N != 7 {
			t.Errorf("the new checkpoint is %+v", now)
		}
		e := w.entry(t, 6)
		if e["type"] != ledger.LogBridged || e["lost"] != 4.0 || e["size_found"] != 6.0 || !strings.HasPrefix(fmt.Sprint(e["last_checkpoint"]), last.Origin+"\n10\n") {
			t.Errorf("the entry says %v", e)
		}
		// Nothing that is still there is lost, and both the kept and the lost receipt hold for ever.
		for i := range int64(6) {
			w.entry(t, i)
		}
		for name, r := range map[string]*verify.Receipt{"kept": kept, "lost": lost} {
			if _, _, err := r.Check(oldKey); err != nil {
				t.Errorf("the %s receipt: %v", name, err)
			}
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		// Whoever trusts the old key is led to the new one and told what is missing.
		chain, err := w.Keys(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		periods, err := chain.Check()
		if err != nil || len(periods) != 2 {
			t.Fatalf("%+v, %v", periods, err)
		}
		if first, n := periods[1].Handover.Lost(); periods[0].Key != oldKey || first != 6 || n != 4 {
			t.Errorf("the handover says %+v", periods[1].Handover)
		}
		w.grow(t, 5)
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestALogThatIsSetBackWhileItIsInUseIsBridgedBeforeItIsSigned(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	last := w.grow(t, 10)
	w.cut(t, 7)
	// Nobody called Resume: other entries take the place of those that were published.
	for range 5 {
		w.add(t, ledger.NoticePublished, `{"other":true}`)
	}
	now := w.checkpoint(t)
	if now.Origin != last.Origin+"/2" || now.Tree.N != 13 {
		t.Errorf("the log went on as %+v", now)
	}
	if e := w.entry(t, 12); e["found"] != "its entries are not those that were published" {
		t.Errorf("the entry says %v", e)
	}
}

func TestAHeadThatWasSetBackByHandIsPutWhereTheEntriesEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		last := w.grow(t, 10)
		w.tamper(t, `UPDATE ledger_head SET size = 4 WHERE tenant_id = $1`, w.tenant)
		if b, err := w.Resume(t.Context(), w.tenant); err != nil || b != nil {
			t.Fatalf("bridged although nothing is missing: %+v, %v", b, err)
		}
		now := w.checkpoint(t)
		if now.Origin != last.Origin || now.Tree.N != 11 {
			t.Errorf("the log went on as %+v", now)
		}
		if e := w.entry(t, 10); e["type"] != ledger.LogRepaired || e["head_found"] != 4.0 || e["head_set_to"] != 10.0 {
			t.Errorf("the entry says %v", e)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestATruncatedLogIsBridgedWhereItsEntriesEnd(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.grow(t, 10)
	w.tamper(t, `DELETE FROM ledger_entry WHERE tenant_id = $1 AND n >= 6`, w.tenant)
	w.tamper(t, `DELETE FROM ledger_payload WHERE tenant_id = $1 AND n >= 6`, w.tenant)
	b, err := w.Resume(t.Context(), w.tenant)
	if err != nil || b == nil || b.First != 6 || b.Lost != 4 {
		t.Fatalf("%+v, %v", b, err)
	}
	// The old checkpoints above the cut are still stored; they state what was lost and are no damage.
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Error(err)
	}
	if c := w.grow(t, 3); c.Tree.N != 10 {
		t.Errorf("the log has %d entries", c.Tree.N)
	}
}

func TestEntriesMissingInTheMiddleAreReportedAndNothingIsSigned(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.grow(t, 10)
	w.tamper(t, `DELETE FROM ledger_entry WHERE tenant_id = $1 AND n = 7`, w.tenant)
	if _, err := w.Resume(t.Context(), w.tenant); !fail.Is(err, fail.Conflict) {
		t.Errorf("got %v", err)
	}
	var d *ledger.Damage
	if err := w.Audit(t.Context(), w.tenant); !errors.As(err, &d) || d.Entry != 7 {
		t.Errorf("got %v", err)
	}
}

func TestABridgedLogThatIsRestoredToBeforeItsBridgeGetsAThirdName(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	first := w.grow(t, 6)
	w.grow(t, 4)
	w.cut(t, 6)
	if _, err := w.Resume(t.Context(), w.tenant); err != nil {
		t.Fatal(err)
	}
	w.grow(t, 4)
	// The backup of before the bridge is restored once more, without the key of the second name.
	w.cut(t, 6)
	w.tamper(t, `DELETE FROM ledger_key WHERE tenant_id = $1 AND generation = 2`, w.tenant)
	w.tamper(t, `UPDATE ledger_head SET size = size WHERE tenant_id = $1`, w.tenant)
	b, err := w.Resume(t.Context(), w.tenant)
	if err != nil || b == nil || b.Generation != 3 || b.Lost != 5 {
		t.Fatalf("%+v, %v", b, err)
	}
	if c := w.checkpoint(t); c.Origin != first.Origin+"/3" {
		t.Errorf("the log went on as %+v", c)
	}
	all, err := w.Bridges(t.Context(), w.tenant)
	if err != nil || len(all) != 2 || all[0].Lost != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	if err := w.Audit(t.Context(), w.tenant); err != nil {
		t.Error(err)
	}
}

func TestAWitnessWhoSawMoreThanDatabaseAndVaultRememberHasTheLogBridged(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.grow(t, 6)
	for _, c := range []ledger.Claim{{By: "w", Size: 3}, {By: "w", Size: 6}} {
		if b, err := w.Doubt(t.Context(), w.tenant, c); err != nil || b != nil {
			t.Errorf("%+v: %+v, %v", c, b, err)
		}
	}
	b, err := w.Doubt(t.Context(), w.tenant, ledger.Claim{By: "witness.test/w", Size: 9})
	if err != nil || b == nil || b.First != 6 || b.Lost != 3 {
		t.Fatalf("%+v, %v", b, err)
	}
	if e := w.entry(t, 6); e["witness"] != "witness.test/w" || e["witness_size"] != 9.0 {
		t.Errorf("the entry says %v", e)
	}
}

// No size is ever signed twice with different roots, whatever is cut off in between.
func TestL11_OurOwnKeyNeverSignsTwoTreesOfOneSize(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	signed := map[string]tlog.Hash{}
	for round := range 12 {
		for range 5 {
			c := w.grow(t, 1)
			at := fmt.Sprintf("%s %d", c.Origin, c.Tree.N)
			if root, ok := signed[at]; ok && root != c.Tree.Hash {
				t.Fatalf("two trees were signed for %s", at)
			}
			signed[at] = c.Tree.Hash
		}
		if round%2 == 1 {
			w.cut(t, w.checkpoint(t).Tree.N-int64(round%5)-1)
		}
	}
}

// The process may be killed after the vault has learnt of a checkpoint and before the database has.
func TestL21_ACheckpointThatOnlyTheVaultRemembersIsStoredAtTheNextStart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, first := range []bool{true, false} {
			signed := w.grow(t, 3)
			w.tamper(t, `DELETE FROM ledger_checkpoint WHERE tenant_id = $1 AND size = $2`, w.tenant, signed.Tree.N)
			if first {
				w.tamper(t, `DELETE FROM ledger_key WHERE tenant_id = $1 AND serial = $2`, w.tenant, 1)
			}
			if err := w.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.add(t, ledger.NoticePublished, `{"after":"the crash"}`)
			if b, err := w.Resume(t.Context(), w.tenant); err != nil || b != nil {
				t.Fatalf("the log was bridged: %+v, %v", b, err)
			}
			if err := w.Audit(t.Context(), w.tenant); err != nil {
				t.Error(err)
			}
			if h, err := w.At(t.Context(), w.tenant, signed.Tree.N); err != nil || !strings.Contains(string(h.Note), signed.Tree.Hash.String()) {
				t.Errorf("the checkpoint of %d entries: %v", signed.Tree.N, err)
			}
			key, err := w.VerifierKey(t.Context(), w.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if x, err := w.Consistency(t.Context(), w.tenant, signed.Tree.N); err != nil {
				t.Error(err)
			} else if _, _, err := x.Check(key); err != nil {
				t.Error(err)
			}
		}
	})
}

// Whoever waits for a receipt is answered when the vault remembers the checkpoint. The process may be
// killed before the database has it, and another go on with the log.
func TestL21_ACheckpointThatOnlyTheVaultRemembersIsStoredBeforeTheNextIsSigned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.grow(t, 2)
		lost := w.grow(t, 3)
		w.tamper(t, `DELETE FROM ledger_checkpoint WHERE tenant_id = $1 AND size = $2`, w.tenant, lost.Tree.N)
		w.Ledger = ledger.New(w.db, w.vault, w.clk, "probity.test")
		if err := w.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		later := w.grow(t, 1)
		key, err := w.VerifierKey(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []verify.Checkpoint{lost, later} {
			if h, err := w.At(t.Context(), w.tenant, c.Tree.N); err != nil || !strings.Contains(string(h.Note), c.Tree.Hash.String()) {
				t.Errorf("the checkpoint of %d entries: %v", c.Tree.N, err)
			}
			x, err := w.Consistency(t.Context(), w.tenant, c.Tree.N)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := x.Check(key); err != nil {
				t.Error(err)
			}
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL27_L14_AKeyIsReplacedInTheOpenAndOldReceiptsVerifyForEver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if _, err := w.RotateKey(t.Context(), w.tenant, "yearly"); !fail.Is(err, fail.Conflict) {
			t.Errorf("the key of an empty log: %v", err)
		}
		w.grow(t, 4)
		if _, err := w.RotateKey(t.Context(), w.tenant, ""); !fail.Is(err, fail.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		old, err := w.Receipt(t.Context(), w.tenant, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := w.RotateKey(t.Context(), w.tenant, "yearly")
		if err != nil {
			t.Fatal(err)
		}
		if h.Old != old.VerifierKey || h.Until != 4 || h.From != 5 {
			t.Errorf("the handover is %+v", h)
		}
		if e := w.entry(t, 4); e["type"] != ledger.KeyRotated || e["reason"] != "yearly" || e["new_key"] != h.New {
			t.Errorf("the entry says %v", e)
		}
		w.grow(t, 3)
		fresh, err := w.Receipt(t.Context(), w.tenant, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		if fresh.VerifierKey != h.New {
			t.Error("the new key does not sign")
		}
		for _, r := range []*verify.Receipt{old, fresh} {
			if _, _, err := r.Check(r.VerifierKey); err != nil {
				t.Error(err)
			}
		}
		if _, _, err := w.vault.SignerNo(t.Context(), w.tenant, w.Origin(w.tenant), 1); !fail.Is(err, fail.Gone) {
			t.Errorf("the old private key is still there: %v", err)
		}
		if _, err := w.RotateKey(t.Context(), w.tenant, "again"); err != nil {
			t.Fatal(err)
		}
		chain, err := w.Keys(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		if periods, err := chain.Check(); err != nil || len(periods) != 3 || periods[0].Key != old.VerifierKey || !periods[1].Covers(8) || periods[1].Covers(9) {
			t.Errorf("%+v, %v", periods, err)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
		// A copy of the database from before the replacement is found and bridged with the keys known.
		w.cut(t, 4)
		w.tamper(t, `DELETE FROM ledger_key WHERE tenant_id = $1 AND serial > 1`, w.tenant)
		if err := w.Audit(t.Context(), w.tenant); err == nil {
			t.Error("the audit does not see that the database is older than what was published")
		}
		b, err := w.Resume(t.Context(), w.tenant)
		if err != nil || b == nil || b.Lost != 5 {
			t.Fatalf("%+v, %v", b, err)
		}
		w.grow(t, 2)
		if chain, err = w.Keys(t.Context(), w.tenant); err != nil {
			t.Fatal(err)
		}
		if periods, err := chain.Check(); err != nil || len(periods) != 4 {
			t.Errorf("%+v, %v", periods, err)
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL9_L14_ConsistencyHoldsOverAnyNumberOfReplacedKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var sizes []int64
		for range 5 {
			sizes = append(sizes, w.grow(t, 2).Tree.N)
			if _, err := w.RotateKey(t.Context(), w.tenant, "yearly"); err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, w.checkpoint(t).Tree.N)
		}
		chain, err := w.Keys(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		periods, err := chain.Check()
		if err != nil || len(periods) != 6 {
			t.Fatalf("%d periods, %v", len(periods), err)
		}
		key, err := w.VerifierKey(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, old := range sizes {
			x, err := w.Consistency(t.Context(), w.tenant, old)
			if err != nil {
				t.Fatal(err)
			}
			if a, b, err := x.Check(key); err != nil || a.Tree.N != old || b.Tree.N != sizes[len(sizes)-1] {
				t.Errorf("from %d entries: %+v %+v %v", old, a, b, err)
			}
			b := verify.NewBundle(key)
			b.Consistency = append(b.Consistency, x)
			file, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			// Whoever trusts the first key only follows the list.
			trust := verify.Trust{Keys: []string{periods[0].Key}}
			if err := trust.Follow(periods); err != nil {
				t.Fatal(err)
			}
			if _, err := trust.File(file); err != nil {
				t.Errorf("from %d entries, by the list: %v", old, err)
			}
		}
		// What was signed under an earlier name is not what the present one extends.
		w.cut(t, 3)
		if b, err := w.Resume(t.Context(), w.tenant); err != nil || b == nil {
			t.Fatalf("%+v, %v", b, err)
		}
		w.grow(t, 12)
		if _, err := w.Consistency(t.Context(), w.tenant, sizes[0]); !fail.Is(err, fail.NotFound) {
			t.Errorf("over a bridge: %v", err)
		}
	})
}

func TestTilesAndProofsAreThoseOfTheSignedTree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		entries := make([]ledger.Entry, 300)
		for i := range entries {
			entries[i] = ledger.Entry{Kind: ledger.NoticePublished, Payload: fmt.Appendf(nil, `{"n":%d}`, i)}
		}
		w.append(t, entries...)
		c := w.checkpoint(t)
		w.add(t, ledger.NoticePublished, `{"unsigned":true}`)
		tile, err := w.Tile(t.Context(), w.tenant, 0, 0, ledger.TileWidth)
		if err != nil || len(tile) != 256*32 {
			t.Fatalf("%d bytes, %v", len(tile), err)
		}
		for i := range 256 {
			if h := tlog.RecordHash([]byte(w.leaf(t, int64(i)))); string(h[:]) != string(tile[32*i:32*i+32]) {
				t.Fatalf("hash %d of the tile is not that of the leaf", i)
			}
		}
		// A tree rebuilt from tiles has the root that was signed.
		rest, err := w.Tile(t.Context(), w.tenant, 0, 1, 300-256)
		if err != nil {
			t.Fatal(err)
		}
		var rebuilt hashes
		for i, all := 0, append(tile, rest...); i < 300; i++ {
			stored, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(all[32*i:32*i+32]), &rebuilt)
			if err != nil {
				t.Fatal(err)
			}
			rebuilt = append(rebuilt, stored...)
		}
		if root, err := tlog.TreeHash(300, &rebuilt); err != nil || root != c.Tree.Hash {
			t.Errorf("root %v, want %v, %v", root, c.Tree.Hash, err)
		}
		if up, err := w.Tile(t.Context(), w.tenant, 1, 0, 1); err != nil || len(up) != 32 {
			t.Errorf("level 1: %d bytes, %v", len(up), err)
		}
		for _, bad := range [][3]int64{{0, 1, 45}, {0, 1, 256}, {1, 0, 2}, {2, 0, 1}, {0, -1, 1}, {0, 1 << 60, 1}, {9, 0, 1}, {0, 0, 0}, {0, 0, 257}} {
			if _, err := w.Tile(t.Context(), w.tenant, int(bad[0]), bad[1], int(bad[2])); !fail.Is(err, fail.NotFound) {
				t.Errorf("tile %v: %v", bad, err)
			}
		}
		n, err := w.Find(t.Context(), w.tenant, tlog.RecordHash([]byte(w.leaf(t, 123))))
		if err != nil || n != 123 {
			t.Errorf("entry %d, %v", n, err)
		}
		if _, err := w.Find(t.Context(), w.tenant, tlog.Hash{1}); !fail.Is(err, fail.NotFound) {
			t.Errorf("got %v", err)
		}
		key, err := w.VerifierKey(t.Context(), w.tenant)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Includes(t.Context(), w.tenant, 123)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Check([]byte(w.leaf(t, 123)), key); err != nil {
			t.Error(err)
		}
		if _, err := w.Includes(t.Context(), w.tenant, 300); !fail.Is(err, fail.NotFound) {
			t.Errorf("an entry that is not signed yet: %v", err)
		}
		proof, err := w.Extends(t.Context(), w.tenant, 77, 299)
		if err != nil {
			t.Fatal(err)
		}
		old, _ := tlog.TreeHash(77, &rebuilt)
		larger, _ := tlog.TreeHash(299, &rebuilt)
		if err := tlog.CheckTree(proof, 299, larger, 77, old); err != nil {
			t.Error(err)
		}
		for _, bad := range [][2]int64{{0, 5}, {-1, 5}, {6, 5}} {
			if _, err := w.Extends(t.Context(), w.tenant, bad[0], bad[1]); !fail.Is(err, fail.Invalid) {
				t.Errorf("sizes %v: %v", bad, err)
			}
		}
		if _, err := w.Extends(t.Context(), w.tenant, 5, 301); !fail.Is(err, fail.NotFound) {
			t.Errorf("got %v", err)
		}
	})
}
