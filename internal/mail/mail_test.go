package mail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	smtp "github.com/emersion/go-smtp"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/mail"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// office is a real mail server on a loopback port.
type office struct {
	addr string
	pool *x509.CertPool

	mu     sync.Mutex // guards what follows
	refuse error      // of every recipient
	took   []string   // whole messages
	rcpt   []string
	secure bool // the last message came over TLS
	user   string
}

func openOffice(t *testing.T, implicit bool) *office {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, DNSNames: []string{"mail.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{pool: x509.NewCertPool()}
	o.pool.AddCert(parsed)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s := smtp.NewServer(o)
	s.Domain, s.TLSConfig, s.ErrorLog = "mail.test", config, quiet{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = listener.Addr().String()
	if implicit {
		listener = tls.NewListener(listener, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return o
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// NewSession implements smtp.Backend.
func (o *office) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{o, c}, nil }

type session struct {
	*office
	conn *smtp.Conn
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "clerk" || password != "p@ss" {
			return errors.New("wrong")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.user = user
		return nil
	}), nil
}

func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == nil {
		s.rcpt = append(s.rcpt, to)
	}
	return s.refuse
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, s.secure = s.conn.TLSConnectionState()
	s.took = append(s.took, string(b))
	return err
}

func (o *office) set(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse = err
}

func (o *office) mails() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.took...)
}

type desk struct {
	*mail.Room
	db     *store.DB
	clk    *clock.Fake
	tenant id.Tenant
	log    *bytes.Buffer
}

func newDesk(t *testing.T, db *store.DB, o *office, scheme string) *desk {
	t.Helper()
	d := &desk{db: db, clk: clock.NewFake(noon), tenant: id.NewTenant(), log: &bytes.Buffer{}}
	v, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{7}, d.clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.Room, err = mail.New(db, v, d.clk, slog.New(slog.NewTextHandler(d.log, nil)), mail.Options{
		URL: scheme + "://clerk:p%40ss@" + o.addr, From: "Shop <privacy@shop.example>",
		TLS: &tls.Config{RootCAs: o.pool, ServerName: "mail.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) deliver(t *testing.T) int {
	t.Helper()
	n, err := d.Deliver(t.Context(), d.tenant)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func letter() mail.Letter {
	return mail.Letter{
		To: "ada@example.org", Topic: "optin", Subject: "Please confirm", Text: "Grüße\nhttps://shop.example/privacy/l/abc\n", Language: "en",
		Headers: map[string]string{"List-Unsubscribe": "<https://shop.example/privacy/l/abc>"},
	}
}

func TestALetterIsSentOnceOverTLSAndThenForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, scheme := range []string{"smtp", "smtps"} {
			o := openOffice(t, scheme == "smtps")
			d := newDesk(t, db, o, scheme)
			if err := d.Send(t.Context(), d.tenant, letter()); err != nil {
				t.Fatal(err)
			}
			if n, err := d.Waiting(t.Context(), d.tenant); n != 1 || err != nil {
				t.Fatalf("%d letters wait (%v)", n, err)
			}
			if n := d.deliver(t); n != 1 {
				t.Fatalf("%s: %d letters were sent: %s", scheme, n, d.log)
			}
			if n := d.deliver(t); n != 0 || len(o.mails()) != 1 {
				t.Fatalf("%s: the letter was sent again", scheme)
			}
			got := o.mails()[0]
			for _, want := range []string{
				"From: \"Shop\" <privacy@shop.example>\r\n", "To: <ada@example.org>\r\n", "Subject: Please confirm\r\n",
				"Auto-Submitted: auto-generated\r\n", "Content-Language: en\r\n", "List-Unsubscribe: <https://shop.example/privacy/l/abc>\r\n",
			} {
				if !strings.Contains(got, want) {
					t.Errorf("%s: the message lacks %q:\n%s", scheme, want, got)
				}
			}
			if !o.secure || o.user != "clerk" {
				t.Errorf("%s: over TLS: %v, signed in as %q", scheme, o.secure, o.user)
			}
			if n, err := d.Waiting(t.Context(), d.tenant); n != 0 || err != nil {
				t.Errorf("%d letters are left (%v)", n, err)
			}
		}
	})
}

func TestALetterWaitsForAMailServerThatIsBusyAndIsGivenUpByNameWhenRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := openOffice(t, false)
		d := newDesk(t, db, o, "smtp")
		if err := d.Send(t.Context(), d.tenant, letter()); err != nil {
			t.Fatal(err)
		}
		o.set(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back, ada@example.org"})
		if n := d.deliver(t); n != 0 {
			t.Fatal("a refused letter counts as sent")
		}
		if n := d.deliver(t); n != 0 || len(o.mails()) != 0 {
			t.Fatal("the letter did not wait")
		}
		d.clk.Advance(time.Minute)
		o.set(nil)
		if n := d.deliver(t); n != 1 {
			t.Fatalf("the letter was not tried again: %s", d.log)
		}
		o.set(&smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user ada@example.org"})
		if err := d.Send(t.Context(), d.tenant, letter()); err != nil {
			t.Fatal(err)
		}
		d.deliver(t)
		dead, err := d.Dead(t.Context(), d.tenant, 10)
		if err != nil || len(dead) != 1 || dead[0].Topic != "optin" || !strings.Contains(dead[0].Problem, "550") {
			t.Fatalf("the dead letters are %+v (%v)", dead, err)
		}
		if strings.Contains(d.log.String(), "ada@") || strings.Contains(dead[0].Problem, "@") {
			t.Errorf("an address got into the log or the problem:\n%s", d.log)
		}
	})
}

func TestALetterIsGivenUpAfterThreeDaysWithoutAMailServer(t *testing.T) {
	o := openOffice(t, false)
	d := newDesk(t, storetest.SQLite(t), o, "smtp")
	o.set(&smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "closed"})
	if err := d.Send(t.Context(), d.tenant, letter()); err != nil {
		t.Fatal(err)
	}
	tries := 0
	for range 100 {
		d.deliver(t)
		tries++
		if n, _ := d.Waiting(t.Context(), d.tenant); n == 0 {
			break
		}
		d.clk.Advance(24 * time.Hour)
	}
	if dead, err := d.Dead(t.Context(), d.tenant, 10); err != nil || len(dead) != 1 || tries != 10 || dead[0].Attempts != 10 {
		t.Errorf("after %d tries the dead letters are %+v (%v)", tries, dead, err)
	}
}

func TestWhatCouldSmuggleAHeaderInIsRefused(t *testing.T) {
	o := openOffice(t, false)
	d := newDesk(t, storetest.SQLite(t), o, "smtp")
	for name, change := range map[string]func(*mail.Letter){
		"two addresses":       func(l *mail.Letter) { l.To = "a@example.org, b@example.org" },
		"a newline in To":     func(l *mail.Letter) { l.To = "a@example.org\r\nBcc: b@example.org" },
		"a newline in title":  func(l *mail.Letter) { l.Subject = "x\r\nBcc: b@example.org" },
		"a header of ours":    func(l *mail.Letter) { l.Headers = map[string]string{"Bcc": "b@example.org"} },
		"a newline in header": func(l *mail.Letter) { l.Headers = map[string]string{"X-A": "b\r\nBcc: c@example.org"} },
		"a colon in a name":   func(l *mail.Letter) { l.Headers = map[string]string{"Bcc: x\r\nX": "b"} },
		"no text":             func(l *mail.Letter) { l.Text = " " },
	} {
		l := letter()
		change(&l)
		if err := d.Send(t.Context(), d.tenant, l); !fail.Is(err, fail.Invalid) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "example.org") {
			t.Errorf("%s: the error holds an address: %v", name, err)
		}
	}
}

func TestARemoteServerWithoutTLSGetsNothing(t *testing.T) {
	_, err := mail.New(nil, nil, clock.NewFake(noon), nil, mail.Options{URL: "http://mail.example", From: "a@shop.example"})
	if !fail.Is(err, fail.Invalid) {
		t.Errorf("a URL of another kind: %v", err)
	}
	_, err = mail.New(nil, nil, clock.NewFake(noon), nil, mail.Options{URL: "smtp://u:secret@mail.example:nine", From: "a@shop.example"})
	if !fail.Is(err, fail.Invalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad port: %v", err)
	}
	off, err := mail.New(storetest.SQLite(t), nil, clock.NewFake(noon), nil, mail.Options{})
	if err != nil || off.Enabled() {
		t.Fatalf("without a server: %v", err)
	}
	if err := off.Send(t.Context(), id.NewTenant(), letter()); !fail.Is(err, fail.Unavailable) {
		t.Errorf("without a server a letter gives %v", err)
	}
}
