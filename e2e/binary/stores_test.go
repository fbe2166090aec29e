package binary

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/collect"
	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/ledger"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/stream"
	"probity/internal/subject"
	"probity/internal/vault"
)

// copyTree copies a directory as a backup would, owner and mode included.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}); err != nil {
		t.Fatal(err)
	}
}

// stores are the rooms over a copy of a data directory, as somebody who has the files and the root
// key would open them.
type stores struct {
	data     string
	keysDB   *store.DB
	keys     *vault.Vault
	db       *store.DB
	tenant   id.Tenant
	subjects *subject.Room
	consent  *consent.Room
	journey  *journey.Store
}

func openStores(t *testing.T, data string) *stores {
	t.Helper()
	ctx := t.Context()
	root, created, _, err := vault.LoadOrCreateRootKey(filepath.Join(data, "root.key"))
	if err != nil || created {
		t.Fatalf("root key: %v", err)
	}
	s := &stores{data: data}
	open := func(file string) *store.DB {
		db, err := store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(data, file)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close %s: %v", file, err)
			}
		})
		return db
	}
	s.keysDB, s.db = open("vault.db"), open("probity.db")
	if s.keys, err = vault.Open(ctx, s.keysDB, root, clock.System(), vault.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.tenant, err = org.New(s.db, s.keys, clock.System(), org.Options{}).Default(ctx); err != nil {
		t.Fatal(err)
	}
	s.subjects = subject.New(s.db, s.keys, clock.System())
	l := ledger.New(s.db, s.keys, clock.System(), "probity.invalid")
	s.consent = consent.New(s.db, l, s.subjects, s.keys, clock.System(), nil)
	if s.journey, err = journey.NewStore(s.db, s.keys, clock.System()); err != nil {
		t.Fatal(err)
	}
	return s
}

// found is what could be read about a person.
type found struct {
	identities, events, receipts, records int // opened
	closed                                int // records of the log that are there and don't open
}

// read opens whatever is stored about the subjects.
func (s *stores) read(t *testing.T, subjects []id.Subject) (n found) {
	t.Helper()
	ctx := t.Context()
	for _, sub := range subjects {
		held, err := s.subjects.Identities(ctx, s.tenant, sub)
		if err == nil {
			n.identities += len(held)
		}
		// An error is what is hoped for; what was read before it counts all the same.
		_ = s.journey.For(open{}).Events(ctx, s.tenant, sub, time.Time{}, func(journey.StoredEvent) error { n.events++; return nil })
		history, err := s.consent.History(ctx, s.tenant, []id.Subject{sub})
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range history {
			if _, err := s.consent.Receipt(ctx, s.tenant, sub, rec.ID); err == nil {
				n.receipts++
			}
		}
	}
	s.readLog(t, subjects, &n)
	return n
}

// readLog opens the records of the subjects that are in the log still.
func (s *stores) readLog(t *testing.T, subjects []id.Subject, n *found) {
	t.Helper()
	log, err := stream.Open(t.Context(), stream.Options{Dir: filepath.Join(s.data, "log"), MaxBytes: 1 << 32})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	status, err := log.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Frames == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = log.Follow(ctx, 0, 0, func(f stream.Frame) error {
		for _, raw := range f.Records {
			rec, err := collect.DecodeRecord(raw)
			if err != nil {
				return err
			}
			if !slices.Contains(subjects, rec.Subject) {
				continue
			}
			if events, err := rec.Open(ctx, s.keys); err == nil {
				n.records += len(events)
			} else {
				n.closed++
			}
		}
		if f.Seq >= status.Last[0] {
			cancel()
		}
		return nil
	})
	if ctx.Err() == nil || f(err) {
		t.Fatalf("the log was not read to its end: %v", err)
	}
}

// f tells an error of the log from the end of reading.
func f(err error) bool { return err != nil && !strings.Contains(err.Error(), "context canceled") }

// key is the row of a subject's wrapped key.
type key struct {
	version, epoch, created int64
	wrapped                 []byte
}

func (s *stores) wrappedKey(t *testing.T, sub id.Subject) (k key, ok bool) {
	t.Helper()
	err := s.keysDB.Tenant(s.tenant).Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT version, epoch, created, wrapped FROM subject_key WHERE tenant_id = $1 AND subject = $2", s.tenant, sub)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			ok = true
			if err := rows.Scan(&k.version, &k.epoch, &k.created, &k.wrapped); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return k, ok
}

// plant puts a key row from a backup into the vault, as an attacker would who has both.
func (s *stores) plant(t *testing.T, sub id.Subject, k key) {
	t.Helper()
	err := s.keysDB.Tenant(s.tenant).Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(t.Context(), "DELETE FROM subject_shredded WHERE tenant_id = $1 AND subject = $2", s.tenant, sub); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO subject_key (tenant_id, subject, version, epoch, wrapped, created) VALUES ($1, $2, $3, $4, $5, $6)`,
			s.tenant, sub, k.version, k.epoch, k.wrapped, k.created)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stores) epochs(t *testing.T) (n int, newest int64) {
	t.Helper()
	err := s.keysDB.Tenant(s.tenant).Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*), max(epoch) FROM tenant_key WHERE tenant_id = $1", s.tenant).Scan(&n, &newest)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, newest
}

// erasedForGood erases the marked person, has the organisation's key replaced, and then tries to
// read the person with the data of before and the keys of after.
func erasedForGood(t *testing.T, h *house, m *marker) {
	dir := t.TempDir()
	before := filepath.Join(dir, "before")
	copyTree(t, h.data, before)
	was := openStores(t, before)
	person, err := was.subjects.Find(t.Context(), was.tenant, subject.Cookie, m.cookie)
	if err != nil || len(person) == 0 {
		t.Fatalf("the marked visitor is not known before the erasure: %v", err)
	}
	past := collect.PastVisitor(markedMail)
	imported, known, err := was.subjects.Lookup(t.Context(), was.tenant, subject.Cookie, past)
	if err != nil || !known {
		t.Fatalf("the imported visitor is not known before the erasure: %v", err)
	}
	subjects := append(person, imported)
	if had := was.read(t, subjects); had.identities == 0 || had.events == 0 || had.receipts == 0 {
		t.Fatalf("before the erasure %+v could be read: the test would prove nothing", had)
	}
	var keys []key
	for _, s := range subjects {
		k, ok := was.wrappedKey(t, s)
		if !ok {
			t.Fatal("a subject has no key before the erasure")
		}
		keys = append(keys, k)
	}
	_, epoch := was.epochs(t)
	// What other ways brought in stands in tables of its own, and only this person has rows there.
	ways := []string{"consent_ask", "consent_objection", "consent_link", "consent_once", "mail_letter"}
	for _, table := range ways {
		if rowsIn(t, was.db, table) == 0 {
			t.Fatalf("before the erasure %s is empty: the test would prove nothing", table)
		}
	}

	s := h.start(t)
	auth := s.token(t)
	erasure := s.erase(t, auth, m.cookie)
	s.erase(t, auth, past)
	// A correction gave the visitor another address in between: what came in under the old one is found
	// by it.
	for _, who := range []map[string]any{{"emailAddresses": []string{markedMail}}, {"phoneNumbers": []string{markedPhone}}, {"externalId": markedMail}} {
		s.request(t, auth, "?deleteConfirmed=true", object(map[string]any{"requestType": "GDPR_DELETE", "subject": who}))
	}
	var late sent
	s.do(t, "POST", eventsPath, batch(m.cookie, event(90, nil)), "Origin", origin).into(t, &late)
	if late.Accepted != 0 {
		t.Error("an event of an erased visitor was accepted")
	}
	proof := filepath.Join(dir, "certificate.json")
	if err := os.WriteFile(proof, s.do(t, "GET", "/probity/v1/requests/"+erasure+"/certificate", "", "Authorization", auth).want(t, 200).body, 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	if out, said, err := command(t, nil, "verify", proof); err != nil {
		t.Errorf("the certificate: %v\n%s%s", err, out, said)
	}
	out, said, err := command(t, nil, "keys", "rotate", "--data", h.data)
	if err != nil || !strings.Contains(out, "destroyed: 1") {
		t.Fatalf("keys rotate: %v\n%s%s", err, out, said)
	}

	searchFiles(t, h.data, needles(markedMailbox, markedDomain, markedDigits, markedAddress, m.cookie))
	wrapped := map[string][]byte{}
	for _, k := range keys {
		wrapped["a wrapped key of the person"] = k.wrapped
		wrapped["the end of a wrapped key of the person"] = k.wrapped[len(k.wrapped)-24:]
		searchExactly(t, h.data, wrapped)
	}

	after := filepath.Join(dir, "after")
	copyTree(t, before, after)
	for _, file := range []string{"vault.db", "vault.db-wal", "vault.db-shm"} {
		if err := os.Remove(filepath.Join(after, file)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(h.data, file))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(after, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	main, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(h.data, "probity.db")})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range ways {
		if n := rowsIn(t, main, table); n != 0 {
			t.Errorf("after the erasure %s has %d rows", table, n)
		}
	}
	if err := main.Close(); err != nil {
		t.Fatal(err)
	}
	is := openStores(t, after)
	if n, now := is.epochs(t); n != 1 || now <= epoch {
		t.Errorf("there are %d keys of the organisation, the newest of epoch %d; before the erasure it was %d", n, now, epoch)
	}
	if has := is.read(t, subjects); has.identities+has.events+has.receipts+has.records > 0 {
		t.Errorf("with the data of before and the keys of after, %+v can be read", has)
	}
	for i, s := range subjects {
		if has, err := is.keys.Has(t.Context(), is.tenant, s); err != nil || has {
			t.Errorf("the vault has a key of subject %d (%v)", i, err)
		}
		if _, err := is.keys.Seal(t.Context(), is.tenant, s, nil, []byte("x")); !fail.Is(err, fail.Gone) {
			t.Errorf("sealing for an erased subject: %v", err)
		}
		// A row saved from the old vault does not help without the key that wrapped it.
		is.plant(t, s, keys[i])
	}
	again := openStores(t, after)
	if has := again.read(t, subjects); has.identities+has.events+has.receipts+has.records > 0 {
		t.Errorf("with wrapped keys from a backup, %+v can be read after the epoch turned", has)
	}
}

func rowsIn(t *testing.T, db *store.DB, table string) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM "`+table+`" WHERE tenant_id IS NOT NULL`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// searchExactly is searchFiles for bytes that are no text.
func searchExactly(t *testing.T, dir string, needles map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for name, needle := range needles {
			if bytes.Contains(b, needle) {
				t.Errorf("%s holds %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreReplacedWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "--kek-epoch", "1s")
	s := h.start(t)
	cookie, _ := s.grant(t)
	s.send(t, batch(cookie, event(1, nil)), 1)
	db, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(h.data, "vault.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	newest := func() (n int) {
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT max(epoch) FROM tenant_key").Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := newest()
	eventually(t, "the key is replaced twice", func() bool { return newest() >= first+2 })
	s.send(t, batch(cookie, event(2, nil)), 1)
	s.settle(t)
	var state struct {
		Receipts []any `json:"receipts"`
	}
	s.do(t, "POST", "/probity/v1/consent/state", object(map[string]any{"deployment": deployment, "visitor": cookie}), "Origin", origin).want(t, 200).into(t, &state)
	if len(state.Receipts) != 1 {
		t.Errorf("%d receipts open under the new key, want 1", len(state.Receipts))
	}
	s.stop(t)
}

func TestAnOperatorReplacesKeysBesideTheServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	auth := s.token(t)
	first, record := s.grant(t)
	s.send(t, batch(first, event(1, nil)), 1)
	for range 2 {
		if out, said, err := command(t, nil, "keys", "rotate", "--data", h.data); err != nil {
			t.Fatalf("%v\n%s%s", err, out, said)
		}
	}
	second, _ := s.grant(t) // a key that is made now must be wrapped with the new one
	s.send(t, batch(second, event(1, nil)), 1)
	s.send(t, batch(first, event(2, nil)), 1)
	s.do(t, "POST", "/probity/v1/consent/receipt", object(map[string]any{"deployment": deployment, "visitor": first, "record_id": record}), "Origin", origin).want(t, 200)
	s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": customer(first)}))
	s.settle(t)
	s.stop(t)
	for cookie, want := range map[string]int{first: 2, second: 1} {
		if n := h.events(t, cookie); n != want {
			t.Errorf("%d events open under the new keys, want %d", n, want)
		}
	}
	if out, said, err := command(t, nil, "doctor", "--data", h.data); err != nil {
		t.Errorf("doctor: %v\n%s%s", err, out, said)
	}
}

// events counts what is stored of a visitor of a stopped installation, and fails the test where an
// event is stored twice or out of order.
func (h *house) events(t *testing.T, cookie string) (n int) {
	t.Helper()
	all, n := h.stored(t, cookie)
	for number, times := range all {
		if times > 1 {
			t.Errorf("event %d is stored %d times", number, times)
		}
	}
	return n
}

// stored returns how often each numbered event of a visitor is stored, and how many there are.
func (h *house) stored(t *testing.T, cookie string) (all map[int]int, n int) {
	t.Helper()
	s := openStores(t, h.data)
	sub, known, err := s.subjects.Lookup(t.Context(), s.tenant, subject.Cookie, cookie)
	if err != nil || !known {
		t.Fatalf("the visitor is not known (%v)", err)
	}
	all, last := map[int]int{}, 0
	err = s.journey.For(open{}).Events(t.Context(), s.tenant, sub, time.Time{}, func(e journey.StoredEvent) error {
		n++
		if number, err := strconv.Atoi(e.Event.Attributes["n"].Value); err == nil {
			all[number]++
			if number < last {
				t.Errorf("event %d is stored after event %d", number, last)
			}
			last = number
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, n
}

// open is a gate for reading what is there, whatever anybody allows.
type open struct{}

func (open) Standing(context.Context, id.Tenant, id.Subject, string) (bool, error) { return true, nil }
