package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/rights"
)

// requestTable lists the life of a data subject's request in Probity's own API.
func requestTable() []route {
	const code = "the code that was sent to the person's address is the credential"
	list := []route{
		{"POST", "/probity/v1/requests", can(org.PermissionRequest), 0, (*call).addRequest},
		{"GET", "/probity/v1/requests", can(org.PermissionRights), 0, (*call).requests},
		{"POST", "/probity/v1/requests/bulk", can(org.PermissionRequest), limitBatch, (*call).addRequests},
		{"POST", "/probity/v1/requests/simulate", can(org.PermissionRequest), 0, (*call).simulateRequest},
		{"GET", "/probity/v1/requests/settings", can(org.PermissionRights, org.PermissionAdmin), 0, (*call).requestSettings},
		{"PUT", "/probity/v1/requests/settings", can(org.PermissionAdmin), 0, (*call).saveRequestSettings},
		{"GET", "/probity/v1/requests/{requestId}", can(org.PermissionRights), 0, (*call).request},
		{"GET", "/probity/v1/requests/{requestId}/trail", can(org.PermissionRights), 0, (*call).requestTrail},
		{"GET", "/probity/v1/requests/{requestId}/policy", can(org.PermissionRights), 0, (*call).requestPolicy},
		{"POST", "/probity/v1/requests/{requestId}/code", can(org.PermissionHandle), 0, (*call).sendCode},
		{"POST", "/probity/v1/requests/{requestId}/code/check", public(code), 0, throttled(on("requestId", (*call).checkCode))},
		{"GET", "/probity/v1/holds", can(org.PermissionRights, org.PermissionDecide), 0, (*call).holds},
		{"POST", "/probity/v1/holds", can(org.PermissionDecide), 0, (*call).addHold},
		{"POST", "/probity/v1/holds/{holdId}/release", can(org.PermissionDecide), 0, on("holdId", (*call).releaseHold)},
	}
	for _, m := range []struct {
		path       string
		permission string
		move       rights.Move
	}{
		{"question", org.PermissionHandle, rights.MoveAsk},
		{"answer", org.PermissionHandle, rights.MoveAnswer},
		{"identity", org.PermissionHandle, rights.MoveVerify},
		{"extension", org.PermissionHandle, rights.MoveExtend},
		{"fee", org.PermissionHandle, rights.MoveFee},
		{"withdrawal", org.PermissionHandle, rights.MoveWithdraw},
		{"retry", org.PermissionHandle, rights.MoveRetry},
		{"approval", org.PermissionApprove, rights.MoveApprove},
		{"refusal", org.PermissionDecide, rights.MoveRefuse},
		{"hold", org.PermissionDecide, rights.MoveHold},
		{"release", org.PermissionDecide, rights.MoveRelease},
		{"decision", org.PermissionDecide, rights.MoveDecide},
		{"announcement", org.PermissionDecide, rights.MoveAnnounce},
		{"lifting", org.PermissionDecide, rights.MoveLift},
	} {
		list = append(list, route{"POST", "/probity/v1/requests/{requestId}/" + m.path, can(m.permission), 0, move(m.move)})
	}
	return list
}

// caller is who calls, as the trail of a request names them.
func (c *call) caller() rights.Actor { return rights.Actor{Kind: "client", ID: c.who.UID} }

// newRequest is a request as it is handed in.
type newRequest struct {
	Type         rights.Type               `json:"type"`
	Subject      *genesys.GDPRSubject      `json:"subject"`
	Replacements []genesys.ReplacementTerm `json:"replacements"`
	Channel      string                    `json:"channel"`
	Received     time.Time                 `json:"received_at"`
	Ground       string                    `json:"ground"`
	Purposes     []string                  `json:"purposes"`
	Marketing    bool                      `json:"direct_marketing"`
	AtOnce       bool                      `json:"at_once"`
	Automated    *rights.Automated         `json:"automated_decision"`
	Statement    string                    `json:"statement"`
	Language     string                    `json:"language"`
	DeliverTo    string                    `json:"deliver_to"`
	Identity     struct {
		Method   rights.Method `json:"method"`
		Reason   string        `json:"reason"`
		Question string        `json:"question"`
		About    string        `json:"about"`
		Told     string        `json:"told"`
	} `json:"identity"`
}

func (n *newRequest) item() (rights.Item, error) {
	if n.Subject == nil {
		return rights.Item{}, fail.Field("subject", "a subject is needed")
	}
	if !isChannel(n.Channel) {
		return rights.Item{}, fail.Field("channel", "the channel is a word such as letter, e-mail or phone: up to 40 small letters and hyphens")
	}
	wire := genesys.GDPRRequestBody{ReplacementTerms: n.Replacements, Subject: n.Subject}
	q, _ := wire.ToRequest()
	q.Type, q.Channel, q.ReceivedAt, q.Statement, q.Language = n.Type, n.Channel, n.Received, n.Statement, n.Language
	q.DeliverTo = n.DeliverTo
	q.Facts = rights.Facts{Ground: strings.ToLower(n.Ground), Purposes: n.Purposes, Marketing: n.Marketing, AtOnce: n.AtOnce, Automated: n.Automated}
	return rights.Item{Request: q, Opening: rights.Opening{
		Method: n.Identity.Method, Reason: n.Identity.Reason, Ask: n.Identity.Question, About: n.Identity.About, Told: n.Identity.Told,
	}}, nil
}

// idempotencyKey makes a call that is repeated happen once.
const idempotencyKey = "Idempotency-Key"

func (c *call) addRequest() error {
	var body newRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	item, err := body.item()
	if err != nil {
		return err
	}
	made, err := c.api.Rights.OpenOnce(c.Context(), c.who.Tenant, c.caller(), c.Header.Get(idempotencyKey), 0, item)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/probity/v1/requests/"+made.ID.String())
	return c.reply(http.StatusAccepted, newOwnRequest(made, c.api.Clock.Now()))
}

// addRequests stores many requests. The answer says of each what became of it, in the order of the call.
func (c *call) addRequests() error {
	var body struct {
		Requests []newRequest `json:"requests"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	type result struct {
		Item   int        `json:"item"`
		Status int        `json:"status"`
		ID     *uuid.UUID `json:"id,omitempty"`
		Self   string     `json:"self,omitempty"`
		Error  *ownError  `json:"error,omitempty"`
	}
	results := make([]result, len(body.Requests))
	refuse := func(i int, err error) {
		p := describe(err)
		results[i] = result{Item: i, Status: p.status, Error: &ownError{p.message, p.code, p.status, p.field, contextIDOf(c.Context())}}
	}
	// Numbers stay those of the call, so that a repeated call finds each item again.
	items := make([]rights.Item, len(body.Requests))
	wrong := make([]error, len(body.Requests))
	for i := range body.Requests {
		items[i], wrong[i] = body.Requests[i].item()
	}
	done, err := c.api.Rights.Bulk(c.Context(), c.who.Tenant, c.caller(), c.Header.Get(idempotencyKey), items)
	if err != nil {
		return err
	}
	for i, d := range done {
		switch {
		case wrong[i] != nil:
			refuse(i, wrong[i])
		case d.Err != nil:
			refuse(i, d.Err)
		default:
			results[i] = result{Item: i, Status: http.StatusAccepted, ID: &d.Request.ID, Self: "/probity/v1/requests/" + d.Request.ID.String()}
		}
	}
	return c.reply(http.StatusOK, map[string]any{"results": results})
}

// simulateRequest tells what a request would do, in numbers.
func (c *call) simulateRequest() error {
	var body newRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	item, err := body.item()
	if err != nil {
		return err
	}
	p, err := c.api.Rights.Simulate(c.Context(), c.who.Tenant, item.Request, item.Opening)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{
		"type": p.Type, "due_at": genesys.Time(p.DueAt), "found": p.Found, "matched": p.Matched, "stores": p.Stores, "rows": p.Rows,
		"hold": p.Hold, "restricted": p.Restricted, "second_person": p.SecondPerson, "earlier_requests": p.Earlier, "state": p.State,
	})
}

// requests lists requests: newest first, or with sort=due what is due first.
func (c *call) requests() error {
	size, number, err := c.page(25)
	if err != nil {
		return err
	}
	f := rights.Filter{ByDue: c.URL.Query().Get("sort") == "due"}
	if f.Open, err = c.queryBool("open", false); err != nil {
		return err
	}
	if f.Late, err = c.queryBool("late", false); err != nil {
		return err
	}
	for _, v := range c.queryList("type") {
		f.Types = append(f.Types, rights.Type(v))
	}
	for _, v := range c.queryList("state") {
		f.States = append(f.States, rights.State(v))
	}
	if len(f.Types)+len(f.States) > 40 {
		return fail.Field("state", "at most 40 types and states are looked for at once")
	}
	list, total, err := c.api.Rights.Select(c.Context(), c.who.Tenant, f, (number-1)*size, size)
	if err != nil {
		return err
	}
	out := make([]ownRequest, len(list))
	for i, q := range list {
		out[i] = newOwnRequest(q, c.api.Clock.Now())
	}
	return c.reply(http.StatusOK, map[string]any{"requests": out, "total": total, "pageSize": size, "pageNumber": number})
}

// requestTrail tells what happened to a request, when and by whom.
func (c *call) requestTrail() error {
	request, err := c.pathID("requestId")
	if err != nil {
		return err
	}
	trail, err := c.api.Rights.Trail(c.Context(), c.who.Tenant, request)
	if err != nil {
		return err
	}
	type happened struct {
		At    genesys.Time      `json:"at"`
		By    rights.Actor      `json:"by"`
		What  string            `json:"what"`
		State rights.State      `json:"state"`
		Words map[string]string `json:"words,omitempty"`
	}
	out := make([]happened, len(trail))
	for i, h := range trail {
		out[i] = happened{genesys.Time(h.At), h.By, h.What, h.State, h.Words}
	}
	return c.reply(http.StatusOK, map[string]any{"trail": out})
}

// requestPolicy shows the rules by which a request is handled: those of the day it was received.
func (c *call) requestPolicy() error {
	q, err := c.findRequest()
	if err != nil {
		return err
	}
	body, err := c.api.Rights.Snapshot(c.Context(), c.who.Tenant, q.Facts.Policy)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"sha256": q.Facts.Policy, "policy": body})
}

// on returns a handler that reads the body and an id of the path, and acts with them.
func on[B any](param string, act func(c *call, which uuid.UUID, body *B) error) func(*call) error {
	return func(c *call) error {
		body := new(B)
		if err := c.decode(body); err != nil {
			return err
		}
		which, err := c.pathID(param)
		if err != nil {
			return err
		}
		return act(c, which, body)
	}
}

// reasoned is a body that says why.
type reasoned struct {
	Reason string `json:"reason"`
}

// step is what people say of a step that they take with a request.
type step struct {
	Reason    string         `json:"reason"`
	Complaint string         `json:"complaint"`
	Remedy    string         `json:"remedy"`
	Article   string         `json:"article"`
	Outcome   rights.Outcome `json:"outcome"`
	About     string         `json:"about"`
	Method    rights.Method  `json:"method"`
	Told      string         `json:"told"`
	Amount    string         `json:"amount"`
	Currency  string         `json:"currency"`
}

// move returns the handler of one step that people take with a request.
func move(do rights.Move) func(*call) error {
	return on("requestId", func(c *call, request uuid.UUID, body *step) error {
		q, err := c.api.Rights.Act(c.Context(), c.who.Tenant, request, rights.Act{
			Do: do, By: c.caller(), Reason: body.Reason, Complaint: body.Complaint, Remedy: body.Remedy, Article: body.Article,
			Outcome: body.Outcome, About: body.About, Method: body.Method, Told: body.Told, Amount: body.Amount, Currency: body.Currency,
		})
		if err != nil {
			return err
		}
		return c.reply(http.StatusOK, newOwnRequest(q, c.api.Clock.Now()))
	})
}

func (c *call) sendCode() error {
	if c.ContentLength != 0 {
		var nothing struct{}
		if err := c.decode(&nothing); err != nil {
			return err
		}
	}
	request, err := c.pathID("requestId")
	if err != nil {
		return err
	}
	if err := c.api.Rights.SendCode(c.Context(), c.who.Tenant, request, c.caller()); err != nil {
		return err
	}
	return c.empty()
}

// sentBack is a code that the person sends back.
type sentBack struct {
	Code string `json:"code"`
}

// checkCode takes the code back from the person. Whoever has it learns that it was right, and no more.
func (c *call) checkCode(request uuid.UUID, body *sentBack) error {
	t, err := c.api.Rights.TenantOf(c.Context(), request)
	if fail.Is(err, fail.NotFound) {
		// As a wrong code: nobody finds out which numbers are requests.
		return fail.New(fail.Forbidden, "This is not the code.").WithCode("code.wrong")
	}
	if err != nil {
		return err
	}
	q, err := c.api.Rights.CheckCode(c.Context(), t, request, body.Code, rights.Actor{Kind: "subject"})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"state": q.State, "due_at": genesys.Time(q.DueAt)})
}

func (c *call) requestSettings() error {
	set, err := c.api.Rights.Settings(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, set)
}

func (c *call) saveRequestSettings() error {
	var set rights.Settings
	if err := c.decode(&set); err != nil {
		return err
	}
	if err := c.api.Rights.Set(c.Context(), c.who.Tenant, set); err != nil {
		return err
	}
	return c.requestSettings()
}

type ownHold struct {
	ID       uuid.UUID     `json:"id"`
	Article  string        `json:"article"`
	Reason   string        `json:"reason"`
	At       genesys.Time  `json:"at"`
	By       rights.Actor  `json:"by"`
	Released *genesys.Time `json:"released_at"`
}

func newOwnHold(k *rights.Keeping) ownHold {
	h := ownHold{ID: k.ID, Article: k.Article, Reason: k.Reason, At: genesys.Time(k.At), By: k.By}
	if !k.Released.IsZero() {
		released := genesys.Time(k.Released)
		h.Released = &released
	}
	return h
}

func (c *call) holds() error {
	list, err := c.api.Rights.Keepings(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	out := make([]ownHold, 0, len(list))
	for i := range list {
		out = append(out, newOwnHold(&list[i]))
	}
	return c.reply(http.StatusOK, map[string]any{"holds": out})
}

func (c *call) addHold() error {
	var body struct {
		Subject *genesys.GDPRSubject `json:"subject"`
		Article string               `json:"article"`
		Reason  string               `json:"reason"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if body.Subject == nil {
		return fail.Field("subject", "a subject is needed")
	}
	wire := genesys.GDPRRequestBody{Subject: body.Subject}
	q, _ := wire.ToRequest()
	k, err := c.api.Rights.Keep(c.Context(), c.who.Tenant, q.Who, body.Article, body.Reason, c.caller())
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, newOwnHold(k))
}

func (c *call) releaseHold(hold uuid.UUID, body *reasoned) error {
	if err := c.api.Rights.Release(c.Context(), c.who.Tenant, hold, body.Reason, c.caller()); err != nil {
		return err
	}
	return c.empty()
}
