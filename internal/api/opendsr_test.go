package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"probity/internal/clock"
	"probity/internal/opendsr"
	"probity/internal/rights"
	"probity/internal/store"
)

// newOpenDSR is the room with a certificate of its own.
func newOpenDSR(t testing.TB, db *store.DB, r *rights.Room, clk clock.Clock) *opendsr.Room {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"probity.test"}, NotBefore: clk.Now(), NotAfter: clk.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	must(err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	room, err := opendsr.New(db, r, clk, slog.New(slog.DiscardHandler), opendsr.Options{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}),
	})
	must(err)
	must(room.Migrate(t.Context()))
	return room
}

func TestAControllerHasAnErasureCarriedOutOverOpenDSR(t *testing.T) {
	h := newHouse(t)
	found := h.do(t, "GET", "/opendsr/v2/discovery", "").want(t, 200)
	address, _ := found.at("processor_certificate").(string)
	_, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	file := h.do(t, "GET", "/"+path, "").want(t, 200)
	block, _ := pem.Decode(file.body)
	if block == nil {
		t.Fatalf("at %s there is no certificate: %s", address, file.body)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(a *answer) {
		t.Helper()
		signature, err := base64.StdEncoding.DecodeString(a.header.Get(opendsr.SignatureHeader))
		sum := sha256.Sum256(a.body)
		if err != nil || !ecdsa.VerifyASN1(certificate.PublicKey.(*ecdsa.PublicKey), sum[:], signature) || a.header.Get(opendsr.DomainHeader) != "probity.test" {
			t.Errorf("the answer is not signed: %s", a.body)
		}
	}
	signed(found)
	const subject = "a7551968-d5d6-44b2-9831-815ac9017798"
	body := `{"regulation":"gdpr","subject_request_id":"` + subject + `","subject_request_type":"erasure","submitted_time":"2026-01-02T10:00:00Z","subject_identities":[{"identity_type":"email","identity_value":"ann@example.com","identity_format":"raw"}]}`
	made := h.call(t, "POST", "/opendsr/v2/requests", body).want(t, 201)
	signed(made)
	if raw, err := base64.StdEncoding.DecodeString(made.at("encoded_request").(string)); err != nil || string(raw) != body {
		t.Errorf("the request came back as %s, %v", raw, err)
	}
	list := h.call(t, "GET", "/probity/v1/requests", "").want(t, 200)
	h.finished(t, list.at("requests").([]any)[0].(map[string]any)["id"].(string))
	done := h.call(t, "GET", "/opendsr/v2/requests/"+subject, "").want(t, 200)
	signed(done)
	if done.at("request_status") != "completed" {
		t.Errorf("it is %s", done.body)
	}
	if a := h.call(t, "DELETE", "/opendsr/v2/requests/"+subject, "").want(t, 400); !strings.Contains(string(a.body), `"error":{"code":400`) {
		t.Errorf("what is done was cancelled: %s", a.body)
	}
	h.call(t, "GET", "/opendsr/v2/requests/a7551968-d5d6-44b2-9831-815ac9017799", "").want(t, 404)
	if a := h.call(t, "POST", "/opendsr/v2/requests", `{}`).want(t, 400); !strings.Contains(string(a.body), "subject_request_id") {
		t.Errorf("got %s", a.body)
	}
}
