package rights_test

import (
	"strings"
	"testing"

	"probity/internal/fail"
	"probity/internal/rights"
)

func TestValidate(t *testing.T) {
	mail := rights.Who{EmailAddresses: []string{"a@example.org"}}
	term := rights.ReplacementTerm{Type: "EMAIL", Existing: "a@example.org", Updated: "b@example.org"}
	for _, c := range []struct {
		name    string
		request rights.Request
		field   string // empty and valid false: no field
		valid   bool
	}{
		{"V1 replacement terms with an export", rights.Request{Type: rights.Access, Who: mail, Replacements: []rights.ReplacementTerm{term}}, "", false},
		{"V1 replacement terms with a delete", rights.Request{Type: rights.Erasure, Who: mail, Replacements: []rights.ReplacementTerm{term}}, "", false},
		{"V2 one phone number is enough", rights.Request{Type: rights.Access, Who: rights.Who{PhoneNumbers: []string{"+46701234567"}}}, "", true},
		{"V3 a name beside an external id", rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada", ExternalID: "7"}}, "subject.name", false},
		{"V3 a name beside a journey customer", rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada", JourneyCustomer: &rights.JourneyCustomer{Type: "cookie", ID: "x"}}}, "subject.name", false},
		{"V3 a name beside an e-mail address is fine", rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada", EmailAddresses: mail.EmailAddresses}}, "", true},
		{"V5 a journey customer without a type", rights.Request{Type: rights.Access, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{ID: "x"}}}, "subject.journeyCustomer", false},
		{"V5 a journey customer without an id", rights.Request{Type: rights.Access, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "cookie"}}}, "subject.journeyCustomer", false},
		{"V5 both", rights.Request{Type: rights.Access, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "cookie", ID: "x"}}}, "", true},
		{"an unknown type of customer", rights.Request{Type: rights.Access, Who: rights.Who{JourneyCustomer: &rights.JourneyCustomer{Type: "shoe size", ID: "x"}}}, "subject.journeyCustomer.type", false},
		{"V6 an update without terms", rights.Request{Type: rights.Rectification, Who: mail}, "replacementTerms", false},
		{"V6 a term without an updated value", rights.Request{Type: rights.Rectification, Who: mail, Replacements: []rights.ReplacementTerm{{Type: "EMAIL", Existing: "a@example.org"}}}, "replacementTerms", false},
		{"V6 a term of an unknown type", rights.Request{Type: rights.Rectification, Who: mail, Replacements: []rights.ReplacementTerm{{Type: "SHOE", Existing: "1", Updated: "2"}}}, "replacementTerms.type", false},
		{"V6 a whole term", rights.Request{Type: rights.Rectification, Who: mail, Replacements: []rights.ReplacementTerm{term}}, "", true},
		{"V9 a name alone", rights.Request{Type: rights.Access, Who: rights.Who{Name: "Ada Lovelace"}}, "", true},
		{"WHATSAPP is a social network", rights.Request{Type: rights.Access, Who: rights.Who{SocialHandle: &rights.SocialHandle{Type: "WHATSAPP", Value: "+46701234567"}}}, "", true},
		{"a social handle without a value", rights.Request{Type: rights.Access, Who: rights.Who{SocialHandle: &rights.SocialHandle{Type: "TWITTER"}}}, "subject.socialHandle", false},
		{"an e-mail address is no social network", rights.Request{Type: rights.Access, Who: rights.Who{SocialHandle: &rights.SocialHandle{Type: "EMAIL", Value: "a@example.org"}}}, "subject.socialHandle.type", false},
		{"nobody", rights.Request{Type: rights.Access}, "subject", false},
		{"only spaces", rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{"  "}}}, "subject", false},
		{"an unknown type", rights.Request{Type: "forgetting", Who: mail}, "requestType", false},
		{"an erasure with its ground", rights.Request{Type: rights.Erasure, Who: mail, Facts: rights.Facts{Ground: "f"}}, "", true},
		{"a ground that Art. 17(1) lacks", rights.Request{Type: rights.Erasure, Who: mail, Facts: rights.Facts{Ground: "g"}}, "ground", false},
		{"a ground that Art. 18(1) lacks", rights.Request{Type: rights.Restriction, Who: mail, Facts: rights.Facts{Ground: "e"}}, "ground", false},
		{"a restriction without a ground", rights.Request{Type: rights.Restriction, Who: mail}, "", true},
		{"an export with a ground", rights.Request{Type: rights.Access, Who: mail, Facts: rights.Facts{Ground: "a"}}, "ground", false},
		{"an objection to nothing", rights.Request{Type: rights.Objection, Who: mail}, "purposes", false},
		{"an objection to direct marketing", rights.Request{Type: rights.Objection, Who: mail, Facts: rights.Facts{Marketing: true}}, "", true},
		{"an objection to somebody", rights.Request{Type: rights.Objection, Who: mail, Facts: rights.Facts{Purposes: []string{"a@example.org"}}}, "purposes", false},
		{"an export with purposes", rights.Request{Type: rights.Access, Who: mail, Facts: rights.Facts{Purposes: []string{"predict"}}}, "purposes", false},
		{"a review of nothing", rights.Request{Type: rights.HumanReview, Who: mail}, "automated_decision", false},
		{"a review of an offer", rights.Request{Type: rights.HumanReview, Who: mail, Facts: rights.Facts{Automated: &rights.Automated{Kind: "offer"}}}, "", true},
		{"a review of the weather", rights.Request{Type: rights.HumanReview, Who: mail, Facts: rights.Facts{Automated: &rights.Automated{Kind: "weather"}}}, "automated_decision.kind", false},
		{"a statement of a megabyte", rights.Request{Type: rights.Objection, Who: mail, Statement: strings.Repeat("x", 1<<20), Facts: rights.Facts{Marketing: true}}, "statement", false},
		{"a value of a megabyte", rights.Request{Type: rights.Access, Who: rights.Who{Name: strings.Repeat("x", 1<<20)}}, "subject", false},
		{"too many values", rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: make([]string, 101), Name: "x"}}, "subject", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.request.Validate()
			if c.valid {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !fail.Is(err, fail.Invalid) {
				t.Fatalf("got %v", err)
			}
			if got := err.(*fail.Error).Field; got != c.field {
				t.Errorf("blames field %q, want %q", got, c.field)
			}
		})
	}
}

func TestEveryStateHasAStatusThatClientsKnow(t *testing.T) {
	known := map[string]bool{"INITIATED": true, "SEARCHING": true, "UPDATING": true, "DELETING": true, "COMPLETED": true, "ERROR": true, "FINALIZING": true}
	for state, want := range map[rights.State]string{
		rights.Received: "INITIATED", rights.Locating: "SEARCHING", rights.Rewriting: "UPDATING", rights.Erasing: "DELETING",
		rights.Verifying: "FINALIZING", rights.Packaging: "FINALIZING", rights.Certifying: "FINALIZING",
		rights.IdentityPending: "INITIATED", rights.Held: "INITIATED", rights.ApprovalPending: "INITIATED", rights.Deciding: "INITIATED",
		rights.Restricting: "UPDATING", rights.Settling: "UPDATING", rights.Withdrawn: "ERROR",
		rights.Verified: "COMPLETED", rights.Failed: "ERROR", rights.Refused: "ERROR", "of a later version": "ERROR",
	} {
		if got := state.Status(); got != want || !known[got] {
			t.Errorf("%s shows as %s, want %s", state, got, want)
		}
	}
}
