package browser

import (
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	smtp "github.com/emersion/go-smtp"

	"probity/e2e/chromium"
)

// postbox is a mail server that passes on the letters it takes.
type postbox struct{ letters chan string }

// NewSession implements smtp.Backend.
func (p postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return p, nil }

// Mail implements smtp.Session, as do the rest.
func (postbox) Mail(string, *smtp.MailOptions) error { return nil }
func (postbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (postbox) Reset()                               {}
func (postbox) Logout() error                        { return nil }

func (p postbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err == nil {
		p.letters <- string(text)
	}
	return err
}

// openPostbox starts a mail server that ends with the test, and returns its address.
func openPostbox(t *testing.T) (postbox, string) {
	t.Helper()
	box := postbox{make(chan string, 8)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(box)
	s.Domain = "mail.test"
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return box, "smtp://" + listener.Addr().String()
}

// link waits for a letter and returns the path it leads to.
func (p postbox) link(t *testing.T) string {
	t.Helper()
	select {
	case letter := <-p.letters:
		_, body, _ := strings.Cut(letter, "\r\n\r\n")
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		if err != nil {
			t.Fatalf("the letter can't be read: %v\n%s", err, letter)
		}
		link := regexp.MustCompile(`/privacy/l/\S+`).Find(text)
		if link == nil {
			t.Fatalf("the letter leads nowhere:\n%s", text)
		}
		return string(link)
	case <-time.After(chromium.Patience):
		t.Fatal("no letter came")
		return ""
	}
}

// taken is how many times the server took events; see counting.
const taken = `answers.filter(a => /^202.*events$/.test(a)).length`

// old answers the question for an age.
func old(b *chromium.Tab, band, country string) {
	b.T.Helper()
	b.Visible("select[name=age]")
	b.Script(`document.querySelector('[name=age]').value = '` + band + `'; document.querySelector('[name=country]').value = '` + country + `'`)
	b.Press("[data-probity=next]")
}

func TestF8_AChildsChoiceWaitsForAParent(t *testing.T) {
	box, address := openPostbox(t)
	p := start(t, "serve", "--smtp-url", address, "--mail-from", "privacy@shop.example")
	p.ask("PUT", "/probity/v1/deployments/"+deployment+"/agegate", p.token(), map[string]any{"on": true, "country": "DE"}, http.StatusNoContent, nil)
	site := customer(t, p)
	browser := chromium.Shared(t)

	child := p.tab(t, chromium.New(t, browser))
	child.Before(counting)
	child.Open(site)
	child.Visible(".probity")
	child.Press("[data-probity=accept]")
	old(child, "14", "")
	child.Visible("[name=parent]")
	child.Type("[name=parent]", "parent@home.example")
	child.Press("[data-probity=next]")
	child.Visible("[data-probity=close]")
	child.Press("[data-probity=close]")
	child.Until("!document.querySelector('.probity')")
	child.Holds("local probity_choice", "local _act_parent")

	parent := p.tab(t, chromium.New(t, browser))
	parent.Open(p.base + box.link(t)) // the port was not known to whoever wrote the letter
	parent.Visible("[data-testid=confirm]")
	if n := chromium.Value[int](child, taken); n != 0 {
		t.Errorf("%d events were taken before the parent answered", n)
	}
	parent.Press("[data-testid=confirm]")
	parent.Visible("[data-testid=withdraw]")

	child.Press("[data-privacy-choices]")
	child.Until(taken + " >= 1")
	child.Visible("[data-probity=withdraw_all]")
	child.Holds("cookie _actmu", "local probity_choice")
	child.Press("[data-probity=withdraw_all]")
	child.Until("!document.cookie")

	// The law of another country has another age; and from 16 on nobody else is asked anywhere.
	for country, band := range map[string]string{"AT": "14", "": "16+"} {
		b := p.tab(t, chromium.New(t, browser))
		b.Before(counting)
		b.Open(site)
		b.Visible(".probity")
		b.Press("[data-probity=accept]")
		old(b, band, country)
		b.Until(taken + " >= 1")
	}
}
