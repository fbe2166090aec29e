package genesys

import (
	"probity/internal/org"
)

// Organization is the organisation the token belongs to.
type Organization struct {
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	DefaultLanguage    string          `json:"defaultLanguage"`
	DefaultCountryCode string          `json:"defaultCountryCode"`
	ThirdPartyOrgName  string          `json:"thirdPartyOrgName"`
	Domain             string          `json:"domain"`
	Features           map[string]bool `json:"features"`
	Version            int             `json:"version"`
	State              string          `json:"state"`
	ProductPlatform    string          `json:"productPlatform"`
	SelfURI            string          `json:"selfUri"`
}

// NamedEntity is an id with its name.
type NamedEntity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// TokenInfo says what a token stands for.
type TokenInfo struct {
	Organization     NamedEntity `json:"organization"`
	HomeOrganization NamedEntity `json:"homeOrganization"`
	AuthorizedScope  []string    `json:"authorizedScope"`
	DateTokenIdles   *Time       `json:"dateTokenIdles,omitempty"`
	OAuthClient      OAuthClient `json:"OAuthClient"`
}

// OAuthClient is the program that asked for a token.
type OAuthClient struct {
	ID                  string   `json:"id"`
	Name                string   `json:"name"`
	AuthorizedGrantType string   `json:"authorizedGrantType"`
	Scope               []string `json:"scope"`
	State               string   `json:"state"`
}

// Product is something the organisation may use.
type Product struct {
	ID string `json:"id"`
}

// NewOrganization turns an organisation into its shape.
func NewOrganization(o *org.Organisation) Organization {
	return Organization{
		ID: o.ID.String(), Name: o.Name, DefaultLanguage: o.DefaultLanguage, DefaultCountryCode: o.DefaultCountry,
		ThirdPartyOrgName: o.Name, Domain: "", Features: map[string]bool{}, Version: 1, State: "active",
		ProductPlatform: "Unknown", SelfURI: "/api/v2/organizations/" + o.ID.String(),
	}
}

// NewTokenInfo says what the principal's token stands for.
func NewTokenInfo(o *org.Organisation, p *org.Principal) TokenInfo {
	expires := Time(p.Expires)
	here := NamedEntity{o.ID.String(), o.Name}
	return TokenInfo{
		Organization: here, HomeOrganization: here, AuthorizedScope: []string{}, DateTokenIdles: &expires,
		OAuthClient: OAuthClient{ID: p.UID.String(), Name: p.Name, AuthorizedGrantType: "CLIENT-CREDENTIALS", Scope: []string{}, State: "active"},
	}
}
