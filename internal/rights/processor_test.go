package rights_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/opendsr/client"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

// processor is a service that speaks OpenDSR 2.0, with a key and a certificate of its own.
type processor struct {
	*httptest.Server
	key         crypto.Signer
	certificate *x509.Certificate
	status      string // of every request that it took; empty: it does not answer questions
	token       string // without it nothing is answered
	elsewhere   string // where its discovery says that the certificate lies, if that is somewhere else
	taken       []map[string]any
	asked       int
}

func newProcessor(t *testing.T, key crypto.Signer, now time.Time) *processor {
	t.Helper()
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"processor.example"}, NotBefore: now, NotAfter: now.AddDate(0, 6, 0)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	p := &processor{key: key, status: client.Pending, token: "let-me-in"}
	if p.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/discovery", func(w http.ResponseWriter, _ *http.Request) {
		at := p.elsewhere
		if at == "" {
			at = p.URL + "/v2/certificate.pem"
		}
		fmt.Fprintf(w, `{"api_version":"2.0","processor_certificate":%q}`, at)
	})
	mux.HandleFunc("GET /v2/certificate.pem", func(w http.ResponseWriter, _ *http.Request) {
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	})
	mux.HandleFunc("POST /v2/requests", func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "Bearer "+p.token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var body map[string]any
		if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		p.taken = append(p.taken, body)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /v2/requests/{id}", func(w http.ResponseWriter, q *http.Request) {
		p.asked++
		if p.status == "" || q.Header.Get("Authorization") != "Bearer "+p.token {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(p.says(q.PathValue("id"), p.status))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *processor) says(id, status string) []byte {
	return []byte(fmt.Sprintf(`{"controller_id":"c","subject_request_id":%q,"request_status":%q,"api_version":"2.0"}`, id, status))
}

// signs returns the headers of a callback.
func (p *processor) signs(t *testing.T, key crypto.Signer, body []byte) http.Header {
	t.Helper()
	sum := sha256.Sum256(body)
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(client.DomainHeader, "processor.example")
	h.Set(client.SignatureHeader, base64.StdEncoding.EncodeToString(signature))
	return h
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sendTo names the processor and has somebody erased.
func (h *house) sendTo(t *testing.T, p *processor) (*rights.Request, *rights.Recipient) {
	t.Helper()
	made, err := h.AddRecipient(t.Context(), h.t, rights.Recipient{Name: "Processor", Contact: "dpo@processor.example", Categories: []string{"events"}, Way: rights.ByOpenDSR, URL: p.URL + "/v2", Token: "let-me-in"})
	if err != nil || !made.HasToken || made.Token != "" {
		t.Fatalf("made %+v, %v", made, err)
	}
	who := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: byMail(who)})
	if q.State != rights.Verified {
		t.Fatalf("it is %s: %s", q.State, q.Problem)
	}
	return q, made
}

func (h *house) atProcessor(t *testing.T, q *rights.Request) (rights.Told, rights.Informed) {
	t.Helper()
	if _, err := h.Amend(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := h.Get(t.Context(), h.t, q.ID)
	if err != nil || len(now.Report.Recipients) != 1 {
		t.Fatalf("%v, recipients %+v", err, now.Report.Recipients)
	}
	return h.told(t, q)["Processor"], now.Report.Recipients[0]
}

// certified returns the recipients that the certificate of a request names, after checking it as a stranger does.
func (h *house) certified(t *testing.T, q *rights.Request) (all []rights.Informed, amended string) {
	t.Helper()
	file, err := h.Certificate(t.Context(), h.t, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	var c verify.Certificate
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Check(c.VerifierKey); err != nil {
		t.Errorf("the certificate does not verify: %v", err)
	}
	var body struct {
		Request    uuid.UUID         `json:"request"`
		Recipients []rights.Informed `json:"recipients"`
		Amended    string            `json:"amended_at"`
		Kept       []rights.Kept     `json:"kept"`
	}
	if err := json.Unmarshal(c.Body, &body); err != nil || body.Request != q.ID || len(body.Kept) == 0 {
		t.Errorf("the body is %s, %v", c.Body, err)
	}
	return body.Recipients, body.Amended
}

func TestAProcessorIsFollowedUntilItSaysThatItIsDone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		h.deps.PublicURL = "https://probity.test/"
		var log bytes.Buffer
		h.deps.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		h.Room = rights.New(h.deps)
		p := newProcessor(t, ecKey(t), h.clk.Now())
		p.token = "another"
		q, made := h.sendTo(t, p)
		if all, amended := h.certified(t, q); len(all) != 1 || all[0].Name != "Processor" || all[0].Confirmed || amended != "" {
			t.Errorf("the certificate names %+v, amended %q", all, amended)
		}
		h.tellDue(t, 0)
		if told, _ := h.atProcessor(t, q); told.State != rights.TellDue || told.Outcome != "HTTP 401" {
			t.Errorf("with a wrong token it is %+v", told)
		}
		p.token = "let-me-in"
		h.clk.Advance(2 * time.Second)
		h.tellDue(t, 1)
		told, informed := h.atProcessor(t, q)
		if told.State != rights.TellSent || informed.Confirmed || informed.ID != made.ID {
			t.Errorf("taken over it is %+v, %+v", told, informed)
		}
		want := "https://probity.test/opendsr/v2/callbacks/" + q.ID.String() + "/" + made.ID.String()
		if urls := fmt.Sprint(p.taken[0]["status_callback_urls"]); urls != "["+want+"]" {
			t.Errorf("it calls back at %s, want %s", urls, want)
		}
		h.tellDue(t, 0)
		h.clk.Advance(59 * time.Second)
		h.tellDue(t, 0)
		if p.asked != 0 {
			t.Errorf("it was asked %d times in the first minute", p.asked)
		}
		p.status = client.InProgress
		for range 24 {
			h.clk.Advance(time.Hour)
			h.tellDue(t, 0)
		}
		if told, _ = h.atProcessor(t, q); told.Outcome != client.InProgress || p.asked < 5 || p.asked > 12 {
			t.Errorf("after a day it is %+v, and was asked %d times", told, p.asked)
		}
		p.status = client.Completed
		h.clk.Advance(6 * time.Hour)
		h.tellDue(t, 1)
		told, informed = h.atProcessor(t, q)
		if told.State != rights.TellDone || told.At == nil || !informed.Confirmed || informed.Outcome != client.Completed {
			t.Errorf("done it is %+v, %+v", told, informed)
		}
		if all, amended := h.certified(t, q); len(all) != 1 || !all[0].Confirmed || all[0].Outcome != client.Completed || amended == "" {
			t.Errorf("the certificate names %+v, amended %q", all, amended)
		}
		if n, err := h.Amend(t.Context()); err != nil || n != 0 {
			t.Errorf("it is amended %d times more: %v", n, err)
		}
		asked := p.asked
		h.clk.Advance(48 * time.Hour)
		h.tellDue(t, 0)
		if p.asked != asked {
			t.Error("it is asked after it was done")
		}
		var token []byte
		err := db.Tenant(h.t).Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT token FROM rights_recipient WHERE tenant_id = $1`, h.t).Scan(&token)
		})
		if err != nil || len(token) == 0 || bytes.Contains(token, []byte("let-me-in")) || strings.Contains(log.String(), "let-me-in") {
			t.Errorf("the token stands as %x, or in the log: %v", token, err)
		}
	})
}

func TestAProcessorThatRefusesOrNeverAnswersIsLeftToStaffAndNotConfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		status, outcome string
		days            int
	}{
		"refuses":       {client.Cancelled, "cancelled", 1},
		"never answers": {"", "not confirmed in 30 days; the last answer was: HTTP 503", 31},
		"never ends":    {client.InProgress, "not confirmed in 30 days; the last answer was: in_progress", 31},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, storetest.SQLite(t))
			p := newProcessor(t, ecKey(t), h.clk.Now())
			q, _ := h.sendTo(t, p)
			h.tellDue(t, 1)
			p.status = c.status
			for range c.days * 4 {
				h.clk.Advance(6 * time.Hour)
				h.tellDue(t, 0)
			}
			told, informed := h.atProcessor(t, q)
			if told.State != rights.TellTask || told.Outcome != c.outcome || informed.Confirmed || informed.Outcome != c.outcome {
				t.Errorf("it is %+v, %+v", told, informed)
			}
			asked := p.asked
			h.clk.Advance(48 * time.Hour)
			h.tellDue(t, 0)
			if p.asked != asked {
				t.Error("it is asked although staff go after it")
			}
			if all, amended := h.certified(t, q); len(all) != 1 || all[0].Confirmed || all[0].Outcome != c.outcome || amended == "" {
				t.Errorf("the certificate names %+v, amended %q", all, amended)
			}
			if err := h.SettleTold(t.Context(), h.t, q.ID, told.Recipient, clerk, false, "They showed us their record."); err != nil {
				t.Error(err)
			}
			h.atProcessor(t, q)
			if all, _ := h.certified(t, q); !all[0].Confirmed || all[0].Outcome != "by staff" {
				t.Errorf("the certificate names %+v", all)
			}
		})
	}
}

func TestACallbackCountsOnlyIfTheProcessorSignedIt(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": ecKey(t), "RSA": rsaKey} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, storetest.SQLite(t))
			p := newProcessor(t, key, h.clk.Now())
			q, made := h.sendTo(t, p)
			hear := func(request, recipient uuid.UUID, header http.Header, body []byte) error {
				return h.HearProcessor(t.Context(), request, recipient, header, body)
			}
			id := uuid.NewString()
			if err := hear(q.ID, made.ID, p.signs(t, key, p.says(id, client.Completed)), p.says(id, client.Completed)); !fail.Is(err, fail.NotFound) {
				t.Errorf("before it was sent: %v", err)
			}
			h.tellDue(t, 1)
			id, _ = p.taken[0]["subject_request_id"].(string)
			done := p.says(id, client.Completed)
			other := p.says(uuid.NewString(), client.Completed)
			strange := p.signs(t, key, done)
			strange.Set(client.DomainHeader, "attacker.example")
			for name, c := range map[string]struct {
				header http.Header
				body   []byte
				want   fail.Kind
			}{
				"unsigned":            {http.Header{}, done, fail.Forbidden},
				"another key":         {p.signs(t, ecKey(t), done), done, fail.Forbidden},
				"another body":        {p.signs(t, key, done), p.says(id, client.Cancelled), fail.Forbidden},
				"another domain":      {strange, done, fail.Forbidden},
				"another request":     {p.signs(t, key, other), other, fail.Forbidden},
				"no JSON":             {p.signs(t, key, []byte("x")), []byte("x"), fail.Invalid},
				"a status of its own": {p.signs(t, key, p.says(id, "nearly")), p.says(id, "nearly"), fail.Invalid},
			} {
				if err := hear(q.ID, made.ID, c.header, c.body); fail.KindOf(err) != c.want {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := hear(uuid.New(), made.ID, p.signs(t, key, done), done); !fail.Is(err, fail.NotFound) {
				t.Errorf("an unknown request: %v", err)
			}
			p.elsewhere = "https://attacker.example/certificate.pem"
			if err := hear(q.ID, made.ID, p.signs(t, key, done), done); !fail.Is(err, fail.Unavailable) {
				t.Errorf("with a certificate of another host: %v", err)
			}
			p.elsewhere = ""
			if told, _ := h.atProcessor(t, q); told.State != rights.TellSent {
				t.Errorf("it is %+v", told)
			}
			working := p.says(id, client.InProgress)
			if err := hear(q.ID, made.ID, p.signs(t, key, working), working); err != nil {
				t.Error(err)
			}
			if told, _ := h.atProcessor(t, q); told.State != rights.TellSent || told.Outcome != client.InProgress {
				t.Errorf("it is %+v", told)
			}
			if err := hear(q.ID, made.ID, p.signs(t, key, done), done); err != nil {
				t.Error(err)
			}
			if told, informed := h.atProcessor(t, q); told.State != rights.TellDone || !informed.Confirmed || p.asked != 0 {
				t.Errorf("it is %+v, %+v, and was asked %d times", told, informed, p.asked)
			}
			if err := hear(q.ID, made.ID, p.signs(t, key, done), done); !fail.Is(err, fail.NotFound) {
				t.Errorf("told twice: %v", err)
			}
		})
	}
	t.Run("expired", func(t *testing.T) {
		h := newHouse(t, storetest.SQLite(t))
		key := ecKey(t)
		p := newProcessor(t, key, h.clk.Now().AddDate(-1, 0, 0))
		q, made := h.sendTo(t, p)
		h.tellDue(t, 1)
		id, _ := p.taken[0]["subject_request_id"].(string)
		done := p.says(id, client.Completed)
		if err := h.HearProcessor(t.Context(), q.ID, made.ID, p.signs(t, key, done), done); !fail.Is(err, fail.Forbidden) {
			t.Errorf("got %v", err)
		}
	})
}

func TestATokenGoesNowhereElse(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := newProcessor(t, ecKey(t), h.clk.Now())
	var seen string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		seen += q.Header.Get("Authorization")
		w.WriteHeader(http.StatusCreated)
	}))
	defer thief.Close()
	q, made := h.sendTo(t, p)
	changed, err := h.ChangeRecipient(t.Context(), h.t, made.ID, func(r *rights.Recipient) { r.Name = "Processor" })
	if err != nil || !changed.HasToken {
		t.Errorf("renamed: %+v, %v", changed, err)
	}
	changed, err = h.ChangeRecipient(t.Context(), h.t, made.ID, func(r *rights.Recipient) { r.URL = thief.URL })
	if err != nil || changed.HasToken {
		t.Errorf("moved: %+v, %v", changed, err)
	}
	h.tellDue(t, 1)
	if told, _ := h.atProcessor(t, q); told.State != rights.TellSent || seen != "" {
		t.Errorf("it is %+v, and the token %q went along", told, seen)
	}
	for name, r := range map[string]rights.Recipient{
		"a token for a letter": {Name: "x", Contact: "x", Categories: []string{"c"}, Way: rights.ByLetter, Token: "t"},
		"a token of two lines": {Name: "x", Contact: "x", Categories: []string{"c"}, Way: rights.ByOpenDSR, URL: "https://x.example", Token: "a\nb"},
	} {
		if _, err := h.AddRecipient(t.Context(), h.t, r); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// noReceipts is a ledger that takes entries and can't prove them for a while.
type noReceipts struct {
	rights.Ledger
	err error
}

func (l *noReceipts) Receipt(ctx context.Context, t id.Tenant, index int64, open func([]byte) ([]byte, error)) (*verify.Receipt, error) {
	if l.err != nil {
		return nil, l.err
	}
	return l.Ledger.Receipt(ctx, t, index, open)
}

func TestAnAmendmentThatStoppedHalfwayGoesOnAndTheOldCertificateHoldsMeanwhile(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	broken := &noReceipts{Ledger: h.deps.Ledger}
	h.deps.Ledger = broken
	h.Room = rights.New(h.deps)
	p := newProcessor(t, ecKey(t), h.clk.Now())
	q, _ := h.sendTo(t, p)
	h.tellDue(t, 1)
	p.status = client.Completed
	h.clk.Advance(time.Minute)
	h.tellDue(t, 1)
	broken.err = errors.New("the disk is full")
	for range 2 {
		if n, err := h.Amend(t.Context()); err == nil || n != 0 {
			t.Errorf("%d were signed: %v", n, err)
		}
	}
	if all, amended := h.certified(t, q); all[0].Confirmed || amended != "" {
		t.Errorf("the certificate names %+v, amended %q", all, amended)
	}
	broken.err = nil
	if n, err := h.Amend(t.Context()); err != nil || n != 1 {
		t.Errorf("%d were signed: %v", n, err)
	}
	if all, amended := h.certified(t, q); !all[0].Confirmed || amended == "" {
		t.Errorf("the certificate names %+v, amended %q", all, amended)
	}
}
