package api

import (
	"net/http"
	"net/url"

	"probity/internal/api/genesys"
	"probity/internal/fail"
)

// token signs a client in (RFC 6749 section 4.4). Credentials come with HTTP Basic or in the form;
// the body may have no length (chunked), as some clients send it. What is in the query is ignored.
func (c *call) token() error {
	if err := c.ParseForm(); err != nil {
		return malformedForm(err)
	}
	if c.Header.Get("Content-Type") != "" && len(c.PostForm) == 0 {
		return fail.New(fail.Invalid, "send grant_type=client_credentials as application/x-www-form-urlencoded")
	}
	if grant := c.PostForm.Get("grant_type"); grant != "client_credentials" {
		return fail.New(fail.Invalid, "only grant_type=client_credentials is supported").WithCode("unsupported_grant_type")
	}
	clientID, secret, ok := c.BasicAuth()
	if ok {
		// RFC 6749 section 2.3.1 has both form-encoded before they are joined; most clients don't
		// do it, and then there is nothing to decode.
		clientID, secret = unescape(clientID), unescape(secret)
	} else {
		clientID, secret = c.PostForm.Get("client_id"), c.PostForm.Get("client_secret")
	}
	token, ttl, err := c.api.Org.Token(c.Context(), clientID, secret)
	if err != nil {
		return err
	}
	c.w.Header().Set("Pragma", "no-cache")
	return c.reply(http.StatusOK, genesys.Token{AccessToken: token, TokenType: "bearer", ExpiresIn: int(ttl.Seconds())})
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func malformedForm(err error) error {
	if p := describe(err); p.status == http.StatusRequestEntityTooLarge {
		return err
	}
	return fail.Wrap(fail.Invalid, err, "the body is not a form")
}

func (c *call) tokenInfo() error {
	o, err := c.api.Org.Organisation(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewTokenInfo(o, c.who))
}

func (c *call) endToken() error {
	token, _ := bearer(c.Request)
	if err := c.api.Org.Revoke(c.Context(), c.who.Tenant, token); err != nil {
		return err
	}
	return c.empty()
}

func (c *call) organisation() error {
	o, err := c.api.Org.Organisation(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewOrganization(o))
}

// products names what clients look for before they offer journey management.
func (c *call) products() error {
	list := []genesys.Product{{ID: "journeyManagement"}, {ID: "cloudCX4"}}
	return c.reply(http.StatusOK, genesys.Listing[genesys.Product]{
		Entities: list, PageSize: len(list), PageNumber: 1, Total: len(list), PageCount: 1,
		SelfURI: "/api/v2/authorization/products",
	})
}

// me has no answer: a token belongs to a program here, not to a person.
func (c *call) me() error {
	return fail.New(fail.Invalid, "This request requires a user context. Client credentials cannot be used for requests that require a user context.")
}
