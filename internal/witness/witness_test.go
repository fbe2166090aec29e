package witness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
	"probity/internal/witness"
	"probity/verify"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is one installation: a log with its vault, a witness, a publisher, and its front door.
type house struct {
	*ledger.Ledger
	db, keysDB *store.DB
	vault      *vault.Vault
	clk        *clock.Fake
	tenant     id.Tenant
	witness    *witness.Witness
	door       *httptest.Server
	posted     []string // what was posted to the door
	refuse     int      // status that the door answers posts with; 0: 200
	publisher  *witness.Publisher
}

func newHouse(t testing.TB, db *store.DB, name string) *house {
	t.Helper()
	h := &house{db: db, keysDB: storetest.SQLite(t), clk: clock.NewFake(noon), tenant: id.NewTenant()}
	var err error
	if h.vault, err = vault.Open(t.Context(), h.keysDB, vault.RootKey{1}, h.clk, vault.Options{}); err != nil {
		t.Fatal(err)
	}
	h.Ledger = ledger.New(db, h.vault, h.clk, name)
	if err := h.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.accept(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", h.addCheckpoint)
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if h.refuse != 0 {
			w.WriteHeader(h.refuse)
			return
		}
		h.posted = append(h.posted, string(body))
	})
	h.door = httptest.NewServer(mux)
	t.Cleanup(h.door.Close)
	return h
}

// accept makes the house a witness of the logs with these keys.
func (h *house) accept(t testing.TB, keys ...string) {
	t.Helper()
	var err error
	if h.witness, err = witness.New(h.vault, h.tenant, "witness.test/w", h.clk, keys...); err != nil {
		t.Fatal(err)
	}
}

func (h *house) addCheckpoint(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	lines, err := h.witness.AddCheckpoint(r.Context(), body)
	if refused, ok := errors.AsType[*witness.Refusal](err); ok {
		w.WriteHeader(refused.Status)
		if refused.Size >= 0 {
			fmt.Fprintf(w, "%d\n", refused.Size)
		}
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, lines)
}

// publishes prepares the house's publisher.
func (h *house) publishes(t testing.TB, d witness.Deps) {
	t.Helper()
	d.DB, d.Ledger, d.Clock = h.db, h.Ledger, h.clk
	h.publisher = witness.NewPublisher(d)
	if err := h.publisher.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (h *house) peer(t testing.TB) witness.Peer {
	t.Helper()
	key, err := h.witness.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := witness.ParsePeer(key + " " + h.door.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) key(t testing.TB) string {
	t.Helper()
	key, err := h.VerifierKey(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (h *house) grow(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		err := h.db.Tenant(h.tenant).Write(t.Context(), func(tx *store.Tx) error {
			_, err := h.Append(t.Context(), tx, ledger.Entry{Kind: ledger.NoticePublished, Payload: fmt.Appendf(nil, `{"n":%d,"at":%d}`, i, h.clk.Now().UnixMicro())})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.clk.Advance(time.Second)
}

func (h *house) round(t testing.TB) *witness.Health {
	t.Helper()
	if err := h.publisher.Round(t.Context(), h.tenant); err != nil {
		t.Fatal(err)
	}
	health, err := h.publisher.Health(t.Context(), h.tenant)
	if err != nil {
		t.Fatal(err)
	}
	return health
}

// cut sets the database back to its first n entries.
func (h *house) cut(t testing.TB, n int64) {
	t.Helper()
	err := h.db.Tenant(h.tenant).Write(t.Context(), func(tx *store.Tx) error {
		for _, drop := range []string{"entry_no_DELETE", "entry_no_UPDATE", "checkpoint_no_DELETE"} {
			query := "DROP TRIGGER ledger_" + drop
			if tx.Dialect() == store.Postgres {
				query += " ON ledger_" + drop[:strings.Index(drop, "_")]
			}
			if _, err := tx.Exec(t.Context(), query); err != nil {
				return err
			}
		}
		for _, query := range []string{
			`DELETE FROM ledger_checkpoint WHERE tenant_id = $1 AND size > $2`,
			`DELETE FROM ledger_entry WHERE tenant_id = $1 AND n >= $2`,
			`DELETE FROM ledger_payload WHERE tenant_id = $1 AND n >= $2`,
			`UPDATE ledger_head SET size = $2 WHERE tenant_id = $1`,
		} {
			if _, err := tx.Exec(t.Context(), query, h.tenant, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestL12_TwoInstallationsWitnessEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := newHouse(t, db, "a.test"), newHouse(t, storetest.SQLite(t), "b.test")
		a.accept(t, b.key(t))
		b.accept(t, a.key(t))
		a.publishes(t, witness.Deps{Witnesses: []witness.Peer{b.peer(t)}, Posts: []string{b.door.URL + "/post"}})
		b.publishes(t, witness.Deps{Witnesses: []witness.Peer{a.peer(t)}})
		for range 3 {
			a.grow(t, 4)
			b.grow(t, 3)
			for _, h := range []*house{a, b} {
				health := h.round(t)
				for _, d := range health.Destinations {
					if d.Failures != 0 || d.Size != health.Size || d.Alarm {
						t.Errorf("%+v", d)
					}
				}
			}
		}
		for h, other := range map[*house]*house{a: b, b: a} {
			head, err := h.Latest(t.Context(), h.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify.OpenCheckpoint(head.Note, h.key(t)); err != nil {
				t.Error(err)
			}
			if got, err := verify.Cosignatures(head.Note, other.peer(t).Key); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
			if a, err := h.publisher.SelfAudit(t.Context(), h.tenant); err != nil || !a.Sound {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if len(b.posted) != 3 || !strings.Contains(b.posted[2], "— witness.test/w ") {
			t.Errorf("posted: %v", b.posted)
		}
	})
}

func TestL12_ProofsCarryTheSignaturesOfWitnessesOnceThereAreAny(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := newHouse(t, db, "a.test"), newHouse(t, storetest.SQLite(t), "b.test")
		b.accept(t, a.key(t))
		a.publishes(t, witness.Deps{Witnesses: []witness.Peer{b.peer(t)}})
		trust := verify.Trust{Keys: []string{a.key(t)}, Witnesses: []string{b.peer(t).Key}}
		proves := func(index int64, want verify.Reason) {
			t.Helper()
			r, err := a.Receipt(t.Context(), a.tenant, index, nil)
			if err != nil {
				t.Fatal(err)
			}
			file, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify.File(file, a.key(t)); err != nil {
				t.Errorf("entry %d: %v", index, err)
			}
			if _, err := trust.File(file); verify.ReasonOf(err) != want {
				t.Errorf("entry %d with its witness: %v, want %q", index, err, want)
			}
		}
		a.grow(t, 3)
		proves(1, verify.NotWitnessed)
		a.round(t)
		proves(1, "")
		// The log grows on: what the witness has seen is still proved under its signature.
		a.grow(t, 2)
		proves(1, "")
		proves(4, verify.NotWitnessed)
		a.round(t)
		proves(4, "")
		// So is a period for an authority.
		w, err := a.Window(t.Context(), a.tenant, noon.Add(-time.Hour), noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verify.Cosignatures([]byte(w.Checkpoint), trust.Witnesses...); err != nil || len(got) != 1 {
			t.Errorf("the excerpt's checkpoint: %v, %v", got, err)
		}
		// A replaced key signs all proofs from then on, so that a bundle names one.
		if _, err := a.RotateKey(t.Context(), a.tenant, "yearly"); err != nil {
			t.Fatal(err)
		}
		trust.Keys = []string{a.key(t)}
		proves(1, verify.NotWitnessed)
		b.accept(t, a.key(t))
		a.clk.Advance(2 * time.Hour)
		a.round(t)
		proves(1, "")
	})
}

func TestL12_AGapOfMoreThanADayIsAnAlarmAndFailuresBackOff(t *testing.T) {
	a, b := newHouse(t, storetest.SQLite(t), "a.test"), newHouse(t, storetest.SQLite(t), "b.test")
	a.publishes(t, witness.Deps{Witnesses: []witness.Peer{b.peer(t)}, Posts: []string{b.door.URL + "/post"}})
	a.grow(t, 1)
	b.refuse = 500
	health := a.round(t)
	for _, d := range health.Destinations {
		if d.Failures != 1 || d.Error == "" || d.Alarm {
			t.Errorf("%+v", d)
		}
	}
	if health = a.round(t); health.Destinations[1].Failures != 1 {
		t.Error("it was tried again at once")
	}
	a.clk.Advance(2 * time.Minute)
	if health = a.round(t); health.Destinations[1].Failures != 2 {
		t.Error("it was not tried again")
	}
	a.clk.Advance(25 * time.Hour)
	if health = a.round(t); !health.Destinations[0].Alarm || !health.Destinations[1].Alarm || len(health.Alarms) != 2 {
		t.Errorf("no alarm: %+v", health)
	}
	b.refuse = 0
	b.accept(t, a.key(t))
	a.clk.Advance(time.Hour)
	if health = a.round(t); len(health.Alarms) != 0 || health.Destinations[0].Size != 1 {
		t.Errorf("the alarm stays: %+v", health)
	}
	// A log that does not grow is shown again, so that silence is noticed.
	a.clk.Advance(13 * time.Hour)
	a.round(t)
	if len(b.posted) != 2 {
		t.Errorf("posted %d times", len(b.posted))
	}
}

// outbox keeps mails.
type outbox struct{ sent []string }

func (o *outbox) Send(_ context.Context, _ id.Tenant, to, subject, text string) error {
	o.sent = append(o.sent, to+"\n"+subject+"\n"+text)
	return nil
}

func TestL12_CheckpointsAreMailedTwiceADay(t *testing.T) {
	a, box := newHouse(t, storetest.SQLite(t), "a.test"), &outbox{}
	a.publishes(t, witness.Deps{Mails: []string{"notary@example.org"}, Mailer: box})
	for range 25 {
		a.grow(t, 1)
		a.round(t)
		a.clk.Advance(time.Hour)
	}
	if len(box.sent) != 3 {
		t.Fatalf("%d mails in 25 hours", len(box.sent))
	}
	head, err := a.At(t.Context(), a.tenant, 1)
	if err != nil || !strings.Contains(box.sent[0], string(head.Note)) {
		t.Errorf("the first mail lacks the checkpoint: %s, %v", box.sent[0], err)
	}
}

func TestAWitnessFindsThatDatabaseAndVaultAreBothOlder(t *testing.T) {
	for name, grown := range map[string]int{"nothing was added since": 0, "other entries took their place": 9} {
		t.Run(name, func(t *testing.T) {
			a, b := newHouse(t, storetest.SQLite(t), "a.test"), newHouse(t, storetest.SQLite(t), "b.test")
			b.accept(t, a.key(t))
			a.publishes(t, witness.Deps{Witnesses: []witness.Peer{b.peer(t)}})
			a.grow(t, 5)
			a.round(t)
			a.grow(t, 5)
			a.round(t)
			// The vault is restored together with the database: nothing here knows of the last five.
			a.cut(t, 5)
			old, err := a.Latest(t.Context(), a.tenant)
			if err != nil {
				t.Fatal(err)
			}
			for query, args := range map[string][]any{
				`UPDATE log_published SET size = $2, note = $3 WHERE tenant_id = $1`: {a.tenant, 5, string(old.Note)},
			} {
				err := a.keysDB.Tenant(a.tenant).Write(t.Context(), func(tx *store.Tx) error {
					_, err := tx.Exec(t.Context(), query, args...)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := a.db.Tenant(a.tenant).Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE witness_outcome SET size = 5 WHERE tenant_id = $1`, a.tenant)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if grown > 0 {
				a.grow(t, grown)
				a.round(t)
			} else if err := a.publisher.Ask(t.Context(), a.tenant); err != nil {
				t.Fatal(err)
			}
			health, err := a.publisher.Health(t.Context(), a.tenant)
			if err != nil {
				t.Fatal(err)
			}
			if len(health.Bridges) != 1 || !strings.HasSuffix(health.Bridges[0].To, "/2") || grown == 0 && health.Lost != 5 {
				t.Errorf("%+v", health)
			}
		})
	}
}

func TestASelfAuditNamesTheFirstBadEntry(t *testing.T) {
	a := newHouse(t, storetest.SQLite(t), "a.test")
	extra := errors.New("a record is not what was logged")
	var found error
	a.publishes(t, witness.Deps{Audits: []func(context.Context, id.Tenant) error{func(context.Context, id.Tenant) error { return found }}})
	if due, err := a.publisher.AuditDue(t.Context(), a.tenant, 24*time.Hour); err != nil || !due {
		t.Errorf("%v, %v", due, err)
	}
	a.grow(t, 8)
	a.round(t)
	if got, err := a.publisher.SelfAudit(t.Context(), a.tenant); err != nil || !got.Sound || got.Size != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	if due, err := a.publisher.AuditDue(t.Context(), a.tenant, 24*time.Hour); err != nil || due {
		t.Errorf("%v, %v", due, err)
	}
	found = extra
	if got, err := a.publisher.SelfAudit(t.Context(), a.tenant); err != nil || got.Sound || got.Detail != extra.Error() || got.Entry != -1 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := a.db.Tenant(a.tenant).Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(t.Context(), `DROP TRIGGER ledger_payload_no_UPDATE`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `UPDATE ledger_payload SET body = (SELECT body FROM ledger_payload WHERE tenant_id = $1 AND n = 0) WHERE tenant_id = $1 AND n = 3`, a.tenant)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := a.publisher.SelfAudit(t.Context(), a.tenant); err != nil || got.Sound || got.Entry != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if h := a.round(t); len(h.Alarms) != 1 || h.Audit.Entry != 3 {
		t.Errorf("%+v", h)
	}
}

// A witness never signs two trees that contradict each other, and refuses with the status of the
// protocol; what is refused changes nothing.
func TestAWitnessRefusesWhatDoesNotFollow(t *testing.T) {
	w, a, forged := newHouse(t, storetest.SQLite(t), "w.test"), newHouse(t, storetest.SQLite(t), "a.test"), newHouse(t, storetest.SQLite(t), "f.test")
	a.grow(t, 4)
	four, err := a.Checkpoint(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	a.grow(t, 3)
	seven, err := a.Checkpoint(t.Context(), a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := a.Extends(t.Context(), a.tenant, 4, 7)
	if err != nil {
		t.Fatal(err)
	}
	forged.grow(t, 2)
	foreign, err := forged.Checkpoint(t.Context(), forged.tenant)
	if err != nil {
		t.Fatal(err)
	}
	w.accept(t, a.key(t))
	ask := func(q witness.Request) error {
		_, err := w.witness.AddCheckpoint(t.Context(), q.Body())
		return err
	}
	status := func(err error) int {
		if r, ok := errors.AsType[*witness.Refusal](err); ok {
			return r.Status
		}
		return 0
	}
	if err := ask(witness.Request{Old: 0, Note: four}); err != nil {
		t.Fatal(err)
	}
	wrong := append(proof[:0:0], proof...)
	wrong[0][0] ^= 1
	for _, c := range []struct {
		name   string
		ask    witness.Request
		status int
	}{
		{"a log it does not know", witness.Request{Note: foreign}, 404},
		{"a signature of nobody", witness.Request{Old: 4, Note: []byte(strings.Replace(string(four), "\n4\n", "\n5\n", 1))}, 403},
		{"an old size that is too small", witness.Request{Old: 0, Note: seven}, 409},
		{"a smaller tree than before", witness.Request{Old: 3, Note: four}, 409},
		{"an old size beyond the checkpoint", witness.Request{Old: 9, Note: seven}, 400},
		{"no proof", witness.Request{Old: 4, Note: seven}, 422},
		{"another proof", witness.Request{Old: 4, Proof: wrong, Note: seven}, 422},
		{"a proof where none is due", witness.Request{Old: 4, Proof: proof, Note: four}, 400},
	} {
		if err := ask(c.ask); status(err) != c.status {
			t.Errorf("%s: %v, want status %d", c.name, err, c.status)
		}
		if size, _, err := w.vault.Witnessed(t.Context(), w.tenant, a.Origin(a.tenant)); err != nil || size != 4 {
			t.Errorf("%s: the witness remembers %d entries, %v", c.name, size, err)
		}
	}
	for range 2 { // the same one may come again
		if err := ask(witness.Request{Old: 4, Note: four}); err != nil {
			t.Error(err)
		}
	}
	if err := ask(witness.Request{Old: 4, Proof: proof, Note: seven}); err != nil {
		t.Error(err)
	}
	if err := ask(witness.Request{Old: 4, Proof: proof, Note: seven}); status(err) != 409 {
		t.Errorf("replayed: %v", err)
	}
	if err := ask(witness.Request{Old: 4, Note: four}); status(err) != 409 {
		t.Errorf("an earlier one replayed: %v", err)
	}
}

func FuzzAWitnessReadsAnything(f *testing.F) {
	f.Add([]byte("old 0\n\na\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— a AAAAAAAA\n"))
	f.Add([]byte("old 1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\na\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— a AAAAAAAA\n"))
	f.Add([]byte("old -1\n\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := witness.ParseRequest(body)
		if err != nil {
			if r, ok := errors.AsType[*witness.Refusal](err); !ok || r.Status != 400 {
				t.Errorf("got %v", err)
			}
			return
		}
		if string(q.Body()) != string(body) {
			t.Error("a request is read that is not spelled as it would be written")
		}
	})
}
