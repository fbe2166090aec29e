package rights

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/opendsr/client"
	"probity/internal/store"
)

// A processor who speaks OpenDSR takes a request over, and is asked from then on what became of it, or tells by
// itself. Only when it says completed is it done.
const (
	followSoonest = time.Minute
	followLatest  = 6 * time.Hour
	followGivesUp = 30 * 24 * time.Hour // after it the processor has not confirmed, and staff must go after it
	maxToken      = 4096
)

// TellSent is the state of a processor who took the request over and has not said that it is done.
const TellSent = "sent"

// checkToken tells whether a bearer token can be sent.
func (p *Recipient) checkToken() error {
	switch {
	case p.Token == "":
	case p.Way != ByOpenDSR:
		return fail.Field("token", "Only a processor who is told by opendsr has a token.")
	case len(p.Token) > maxToken || strings.ContainsFunc(p.Token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return fail.Field("token", "A token has at most %d characters, without spaces.", maxToken)
	}
	return nil
}

// sealToken returns the token as it is stored, nil without one.
func (r *Room) sealToken(ctx context.Context, t id.Tenant, p *Recipient) ([]byte, error) {
	if p.Token == "" {
		return nil, nil
	}
	return r.Keys.SealTenant(ctx, t, requestAAD(t, p.ID, "token"), []byte(p.Token))
}

// processor returns the service of a recipient.
func (r *Room) processor(ctx context.Context, t id.Tenant, p *Recipient) (*client.Processor, error) {
	c := &client.Processor{URL: p.URL, HTTP: r.HTTP}
	if len(p.sealed) == 0 {
		return c, nil
	}
	token, err := r.Keys.OpenTenant(ctx, t, requestAAD(t, p.ID, "token"), p.sealed)
	c.Token = string(token)
	return c, err
}

// callback is where a processor tells what became of a request; empty if it could not reach us.
func (r *Room) callback(request, recipient uuid.UUID) string {
	if !strings.HasPrefix(r.PublicURL, "https://") && !strings.HasPrefix(r.PublicURL, "http://127.0.0.1") {
		return ""
	}
	return strings.TrimRight(r.PublicURL, "/") + "/opendsr/v2/callbacks/" + request.String() + "/" + recipient.String()
}

// send hands a request in at a processor.
func (r *Room) send(ctx context.Context, d *telling, p *Recipient, message []byte) (outcome, state string) {
	body, err := openDSRBody(message, r.callback(d.request, d.recipient))
	if err != nil {
		return "none of the identifiers is one that OpenDSR knows", TellTask
	}
	c, err := r.processor(ctx, d.tenant, p)
	if err != nil {
		return "the token can't be opened", TellDue
	}
	code, err := c.Send(ctx, body, http.Header{SignatureHeader: {Sign(p.Secret, r.Clock.Now(), body)}})
	if err != nil {
		return err.Error(), TellDue
	}
	if code < 200 || code > 299 {
		return httpOutcome(code), TellDue
	}
	return httpOutcome(code), TellSent
}

// follow asks a processor what became of a request.
func (r *Room) follow(ctx context.Context, d *telling, p *Recipient) (outcome, state string) {
	c, err := r.processor(ctx, d.tenant, p)
	if err != nil {
		return "the token can't be opened", TellSent
	}
	status, err := c.Status(ctx, asVersion4(d.request))
	if err != nil {
		return message(err), TellSent
	}
	return status, stateAt(status)
}

// stateAt is the state of telling that follows from a status at a processor.
func stateAt(status string) string {
	switch status {
	case client.Completed:
		return TellDone
	case client.Cancelled:
		return TellTask // it refused: somebody must find out why
	}
	return TellSent
}

// followAgain returns when a processor is asked next: after half the time that it has had, within limits. Zero:
// it has had enough.
func followAgain(sent, now time.Time) time.Time {
	had := now.Sub(sent)
	if had >= followGivesUp {
		return time.Time{}
	}
	return now.Add(min(max(had/2, followSoonest), followLatest))
}

// HearProcessor takes a callback in which a processor tells what became of a request. What is not its own, or
// not signed by it, changes nothing.
//
// Errors: fail.NotFound if nothing is waited for; those of client.Processor.Heard.
func (r *Room) HearProcessor(ctx context.Context, request, recipient uuid.UUID, header http.Header, body []byte) error {
	none := fail.New(fail.NotFound, "Nothing is waited for here.")
	t, err := r.TenantOf(ctx, request)
	if fail.Is(err, fail.NotFound) {
		return none
	}
	if err != nil {
		return err
	}
	d := telling{tenant: t, request: request, recipient: recipient}
	var state string
	err = r.DB.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT state, made_at, sent_at, tries FROM rights_told WHERE tenant_id = $1 AND request_id = $2 AND recipient_id = $3`,
			t, request[:], recipient[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&state, &d.made, &d.sent, &d.tries); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	p, err := r.recipient(ctx, t, recipient)
	if err != nil {
		return err
	}
	if state != TellSent || p == nil || p.Way != ByOpenDSR {
		return none
	}
	c, err := r.processor(ctx, t, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*tellPatience)
	defer cancel()
	of, status, err := c.Heard(ctx, header, body, r.Clock.Now())
	if err != nil {
		return err
	}
	if of != asVersion4(request) {
		return fail.New(fail.Forbidden, "The callback is about another request.")
	}
	return r.noteTold(ctx, &d, status, stateAt(status))
}

// recipient returns one recipient, nil if there is none any more.
func (r *Room) recipient(ctx context.Context, t id.Tenant, which uuid.UUID) (*Recipient, error) {
	all, err := r.Recipients(ctx, t)
	for i := range all {
		if all[i].ID == which {
			return &all[i], nil
		}
	}
	return nil, err
}
