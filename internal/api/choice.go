package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/verify"
)

// The consent endpoints take text/plain too, so that a browser asks no question before.
const plainText = "text/plain"

type uiBody struct {
	Component string `json:"component"`
	Action    string `json:"action"`
	DwellMS   int    `json:"dwell_ms"`
	Trusted   bool   `json:"trusted"`
	Viewport  string `json:"viewport"`
}

func (u uiBody) ui() consent.UI {
	return consent.UI{Component: u.Component, Action: u.Action, DwellMS: u.DwellMS, Trusted: u.Trusted, Viewport: u.Viewport}
}

// served gives out the nonce that a choice must bring back. Nothing is stored.
func (c *call) served() error {
	var body struct {
		Deployment uuid.UUID `json:"deployment"`
		Notice     string    `json:"notice"`
		Version    int       `json:"version"`
		Language   string    `json:"language"`
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	d, err := c.deployment(body.Deployment)
	if err != nil {
		return err
	}
	nonce, err := c.api.Consent.Nonce(c.Context(), d.Tenant, consent.NonceFor{
		Deployment: d.ID, NoticeID: body.Notice, Version: body.Version, Language: body.Language,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]string{"nonce": nonce})
}

type choiceAnswer struct {
	Visitor  *uuid.UUID      `json:"visitor"`
	RecordID *uuid.UUID      `json:"record_id"`
	Purposes map[string]bool `json:"purposes"`
	Choice   string          `json:"choice"`
	Receipt  *verify.Receipt `json:"receipt"`
}

func answer(o *consent.Outcome) choiceAnswer {
	a := choiceAnswer{Visitor: o.Visitor, Purposes: o.Purposes, Choice: o.Token, Receipt: o.Receipt}
	if o.RecordID != uuid.Nil {
		a.RecordID = &o.RecordID
	}
	return a
}

func (c *call) choose() error {
	var body struct {
		Deployment uuid.UUID       `json:"deployment"`
		Nonce      string          `json:"nonce"`
		Visitor    *uuid.UUID      `json:"visitor"`
		Purposes   map[string]bool `json:"purposes"`
		UI         uiBody          `json:"ui"`
		ClientTime time.Time       `json:"client_time"`
		Look       *string         `json:"look"`
		ageBody
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	d, err := c.deployment(body.Deployment)
	if err != nil {
		return err
	}
	o, err := c.api.Consent.Choose(c.Context(), d.Tenant, consent.Choice{
		Deployment: d.ID, Nonce: body.Nonce, Visitor: body.Visitor, Purposes: body.Purposes, UI: body.UI.ui(),
		GPC: consent.SignalsGPC(c.Header.Values("Sec-GPC")), DNT: consent.SignalsDNT(c.Header.Values("DNT")), HonourDNT: d.HonourDNT, ClientTime: body.ClientTime,
		Age: body.age(), Look: body.Look,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, answer(o))
}

// withdraw takes consent back. Whoever says why is not listened to: nobody has to, and nothing is kept
// that nobody needs.
func (c *call) withdraw() error {
	return c.takeBack(func(ctx context.Context, t id.Tenant, w consent.Withdrawal) (*consent.Outcome, error) {
		w.Reason = ""
		return c.api.Consent.Withdraw(ctx, t, w)
	})
}

// object takes an objection to purposes that rest on another basis than consent (Art. 21). It works
// like a withdrawal, but must say to what, and may say why: a reason weighs where grounds are weighed.
func (c *call) object() error {
	return c.takeBack(func(ctx context.Context, t id.Tenant, w consent.Withdrawal) (*consent.Outcome, error) {
		if len(w.Purposes) == 0 {
			return nil, fail.Field("purposes", "the purposes that are objected to are needed")
		}
		return c.api.Consent.ObjectFrom(ctx, t, w)
	})
}

// takeBack reads what a visitor takes back or objects to, and has it done.
func (c *call) takeBack(do func(context.Context, id.Tenant, consent.Withdrawal) (*consent.Outcome, error)) error {
	var body struct {
		Deployment uuid.UUID `json:"deployment"`
		Visitor    uuid.UUID `json:"visitor"`
		Purposes   []string  `json:"purposes"`
		UI         uiBody    `json:"ui"`
		ClientTime time.Time `json:"client_time"`
		Reason     string    `json:"reason"`
	}
	if err := c.decode(&body, plainText); err != nil {
		return err
	}
	if body.Visitor == uuid.Nil {
		return fail.Field("visitor", "the visitor is needed")
	}
	d, err := c.deployment(body.Deployment)
	if err != nil {
		return err
	}
	o, err := do(c.Context(), d.Tenant, consent.Withdrawal{
		Deployment: d.ID, Visitor: body.Visitor, Purposes: body.Purposes, UI: body.UI.ui(), ClientTime: body.ClientTime,
		Reason: body.Reason,
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, answer(o))
}

type visitorBody struct {
	Deployment uuid.UUID `json:"deployment"`
	Visitor    uuid.UUID `json:"visitor"`
	RecordID   uuid.UUID `json:"record_id"`
	Format     string    `json:"format"` // of a receipt; see consent.Format
}

// whose reads the visitor that a call is about and finds the data subject.
func (c *call) whose() (b visitorBody, t id.Tenant, s id.Subject, err error) {
	if err = c.decode(&b, plainText); err != nil {
		return b, t, s, err
	}
	d, err := c.deployment(b.Deployment)
	if err != nil {
		return b, t, s, err
	}
	if b.Visitor == uuid.Nil {
		return b, t, s, fail.Field("visitor", "the visitor is needed")
	}
	s, err = c.visitor(d.Tenant, b.Visitor)
	return b, d.Tenant, s, err
}

// maxReceipts bounds how many proofs one answer holds; the newest come first.
const maxReceipts = 20

func (c *call) consentState() error {
	type state struct {
		Status        consent.Status `json:"status"`
		Since         *time.Time     `json:"since"`
		Until         *time.Time     `json:"until,omitempty"`
		NoticeVersion int            `json:"notice_version,omitempty"`
		RecordID      *uuid.UUID     `json:"record_id"`
		Elsewhere     bool           `json:"elsewhere,omitempty"`
	}
	out := struct {
		Purposes map[string]state  `json:"purposes"`
		Receipts []*verify.Receipt `json:"receipts"`
	}{map[string]state{}, []*verify.Receipt{}}
	_, t, s, err := c.whose()
	if fail.Is(err, fail.ConsentRequired) {
		// Nobody knows this visitor, which is an answer and no failure.
		return c.reply(http.StatusOK, out)
	}
	if err != nil {
		return err
	}
	states, err := c.api.Consent.State(c.Context(), t, s)
	if err != nil {
		return err
	}
	for purpose, st := range states {
		o := state{Status: st.Status, NoticeVersion: st.NoticeVersion, Elsewhere: st.Elsewhere}
		if !st.Since.IsZero() {
			o.Since = &st.Since
		}
		if !st.Until.IsZero() {
			o.Until = &st.Until
		}
		if st.RecordID != uuid.Nil {
			o.RecordID = &st.RecordID
		}
		out.Purposes[purpose] = o
	}
	records, err := c.api.Consent.History(c.Context(), t, []id.Subject{s})
	if err != nil {
		return err
	}
	for i := len(records) - 1; i >= 0 && len(out.Receipts) < maxReceipts; i-- {
		r, err := c.api.Consent.PersonalReceipt(c.Context(), t, s, records[i].ID)
		if err != nil {
			return err
		}
		out.Receipts = append(out.Receipts, r)
	}
	return c.reply(http.StatusOK, out)
}

// receipt hands out the proof of one choice as a file for probity verify.
func (c *call) receipt() error {
	b, t, s, err := c.whose()
	if fail.Is(err, fail.ConsentRequired) {
		return fail.New(fail.NotFound, "There is no such record.")
	}
	if err != nil {
		return err
	}
	return c.export(t, s, b.RecordID, b.Format)
}
