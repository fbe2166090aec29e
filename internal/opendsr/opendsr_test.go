package opendsr_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/opendsr"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// desk keeps requests in memory, as the rights room keeps them in its tables.
type desk struct {
	byKey map[string]*rights.Request
	byID  map[uuid.UUID]*rights.Request
}

func (d *desk) OpenOnce(_ context.Context, t id.Tenant, _ rights.Actor, key string, _ int, item rights.Item) (*rights.Request, error) {
	if q := d.byKey[key]; q != nil {
		return q, nil
	}
	q := item.Request
	q.ID, q.Tenant, q.State, q.DueAt = id.New(), t, rights.Received, noon.AddDate(0, 1, 0)
	d.byKey[key], d.byID[q.ID] = &q, &q
	return &q, nil
}

func (d *desk) Get(_ context.Context, _ id.Tenant, request uuid.UUID) (*rights.Request, error) {
	if q := d.byID[request]; q != nil {
		return q, nil
	}
	return nil, fail.New(fail.NotFound, "there is no such request")
}

func (d *desk) Act(_ context.Context, _ id.Tenant, request uuid.UUID, a rights.Act) (*rights.Request, error) {
	q := d.byID[request]
	if a.Do == rights.MoveWithdraw {
		q.State, q.FinishedAt = rights.Withdrawn, noon
	}
	return q, nil
}

type office struct {
	*opendsr.Room
	desk *desk
	t    id.Tenant
	by   uuid.UUID
	clk  *clock.Fake
	key  *ecdsa.PrivateKey
}

func newOffice(t *testing.T, db *store.DB) *office {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "privacy.example"}, DNSNames: []string{"privacy.example"}, NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{desk: &desk{map[string]*rights.Request{}, map[uuid.UUID]*rights.Request{}}, t: id.NewTenant(), by: id.New(), clk: clock.NewFake(noon), key: key}
	o.Room, err = opendsr.New(db, o.desk, o.clk, slog.New(slog.DiscardHandler), opendsr.Options{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// verified tells whether a body is signed by the office.
func (o *office) verified(h http.Header, body []byte) bool {
	signature, err := base64.StdEncoding.DecodeString(h.Get(opendsr.SignatureHeader))
	sum := sha256.Sum256(body)
	return err == nil && h.Get(opendsr.DomainHeader) == "privacy.example" && ecdsa.VerifyASN1(&o.key.PublicKey, sum[:], signature)
}

const (
	subject = "a7551968-d5d6-44b2-9831-815ac9017798"
	erasure = `{"regulation":"gdpr","subject_request_id":"` + subject + `","subject_request_type":"erasure","submitted_time":"2026-11-28T10:00:00Z",
"subject_identities":[{"identity_type":"email","identity_value":"ann@example.com","identity_format":"raw"}],"api_version":"2.0","status_callback_urls":["CALLBACK"]}`
)

func TestAControllerIsAnsweredAndCalledBackWithSignatures(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := newOffice(t, db)
		up := false
		var heard []map[string]any
		system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			if !o.verified(q.Header, body) {
				t.Errorf("the callback %s is not signed", body)
			}
			if !up {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				t.Error(err)
			}
			heard = append(heard, m)
		}))
		t.Cleanup(system.Close)
		body := strings.Replace(erasure, "CALLBACK", system.URL+"/cb", 1)
		for range 2 { // sent twice, carried out once
			answer, err := o.Submit(t.Context(), o.t, o.by, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if err := o.Write(w, http.StatusCreated, answer); err != nil || !o.verified(w.Header(), w.Body.Bytes()) {
				t.Errorf("the answer is not signed: %v", err)
			}
			for _, member := range []string{"controller_id", "expected_completion_time", "received_time", "encoded_request", "subject_request_id"} {
				if !strings.Contains(w.Body.String(), `"`+member+`"`) {
					t.Errorf("the answer lacks %s: %s", member, w.Body)
				}
			}
		}
		if len(o.desk.byID) != 1 {
			t.Fatalf("there are %d requests", len(o.desk.byID))
		}
		var q *rights.Request
		for _, q = range o.desk.byID {
		}
		if q.Type != rights.Erasure || len(q.Who.EmailAddresses) != 1 || q.Channel != "opendsr" {
			t.Errorf("the request is %+v", q)
		}
		call := func(want int) {
			t.Helper()
			if n, err := o.Call(t.Context()); err != nil || n != want {
				t.Errorf("%d calls were taken, want %d: %v", n, want, err)
			}
		}
		call(0) // still pending: nothing has changed
		q.State = rights.Erasing
		o.clk.Advance(3 * time.Second)
		call(0)
		up = true
		call(0) // not again at once
		o.clk.Advance(3 * time.Second)
		call(1)
		q.State, q.FinishedAt = rights.Verified, o.clk.Now()
		o.clk.Advance(3 * time.Second)
		call(1)
		o.clk.Advance(time.Hour)
		call(0)
		if len(heard) != 2 || heard[0]["request_status"] != "in_progress" || heard[1]["request_status"] != "completed" ||
			heard[1]["subject_request_id"] != subject || heard[1]["status_callback_url"] != system.URL+"/cb" {
			t.Errorf("the controller heard %v", heard)
		}
	})
}

func TestARequestIsCancelledWhileItIsPendingAndByItsControllerOnly(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	if _, err := o.Submit(t.Context(), o.t, o.by, []byte(strings.Replace(erasure, `"CALLBACK"`, "", 1))); err != nil {
		t.Fatal(err)
	}
	v := uuid.MustParse(subject)
	for name, try := range map[string]func() error{
		"another client": func() error { _, err := o.Cancel(t.Context(), o.t, id.New(), v); return err },
		"another tenant": func() error { _, err := o.Status(t.Context(), id.NewTenant(), o.by, v, nil); return err },
		"another id":     func() error { _, err := o.Status(t.Context(), o.t, o.by, uuid.New(), nil); return err },
	} {
		if err := try(); !fail.Is(err, fail.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.Cancel(t.Context(), o.t, o.by, v); err != nil {
		t.Fatal(err)
	}
	answer, err := o.Status(t.Context(), o.t, o.by, v, nil)
	if err != nil || answer.(map[string]any)["request_status"] != "cancelled" {
		t.Errorf("got %v, %v", answer, err)
	}
	if _, err := o.Cancel(t.Context(), o.t, o.by, v); !fail.Is(err, fail.Conflict) {
		t.Errorf("cancelled twice: %v", err)
	}
}

func TestARequestThatTheSpecificationDoesNotKnowIsRefusedWithItsField(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	for name, c := range map[string]struct{ old, new, field string }{
		"an id of version 7":      {subject, "0194a1b2-0000-7000-8000-000000000001", "subject_request_id"},
		"an id in capitals":       {subject, strings.ToUpper(subject), "subject_request_id"},
		"another type":            {`"erasure"`, `"rectification"`, "subject_request_type"},
		"another regulation":      {`"gdpr"`, `"lgpd"`, "regulation"},
		"another version":         {`"2.0"`, `"3.0"`, "api_version"},
		"a digest":                {`"raw"`, `"sha256"`, "subject_identities"},
		"an unknown identity":     {`"email"`, `"roku_publisher_id"`, "subject_identities"},
		"no time":                 {`"submitted_time"`, `"time"`, "submitted_time"},
		"a callback in the clear": {"CALLBACK", "http://shop.example/cb", "status_callback_urls"},
	} {
		_, err := o.Submit(t.Context(), o.t, o.by, []byte(strings.Replace(erasure, c.old, c.new, 1)))
		if !fail.Is(err, fail.Invalid) || !strings.Contains(err.Error(), c.field) && !strings.Contains(err.Error(), "callback") && !strings.Contains(err.Error(), "identity") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
