package rights

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// Ways in which a recipient is told.
const (
	ByWebhook = "webhook" // a signed call
	ByOpenDSR = "opendsr" // a request as OpenDSR 2.0 has it, for an erasure; anything else is a task for staff
	ByLetter  = "letter"  // a task for staff
)

// Recipient is somebody to whom the organisation discloses data: they must be told of every
// rectification, erasure and restriction (Art. 19 GDPR), and the person is told who they are.
type Recipient struct {
	ID         uuid.UUID `json:"-"`
	Name       string    `json:"name"`
	Contact    string    `json:"contact"`
	Categories []string  `json:"categories"` // of data that they receive; see receives for what follows
	Way        string    `json:"way"`
	URL        string    `json:"url,omitempty"` // of a webhook, or of an OpenDSR service with its version
	Secret     string    `json:"-"`             // signs webhooks; made from the organisation's keys
	Token      string    `json:"-"`             // opens an OpenDSR service; is taken and never handed out
	HasToken   bool      `json:"-"`
	Made       time.Time `json:"-"`

	sealed []byte // the token, as stored
}

const (
	maxRecipients = 200
	maxWords      = 256 // characters of a name or a contact
)

func (p *Recipient) validate() error {
	switch {
	case p.Name == "" || utf8.RuneCountInString(p.Name) > maxWords:
		return fail.Field("name", "A recipient needs a name of at most %d characters.", maxWords)
	case p.Contact == "" || utf8.RuneCountInString(p.Contact) > maxWords:
		return fail.Field("contact", "Say in at most %d characters how the recipient is reached.", maxWords)
	case len(p.Categories) == 0 || len(p.Categories) > 50:
		return fail.Field("categories", "Name the categories of data that the recipient receives, up to 50.")
	}
	for _, c := range p.Categories {
		if c == "" || utf8.RuneCountInString(c) > maxWords {
			return fail.Field("categories", "A category has at most %d characters.", maxWords)
		}
	}
	switch p.Way {
	case ByLetter:
		if p.URL != "" {
			return fail.Field("url", "A recipient who is told by letter has no address of the web.")
		}
	case ByWebhook, ByOpenDSR:
		u, err := url.Parse(p.URL)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
			return fail.Field("url", "The address must be https, and hold no password.")
		}
	default:
		return fail.Field("way", "A recipient is told by webhook, opendsr or letter.")
	}
	return p.checkToken()
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// AddRecipient keeps a recipient. Errors: fail.Invalid and the field; fail.Conflict if there are too many.
func (r *Room) AddRecipient(ctx context.Context, t id.Tenant, p Recipient) (*Recipient, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	p.ID, p.Made = id.New(), micro(r.Clock.Now().UnixMicro())
	sealed, err := r.sealToken(ctx, t, &p)
	if err != nil {
		return nil, err
	}
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_recipient WHERE tenant_id = $1`, t).Scan(&n); err != nil {
			return err
		}
		if n >= maxRecipients {
			return fail.New(fail.Conflict, "There are %d recipients, the most that an organisation can have.", n)
		}
		_, err := tx.Exec(ctx, `INSERT INTO rights_recipient (tenant_id, id, body, made_at, token) VALUES ($1, $2, $3, $4, $5)`,
			t, p.ID[:], string(body), p.Made.UnixMicro(), sealed)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.Token, p.HasToken = "", p.Token != ""
	p.Secret, err = r.recipientSecret(ctx, t, p.ID)
	return &p, err
}

// recipientSecret signs the calls to one recipient.
func (r *Room) recipientSecret(ctx context.Context, t id.Tenant, recipient uuid.UUID) (string, error) {
	sum, err := r.Keys.BlindIndex(ctx, t, "recipient-secret", recipient.String())
	return hex.EncodeToString(sum), err
}

// Recipients returns the organisation's recipients with their secrets, in the order in which they were made.
func (r *Room) Recipients(ctx context.Context, t id.Tenant) (list []Recipient, err error) {
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list, err = recipients(ctx, tx)
		return err
	})
	for i := range list {
		if err == nil {
			list[i].Secret, err = r.recipientSecret(ctx, t, list[i].ID)
		}
	}
	return list, err
}

func recipients(ctx context.Context, tx *store.Tx) ([]Recipient, error) {
	list := []Recipient{}
	rows, err := tx.Query(ctx, `SELECT id, body, made_at, token FROM rights_recipient WHERE tenant_id = $1 ORDER BY id`, tx.TenantID())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p Recipient
		var body string
		var made int64
		if err := rows.Scan(&p.ID, &body, &made, &p.sealed); err != nil {
			return nil, err
		}
		p.Made, p.HasToken = micro(made), len(p.sealed) > 0
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// DropRecipient deletes a recipient. What is on its way to them is not told any more. Error: fail.NotFound.
func (r *Room) DropRecipient(ctx context.Context, t id.Tenant, recipient uuid.UUID) error {
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM rights_recipient WHERE tenant_id = $1 AND id = $2`, t, recipient[:])
		if err == nil && n == 0 {
			return fail.New(fail.NotFound, "There is no such recipient.")
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE rights_told SET message = NULL, data_key = NULL, due_at = 0, state = 'failed', outcome = 'the recipient was deleted'
			WHERE tenant_id = $1 AND recipient_id = $2 AND done_at = 0`, t, recipient[:])
		return err
	})
}

// replaceRecipient stores a recipient as it is now.
func replaceRecipient(ctx context.Context, tx *store.Tx, p *Recipient) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE rights_recipient SET body = $3, token = $4 WHERE tenant_id = $1 AND id = $2`, tx.TenantID(), p.ID[:], string(body), p.sealed)
	return err
}
