package privacy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
)

// objectable fills in what else than consent a purpose rests on, and whether it was objected to.
func (v *visit) objectable(list []purposeView) error {
	bases, err := v.Consent.OtherBases(v.r.Context(), v.Tenant)
	if err != nil {
		return err
	}
	made, err := v.objections()
	if err != nil {
		return err
	}
	reasons, err := v.Consent.Reasons(v.r.Context(), v.Tenant, []id.Subject{v.subject})
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		p.Others = bases[p.ID]
		p.Objected = p.State.Status == consent.Objected
		p.MayObject = !p.Objected && (slices.ContainsFunc(p.Others, notice.Basis.Objectable) || p.Advertising && len(p.Others) > 0)
		if p.Objected {
			p.Reason, p.Request = reasons[p.State.RecordID], made[p.ID]
		}
	}
	return nil
}

// objections returns, by purpose, the person's latest request of an objection to it that was not taken
// back or refused.
func (v *visit) objections() (map[string]uuid.UUID, error) {
	requests, err := v.Rights.OfSubjects(v.r.Context(), v.Tenant, []id.Subject{v.subject})
	if err != nil {
		return nil, err
	}
	made := map[string]uuid.UUID{}
	for _, q := range requests {
		if q.Type != rights.Objection || q.State == rights.Withdrawn || q.State == rights.Refused {
			continue
		}
		for _, p := range q.Facts.Purposes {
			if made[p] == uuid.Nil {
				made[p] = q.ID
			}
		}
	}
	return made, nil
}

// objectedTo returns the purposes of an objection, as they stand now.
func (v *visit) objectedTo(q *rights.Request) (list []purposeView, err error) {
	purposes, err := v.purposes()
	for _, p := range purposes {
		if slices.Contains(q.Facts.Purposes, p.ID) || q.Facts.Marketing && p.ID == notice.Marketing {
			list = append(list, p)
		}
	}
	return list, err
}

// object records an objection (Art. 21): one click, at once, with a reason only for whoever wants to
// give one. It is shown on the page of the choices from then on, and stands among the person's requests.
// The use ends before the request is made: whoever reads that it ended can rely on it, and a request that
// was not made, because the process died in between, is made when the button is pressed again.
func (v *visit) object() error {
	if !v.known {
		return v.stranger()
	}
	purposes, err := v.purposes()
	if err != nil {
		return err
	}
	purpose := v.r.PostFormValue("purpose")
	i := slices.IndexFunc(purposes, func(p purposeView) bool { return p.ID == purpose })
	if i < 0 || !purposes[i].MayObject && !purposes[i].Objected {
		return fail.Field("purpose", "there is no such purpose, or it leaves no right to object")
	}
	_, err = v.Consent.ObjectFrom(v.r.Context(), v.Tenant, consent.Withdrawal{
		Subject: v.subject, Purposes: []string{purpose}, Reason: v.r.PostFormValue("reason"),
		UI: consent.UI{Component: "form", Action: "save"},
	})
	if err != nil {
		return err
	}
	made, err := v.objections()
	if err != nil {
		return err
	}
	if made[purpose] == uuid.Nil {
		_, err = v.open(rights.Request{
			Type: rights.Objection, Statement: strings.TrimSpace(v.r.PostFormValue("reason")),
			Facts: rights.Facts{Purposes: []string{purpose}, AtOnce: true},
		})
	}
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/privacy/choices?objected=1&lang="+v.lang, http.StatusSeeOther)
	return nil
}
