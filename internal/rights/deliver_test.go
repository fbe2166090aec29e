package rights_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"crypto/sha256"

	"golang.org/x/mod/sumdb/note"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// receiver is another service that takes people's data over.
type receiver struct {
	*httptest.Server
	status int
	got    [][]byte
	last   http.Header
}

func newReceiver(t *testing.T, h *house) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusCreated}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		if r.last = q.Header; r.status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		if r.status == http.StatusCreated {
			r.got = append(r.got, body)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(r.Certificate())
	h.deps.Push = rights.Push{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, TLS: &tls.Config{RootCAs: trusted}}
	h.Room = rights.New(h.deps)
	return r
}

func (h *house) deliver(t *testing.T, room *rights.Room, want int) {
	t.Helper()
	if n, err := room.Deliver(t.Context()); n != want || err != nil {
		t.Fatalf("%d packages were taken, %v; want %d", n, err, want)
	}
}

func TestAPortabilityPackageIsSentWhereThePersonWants(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		other := newReceiver(t, h)
		p := h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Portability, Who: rights.Who{EmailAddresses: []string{p.email}}, DeliverTo: other.URL + "/take?over=1"})
		for _, refused := range []int{http.StatusServiceUnavailable, http.StatusFound} {
			other.status = refused
			h.deliver(t, h.Room, 0)
			d, err := h.DeliveryOf(t.Context(), h.t, q.ID)
			if err != nil || d == nil || d.NextTry == nil || d.Taken != nil || !strings.HasPrefix(d.Outcome, "HTTP ") {
				t.Fatalf("after %d: %+v, %v", refused, d, err)
			}
			h.deliver(t, h.Room, 0) // it is not due yet
			if again, err := h.DeliveryOf(t.Context(), h.t, q.ID); err != nil || again.Tries != d.Tries {
				t.Fatalf("it was tried too early: %+v, %v", again, err)
			}
			h.clk.Advance(time.Hour)
		}
		other.status = http.StatusCreated
		h.deliver(t, h.Room, 1)
		h.deliver(t, h.Room, 0)
		d, err := h.DeliveryOf(t.Context(), h.t, q.ID)
		if err != nil || d.Taken == nil || d.NextTry != nil || d.Tries != 3 || len(other.got) != 1 {
			t.Fatalf("%+v, %v, taken %d times", d, err, len(other.got))
		}
		if files := unpack(t, other.got[0]); files["journey!events.json"] == nil || files["journey!events.schema.json"] == nil || files["journey!visits.json"] != nil {
			t.Error("what was sent is no portability package")
		}
		key, err := h.ledger.VerifierKey(t.Context(), h.t)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := base64.StdEncoding.DecodeString(other.last.Get(rights.DeliverySignature))
		if err != nil {
			t.Fatal(err)
		}
		n, err := note.Open(signed, note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(other.got[0])
		if want := rights.DeliveryType + "\n" + q.ID.String() + "\n" + hex.EncodeToString(sum[:]) + "\n"; !strings.HasPrefix(n.Text, want) {
			t.Errorf("signed was %q", n.Text)
		}
		again, err := h.Get(t.Context(), h.t, q.ID)
		if err != nil || again.Package.Downloads != 1 {
			t.Errorf("the sending is not logged: %+v, %v", again.Package, err)
		}
	})
}

func TestAPackageIsNotSentIntoAPrivateNetwork(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	other := newReceiver(t, h)
	h.deps.Push.Allow = nil
	var log bytes.Buffer
	h.deps.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h.Room = rights.New(h.deps)
	p := h.newPerson(t)
	for _, address := range []string{other.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), strings.Replace(other.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		q := h.carryOut(t, rights.Request{Type: rights.Portability, Who: rights.Who{EmailAddresses: []string{p.email}}, DeliverTo: address})
		h.deliver(t, h.Room, 0)
		d, err := h.DeliveryOf(t.Context(), h.t, q.ID)
		if err != nil || !strings.Contains(d.Outcome, "private network") || other.last != nil {
			t.Errorf("%s: %+v, %v", address, d, err)
		}
		h.clk.Advance(rights.PackageTTL)
		h.deliver(t, h.Room, 0)
		if d, err = h.DeliveryOf(t.Context(), h.t, q.ID); err != nil || d.NextTry != nil || !strings.HasPrefix(d.Outcome, "given up") {
			t.Errorf("%s, after it expired: %+v, %v", address, d, err)
		}
	}
	if strings.Contains(log.String(), "127.0.0.1") {
		t.Error("the log holds the address")
	}
}

func TestOnlyPackagesThatCanBeTakenElsewhereAreSent(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	for _, address := range []string{"http://other.example/", "https://", "https://me:secret@other.example/", "ftp://other.example/", "//other.example", "https://other.example/" + strings.Repeat("x", 2000)} {
		_, err := h.Submit(t.Context(), h.t, rights.Request{Type: rights.Portability, Who: rights.Who{Subjects: []id.Subject{p.subject}}, DeliverTo: address})
		wantKind(t, err, fail.Invalid)
	}
	_, err := h.Submit(t.Context(), h.t, rights.Request{Type: rights.Access, Who: rights.Who{Subjects: []id.Subject{p.subject}}, DeliverTo: "https://other.example/"})
	wantKind(t, err, fail.Invalid)
}
