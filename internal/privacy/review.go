package privacy

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/rights"
)

// offersShown is how many of the latest offers can be chosen; others are reviewed as another decision, in
// the person's own words.
const offersShown = 10

// decided is an automated decision that the person can have reviewed.
type decided struct {
	Kind string
	ID   uuid.UUID // zero, except of an offer
	At   time.Time // zero, except of an offer
}

// Value is what the form sends.
func (d decided) Value() string {
	if d.ID == uuid.Nil {
		return d.Kind
	}
	return d.Kind + "." + d.ID.String()
}

// decisions lists what was decided about the visitor by a computer, their offers first, the latest on top.
func (v *visit) decisions() ([]decided, error) {
	sections, err := v.Rights.Held(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return nil, err
	}
	var list []decided
	for _, s := range sections {
		if s.File != "journey/offers" {
			continue
		}
		text, err := json.Marshal(s.Data)
		if err != nil {
			return nil, err
		}
		var offers []struct {
			ID uuid.UUID `json:"id"`
			At time.Time `json:"at"`
		}
		if err := json.Unmarshal(text, &offers); err != nil {
			return nil, err
		}
		for _, o := range offers {
			list = append(list, decided{"offer", o.ID, o.At})
		}
	}
	slices.SortStableFunc(list, func(a, b decided) int { return b.At.Compare(a.At) })
	list = list[:min(len(list), offersShown)]
	return append(list, decided{Kind: "score"}, decided{Kind: "segment"}, decided{Kind: "other"}), nil
}

func (v *visit) askReview() error {
	if !v.known {
		return v.stranger()
	}
	list, err := v.decisions()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "review", "review.title", list)
}

// review has a person look at an automated decision again (Art. 22(3)). Only decisions about this visitor
// can be named.
func (v *visit) review() error {
	if !v.known {
		return v.stranger()
	}
	list, err := v.decisions()
	if err != nil {
		return err
	}
	chosen := v.r.PostFormValue("decision")
	i := slices.IndexFunc(list, func(d decided) bool { return d.Value() == chosen })
	if i < 0 {
		return fail.Field("decision", "there is no such decision about this visitor")
	}
	return v.submit(rights.Request{
		Type: rights.HumanReview, Statement: strings.TrimSpace(strings.ReplaceAll(v.r.PostFormValue("why"), "\r\n", "\n")),
		Facts: rights.Facts{Automated: &rights.Automated{Kind: list[i].Kind, ID: list[i].ID}},
	})
}
