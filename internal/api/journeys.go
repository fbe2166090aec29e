package api

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
	"probity/internal/subject"
)

func (c *call) findSession() (*journey.Session, error) {
	v, err := c.pathID("sessionId")
	if err != nil {
		return nil, err
	}
	return c.api.reader.Session(c.Context(), c.who.Tenant, v)
}

// cookieOf returns the visitor's cookie, which the Genesys API calls the customer.
func (c *call) cookieOf(t id.Tenant, s id.Subject) (string, error) {
	held, err := c.api.Subjects.Identities(c.Context(), t, s)
	if fail.Is(err, fail.Gone) || fail.Is(err, fail.NotFound) {
		return "", nil
	}
	for _, i := range held {
		if i.Kind == subject.Cookie {
			return i.Value, err
		}
	}
	return "", err
}

func (c *call) session() error {
	s, err := c.findSession()
	if err != nil {
		return err
	}
	cookie, err := c.cookieOf(c.who.Tenant, s.Subject)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewSession(s, cookie))
}

// sessionEvents lists what happened in a session, in pages with a cursor. What was concluded from
// the events (outcomes, segments) follows on the last page.
func (c *call) sessionEvents() error {
	s, err := c.findSession()
	if err != nil {
		return err
	}
	size, err := c.queryInt("pageSize", 25, journey.MaxPage)
	if err != nil {
		return err
	}
	cookie, err := c.cookieOf(c.who.Tenant, s.Subject)
	if err != nil {
		return err
	}
	want := c.queryList("eventType")
	wants := func(t string) bool { return len(want) == 0 || contains(want, t) }
	for _, t := range want {
		switch t {
		case genesys.TypeWeb, genesys.TypeApp, genesys.TypeOutcomeAchieved, genesys.TypeSegmentAssignment, genesys.TypeWebAction:
		default:
			return fail.Field("eventType", "there is no such type of event")
		}
	}
	self := "/api/v2/journey/sessions/" + s.ID.String() + "/events"
	out := genesys.EventListing{Entities: []genesys.Event{}, SelfURI: self}
	next := ""
	if wants(genesys.TypeWeb) {
		page, err := c.api.reader.SessionEvents(c.Context(), c.who.Tenant, s.ID, c.URL.Query().Get("after"), size)
		if err != nil {
			return err
		}
		next = page.Next
		for _, ev := range page.Events {
			out.Entities = append(out.Entities, genesys.NewEvent(ev, s, cookie))
		}
	}
	if next != "" {
		q := url.Values{"after": {next}, "pageSize": {strconv.Itoa(size)}}
		if len(want) > 0 {
			q["eventType"] = want
		}
		out.NextURI = self + "?" + q.Encode()
		return c.reply(http.StatusOK, out)
	}
	if wants(genesys.TypeOutcomeAchieved) {
		for _, a := range s.Achieved {
			o, err := c.api.Journey.Outcome(c.Context(), c.who.Tenant, a.Outcome)
			if err != nil && !fail.Is(err, fail.NotFound) {
				return err
			}
			out.Entities = append(out.Entities, genesys.NewOutcomeEvent(a, o, s, cookie))
		}
	}
	if wants(genesys.TypeSegmentAssignment) {
		for _, a := range s.Segments {
			out.Entities = append(out.Entities, genesys.NewSegmentEvent(a, s, cookie))
		}
	}
	return c.reply(http.StatusOK, out)
}

func contains(list []string, v string) bool {
	for _, l := range list {
		if l == v {
			return true
		}
	}
	return false
}

func (c *call) outcomeScores() error {
	s, err := c.findSession()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewOutcomeScores(s))
}

// The intervals at which browsers of the Genesys wire ask for offers, in milliseconds.
const (
	pollUsual = 10_000
	pollSlow  = 60_000 // no offer can come: nothing is known, or marketing is not allowed
)

// ping hands out the offers that wait. Without the page's address (dl) there are none. It is a GET
// with the visitor's id in its path, as that API has it; the id is not logged.
func (c *call) ping() error {
	d, err := c.pathDeployment()
	if err != nil {
		return err
	}
	cookie, err := uuid.Parse(c.PathValue("customerCookieId"))
	if err != nil {
		return fail.Field("customerCookieId", "the id of the customer must be a UUID")
	}
	none := genesys.Ping{Actions: []genesys.WebAction{}, PollIntervalMilliseconds: pollSlow}
	s, err := c.visitor(d.Tenant, cookie)
	if fail.Is(err, fail.ConsentRequired) {
		return c.reply(http.StatusOK, none)
	}
	if err != nil {
		return err
	}
	_, err = c.api.Consent.GateFor(c.Context(), d.Tenant, s, d.ID, journey.PurposeMarketing)
	if fail.Is(err, fail.ConsentRequired) {
		return c.reply(http.StatusOK, none)
	}
	if err != nil {
		return err
	}
	out := genesys.Ping{Actions: []genesys.WebAction{}, PollIntervalMilliseconds: pollUsual}
	if c.URL.Query().Get("dl") != "" {
		if out.Actions, err = c.offers(d.Tenant, d.ID, s, cookie); err != nil {
			return err
		}
	}
	return c.reply(http.StatusOK, out)
}

// actionEvent takes what a browser reports about an offer. The offer's random id and that of its
// session are the credential. The error message is not kept: it may hold anything.
func (c *call) actionEvent() error {
	d, err := c.pathDeployment()
	if err != nil {
		return err
	}
	var body genesys.ActionEventRequest
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	action, err := uuid.Parse(body.ActionID)
	if err != nil {
		return fail.Field("actionId", "the id of the action must be a UUID")
	}
	session, err := uuid.Parse(body.SessionID)
	if err != nil {
		return fail.Field("sessionId", "the id of the session must be a UUID")
	}
	if body.ActionState == "" {
		return fail.Field("actionState", "the state is needed")
	}
	_, err = c.api.Journey.Report(c.Context(), d.Tenant, journey.Report{
		Action: action, Session: session, State: journey.State(body.ActionState), ErrorCode: body.ErrorCode,
	})
	if err != nil {
		return err
	}
	return c.empty()
}
