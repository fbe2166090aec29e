package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/subject"
)

// waysTable lists the ways in and out of consent apart from the banner.
func waysTable(site string) []route {
	return []route{
		{"POST", "/probity/v1/consent/assertions", can(org.PermissionAssert), 0, (*call).assert},
		{"POST", "/probity/v1/consent/imports", can(org.PermissionAssert), limitBatch, (*call).importConsents},
		{"POST", "/probity/v1/consent/links", can(org.PermissionAssert), 0, (*call).makeLink},
		{"POST", "/probity/v1/consent/optins", public(site), 0, throttled((*call).optIn)},
		{"POST", "/probity/v1/consent/parents", public(site), 0, throttled((*call).askParent)},
		{"POST", "/probity/v1/consent/records/{record}/invalidate", can(org.PermissionVoid), 0, (*call).invalidate},
		{"POST", "/probity/v1/consent/invalidations", can(org.PermissionVoid), 0, (*call).invalidateAll},
		{"GET", "/probity/v1/consent/declarations", can(org.PermissionDeclare, org.PermissionConsent), 0, (*call).declarations},
		{"POST", "/probity/v1/consent/declarations", can(org.PermissionDeclare), 0, (*call).declare},
		{"POST", "/probity/v1/consent/declarations/{record}/end", can(org.PermissionDeclare), 0, (*call).endDeclaration},
		{"POST", "/probity/v1/consent/person/state", can(org.PermissionPerson, org.PermissionConsent), 0, (*call).personState},
		{"POST", "/probity/v1/consent/person/choices", can(org.PermissionPerson), 0, (*call).personChoose},
		{"PUT", "/probity/v1/deployments/{deploymentId}/agegate", can(org.PermissionAdmin), 0, (*call).setAgeGate},
	}
}

// who names a person by exactly one identity.
type who struct {
	Cookie     string `json:"cookie"`
	Email      string `json:"email"`
	Phone      string `json:"phone"`
	ExternalID string `json:"external_id"`
}

func (w who) one() (consent.Who, error) {
	var out consent.Who
	n := 0
	for _, i := range []consent.Who{
		{Kind: subject.Cookie, Value: w.Cookie}, {Kind: subject.Email, Value: w.Email},
		{Kind: subject.Phone, Value: w.Phone}, {Kind: subject.ExternalID, Value: w.ExternalID},
	} {
		if i.Value != "" {
			out = i
			n++
		}
	}
	if n != 1 {
		return out, fail.Field("person", "name the person by exactly one of cookie, email, phone, external_id")
	}
	return out, nil
}

// ageBody is what a site declares of a visitor's age.
type ageBody struct {
	AgeBand string     `json:"age_band"`
	Country string     `json:"country"`
	Until   *time.Time `json:"age_until"`
}

func (b ageBody) age() *consent.Age {
	if b.AgeBand == "" {
		return nil
	}
	a := &consent.Age{Band: b.AgeBand, Country: b.Country}
	if b.Until != nil {
		a.Until = *b.Until
	}
	return a
}

// actor is who a call is made by, as entries name them.
func (c *call) actor() string { return "client:" + c.who.ClientID }

// assert records what somebody said elsewhere. The second time under one key the answer is 200.
func (c *call) assert() error {
	var body struct {
		Person     who             `json:"person"`
		Deployment uuid.UUID       `json:"deployment"`
		Channel    string          `json:"channel"`
		Purposes   map[string]bool `json:"purposes"`
		Objection  bool            `json:"objection"`
		SaidAt     time.Time       `json:"said_at"`
		Notice     string          `json:"notice"`
		Version    int             `json:"version"`
		Language   string          `json:"language"`
		Text       string          `json:"text"`
		Staff      string          `json:"staff"` // reference of who wrote it down; empty: the client
		Evidence   string          `json:"evidence"`
		Explicit   bool            `json:"explicit"`
		Key        string          `json:"key"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	person, err := body.Person.one()
	if err != nil {
		return err
	}
	by := c.actor()
	if body.Staff != "" {
		by += " staff:" + body.Staff
	}
	out, err := c.api.Consent.Assert(c.Context(), c.who.Tenant, consent.Assertion{
		Who: person, Deployment: body.Deployment, Channel: body.Channel, Purposes: body.Purposes, Objection: body.Objection, Said: body.SaidAt,
		Notice: body.Notice, Version: body.Version, Language: body.Language, Text: body.Text, RecordedBy: by,
		Evidence: body.Evidence, Explicit: body.Explicit, Key: body.Key,
	})
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if out.Repeated {
		status = http.StatusOK
	}
	return c.reply(status, map[string]any{
		"record_id": out.RecordID, "repeated": out.Repeated, "proof_level": "assertion", "states": out.Purposes, "receipt": out.Receipt,
	})
}

// makeLink makes a link that takes consent back, with the headers of RFC 8058 for letters that carry it.
func (c *call) makeLink() error {
	var body struct {
		Person     who       `json:"person"`
		Deployment uuid.UUID `json:"deployment"`
		Purposes   []string  `json:"purposes"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	person, err := body.Person.one()
	if err != nil {
		return err
	}
	token, err := c.api.Consent.LinkFor(c.Context(), c.who.Tenant, person, body.Deployment, body.Purposes)
	if err != nil {
		return err
	}
	url := c.base() + "/privacy/l/" + token
	return c.reply(http.StatusCreated, map[string]any{
		"url": url,
		"headers": map[string]string{
			"List-Unsubscribe":      "<" + url + ">",
			"List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		},
	})
}

// optIn sends the letter of a double opt-in. The answer is the same whoever the address belongs to.
func (c *call) optIn() error {
	var body struct {
		Deployment uuid.UUID `json:"deployment"`
		Nonce      string    `json:"nonce"`
		Email      string    `json:"email"`
		Purposes   []string  `json:"purposes"`
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	d, err := c.deployment(body.Deployment)
	if err != nil {
		return err
	}
	if _, err := c.api.Consent.RequestOptIn(c.Context(), d.Tenant, consent.OptIn{
		Deployment: d.ID, Nonce: body.Nonce, Email: body.Email, Purposes: body.Purposes,
	}); err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, map[string]any{"status": consent.Suspended, "days": int(consent.AskLife.Hours() / 24)})
}

// askParent sends the letter that asks a holder of parental responsibility.
func (c *call) askParent() error {
	var body struct {
		Deployment uuid.UUID  `json:"deployment"`
		Nonce      string     `json:"nonce"`
		Visitor    *uuid.UUID `json:"visitor"`
		Parent     string     `json:"parent_email"`
		Purposes   []string   `json:"purposes"`
		ageBody
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	d, err := c.deployment(body.Deployment)
	if err != nil {
		return err
	}
	age := body.age()
	if age == nil {
		return fail.Field("age_band", "the age is needed")
	}
	visitor, err := c.api.Consent.AskParent(c.Context(), d.Tenant, consent.Child{
		Deployment: d.ID, Nonce: body.Nonce, Visitor: body.Visitor, Purposes: body.Purposes, Age: *age, Parent: body.Parent,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusAccepted, map[string]any{
		"status": consent.Suspended, "visitor": visitor, "days": int(consent.AskLife.Hours() / 24),
	})
}

type voidBody struct {
	Reason  string `json:"reason"`
	Revoked bool   `json:"revoked"` // it was valid, and the controller ends it
}

type ended struct {
	RecordID uuid.UUID `json:"record_id"`
	Ledger   int64     `json:"ledger_entry"`
	Purposes []string  `json:"purposes"`
}

func endedOf(records []consent.Record) []ended {
	list := []ended{}
	for _, rec := range records {
		e := ended{RecordID: rec.ID, Ledger: rec.Ledger}
		for _, ef := range rec.Effects {
			e.Purposes = append(e.Purposes, ef.Purpose)
		}
		list = append(list, e)
	}
	return list
}

// invalidate ends the grants of one record. Which events rested on it is told by …/records/{record}/events.
func (c *call) invalidate() error {
	record, err := c.pathID("record")
	if err != nil {
		return err
	}
	var body voidBody
	if err := c.decode(&body); err != nil {
		return err
	}
	made, err := c.api.Consent.VoidRecord(c.Context(), c.who.Tenant, record, consent.Void{Reason: body.Reason, Actor: c.actor(), Revoked: body.Revoked})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"ended": endedOf(made)})
}

// invalidateAll ends the grants of everybody who was shown a notice, a batch at a time.
func (c *call) invalidateAll() error {
	var body struct {
		voidBody
		Notice     string     `json:"notice"`
		Version    int        `json:"version"`
		Language   string     `json:"language"`
		Deployment uuid.UUID  `json:"deployment"`
		From       *time.Time `json:"from"`
		To         *time.Time `json:"to"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	which := consent.Which{Notice: body.Notice, Version: body.Version, Language: body.Language, Deployment: body.Deployment}
	if body.From != nil {
		which.From = *body.From
	}
	if body.To != nil {
		which.To = *body.To
	}
	const batch = 500
	made, err := c.api.Consent.VoidAll(c.Context(), c.who.Tenant, which, consent.Void{Reason: body.Reason, Actor: c.actor(), Revoked: body.Revoked}, batch)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"ended": endedOf(made), "more": len(made) > 0})
}

type declaration struct {
	RecordID   uuid.UUID           `json:"record_id"`
	Deployment *uuid.UUID          `json:"deployment"` // null: every deployment
	Basis      string              `json:"basis"`
	Purposes   []string            `json:"purposes"`
	Text       string              `json:"text"`
	Assessment *consent.Assessment `json:"assessment"` // null: there is only the text
	Declared   time.Time           `json:"declared_at"`
	Ended      *time.Time          `json:"ended_at"`
	Ledger     int64               `json:"ledger_entry"`
	ReviewDue  bool                `json:"review_due"`
}

func (c *call) declarations() error {
	all, err := c.api.Consent.Declarations(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	now := c.api.Clock.Now()
	list := []declaration{}
	for _, d := range all {
		one := declaration{
			RecordID: d.Record, Basis: string(d.Basis), Purposes: d.Purposes, Text: d.Assessment, Assessment: d.Detail,
			Declared: d.At, Ledger: d.Ledger, ReviewDue: d.ReviewDue(now),
		}
		if d.Deployment != uuid.Nil {
			one.Deployment = &d.Deployment
		}
		if !d.Ended.IsZero() {
			one.Ended = &d.Ended
		}
		list = append(list, one)
	}
	return c.reply(http.StatusOK, map[string]any{"entities": list})
}

func (c *call) declare() error {
	var body struct {
		Deployment uuid.UUID          `json:"deployment"`
		Basis      string             `json:"basis"`
		Purposes   []string           `json:"purposes"`
		Assessment consent.Assessment `json:"assessment"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	record, err := c.api.Consent.DeclareAssessed(c.Context(), c.who.Tenant, consent.Declaration{
		Deployment: body.Deployment, Basis: body.Basis, Purposes: body.Purposes, By: c.actor(),
	}, body.Assessment)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, map[string]string{"record_id": record})
}

func (c *call) endDeclaration() error {
	record, err := c.pathID("record")
	if err != nil {
		return err
	}
	if err := c.decode(&struct{}{}); err != nil {
		return err
	}
	if err := c.api.Consent.EndDeclaration(c.Context(), c.who.Tenant, record.String(), c.actor()); err != nil {
		return err
	}
	return c.empty()
}

// personState tells what holds for a person on each of their devices. The answer names no device.
func (c *call) personState() error {
	var body struct {
		Person who `json:"person"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	person, err := body.Person.one()
	if err != nil {
		return err
	}
	states, err := c.api.Consent.Effective(c.Context(), c.who.Tenant, person)
	if err != nil {
		return err
	}
	type state struct {
		Status   consent.Status `json:"status"`
		Since    *time.Time     `json:"since"`
		Asserted bool           `json:"asserted"`
	}
	devices := []map[string]state{}
	for _, of := range states {
		one := map[string]state{}
		for purpose, st := range of {
			s := state{Status: st.Status, Asserted: st.Asserted}
			if !st.Since.IsZero() {
				s.Since = &st.Since
			}
			one[purpose] = s
		}
		devices = append(devices, one)
	}
	return c.reply(http.StatusOK, map[string]any{"known": len(states) > 0, "references": devices})
}

// personChoose records what somebody chose who is signed in on the caller's site.
func (c *call) personChoose() error {
	var body struct {
		ExternalID string          `json:"external_id"`
		Deployment uuid.UUID       `json:"deployment"`
		Nonce      string          `json:"nonce"`
		Purposes   map[string]bool `json:"purposes"`
		UI         uiBody          `json:"ui"`
		ClientTime time.Time       `json:"client_time"`
		ageBody
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	d, err := c.api.Org.Deployment(c.Context(), body.Deployment)
	if err != nil {
		return err
	}
	if d.Tenant != c.who.Tenant {
		return fail.New(fail.NotFound, "There is no such deployment.")
	}
	o, err := c.api.Consent.ChooseAs(c.Context(), d.Tenant, body.ExternalID, consent.Choice{
		Deployment: d.ID, Nonce: body.Nonce, Purposes: body.Purposes, UI: body.UI.ui(), ClientTime: body.ClientTime, Age: body.age(),
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, answer(o))
}

func (c *call) setAgeGate() error {
	v, err := c.pathID("deploymentId")
	if err != nil {
		return err
	}
	var body struct {
		On      bool   `json:"on"`
		Country string `json:"country"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	d, err := c.api.Org.Deployment(c.Context(), v)
	if err != nil {
		return err
	}
	if d.Tenant != c.who.Tenant {
		return fail.New(fail.NotFound, "There is no such deployment.")
	}
	if err := c.api.Consent.SetAgeGate(c.Context(), c.who.Tenant, d.ID, body.On, body.Country); err != nil {
		return err
	}
	return c.empty()
}
