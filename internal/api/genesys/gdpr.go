package genesys

import (
	"strings"

	"probity/internal/rights"
)

// EntityRef points at another object.
type EntityRef struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	SelfURI string `json:"selfUri,omitempty"`
}

// GDPRRequest is a request of a data subject.
type GDPRRequest struct {
	ID               string            `json:"id,omitempty"`
	Name             string            `json:"name,omitempty"`
	CreatedBy        *EntityRef        `json:"createdBy,omitempty"`
	ReplacementTerms []ReplacementTerm `json:"replacementTerms,omitempty"`
	RequestType      string            `json:"requestType"`
	CreatedDate      *Time             `json:"createdDate,omitempty"`
	Status           string            `json:"status,omitempty"`
	Subject          GDPRSubject       `json:"subject"`
	ResultsURL       string            `json:"resultsUrl,omitempty"`
	ResultsURLs      []string          `json:"resultsUrls,omitempty"`
	SelfURI          string            `json:"selfUri,omitempty"`
}

// GDPRRequestBody is what a client sends to make one.
type GDPRRequestBody struct {
	RequestType      string            `json:"requestType"`
	ReplacementTerms []ReplacementTerm `json:"replacementTerms"`
	Subject          *GDPRSubject      `json:"subject"`
}

// ReplacementTerm is one correction.
type ReplacementTerm struct {
	Type          string `json:"type"`
	ExistingValue string `json:"existingValue"`
	UpdatedValue  string `json:"updatedValue"`
}

// GDPRSubject names a data subject by whatever is set.
type GDPRSubject struct {
	Name              string           `json:"name,omitempty"`
	UserID            string           `json:"userId,omitempty"`
	ExternalContactID string           `json:"externalContactId,omitempty"`
	DialerContactID   *DialerContactID `json:"dialerContactId,omitempty"`
	JourneyCustomer   *JourneyCustomer `json:"journeyCustomer,omitempty"`
	SocialHandle      *SocialHandle    `json:"socialHandle,omitempty"`
	ExternalID        string           `json:"externalId,omitempty"`
	Addresses         []string         `json:"addresses,omitempty"`
	PhoneNumbers      []string         `json:"phoneNumbers,omitempty"`
	EmailAddresses    []string         `json:"emailAddresses,omitempty"`
}

// DialerContactID names a contact of an outbound list.
type DialerContactID struct {
	ID            string `json:"id"`
	ContactListID string `json:"contactListId"`
}

// JourneyCustomer names a customer of the journey.
type JourneyCustomer struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// SocialHandle is a name on a social network.
type SocialHandle struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

var requestTypes = map[string]rights.Type{
	"GDPR_EXPORT": rights.Access,
	"GDPR_UPDATE": rights.Rectification,
	"GDPR_DELETE": rights.Erasure,
}

// RequestType returns the name of the type on the wire. A portability request shows as an export.
func RequestType(t rights.Type) string {
	switch t {
	case rights.Rectification:
		return "GDPR_UPDATE"
	case rights.Erasure:
		return "GDPR_DELETE"
	}
	return "GDPR_EXPORT"
}

// ToRequest turns the body into a request. ok is false for an unknown type.
func (b *GDPRRequestBody) ToRequest() (q rights.Request, ok bool) {
	q.Type, ok = requestTypes[b.RequestType]
	for _, t := range b.ReplacementTerms {
		q.Replacements = append(q.Replacements, rights.ReplacementTerm{Type: t.Type, Existing: t.ExistingValue, Updated: t.UpdatedValue})
	}
	if s := b.Subject; s != nil {
		q.Who = rights.Who{
			Name: s.Name, UserID: s.UserID, ExternalContactID: s.ExternalContactID, ExternalID: s.ExternalID,
			Addresses: s.Addresses, PhoneNumbers: s.PhoneNumbers, EmailAddresses: s.EmailAddresses,
			DialerContactID: (*rights.DialerContactID)(nil),
		}
		if s.DialerContactID != nil {
			q.Who.DialerContactID = &rights.DialerContactID{ID: s.DialerContactID.ID, ContactListID: s.DialerContactID.ContactListID}
		}
		if s.JourneyCustomer != nil {
			q.Who.JourneyCustomer = &rights.JourneyCustomer{Type: s.JourneyCustomer.Type, ID: s.JourneyCustomer.ID}
		}
		if s.SocialHandle != nil {
			q.Who.SocialHandle = &rights.SocialHandle{Type: s.SocialHandle.Type, Value: s.SocialHandle.Value}
		}
	}
	return q, ok
}

// Subject turns who a request is about into its shape.
func Subject(w rights.Who) GDPRSubject {
	s := GDPRSubject{
		Name: w.Name, UserID: w.UserID, ExternalContactID: w.ExternalContactID, ExternalID: w.ExternalID,
		Addresses: w.Addresses, PhoneNumbers: w.PhoneNumbers, EmailAddresses: w.EmailAddresses,
	}
	if w.DialerContactID != nil {
		s.DialerContactID = &DialerContactID{w.DialerContactID.ID, w.DialerContactID.ContactListID}
	}
	if w.JourneyCustomer != nil {
		s.JourneyCustomer = &JourneyCustomer{w.JourneyCustomer.Type, w.JourneyCustomer.ID}
	}
	if w.SocialHandle != nil {
		s.SocialHandle = &SocialHandle{strings.ToUpper(w.SocialHandle.Type), w.SocialHandle.Value}
	}
	return s
}

// Request turns a request into its shape. base is the address of this server: the results are
// fetched from there, with a token.
func Request(q *rights.Request, base string) GDPRRequest {
	created := Time(q.ReceivedAt)
	r := GDPRRequest{
		ID:          q.ID.String(),
		CreatedBy:   &EntityRef{ID: q.CreatedBy.ID.String(), SelfURI: "/api/v2/users/" + q.CreatedBy.ID.String()},
		RequestType: RequestType(q.Type),
		CreatedDate: &created,
		Status:      q.State.Status(),
		Subject:     Subject(q.Who),
		SelfURI:     "/api/v2/gdpr/requests/" + q.ID.String(),
	}
	for _, t := range q.Replacements {
		r.ReplacementTerms = append(r.ReplacementTerms, ReplacementTerm{t.Type, t.Existing, t.Updated})
	}
	if q.Package != nil {
		r.ResultsURL = base + "/platform/api/v2/downloads/" + q.Package.ID.String()
		r.ResultsURLs = []string{r.ResultsURL}
	}
	return r
}
