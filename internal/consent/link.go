package consent

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// The uses of a token. It is part of what is signed: a token is good for one use only.
const (
	tokenWithdraw = 'w'
	tokenReceipt  = 'r' // take back what a receipt says was given; stands for the record
	tokenAsk      = 'a' // confirm an opt-in or a parent's authorisation, and take it back later
)

const (
	tokenVersion = 1
	tokenBody    = 1 + 1 + 16 + 16 // version, use, tenant, id
	tokenMAC     = 16
)

// token makes a token that stands for a row of ours. It holds two random ids and a MAC under the
// tenant's index key, which outlives key epochs: links in old letters go on working.
func (r *Room) token(ctx context.Context, t id.Tenant, use byte, row uuid.UUID) (string, error) {
	b := make([]byte, 0, tokenBody+tokenMAC)
	b = append(b, tokenVersion, use)
	b = append(b, t[:]...)
	b = append(b, row[:]...)
	mac, err := r.keys.BlindIndex(ctx, t, "consent.link", string(b))
	if err != nil {
		return "", unavailable(err, "sign a link")
	}
	return base64.RawURLEncoding.EncodeToString(append(b, mac[:tokenMAC]...)), nil
}

// parseToken reads a token without checking its MAC.
func parseToken(token string) (use byte, t id.Tenant, row uuid.UUID, body, mac []byte, ok bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBody+tokenMAC) {
		return
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || raw[0] != tokenVersion {
		return
	}
	copy(t[:], raw[2:18])
	copy(row[:], raw[18:34])
	return raw[1], t, row, raw[:tokenBody], raw[tokenBody:], !t.IsZero()
}

func badLink() error {
	return fail.New(fail.NotFound, "This link is not one of ours, or is not whole.").WithCode("link.bad")
}

// openToken checks a token of this installation and returns what it stands for. Whatever is wrong with
// it, the error is the same fail.NotFound.
func (r *Room) openToken(ctx context.Context, token string) (use byte, t id.Tenant, row uuid.UUID, err error) {
	use, t, row, body, mac, ok := parseToken(token)
	if !ok {
		return 0, t, row, badLink()
	}
	// An organisation that isn't here must not be made by asking for its key.
	var n int
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM consent_purpose WHERE tenant_id = $1`, t).Scan(&n)
	})
	if err != nil {
		return 0, t, row, unavailable(err, "check a link")
	}
	if n == 0 {
		return 0, t, row, badLink()
	}
	want, err := r.keys.BlindIndex(ctx, t, "consent.link", string(body))
	if err != nil {
		return 0, t, row, unavailable(err, "check a link")
	}
	if !hmac.Equal(mac, want[:tokenMAC]) {
		return 0, t, row, badLink()
	}
	return use, t, row, nil
}

// Link returns the token of a link that takes the subject's consent to the purposes back, without
// signing in. Asking again for the same gives the same token. It never opens anything, works for as
// long as the subject is held, and afterwards has nothing left to do.
//
// Errors: fail.Invalid for purposes that don't exist, fail.NotFound for a subject that doesn't.
func (r *Room) Link(ctx context.Context, t id.Tenant, s id.Subject, deployment uuid.UUID, purposes []string) (string, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return "", err
	}
	if purposes == nil {
		purposes = set.purposeIDs()
	}
	purposes = slices.Compact(slices.Sorted(slices.Values(purposes)))
	if len(purposes) == 0 {
		return "", fail.Field("purposes", "The list of purposes is empty. Leave it out to take back all.")
	}
	for _, p := range purposes {
		if set.purpose(p) == nil {
			return "", fail.Field("purposes", "The list names a purpose that does not exist.")
		}
	}
	link := id.New()
	what := strings.Join(purposes, ",")
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		there, err := r.subjects.Exists(ctx, tx, s)
		if err != nil {
			return err
		}
		if !there {
			return fail.New(fail.NotFound, "There is nobody of that reference.")
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO consent_link (tenant_id, id, subject, deployment, purposes, made) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, subject, deployment, purposes) DO NOTHING`,
			t, link, s, deployment, what, r.clk.Now().UnixMicro()); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			SELECT id FROM consent_link WHERE tenant_id = $1 AND subject = $2 AND deployment = $3 AND purposes = $4`,
			t, s, deployment, what).Scan(&link)
	})
	if err != nil {
		return "", unavailable(err, "make a link")
	}
	return r.token(ctx, t, tokenWithdraw, link)
}

// Linked is what a link is about.
type Linked struct {
	Tenant     id.Tenant
	Subject    id.Subject // zero: nothing is held of the person any more
	Deployment uuid.UUID
	Purposes   []string
	Ask        *Ask // not nil: the link confirms what a letter asked
}

// OpenLink tells what a link is about and changes nothing: programs that look at every link of a letter
// do this. Errors: fail.NotFound for a token that isn't ours.
func (r *Room) OpenLink(ctx context.Context, token string) (*Linked, error) {
	use, t, row, err := r.openToken(ctx, token)
	if err != nil {
		return nil, err
	}
	l := &Linked{Tenant: t}
	switch use {
	case tokenWithdraw:
	case tokenReceipt:
		return r.openGiven(ctx, t, row)
	case tokenAsk:
		return r.openAsk(ctx, t, row)
	default:
		return nil, badLink()
	}
	var purposes string
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT subject, deployment, purposes FROM consent_link WHERE tenant_id = $1 AND id = $2`,
			t, row).Scan(&l.Subject, &l.Deployment, &purposes)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // erased: the token is ours, and nothing is left
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "open a link")
	}
	if purposes != "" {
		l.Purposes = strings.Split(purposes, ",")
	}
	return l, nil
}

// openGiven returns what the link of a receipt takes back: all that its record gave.
func (r *Room) openGiven(ctx context.Context, t id.Tenant, record uuid.UUID) (*Linked, error) {
	l := &Linked{Tenant: t}
	rec, err := r.find(ctx, t, id.Subject{}, record)
	if fail.Is(err, fail.NotFound) {
		return l, nil // erased or retired: the token is ours, and nothing is left
	}
	if err != nil {
		return nil, err
	}
	l.Subject, l.Deployment, l.Purposes = rec.Subject, rec.Deployment, rec.given()
	return l, nil
}

// WithdrawLink does what a link is for: it takes consent back, at once. Doing it again changes nothing.
// For somebody who was erased there is nothing to do, which is no error.
func (r *Room) WithdrawLink(ctx context.Context, token string) (*Linked, *Outcome, error) {
	l, err := r.OpenLink(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if l.Subject.IsZero() {
		return l, nil, nil
	}
	// A purpose may have been given up since the letter was written.
	set, err := r.tenant(ctx, l.Tenant)
	if err != nil {
		return nil, nil, err
	}
	purposes := slices.DeleteFunc(slices.Clone(l.Purposes), func(p string) bool { return set.purpose(p) == nil })
	if len(purposes) == 0 {
		return l, nil, nil
	}
	out, err := r.Withdraw(ctx, l.Tenant, Withdrawal{
		Deployment: l.Deployment, Subject: l.Subject, Purposes: purposes,
		UI: UI{Component: "link", Action: "withdraw_all"},
	})
	return l, out, err
}
