package privacy

import (
	"net/http"
	"slices"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// objectable fills in what else than consent a purpose rests on, and whether it was objected to.
func (v *visit) objectable(list []purposeView) error {
	bases, err := v.Consent.OtherBases(v.r.Context(), v.Tenant)
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
			p.Reason = reasons[p.State.RecordID]
		}
	}
	return nil
}

// object records an objection (Art. 21): one click, at once, with a reason only for whoever wants to
// give one. It is shown on the page of the choices from then on.
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
	http.Redirect(v.w, v.r, "/privacy/choices?objected=1&lang="+v.lang, http.StatusSeeOther)
	return nil
}
