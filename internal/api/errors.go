package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"probity/internal/api/genesys"
	"probity/internal/fail"
)

var (
	errMethod    = errors.New("method not allowed")
	errMediaType = fail.New(fail.Unsupported, "The body must be JSON: send Content-Type: application/json.")
)

func tooLarge(limit int64) error {
	return fail.New(fail.TooLarge, "The request body is larger than %d bytes.", limit)
}

// statuses maps each kind of failure once to HTTP, with the platform-wide code that clients of the
// Genesys API know.
var statuses = map[fail.Kind]struct {
	status int
	code   string
}{
	fail.Internal:        {http.StatusInternalServerError, "internal.server.error"},
	fail.Invalid:         {http.StatusBadRequest, "bad.request"},
	fail.Unauthenticated: {http.StatusUnauthorized, "bad.credentials"},
	fail.Forbidden:       {http.StatusForbidden, "forbidden"},
	fail.ConsentRequired: {http.StatusForbidden, "consent.required"},
	fail.NotFound:        {http.StatusNotFound, "not.found"},
	fail.Conflict:        {http.StatusConflict, "conflict"},
	fail.Gone:            {http.StatusGone, "gone"},
	fail.TooLarge:        {http.StatusRequestEntityTooLarge, "request.entity.too.large"},
	fail.Unsupported:     {http.StatusUnsupportedMediaType, "unsupported.media.type"},
	fail.TooMany:         {http.StatusTooManyRequests, "too.many.requests"},
	fail.Unavailable:     {http.StatusServiceUnavailable, "service.unavailable"},
}

// problem is a failure as it is told to the caller.
type problem struct {
	status  int
	code    string
	message string
	field   string
	params  map[string]string
	retry   time.Duration
}

// describe turns an error into what the caller is told. What is not one of our failures, or is a
// fault of ours, is told as nothing but that.
func describe(err error) problem {
	var big *http.MaxBytesError
	var missing *missingPermissions
	switch {
	case errors.As(err, &big):
		return describe(tooLarge(big.Limit))
	case errors.As(err, &missing):
		return problem{
			status: http.StatusForbidden, code: missing.code(), message: missing.Error(),
			params: map[string]string{"permissions": strings.Join(missing.anyOf, ", ")},
		}
	case errors.Is(err, errMethod):
		return problem{status: http.StatusMethodNotAllowed, code: "method.not.allowed", message: "This method is not allowed at this address."}
	}
	kind := fail.KindOf(err)
	s := statuses[kind]
	p := problem{status: s.status, code: s.code}
	e, ok := errors.AsType[*fail.Error](err)
	if !ok || kind == fail.Internal {
		p.message = "Something went wrong on our side. The contextId helps to find it in the server's log."
		return p
	}
	p.message, p.field = e.Message, e.Field
	if e.Code != "" {
		p.code = e.Code
	}
	if kind == fail.TooMany || kind == fail.Unavailable {
		p.retry = max(e.RetryAfter, time.Second)
	}
	return p
}

// fail writes the answer to a request that failed, in the shape that the path's clients read, and
// logs what is our own fault. Messages of failures hold no personal data.
func (c *call) fail(err error) {
	p := describe(err)
	contextID := contextIDOf(c.Context())
	if p.status >= 500 {
		c.api.Logger.ErrorContext(c.Context(), "a request failed", "contextId", contextID, "error", err)
	}
	h := c.w.Header()
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="probity"`)
	}
	h.Set("Cache-Control", "no-store")
	switch path := c.URL.Path; {
	case path == "/oauth/token":
		c.write(p.status, genesys.TokenError{Error: oauthCode(p), Description: p.message, ErrorDescription: p.message})
	case strings.HasPrefix(path, "/probity/"):
		c.write(p.status, ownError{p.message, p.code, p.status, p.field, contextID})
	default:
		c.write(p.status, genesysError(p, contextID))
	}
}

// ownError is the error body of Probity's own API.
type ownError struct {
	Message   string `json:"message"`
	Code      string `json:"code"`
	Status    int    `json:"status"`
	Field     string `json:"field,omitempty"`
	ContextID string `json:"contextId"`
}

func genesysError(p problem, contextID string) genesys.ErrorBody {
	e := genesys.ErrorBody{
		Message: p.message, Code: p.code, Status: p.status, MessageParams: map[string]string{},
		ContextID: contextID, Details: []genesys.ErrorDetail{}, Errors: []genesys.ErrorBody{},
	}
	if len(p.params) > 0 {
		e.MessageParams = p.params
		e.MessageWithParams = "You are missing the following permission(s): {permissions}"
		if p.code == "missing.any.permissions" {
			e.MessageWithParams = "You are missing at least one of the following permission(s): {permissions}"
		}
	}
	if p.field != "" {
		e.Message = fmt.Sprintf("%s: %s", p.field, p.message)
		e.Details = append(e.Details, genesys.ErrorDetail{ErrorCode: p.code, FieldName: p.field})
	}
	return e
}

func oauthCode(p problem) string {
	switch {
	case p.code == "invalid_client" || p.code == "unsupported_grant_type" || p.code == "invalid_request":
		return p.code
	case p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case p.status >= 500:
		return "server_error"
	}
	return "invalid_request"
}
