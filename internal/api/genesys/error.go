// Package genesys holds the shapes of the Genesys Cloud API that Probity speaks, and turns rooms'
// values into them. It decides nothing.
package genesys

// ErrorBody is the body of every answer that is not 2xx.
type ErrorBody struct {
	Message           string            `json:"message"`
	Code              string            `json:"code"`
	Status            int               `json:"status"`
	MessageWithParams string            `json:"messageWithParams,omitempty"`
	MessageParams     map[string]string `json:"messageParams"`
	ContextID         string            `json:"contextId"`
	Details           []ErrorDetail     `json:"details"`
	Errors            []ErrorBody       `json:"errors"`
}

// ErrorDetail names one offending field.
type ErrorDetail struct {
	ErrorCode string `json:"errorCode,omitempty"`
	FieldName string `json:"fieldName,omitempty"`
}

// TokenError is the body of a failed token request (RFC 6749 section 5.2), with the member
// "description" that Genesys clients read too.
type TokenError struct {
	Error            string `json:"error"`
	Description      string `json:"description"`
	ErrorDescription string `json:"error_description"`
}

// Token is the body of a successful token request.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
}
