// Package opendsr takes requests of data subjects as OpenDSR 2.0 has them, from controllers for whom the
// organisation processes data: each becomes a request of the rights room, and their systems are called
// back whenever its status changes.
//
// Answers and callbacks are signed with the key of a certificate, which controllers fetch (section 4.2 of
// the specification): RSA with PKCS #1 version 1.5, or ECDSA, over SHA-256 of the body.
package opendsr

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Headers of answers and callbacks.
const (
	DomainHeader    = "X-OpenDSR-Processor-Domain"
	SignatureHeader = "X-OpenDSR-Signature"
)

const version = "2.0"

// Rights are the requests that stand behind those of controllers. *rights.Room satisfies it.
type Rights interface {
	OpenOnce(ctx context.Context, t id.Tenant, by rights.Actor, key string, number int, item rights.Item) (*rights.Request, error)
	Get(ctx context.Context, t id.Tenant, request uuid.UUID) (*rights.Request, error)
	Act(ctx context.Context, t id.Tenant, request uuid.UUID, a rights.Act) (*rights.Request, error)
}

// Options say who signs.
type Options struct {
	Certificate []byte       // PEM of the chain, the own one first
	Key         []byte       // PEM of its private key
	Client      *http.Client // makes callbacks; nil: one that follows no redirects
}

// Room takes the requests. It is safe for concurrent use; several processes may run over one database.
type Room struct {
	db     *store.DB
	rights Rights
	clk    clock.Clock
	log    *slog.Logger
	opts   Options
	signer crypto.Signer
	domain string
}

// New returns the room. Without a certificate it takes nothing. Errors: fail.Invalid if certificate and
// key do not belong together, or the certificate names no domain.
func New(db *store.DB, r Rights, clk clock.Clock, log *slog.Logger, o Options) (*Room, error) {
	room := &Room{db: db, rights: r, clk: clk, log: log, opts: o}
	if o.Client == nil {
		room.opts.Client = &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if len(o.Certificate) == 0 {
		return room, nil
	}
	pair, err := tls.X509KeyPair(o.Certificate, o.Key)
	if err != nil {
		return nil, fail.New(fail.Invalid, "the certificate for OpenDSR and its key can't be read, or do not belong together")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || len(leaf.DNSNames) == 0 {
		return nil, fail.New(fail.Invalid, "the certificate for OpenDSR names no domain")
	}
	switch key := pair.PrivateKey.(type) {
	case *rsa.PrivateKey:
		room.signer = key
	case *ecdsa.PrivateKey:
		room.signer = key
	default:
		return nil, fail.New(fail.Invalid, "the key of the certificate for OpenDSR must be RSA or ECDSA")
	}
	room.domain = leaf.DNSNames[0]
	return room, nil
}

// Migrate brings the table up to date.
func (r *Room) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return r.db.Migrate(ctx, "opendsr", files)
}

// Enabled tells whether requests are taken.
func (r *Room) Enabled() bool { return r != nil && r.signer != nil }

// Certificate returns the PEM with which signatures are checked.
func (r *Room) Certificate() []byte { return r.opts.Certificate }

// Domain returns the domain that the certificate was issued for.
func (r *Room) Domain() string { return r.domain }

// Sign returns the value of SignatureHeader for a body.
func (r *Room) Sign(body []byte) (string, error) {
	sum := sha256.Sum256(body)
	signature, err := r.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return "", fail.Wrap(fail.Internal, err, "sign an answer of OpenDSR")
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// Identity names a person.
type Identity struct {
	Type   string `json:"identity_type"`
	Value  string `json:"identity_value,omitempty"`
	Format string `json:"identity_format"`
}

// known are the identities that people are found by. Digests are not: ours are keyed.
var known = []Identity{{Type: "email", Format: "raw"}, {Type: "controller_customer_id", Format: "raw"}}

// Discovery is what the service can do. certificate is the address of the certificate.
func (r *Room) Discovery(certificate string) any {
	return map[string]any{
		"api_version": version, "supported_identities": known,
		"supported_subject_request_types": []string{"access", "portability", "erasure"}, "processor_certificate": certificate,
	}
}

// request is a request as a controller sends it.
type request struct {
	Regulation string     `json:"regulation"`
	ID         string     `json:"subject_request_id"`
	Type       string     `json:"subject_request_type"`
	Identities []Identity `json:"subject_identities"`
	Submitted  time.Time  `json:"submitted_time"`
	Version    string     `json:"api_version"`
	Callbacks  []string   `json:"status_callback_urls"`
}

const (
	maxIdentities = 100
	maxCallbacks  = 5
)

// check reads what the request names. Error: fail.Invalid and the field.
func (q *request) check() (uuid.UUID, rights.Request, error) {
	var out rights.Request
	v, err := uuid.Parse(q.ID)
	if err != nil || v.Version() != 4 || v.String() != q.ID {
		return v, out, fail.Field("subject_request_id", "subject_request_id must be a UUID of version 4 in small letters")
	}
	switch q.Type {
	case "access", "portability", "erasure":
		out.Type = rights.Type(q.Type)
	default:
		return v, out, fail.Field("subject_request_type", "subject_request_type must be access, portability or erasure")
	}
	switch {
	case !slices.Contains([]string{"gdpr", "ccpa", ""}, q.Regulation):
		return v, out, fail.Field("regulation", "regulation must be gdpr or ccpa")
	case q.Version != "" && q.Version != version && q.Version != "2":
		return v, out, fail.Field("api_version", "api_version 2.0 is spoken here")
	case q.Submitted.IsZero():
		return v, out, fail.Field("submitted_time", "submitted_time is needed")
	case len(q.Identities) == 0 || len(q.Identities) > maxIdentities:
		return v, out, fail.Field("subject_identities", "1 to %d subject_identities are needed", maxIdentities)
	case len(q.Callbacks) > maxCallbacks:
		return v, out, fail.Field("status_callback_urls", "at most %d status_callback_urls are called", maxCallbacks)
	}
	for _, i := range q.Identities {
		switch {
		case i.Format != "raw" || i.Value == "":
			return v, out, fail.Field("subject_identities", "an identity needs a value, of the format raw: people can't be found by digests here")
		case i.Type == "email":
			out.Who.EmailAddresses = append(out.Who.EmailAddresses, i.Value)
		case i.Type == "controller_customer_id" && out.Who.ExternalID == "":
			out.Who.ExternalID = i.Value
		default:
			return v, out, fail.Field("subject_identities", "an identity must be an email, or one controller_customer_id; see discovery")
		}
	}
	for _, c := range q.Callbacks {
		u, err := url.Parse(c)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
			return v, out, fail.Field("status_callback_urls", "a callback must be an https address without a password")
		}
	}
	out.Channel, out.ReceivedAt = "opendsr", q.Submitted
	return v, out, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// Submit takes a request of the controller, whose client is by, and returns the answer. A request that is
// sent again is answered again, and carried out once.
//
// Errors: fail.Invalid and the field; fail.Conflict if the id was used for something else.
func (r *Room) Submit(ctx context.Context, t id.Tenant, by uuid.UUID, body []byte) (any, error) {
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fail.New(fail.Invalid, "the request is not the JSON of OpenDSR")
	}
	subject, ask, err := q.check()
	if err != nil {
		return nil, err
	}
	actor := rights.Actor{Kind: "client", ID: by}
	ask.CreatedBy = actor
	made, err := r.rights.OpenOnce(ctx, t, actor, "opendsr-"+q.ID, 0, rights.Item{Request: ask})
	if err != nil {
		return nil, err
	}
	callbacks, err := json.Marshal(append([]string{}, q.Callbacks...))
	if err != nil {
		return nil, err
	}
	now := r.clk.Now()
	due := int64(0)
	if len(q.Callbacks) > 0 {
		due = now.UnixMicro()
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO opendsr_request (tenant_id, subject_request_id, request_id, controller, callbacks, told, due_at, tries, made_at)
			VALUES ($1, $2, $3, $4, $5, 'pending', $6, 0, $7) ON CONFLICT DO NOTHING`,
			t, subject[:], made.ID[:], by.String(), string(callbacks), due, now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"controller_id": by.String(), "expected_completion_time": made.DueAt.Format(time.RFC3339), "received_time": now.UTC().Format(time.RFC3339),
		"encoded_request": base64.StdEncoding.EncodeToString(body), "subject_request_id": q.ID,
	}, nil
}

// find returns the controller's own request, or fail.NotFound.
func (r *Room) find(ctx context.Context, t id.Tenant, by, subject uuid.UUID) (*rights.Request, error) {
	var request uuid.UUID
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT request_id FROM opendsr_request WHERE tenant_id = $1 AND subject_request_id = $2 AND controller = $3`,
			t, subject[:], by.String()).Scan(&request)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fail.New(fail.NotFound, "There is no such request.")
	}
	if err != nil {
		return nil, err
	}
	return r.rights.Get(ctx, t, request)
}

// Status is how a request is called there. What was refused or taken back is cancelled; what failed is still
// in progress, because it must be gone after.
func Status(s rights.State) string {
	switch s {
	case rights.Verified:
		return "completed"
	case rights.Refused, rights.Withdrawn:
		return "cancelled"
	}
	if s.Status() == "INITIATED" {
		return "pending"
	}
	return "in_progress"
}

// Status answers how far a request of the controller is. results is the address of a package, by our id.
func (r *Room) Status(ctx context.Context, t id.Tenant, by, subject uuid.UUID, results func(uuid.UUID) string) (any, error) {
	q, err := r.find(ctx, t, by, subject)
	if err != nil {
		return nil, err
	}
	answer := status(q, by.String(), subject)
	if q.Package != nil && q.State == rights.Verified {
		answer["results_url"] = results(q.ID)
	}
	return answer, nil
}

func status(q *rights.Request, controller string, subject uuid.UUID) map[string]any {
	return map[string]any{
		"controller_id": controller, "expected_completion_time": q.DueAt.Format(time.RFC3339), "subject_request_id": subject.String(),
		"request_status": Status(q.State), "api_version": version,
	}
}

// Cancel takes a request of the controller back that is pending. Errors: fail.NotFound; fail.Conflict if it is
// being carried out or done.
func (r *Room) Cancel(ctx context.Context, t id.Tenant, by, subject uuid.UUID) (any, error) {
	q, err := r.find(ctx, t, by, subject)
	if err != nil {
		return nil, err
	}
	if Status(q.State) != "pending" {
		return nil, fail.New(fail.Conflict, "Only a request that is pending can be cancelled; this one is %s.", Status(q.State))
	}
	if _, err := r.rights.Act(ctx, t, q.ID, rights.Act{Do: rights.MoveWithdraw, By: rights.Actor{Kind: "client", ID: by}, Reason: "cancelled by the controller"}); err != nil {
		return nil, err
	}
	return map[string]any{
		"controller_id": by.String(), "subject_request_id": subject.String(), "received_time": r.clk.Now().UTC().Format(time.RFC3339), "api_version": version,
	}, nil
}

// signed makes the headers of a body.
func (r *Room) signed(h http.Header, body []byte) error {
	signature, err := r.Sign(body)
	if err != nil {
		return err
	}
	h.Set(DomainHeader, r.domain)
	h.Set(SignatureHeader, signature)
	return nil
}

// Write signs and writes an answer.
func (r *Room) Write(w http.ResponseWriter, code int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if err := r.signed(w.Header(), body); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, err = w.Write(body)
	if err != nil {
		return nil // a caller that went away is no fault of ours
	}
	return nil
}

// Refuse writes an error as the specification has it.
func Refuse(w http.ResponseWriter, message, field string) {
	type detail struct {
		Domain  string `json:"domain"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"code": http.StatusBadRequest, "message": message, "errors": []detail{{"Validation", strings.TrimSpace("InvalidField " + field), message}},
	}})
	_, _ = w.Write(body)
}
