// Package mail sends letters by SMTP. A letter is first kept in the database, sealed, and is sent from
// there: it survives a crash, waits for a mail server that is down, and is given up by name when the
// server refuses it for good. Addresses stand in no log and no error.
//
// DKIM, SPF and bounces are the mail server's business.
package mail

import (
	"context"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

// Letter is one message to one person, in plain text.
type Letter struct {
	To       string            // an e-mail address
	Topic    string            // what kind of letter, such as "optin"; stands in the clear, and in metrics
	Subject  string            // one line
	Text     string            // plain text, lines separated by \n
	Language string            // of the text, a BCP 47 tag
	Headers  map[string]string // more headers, such as List-Unsubscribe; each one line
	About    id.Subject        // whom it is about, so that an erasure takes it along; zero: nobody who is known
	Receiver id.Subject        // whom it goes to, if that is somebody else, for the same reason
}

// Keys seals letters. *vault.Vault implements it.
type Keys interface {
	// SealTenant encrypts under the tenant's key, bound to aad.
	SealTenant(ctx context.Context, t id.Tenant, aad, plain []byte) ([]byte, error)
	// OpenTenant reverses SealTenant.
	OpenTenant(ctx context.Context, t id.Tenant, aad, sealed []byte) ([]byte, error)
}

// Options are what the operator decides.
type Options struct {
	// URL is smtp://user:password@host:port, which must offer STARTTLS unless the host is this machine,
	// or smtps://… for TLS from the first byte. Ports default to 587 and 465. Empty: nothing is sent,
	// and letters are refused.
	URL string
	// From is the address that letters come from, such as "Shop <privacy@shop.example>".
	From string
	// TLS replaces the machine's certificate pool and host name check; nil is right outside of tests.
	TLS *tls.Config
}

//go:embed migrations/*.sql
var migrations embed.FS

// Room keeps and sends letters. It is safe for concurrent use.
type Room struct {
	db     *store.DB
	keys   Keys
	clk    clock.Clock
	log    *slog.Logger
	server *server // nil: no mail server is set
}

// New returns the room. Call Migrate before anything else, and Run to have letters sent.
//
// Errors: fail.Invalid for settings that can't be used.
func New(db *store.DB, keys Keys, clk clock.Clock, log *slog.Logger, o Options) (*Room, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Room{db: db, keys: keys, clk: clk, log: log}
	if o.URL == "" {
		return r, nil
	}
	var err error
	r.server, err = parseServer(o)
	return r, err
}

// Migrate creates or updates the room's tables.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "mail", files)
}

// Enabled tells whether a mail server is set.
func (r *Room) Enabled() bool { return r.server != nil }

// Send keeps the letter and returns when that is durable; it is sent soon after. An accepted letter is
// sent, or is found among the dead ones.
//
// Errors: fail.Invalid for a letter that can't be sent as it is; fail.Unavailable with code mail.off
// if no mail server is set.
func (r *Room) Send(ctx context.Context, t id.Tenant, l Letter) error {
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error { return r.SendTx(ctx, tx, l) })
	if err != nil {
		return unavailable(err, "keep a letter")
	}
	return nil
}

// SendTx is Send within the caller's transaction: the letter is sent if and only if that commits.
func (r *Room) SendTx(ctx context.Context, tx *store.Tx, l Letter) error {
	if r.server == nil {
		return fail.New(fail.Unavailable, "No mail server is set. Start the server with --smtp-url and --mail-from.").WithCode("mail.off")
	}
	if err := l.check(); err != nil {
		return err
	}
	t, letter, now := tx.TenantID(), id.New(), r.clk.Now().UnixMicro()
	plain, err := json.Marshal(l)
	if err != nil {
		return err
	}
	sealed, err := r.keys.SealTenant(ctx, t, aad(t, letter), plain)
	if err != nil {
		return unavailable(err, "seal a letter")
	}
	var about any
	if !l.About.IsZero() {
		about = l.About
	}
	var receiver any
	if !l.Receiver.IsZero() {
		receiver = l.Receiver
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO mail_letter (tenant_id, id, subject, receiver_subject, topic, sealed, made, due, attempts, state, problem)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, 'waiting', '')`,
		t, letter, about, receiver, l.Topic, sealed, now)
	return err
}

// maxText bounds a letter's text in bytes: a checkpoint or a notice, never a file.
const maxText = 64 << 10

// check refuses what could smuggle a header or another recipient in.
func (l *Letter) check() error {
	to, err := subject.Normalise(subject.Email, l.To)
	if err != nil {
		return fail.Field("to", "The letter's address is not an e-mail address of the form name@domain.")
	}
	l.To = to
	switch {
	case l.Topic == "" || strings.ContainsFunc(l.Topic, func(c rune) bool { return c < 'a' || c > 'z' }):
		return fail.Field("topic", "The letter's topic must be a word of lower case letters.")
	case strings.TrimSpace(l.Subject) == "" || !oneLine(l.Subject):
		return fail.Field("subject", "The letter's subject must be one line.")
	case strings.TrimSpace(l.Text) == "" || len(l.Text) > maxText || !utf8.ValidString(l.Text):
		return fail.Field("text", "The letter's text must have between 1 and %d bytes.", maxText)
	case !oneLine(l.Language):
		return fail.Field("language", "The letter's language is not a language tag.")
	}
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		if !headerName.MatchString(name) || textproto.CanonicalMIMEHeaderKey(name) != name || reserved[name] || !oneLine(l.Headers[name]) {
			return fail.Field("headers", "The letter has a header that can't be set.")
		}
	}
	return nil
}

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,60}$`)

// reserved are the headers that the room sets itself.
var reserved = map[string]bool{
	"From": true, "To": true, "Cc": true, "Bcc": true, "Sender": true, "Reply-To": true, "Subject": true, "Date": true,
	"Message-Id": true, "Mime-Version": true, "Content-Type": true, "Content-Transfer-Encoding": true, "Auto-Submitted": true,
}

func oneLine(s string) bool {
	return len(s) <= 998 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// Dead is a letter that was given up.
type Dead struct {
	ID       uuid.UUID
	Topic    string
	Made     time.Time
	Attempts int
	Problem  string // why, without address
}

// Dead returns the letters that were given up, newest first, at most limit.
func (r *Room) Dead(ctx context.Context, t id.Tenant, limit int) (list []Dead, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT id, topic, made, attempts, problem FROM mail_letter
			WHERE tenant_id = $1 AND state = 'dead' ORDER BY made DESC, id LIMIT $2`, t, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d Dead
			var made int64
			if err := rows.Scan(&d.ID, &d.Topic, &made, &d.Attempts, &d.Problem); err != nil {
				return err
			}
			d.Made = time.UnixMicro(made).UTC()
			list = append(list, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "list the letters that were given up")
	}
	return list, nil
}

// Waiting returns how many letters are to be sent.
func (r *Room) Waiting(ctx context.Context, t id.Tenant) (n int64, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM mail_letter WHERE tenant_id = $1 AND state = 'waiting'`, t).Scan(&n)
	})
	if err != nil {
		return 0, unavailable(err, "count the letters that wait")
	}
	return n, nil
}

// Erase deletes the letters about the subjects, and those to them, and returns how many there were.
func (r *Room) Erase(ctx context.Context, tx *store.Tx, subjects []id.Subject) (n int64, err error) {
	for _, s := range subjects {
		one, err := tx.Exec(ctx, `DELETE FROM mail_letter WHERE tenant_id = $1 AND (subject = $2 OR receiver_subject = $2)`, tx.TenantID(), s)
		if err != nil {
			return n, err
		}
		n += one
	}
	return n, nil
}

// aad binds a sealed letter to its row.
func aad(t id.Tenant, letter uuid.UUID) []byte {
	b := append([]byte("probity/mail/letter/v1\x00"), t[:]...)
	return append(b, letter[:]...)
}

// unavailable keeps failures that already have a kind and turns all others into Unavailable.
func unavailable(err error, doing string) error {
	if _, ok := errors.AsType[*fail.Error](err); ok {
		return err
	}
	return fail.Wrap(fail.Unavailable, err, "Could not %s", doing)
}
