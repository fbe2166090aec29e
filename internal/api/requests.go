package api

import (
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/rights"
)

// ownRequest is a data subject's request in Probity's own API: all that the Genesys shape can't say.
type ownRequest struct {
	ID           uuid.UUID                 `json:"id"`
	Type         rights.Type               `json:"type"`
	State        rights.State              `json:"state"`
	Status       string                    `json:"genesys_status"`
	Channel      string                    `json:"channel"`
	CreatedBy    rights.Actor              `json:"created_by"`
	Received     genesys.Time              `json:"received_at"`
	Due          genesys.Time              `json:"due_at"`
	Finished     *genesys.Time             `json:"finished_at"`
	Identifiers  []string                  `json:"identifiers"`
	Subject      genesys.GDPRSubject       `json:"subject"`
	Replacements []genesys.ReplacementTerm `json:"replacements,omitempty"`
	Report       rights.Report             `json:"report"`
	Package      *ownPackage               `json:"package"`
	Delivery     *rights.Delivery          `json:"delivery,omitempty"` // of a package that is sent on; in the answer about one request
	Certificate  string                    `json:"certificate,omitempty"`
	Problem      string                    `json:"problem,omitempty"`
	Article      string                    `json:"article,omitempty"`
	Self         string                    `json:"self"`
	Statement    string                    `json:"statement,omitempty"`
	Clock        string                    `json:"clock"` // running, paused or stopped
	Late         bool                      `json:"late"`
	Trail        string                    `json:"trail"`
	Policy       string                    `json:"policy"`
	rights.Facts
}

type ownPackage struct {
	Name      string       `json:"name"`
	Size      int64        `json:"size"`
	SHA256    string       `json:"sha256"`
	Expires   genesys.Time `json:"expires_at"`
	Downloads int          `json:"downloads"`
	Href      string       `json:"href"`
}

func newOwnRequest(q *rights.Request, now time.Time) ownRequest {
	self := "/probity/v1/requests/" + q.ID.String()
	g := genesys.Request(q, "")
	o := ownRequest{
		ID: q.ID, Type: q.Type, State: q.State, Status: g.Status, Channel: q.Channel, CreatedBy: q.CreatedBy,
		Received: genesys.Time(q.ReceivedAt), Due: genesys.Time(q.DueAt), Identifiers: q.Identifiers,
		Subject: g.Subject, Replacements: g.ReplacementTerms, Report: q.Report, Problem: q.Problem, Article: q.Article, Self: self,
		Statement: q.Statement, Clock: "running", Trail: self + "/trail", Policy: self + "/policy", Facts: q.Facts,
	}
	switch {
	case q.State.Final():
		o.Clock = "stopped"
	case q.Paused():
		o.Clock = "paused"
	}
	o.Late = o.Clock == "running" && !now.Before(q.DueAt)
	if !q.FinishedAt.IsZero() {
		finished := genesys.Time(q.FinishedAt)
		o.Finished = &finished
	}
	if p := q.Package; p != nil {
		o.Package = &ownPackage{p.Name, p.Size, hex.EncodeToString(p.SHA256[:]), genesys.Time(p.ExpiresAt), p.Downloads, self + "/package"}
	}
	if q.Certified {
		o.Certificate = self + "/certificate"
	}
	return o
}

// isChannel tells a word from what could name a person: the column is clear and outlives an erasure.
func isChannel(text string) bool {
	return len(text) <= 40 && !strings.ContainsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' })
}

func (c *call) request() error {
	q, err := c.findRequest()
	if err != nil {
		return err
	}
	o := newOwnRequest(q, c.api.Clock.Now())
	if o.Delivery, err = c.api.Rights.DeliveryOf(c.Context(), c.who.Tenant, q.ID); err != nil {
		return err
	}
	return c.reply(http.StatusOK, o)
}

func (c *call) findRequest() (*rights.Request, error) {
	request, err := c.pathID("requestId")
	if err != nil {
		return nil, err
	}
	return c.api.Rights.Get(c.Context(), c.who.Tenant, request)
}

func (c *call) requestPackage() error {
	q, err := c.findRequest()
	if err != nil {
		return err
	}
	if q.Package == nil {
		return fail.New(fail.NotFound, "This request has no package: it is not ready, has expired, or never had one.")
	}
	p, file, err := c.api.Rights.Download(c.Context(), c.who.Tenant, q.Package.ID, rights.Actor{Kind: "client", ID: c.who.UID})
	if err != nil {
		return err
	}
	return c.file(p.Name, "application/zip", file)
}

func (c *call) certificate() error {
	request, err := c.pathID("requestId")
	if err != nil {
		return err
	}
	file, err := c.api.Rights.Certificate(c.Context(), c.who.Tenant, request)
	if err != nil {
		return err
	}
	return c.file("certificate-"+request.String()+".json", "application/json", file)
}

// checkpoint is the signed head of the organisation's log. Whoever keeps one can later prove that
// nothing below it was changed.
func (c *call) checkpoint() error {
	signed, err := c.api.Ledger.Checkpoint(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.Header().Set("Cache-Control", "no-store")
	_, _ = c.w.Write(signed)
	return nil
}
