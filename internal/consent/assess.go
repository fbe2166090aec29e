package consent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// Assessment is the reasoning behind a declared basis, point by point. Nothing personal.
type Assessment struct {
	Interest   string    `json:"interest,omitempty"`   // legitimate interest: whose and which
	Necessity  string    `json:"necessity,omitempty"`  // why nothing milder serves it
	Balancing  string    `json:"balancing,omitempty"`  // why the person's interests do not override it
	Safeguards string    `json:"safeguards,omitempty"` // what protects the person
	Law        string    `json:"law,omitempty"`        // contract: the clause; legal obligation, public task: the act and section
	Reviewer   string    `json:"reviewer"`             // a function, such as "data protection officer"; no name
	Review     time.Time `json:"review"`               // when it is looked at again; within three years
}

// maxReview is how far ahead the next review may be.
const maxReview = 3 * 366 * 24 * time.Hour

func (a *Assessment) check(basis notice.Basis, now time.Time) error {
	need := map[string]string{"reviewer": a.Reviewer}
	switch basis {
	case notice.LegitimateInterest:
		need["interest"], need["necessity"], need["balancing"], need["safeguards"] = a.Interest, a.Necessity, a.Balancing, a.Safeguards
	case notice.VitalInterests:
		need["necessity"] = a.Necessity
	default:
		need["law"] = a.Law
	}
	for _, field := range []string{"interest", "necessity", "balancing", "safeguards", "law", "reviewer"} {
		text, needed := need[field]
		if needed && utf8.RuneCountInString(strings.TrimSpace(text)) < 3 || utf8.RuneCountInString(text) > 5000 {
			return fail.Field("assessment."+field, "The assessment says nothing, or too much, about: %s.", field)
		}
	}
	if !a.Review.After(now) || a.Review.After(now.Add(maxReview)) {
		return fail.Field("assessment.review", "The next review must be in the future, within three years.")
	}
	return nil
}

// text is the assessment as one text, for whoever reads the ledger.
func (a *Assessment) text() string {
	var b strings.Builder
	for _, part := range []struct{ title, text string }{
		{"Interest", a.Interest}, {"Law or clause", a.Law}, {"Necessity", a.Necessity}, {"Balancing", a.Balancing},
		{"Safeguards", a.Safeguards}, {"Reviewed by", a.Reviewer},
	} {
		if t := strings.TrimSpace(part.text); t != "" {
			b.WriteString(part.title + ": " + t + "\n")
		}
	}
	b.WriteString("Next review: " + a.Review.UTC().Format(time.DateOnly))
	return b.String()
}

// DeclareAssessed is Declare with the assessment point by point, as the basis asks for: interest,
// necessity, balancing and safeguards for a legitimate interest; the clause or the law for a contract, a
// legal obligation and a public task; always who reviewed it and when that is due again. d.Assessment is
// made from it.
//
// Special categories of data take no basis but explicit consent here (Art. 9): fail.Invalid.
func (r *Room) DeclareAssessed(ctx context.Context, t id.Tenant, d Declaration, a Assessment) (recordID string, err error) {
	if err := a.check(notice.Basis(d.Basis), r.clk.Now()); err != nil {
		return "", err
	}
	detail, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	d.Assessment, d.detail, d.review = a.text(), string(detail), a.Review
	return r.Declare(ctx, t, d)
}

// specialCategories are the words by which a purpose's categories of data name those of Art. 9(1).
var specialCategories = []string{
	"racial", "ethnic", "political", "religio", "philosophical", "trade-union", "genetic", "biometric", "health", "sex-life", "sexual",
}

// special tells whether a purpose uses special categories of data.
func special(p *notice.Purpose) bool {
	return slices.ContainsFunc(p.Categories, func(c string) bool {
		return slices.ContainsFunc(specialCategories, func(s string) bool { return strings.Contains(strings.ToLower(c), s) })
	})
}
