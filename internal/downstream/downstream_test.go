package downstream_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/consent"
	"probity/internal/downstream"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
	"probity/internal/vault"
)

const secret = "a secret of the operator"

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// receiver is the operator's system.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex // guards all below
	status   int
	messages []downstream.Message
	bad      []string
}

func newReceiver(t *testing.T, clk clock.Clock) *receiver {
	r := &receiver{status: 204}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(q.Body)
		if err != nil || q.Method != http.MethodPost || q.Header.Get(downstream.SignatureHeader) != downstream.Sign(secret, clk.Now(), body) {
			r.bad = append(r.bad, "the signature is not that of the body")
		}
		var fields map[string]any
		var m downstream.Message
		if json.Unmarshal(body, &fields) != nil || json.Unmarshal(body, &m) != nil || len(fields) != 5 {
			r.bad = append(r.bad, "the message has other fields: "+string(body))
		}
		if r.status == 204 {
			r.messages = append(r.messages, m)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got(t *testing.T) []downstream.Message {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bad {
		t.Error(b)
	}
	return append([]downstream.Message(nil), r.messages...)
}

func TestW8_AWithdrawalIsPassedOnSignedAndTriedAgainUntilItIsTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clk, ctx, tenant, site := clock.NewFake(noon), t.Context(), id.NewTenant(), uuid.New()
		keys, err := vault.Open(ctx, storetest.SQLite(t), vault.RootKey{7}, clk, vault.Options{})
		if err != nil {
			t.Fatal(err)
		}
		log := ledger.New(db, keys, clk, "probity.test")
		people := subject.New(db, keys, clk)
		choices := consent.New(db, log, people, keys, clk, nil)
		there := newReceiver(t, clk)
		r, err := downstream.New(db, clk, slog.New(slog.DiscardHandler), downstream.Options{URL: there.URL, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		choices.OnClosed(r.Closed)
		for _, migrate := range []func() error{
			func() error { return log.Migrate(ctx) }, func() error { return people.Migrate(ctx) },
			func() error { return choices.Migrate(ctx) }, func() error { return r.Migrate(ctx) },
			func() error { return choices.EnsureDefaults(ctx, tenant) },
		} {
			if err := migrate(); err != nil {
				t.Fatal(err)
			}
		}
		nonce, err := choices.Nonce(ctx, tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: 1, Language: "en"})
		if err != nil {
			t.Fatal(err)
		}
		yes := map[string]bool{}
		for _, p := range notice.DefaultPurposes() {
			yes[p.ID] = p.ID == notice.Measure || p.ID == notice.Marketing
		}
		out, err := choices.Choose(ctx, tenant, consent.Choice{
			Deployment: site, Nonce: nonce, Purposes: yes, UI: consent.UI{Component: "banner", Action: "save"},
		})
		if err != nil {
			t.Fatal(err)
		}
		deliver := func(want int) {
			t.Helper()
			if n, err := r.Deliver(ctx, tenant); err != nil || n != want {
				t.Fatalf("%d were taken, want %d: %v", n, want, err)
			}
		}
		deliver(0) // a first choice closes nothing that was open
		clk.Advance(time.Second)
		there.answer(503)
		w, err := choices.Withdraw(ctx, tenant, consent.Withdrawal{
			Deployment: site, Visitor: *out.Visitor, Purposes: []string{notice.Marketing, notice.Predict}, UI: consent.UI{Component: "preferences", Action: "save"},
		})
		if err != nil {
			t.Fatal(err)
		}
		deliver(0)
		list, err := r.List(ctx, tenant, 10)
		if err != nil || len(list) != 1 || list[0].Outcome != "HTTP 503" || list[0].Tries != 1 || list[0].Taken != nil || list[0].NextTry == nil {
			t.Fatalf("after a refusal: %+v, %v", list, err)
		}
		there.answer(204)
		deliver(0) // not due yet
		clk.Advance(time.Second)
		deliver(1)
		deliver(0) // once is enough
		got := there.got(t)
		if len(got) != 1 || got[0].Event != w.RecordID || got[0].Subject != out.Subject || got[0].Type != ledger.ConsentWithdrawn ||
			strings.Join(got[0].Purposes, ",") != notice.Marketing || !got[0].At.Equal(noon.Add(time.Second)) {
			t.Errorf("got %+v", got)
		}
		if list, err = r.List(ctx, tenant, 10); err != nil || list[0].Outcome != "HTTP 204" || list[0].Taken == nil || list[0].NextTry != nil {
			t.Errorf("after it was taken: %+v, %v", list, err)
		}
		// An expiry closes too; the erased leave no row.
		clk.Advance(consent.Validity)
		if _, err := choices.Expire(ctx, tenant, 10); err != nil {
			t.Fatal(err)
		}
		if err := db.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
			_, err := r.Erase(ctx, tx, []id.Subject{out.Subject})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if list, err := r.List(ctx, tenant, 10); err != nil || len(list) != 0 {
			t.Errorf("after the erasure: %+v, %v", list, err)
		}
	})
}

func TestAWebhookThatCouldBeOverheardIsRefused(t *testing.T) {
	for _, o := range []downstream.Options{
		{URL: "http://crm.example/hook", Secret: secret}, {URL: "crm.example", Secret: secret}, {URL: "https://crm.example", Secret: "short"},
	} {
		if _, err := downstream.New(nil, clock.System(), nil, o); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", o.URL, err)
		}
	}
}
