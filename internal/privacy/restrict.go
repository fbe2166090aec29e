package privacy

import (
	"net/http"
	"slices"

	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/rights"
)

// restrictionGrounds are the letters of Art. 18(1) that a person can rely on.
var restrictionGrounds = []string{"a", "b", "c", "d"}

func (v *visit) askRestriction() error {
	if !v.known {
		return v.stranger()
	}
	return v.show(http.StatusOK, "restrict", "restrict.title", restrictionGrounds)
}

// restrict has the data stored and not used any more (Art. 18).
func (v *visit) restrict() error {
	ground := v.r.PostFormValue("ground")
	if !slices.Contains(restrictionGrounds, ground) {
		return fail.Field("ground", "one of the reasons of Art. 18(1) GDPR is needed")
	}
	return v.submit(rights.Request{Type: rights.Restriction, Facts: rights.Facts{Ground: ground}})
}

// takeBack ends a request at the person's wish, as long as nothing was done.
func (v *visit) takeBack() error {
	q, err := v.find()
	if err != nil {
		return err
	}
	if _, err := v.Rights.Act(v.r.Context(), v.Tenant, q.ID, rights.Act{Do: rights.MoveWithdraw, By: rights.Actor{Kind: "subject"}}); err != nil {
		return err
	}
	return v.see("/privacy/requests/" + q.ID.String())
}

// wordsOf returns the reasons of a refusal or of a decision, and how to complain and to go to court, as
// they were written to the person.
func (v *visit) wordsOf(q *rights.Request) (map[string]string, error) {
	trail, err := v.Rights.Trail(v.r.Context(), v.Tenant, q.ID)
	if err != nil {
		return nil, err
	}
	for _, h := range slices.Backward(trail) {
		if h.What == string(rights.MoveRefuse) || h.What == string(rights.MoveDecide) {
			return h.Words, nil
		}
	}
	return nil, nil
}

// facts are what the organisation says about itself in its notice: who else gets the data, and how long
// it is kept.
func (v *visit) facts() (notice.Facts, error) {
	n, err := v.Consent.Notice(v.r.Context(), v.Tenant, v.lang)
	if fail.Is(err, fail.NotFound) {
		return notice.Facts{}, nil
	}
	if err != nil {
		return notice.Facts{}, err
	}
	version, err := v.Consent.Version(v.r.Context(), v.Tenant, n.Version)
	if err != nil {
		return notice.Facts{}, err
	}
	return version.Draft.Facts, nil
}
