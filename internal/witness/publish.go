package witness

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
	"probity/verify"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The kinds of places that checkpoints are sent to.
const (
	ByWitness = "witness"
	ByPost    = "post"
	ByMail    = "mail"
)

// Peer is a witness that the logs of this installation are shown to.
type Peer struct {
	Key string // verifier key
	URL string // submission prefix, without a slash at the end
}

// ParsePeer reads "VKEY URL".
func ParsePeer(s string) (Peer, error) {
	key, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	p := Peer{Key: key, URL: strings.TrimRight(strings.TrimSpace(rest), "/")}
	if _, err := verify.NewCosignatureVerifier(key); err != nil {
		return p, fail.Field("witness", "witness: %q does not begin with a witness's verifier key", s)
	}
	return p, ValidURL("witness", p.URL)
}

// ValidURL refuses what can't be posted to.
func ValidURL(field, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fail.Field(field, "%s: an address that begins with https:// is needed", field)
	}
	return nil
}

// Mailer sends a checkpoint as a mail.
type Mailer interface {
	// Send takes responsibility for the mail, or fails.
	Send(ctx context.Context, t id.Tenant, to, subject, text string) error
}

// Deps are what publishing needs.
type Deps struct {
	DB     *store.DB
	Ledger *ledger.Ledger
	Clock  clock.Clock
	Logger *slog.Logger
	Client *http.Client // nil: one that waits ten seconds

	Witnesses []Peer
	Posts     []string // URLs
	Mails     []string // addresses
	Mailer    Mailer   // needed for Mails

	Audits []func(context.Context, id.Tenant) error // what a self-audit examines besides the log

	// Warnings are what Health tells besides alarms: nothing is broken, but somebody has to act.
	Warnings []func(context.Context, id.Tenant) ([]string, error)
}

// Publisher brings checkpoints to where this installation can't change them any more, and keeps
// account of it. It is safe for concurrent use; two rounds at once do no harm.
type Publisher struct{ Deps }

// NewPublisher returns the publisher. Call Migrate before anything else.
func NewPublisher(d Deps) *Publisher {
	if d.Client == nil {
		d.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &Publisher{d}
}

// Migrate creates or updates the tables.
func (p *Publisher) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return p.DB.Migrate(ctx, "witness", files)
}

const (
	renew = 12 * time.Hour // a place that has the newest checkpoint is asked again after this time
	slow  = time.Hour      // a place that does not answer is tried at least this often
)

// Round signs the tenant's log if it has grown and sends the newest checkpoint to every place that
// does not have it yet, the witnesses first. A place that failed is left alone for a while, twice as
// long each time up to an hour. What a place answers changes nothing for the others; failures are
// recorded, not returned.
func (p *Publisher) Round(ctx context.Context, t id.Tenant) error {
	if _, err := p.Ledger.Checkpoint(ctx, t); fail.Is(err, fail.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return p.offer(ctx, t)
}

// Ask shows the newest checkpoint to the witnesses without signing a new one: before a start, so that
// a log which is older than what was published is found before it goes on.
func (p *Publisher) Ask(ctx context.Context, t id.Tenant) error {
	if len(p.Witnesses) == 0 {
		return nil
	}
	head, err := p.Ledger.Latest(ctx, t)
	if fail.Is(err, fail.NotFound) {
		return nil
	}
	for i := 0; err == nil && i < len(p.Witnesses); i++ {
		peer := p.Witnesses[i]
		err = p.attempt(ctx, t, head, ByWitness, peer.Key, true, func(last int64) error { return p.ask(ctx, t, head, peer, last) })
	}
	return err
}

func (p *Publisher) offer(ctx context.Context, t id.Tenant) error {
	head, err := p.Ledger.Latest(ctx, t)
	if err != nil {
		return err
	}
	for _, peer := range p.Witnesses {
		if err := p.attempt(ctx, t, head, ByWitness, peer.Key, false, func(last int64) error { return p.ask(ctx, t, head, peer, last) }); err != nil {
			return err
		}
	}
	// What is posted carries the signatures that have just come in.
	if head, err = p.Ledger.At(ctx, t, head.Size); err != nil {
		return err
	}
	for _, address := range p.Posts {
		if err := p.attempt(ctx, t, head, ByPost, address, false, func(int64) error { return p.post(ctx, head, address) }); err != nil {
			return err
		}
	}
	for _, address := range p.Mails {
		if err := p.attempt(ctx, t, head, ByMail, address, false, func(int64) error { return p.mail(ctx, t, head, address) }); err != nil {
			return err
		}
	}
	return nil
}

// attempt sends a checkpoint to one place if it is due, and records how it went. send is told the
// size that the place had last, 0 if none.
func (p *Publisher) attempt(ctx context.Context, t id.Tenant, head *ledger.Head, kind, destination string, now bool, send func(last int64) error) error {
	o, err := p.outcome(ctx, t, kind, destination)
	if err != nil {
		return err
	}
	at := p.Clock.Now()
	if !now && !o.due(kind, head, at) {
		return nil
	}
	last := o.size
	if o.generation != head.Generation {
		last = 0
	}
	failed := send(last)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.tried = at
	if o.since.IsZero() {
		o.since = at
	}
	if failed != nil {
		o.failures++
		o.problem = problem(failed)
		p.Logger.Warn("a checkpoint could not be delivered; it is tried again", "kind", kind, "destination", destination, "error", failed)
	} else {
		o.failures, o.problem, o.generation, o.size, o.succeeded = 0, "", head.Generation, head.Size, at
	}
	err = p.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO witness_outcome (tenant_id, kind, destination, generation, size, succeeded, tried, since, failures, error)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (tenant_id, kind, destination) DO UPDATE SET
				generation = excluded.generation, size = excluded.size, succeeded = excluded.succeeded,
				tried = excluded.tried, failures = excluded.failures, error = excluded.error`,
			t, kind, destination, o.generation, o.size, micros(o.succeeded), micros(o.tried), micros(o.since), o.failures, o.problem)
		return err
	})
	if err != nil {
		return fail.Wrap(fail.Unavailable, err, "Could not record how a checkpoint was delivered")
	}
	return nil
}

// problem is what is shown of a failure: the first 300 bytes of it.
func problem(err error) string {
	s := strings.ToValidUTF8(err.Error(), "")
	return s[:min(len(s), 300)]
}

// outcome is how one place has answered so far.
type outcome struct {
	generation, size        int64
	succeeded, tried, since time.Time // zero: never
	failures                int
	problem                 string
}

// due tells whether it is time to send. People get no more than two mails a day.
func (o *outcome) due(kind string, head *ledger.Head, now time.Time) bool {
	if o.failures > 0 {
		return !now.Before(o.tried.Add(min(slow, time.Minute<<min(o.failures-1, 10))))
	}
	if kind == ByMail && now.Sub(o.succeeded) < renew {
		return now.Before(o.succeeded)
	}
	return o.size != head.Size || o.generation != head.Generation || now.Sub(o.succeeded) >= renew || now.Before(o.succeeded)
}

func (p *Publisher) outcome(ctx context.Context, t id.Tenant, kind, destination string) (o outcome, err error) {
	err = p.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		var succeeded, tried, since int64
		err := tx.QueryRow(ctx, `
			SELECT generation, size, succeeded, tried, since, failures, error FROM witness_outcome
			WHERE tenant_id = $1 AND kind = $2 AND destination = $3`, t, kind, destination).
			Scan(&o.generation, &o.size, &succeeded, &tried, &since, &o.failures, &o.problem)
		if errors.Is(err, sql.ErrNoRows) {
			o = outcome{}
			return nil
		}
		o.succeeded, o.tried, o.since = moment(succeeded), moment(tried), moment(since)
		return err
	})
	if err != nil {
		return o, fail.Wrap(fail.Unavailable, err, "Could not read how a checkpoint was delivered")
	}
	return o, nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

func (p *Publisher) send(ctx context.Context, address, contentType string, body []byte) (*http.Response, []byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	q.Header.Set("Content-Type", contentType)
	res, err := p.Client.Do(q)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res, answer, err
}

// ask gets a witness's cosignature. A witness that holds more, or something else, than this
// installation remembers has the log bridged.
func (p *Publisher) ask(ctx context.Context, t id.Tenant, head *ledger.Head, peer Peer, last int64) error {
	name, _, _ := strings.Cut(peer.Key, "+")
	for range 3 {
		var proof tlog.TreeProof
		var err error
		if last > 0 && last < head.Size {
			if proof, err = p.Ledger.Extends(ctx, t, last, head.Size); err != nil {
				return err
			}
		}
		q := Request{Old: last, Proof: proof, Note: head.Note}
		res, answer, err := p.send(ctx, peer.URL+"/add-checkpoint", "text/plain; charset=utf-8", q.Body())
		if err != nil {
			return err
		}
		switch res.StatusCode {
		case http.StatusOK:
			_, err := p.Ledger.AddCosignatures(ctx, t, head, string(answer), peer.Key)
			return err
		case http.StatusConflict:
			size, err := strconv.ParseInt(strings.TrimSuffix(string(answer), "\n"), 10, 64)
			switch {
			case err != nil || size < 0:
				return fmt.Errorf("the witness refuses and does not say which tree it holds")
			case size > head.Size:
				return p.doubt(ctx, t, ledger.Claim{By: name, Size: size})
			case size == last:
				return p.doubt(ctx, t, ledger.Claim{By: name, Size: size, Other: true})
			}
			last = size
		case http.StatusUnprocessableEntity:
			return p.doubt(ctx, t, ledger.Claim{By: name, Size: last, Other: true})
		case http.StatusNotFound:
			return fmt.Errorf("the witness does not know this log: give its operator the verifier key %s", head.Key)
		case http.StatusForbidden:
			return fmt.Errorf("the witness does not accept the signature: give its operator the verifier key %s", head.Key)
		default:
			return fmt.Errorf("the witness answered with status %d", res.StatusCode)
		}
	}
	return fmt.Errorf("the witness changes its mind about the size of the tree it holds")
}

func (p *Publisher) doubt(ctx context.Context, t id.Tenant, c ledger.Claim) error {
	b, err := p.Ledger.Doubt(ctx, t, c)
	if err != nil {
		return err
	}
	if b == nil {
		return fmt.Errorf("the witness holds a tree of %d entries, which was signed meanwhile", c.Size)
	}
	p.Logger.Error("a witness holds more of the log than this installation: the log goes on under a new name",
		"witness", c.By, "size", c.Size, "name", b.To, "lost", b.Lost)
	return fmt.Errorf("the witness holds a tree of %d entries that this installation has lost; the log goes on as %s", c.Size, b.To)
}

func (p *Publisher) post(ctx context.Context, head *ledger.Head, address string) error {
	res, _, err := p.send(ctx, address, "text/plain; charset=utf-8", head.Note)
	if err != nil {
		return err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("it answered with status %d", res.StatusCode)
	}
	return nil
}

func (p *Publisher) mail(ctx context.Context, t id.Tenant, head *ledger.Head, address string) error {
	if p.Mailer == nil {
		return fmt.Errorf("no mail server is set")
	}
	origin, _, _ := strings.Cut(string(head.Note), "\n")
	return p.Mailer.Send(ctx, t, address, fmt.Sprintf("Checkpoint of %d entries: %s", head.Size, origin),
		"Keep this mail: it shows what the log was like when it was sent.\n\n"+string(head.Note))
}
