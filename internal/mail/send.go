package mail

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	smtp "github.com/wneessen/go-mail"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// server is where letters are handed in.
type server struct {
	host    string
	from    *netmail.Address
	options []smtp.Option
}

func parseServer(o Options) (*server, error) {
	// The URL holds a password: no error repeats it.
	u, err := url.Parse(o.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, fail.Field("smtp-url", "smtp-url: the mail server must be named as smtp://user:password@host:port or smtps://…")
	}
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fail.Field("mail-from", "mail-from: the sender must be an address such as privacy@shop.example")
	}
	s := &server{host: u.Hostname(), from: from}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
		s.options = append(s.options, smtp.WithSSL())
	} else if ip := net.ParseIP(s.host); s.host == "localhost" || ip != nil && ip.IsLoopback() {
		s.options = append(s.options, smtp.WithTLSPolicy(smtp.TLSOpportunistic))
	} else {
		s.options = append(s.options, smtp.WithTLSPolicy(smtp.TLSMandatory))
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fail.Field("smtp-url", "smtp-url: the port is not a number between 1 and 65535")
		}
	}
	config := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		config = o.TLS.Clone()
	}
	s.options = append(s.options, smtp.WithPort(port), smtp.WithTimeout(30*time.Second), smtp.WithTLSConfig(config), smtp.WithoutNoop())
	if u.User != nil {
		password, _ := u.User.Password()
		s.options = append(s.options, smtp.WithSMTPAuth(smtp.SMTPAuthAutoDiscover), smtp.WithUsername(u.User.Username()), smtp.WithPassword(password))
	}
	return s, nil
}

// send hands one letter to the mail server.
func (s *server) send(ctx context.Context, letter uuid.UUID, l *Letter, made time.Time) error {
	m := smtp.NewMsg(smtp.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	if err := m.To(l.To); err != nil {
		return err
	}
	m.Subject(l.Subject)
	m.SetDateWithValue(made)
	// A letter that is handed in twice, because the answer to the first got lost, keeps its id.
	m.SetMessageIDWithValue(letter.String() + "@" + s.host)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if l.Language != "" {
		m.SetGenHeader(smtp.HeaderContentLang, l.Language)
	}
	for name, value := range l.Headers {
		// These must not be folded inside a URL or encoded (RFC 8058 §2).
		m.SetGenHeaderPreformatted(smtp.Header(name), value)
	}
	m.SetBodyString(smtp.TypeTextPlain, l.Text)
	client, err := smtp.NewClient(s.host, s.options...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, m)
}

// waits are the pauses after each failed attempt. After the last one, three days in all, a letter is
// given up.
var waits = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour,
	12 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

// lease is how long a letter that is being sent is left alone by other processes.
const lease = 5 * time.Minute

// pause is how often Run looks for letters.
const pause = 2 * time.Second

// Run sends letters of the tenants that are due until ctx ends.
func (r *Room) Run(ctx context.Context, tenants func(context.Context) ([]id.Tenant, error)) error {
	if r.server == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		all, err := tenants(ctx)
		if err != nil {
			r.log.Warn("the organisations could not be listed", "error", err)
			continue
		}
		for _, t := range all {
			if _, err := r.Deliver(ctx, t); err != nil && ctx.Err() == nil {
				r.log.Warn("letters could not be read; they are tried again", "tenant", t, "error", err)
			}
		}
	}
}

// Deliver tries each letter of the tenant that is due once, and returns how many the mail server took.
// A letter that is refused for good, or for three days, becomes a dead one: its content is deleted and
// its name stays.
func (r *Room) Deliver(ctx context.Context, t id.Tenant) (sent int, err error) {
	if r.server == nil {
		return 0, nil
	}
	for ctx.Err() == nil {
		w, err := r.claim(ctx, t)
		if err != nil || w == nil {
			return sent, err
		}
		problem, forGood := r.attempt(ctx, t, w)
		if ctx.Err() != nil {
			return sent, nil // whether it was sent is not known; the lease runs out and it is tried again
		}
		if err := r.settle(ctx, t, w, problem, forGood); err != nil {
			return sent, err
		}
		if problem == "" {
			sent++
		}
	}
	return sent, nil
}

// waiting is a letter that this process has taken to send.
type waiting struct {
	id       uuid.UUID
	topic    string
	sealed   []byte
	made     time.Time
	attempts int
}

// claim takes the letter that has waited longest, nil if none is due.
func (r *Room) claim(ctx context.Context, t id.Tenant) (w *waiting, err error) {
	now := r.clk.Now()
	look := func(tx *store.Tx) (*waiting, error) {
		rows, err := tx.Query(ctx, `
			SELECT id, topic, sealed, made, attempts FROM mail_letter
			WHERE tenant_id = $1 AND state = 'waiting' AND due <= $2 ORDER BY due, id LIMIT 1`, t, now.UnixMicro())
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		if !rows.Next() {
			return nil, rows.Err()
		}
		var w waiting
		var made int64
		if err := rows.Scan(&w.id, &w.topic, &w.sealed, &made, &w.attempts); err != nil {
			return nil, err
		}
		w.made = time.UnixMicro(made).UTC()
		return &w, nil
	}
	// As a rule there is none: look without holding up those who write.
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		w, err = look(tx)
		return err
	})
	if err != nil || w == nil {
		return nil, err
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if w, err = look(tx); err != nil || w == nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE mail_letter SET due = $3, attempts = attempts + 1 WHERE tenant_id = $1 AND id = $2`,
			t, w.id, now.Add(lease).UnixMicro())
		w.attempts++
		return err
	})
	return w, err
}

// attempt sends the letter. problem is empty if the server took it, and never holds an address.
func (r *Room) attempt(ctx context.Context, t id.Tenant, w *waiting) (problem string, forGood bool) {
	plain, err := r.keys.OpenTenant(ctx, t, aad(t, w.id), w.sealed)
	if fail.Is(err, fail.Unavailable) {
		return "the key store is out of reach", false
	}
	var l Letter
	if err == nil {
		err = json.Unmarshal(plain, &l)
	}
	if err != nil {
		return "the letter can't be opened", true
	}
	err = r.server.send(ctx, w.id, &l, w.made)
	if err == nil {
		return "", false
	}
	if refused, ok := errors.AsType[*smtp.SendError](err); ok {
		code := refused.ErrorCode()
		return fmt.Sprintf("refused by the mail server with %d %s", code, refused.EnhancedStatusCode()), !refused.IsTemp() && code >= 500
	}
	// The cause may quote what the server said, and that an address.
	return "the mail server could not be reached or spoken to", false
}

// settle deletes what was sent, and has what was not tried again or given up.
func (r *Room) settle(ctx context.Context, t id.Tenant, w *waiting, problem string, forGood bool) error {
	dead := problem != "" && (forGood || w.attempts > len(waits))
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var err error
		switch {
		case problem == "":
			_, err = tx.Exec(ctx, `DELETE FROM mail_letter WHERE tenant_id = $1 AND id = $2`, t, w.id)
		case dead:
			_, err = tx.Exec(ctx, `
				UPDATE mail_letter SET state = 'dead', sealed = $3, subject = NULL, problem = $4
				WHERE tenant_id = $1 AND id = $2`, t, w.id, []byte{}, problem)
		default:
			_, err = tx.Exec(ctx, `UPDATE mail_letter SET due = $3, problem = $4 WHERE tenant_id = $1 AND id = $2`,
				t, w.id, r.clk.Now().Add(waits[w.attempts-1]).UnixMicro(), problem)
		}
		return err
	})
	if err != nil {
		return unavailable(err, "note what became of a letter")
	}
	switch {
	case dead:
		r.log.Error("a letter was given up", "tenant", t, "letter", w.id, "topic", w.topic, "attempts", w.attempts, "problem", problem)
	case problem != "":
		r.log.Warn("a letter was not taken; it is tried again", "tenant", t, "letter", w.id, "topic", w.topic, "attempts", w.attempts, "problem", problem)
	}
	return nil
}
