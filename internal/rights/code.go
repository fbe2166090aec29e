package rights

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/mail"
	"probity/internal/store"
)

// sendCode makes a one-time code and has it sent to the one address that the request names. Earlier
// codes of the request end.
func (r *Room) sendCode(ctx context.Context, tx *store.Tx, q *Request, about id.Subject, controller string) error {
	if !r.canMail(&q.Who) {
		return fail.New(fail.Unavailable, "No mail server is set, so no code can be sent. Start the server with --smtp-url and --mail-from.").WithCode("mail.off")
	}
	rules := defaults()
	t, now := tx.TenantID(), r.Clock.Now()
	var sent int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM rights_code WHERE tenant_id = $1 AND request_id = $2 AND made_at > $3`,
		t, q.ID[:], now.Add(-24*time.Hour).UnixMicro()).Scan(&sent)
	if err != nil {
		return err
	}
	if sent >= rules.CodesADay {
		return &fail.Error{Kind: fail.TooMany, Message: "Enough codes were sent for this request today.", RetryAfter: time.Hour}
	}
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return err
	}
	code := fmt.Sprintf("%08d", n)
	digest, err := r.Keys.BlindIndex(ctx, t, "rights/code/"+q.ID.String(), code)
	if err != nil {
		return err
	}
	// Ended codes stay, so that they are counted.
	if _, err := tx.Exec(ctx, `UPDATE rights_code SET tries = $3 WHERE tenant_id = $1 AND request_id = $2`, t, q.ID[:], rules.CodeTries); err != nil {
		return err
	}
	made := id.New()
	_, err = tx.Exec(ctx, `INSERT INTO rights_code (tenant_id, request_id, id, digest, made_at, tries) VALUES ($1, $2, $3, $4, $5, 0)`,
		t, q.ID[:], made[:], digest, now.UnixMicro())
	if err != nil {
		return err
	}
	tag, say, _ := lettersIn(q.Language)
	if controller == "" {
		controller = "us"
	}
	return r.Mail.SendTx(ctx, tx, mail.Letter{
		To: q.Who.EmailAddresses[0], Topic: "code", Subject: say.text("code.subject"), Language: tag, About: about,
		Text: say.text("code", controller) + "\n\n" + code[:4] + " " + code[4:] + "\n\n" + say.text("code.end", rules.CodeMinutes) + "\n",
	})
}

// SendCode sends a new code for a request that waits for one.
//
// Errors: fail.Conflict if no code can help the request; fail.TooMany; fail.Unavailable with code
// mail.off.
func (r *Room) SendCode(ctx context.Context, t id.Tenant, request uuid.UUID, by Actor) error {
	q, err := r.Get(ctx, t, request)
	if err != nil {
		return err
	}
	if !q.awaitsCode() {
		return fail.New(fail.Conflict, "This request does not wait for a code.").WithCode("request.state")
	}
	controller, err := r.Controller(ctx, t)
	if err != nil {
		return err
	}
	about, err := r.someone(ctx, t, &q.Who)
	if err != nil {
		return err
	}
	return r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if err := r.sendCode(ctx, tx, q, about, controller.Name); err != nil {
			return err
		}
		return r.note(ctx, tx, request, by, "code-sent", q.State, nil)
	})
}

// awaitsCode tells whether a code can show who asks: the request names one e-mail address and nothing
// else, and waits for that.
func (q *Request) awaitsCode() bool {
	return q.State == IdentityPending && q.Facts.Identity.At.IsZero() &&
		len(q.Who.identifiers()) == 1 && len(q.Who.EmailAddresses) == 1 && !q.Who.hasID() && len(q.Who.Subjects) == 0
}

// CheckCode verifies the identity by a code that was sent. Each try counts before it is compared, so
// that guesses made at once are counted too.
//
// Errors: fail.Forbidden for a wrong code, and for a request that is not there or waits for none, which
// look the same; fail.Gone if the code has expired or was tried too often.
func (r *Room) CheckCode(ctx context.Context, t id.Tenant, request uuid.UUID, code string, by Actor) (*Request, error) {
	wrong := fail.New(fail.Forbidden, "This is not the code.").WithCode("code.wrong")
	q, err := r.Get(ctx, t, request)
	if fail.Is(err, fail.NotFound) {
		return nil, wrong
	}
	if err != nil {
		return nil, err
	}
	if !q.awaitsCode() {
		return nil, wrong
	}
	_, rules, err := r.rules(ctx, t, q.Facts.Policy)
	if err != nil {
		return nil, err
	}
	code = strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, code)
	given, err := r.Keys.BlindIndex(ctx, t, "rights/code/"+request.String(), code)
	if err != nil {
		return nil, err
	}
	var digest []byte
	since := r.Clock.Now().Add(-time.Duration(rules.CodeMinutes) * time.Minute)
	err = r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		digest = nil
		err := tx.QueryRow(ctx, `
			UPDATE rights_code SET tries = tries + 1
			WHERE tenant_id = $1 AND request_id = $2 AND tries < $3 AND made_at > $4
			RETURNING digest`, t, request[:], rules.CodeTries, since.UnixMicro()).Scan(&digest)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || subtle.ConstantTimeCompare(digest, given) == 1 {
			return err
		}
		return r.note(ctx, tx, request, by, "code-wrong", q.State, nil)
	})
	switch {
	case err != nil:
		return nil, err
	case digest == nil:
		return nil, fail.New(fail.Gone, "The code has expired, or was tried too often. Have a new one sent.").WithCode("code.gone")
	case subtle.ConstantTimeCompare(digest, given) != 1:
		return nil, wrong
	}
	return r.act(ctx, t, request, Act{Do: MoveVerify, Method: ByCode, By: by}, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM rights_code WHERE tenant_id = $1 AND request_id = $2`, t, request[:])
		return err
	})
}

// TenantOf returns whose request it is, for calls of people who have nothing but its number.
func (r *Room) TenantOf(ctx context.Context, request uuid.UUID) (t id.Tenant, err error) {
	err = r.DB.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT tenant_id FROM rights_request WHERE tenant_id IS NOT NULL AND id = $1`, request[:]).Scan(&t)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = fail.New(fail.NotFound, "there is no such request")
	}
	return t, err
}
