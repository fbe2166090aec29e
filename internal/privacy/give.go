package privacy

import (
	"net/http"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// box is a purpose that the visitor is asked about. It is ticked if it is consented to already, and
// never otherwise.
type box struct {
	notice.NoticePurpose
	Given bool
}

// askConsent shows the notice with a box for each purpose that rests on consent. What is agreed to
// there is a choice like that of the banner: under the same notice, with a nonce of its own, and with
// the same receipt. It is offered to who is known already. Whoever runs no script and is not known is
// not tracked, so that there is nothing to agree to.
func (v *visit) askConsent() error {
	site, err := v.site()
	if err != nil {
		return err
	}
	if site == uuid.Nil {
		return v.stranger()
	}
	n, err := v.Consent.Notice(v.r.Context(), v.Tenant, v.lang)
	if err != nil {
		return err
	}
	nonce, err := v.Consent.Nonce(v.r.Context(), v.Tenant, consent.NonceFor{
		Deployment: site, NoticeID: n.ID, Version: n.Version, Language: n.Language,
	})
	if err != nil {
		return err
	}
	state, err := v.Consent.State(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return err
	}
	var boxes []box
	for _, p := range n.Purposes {
		if p.Basis == notice.Consent {
			boxes = append(boxes, box{p, state[p.ID].Status == consent.Given})
		}
	}
	return v.show(http.StatusOK, "give", "give.title", map[string]any{"Notice": n, "Nonce": nonce, "Boxes": boxes})
}

// give records what was ticked, and as refused what was not.
func (v *visit) give() error {
	site, err := v.site()
	if err != nil {
		return err
	}
	if site == uuid.Nil {
		return v.stranger()
	}
	purposes, err := v.Consent.Purposes(v.r.Context(), v.Tenant)
	if err != nil {
		return err
	}
	if err := v.r.ParseForm(); err != nil {
		return fail.Wrap(fail.Invalid, err, "the form can't be read")
	}
	c := consent.Choice{
		Deployment: site, Nonce: v.r.PostForm.Get("nonce"), Visitor: &v.cookie, Purposes: map[string]bool{},
		UI:  consent.UI{Component: "form", Action: "save"},
		GPC: consent.SignalsGPC(v.r.Header.Values("Sec-GPC")), DNT: consent.SignalsDNT(v.r.Header.Values("DNT")),
	}
	for _, p := range purposes {
		if p.Basis == notice.Consent {
			c.Purposes[p.ID] = false
		}
	}
	for _, p := range v.r.PostForm["purpose"] {
		c.Purposes[p] = true
	}
	if _, err := v.Consent.Choose(v.r.Context(), v.Tenant, c); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/privacy/choices?given=1&lang="+v.lang, http.StatusSeeOther)
	return nil
}

// site returns the deployment on which the visitor chose last. It is zero for a stranger, and for
// somebody who never chose anything.
func (v *visit) site() (uuid.UUID, error) {
	if !v.known {
		return uuid.Nil, nil
	}
	records, err := v.Consent.History(v.r.Context(), v.Tenant, []id.Subject{v.subject})
	if err != nil {
		return uuid.Nil, err
	}
	for i := len(records) - 1; i >= 0; i-- {
		if d := records[i].Deployment; d != uuid.Nil {
			return d, nil
		}
	}
	return uuid.Nil, nil
}
