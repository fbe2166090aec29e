// Package fail names the few ways in which a request can fail. Rooms return these errors; the API
// maps each kind once to HTTP and the command line maps it once to an exit status.
//
// A message is read by a person: it names the field or the file and says what to do. It never
// holds personal data, because messages travel to logs and to other people's screens.
package fail

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a failure.
type Kind int

// The kinds, with the HTTP status the API gives them.
const (
	Internal        Kind = iota // 500: a fault of ours; details go to the log only
	Invalid                     // 400: the caller must change the request
	Unauthenticated             // 401: no or bad credentials
	Forbidden                   // 403: known, but not allowed
	ConsentRequired             // 403 with code consent.required: no live lawful basis for the purpose
	NotFound                    // 404
	Conflict                    // 409: the state forbids it now
	Gone                        // 410: was there, is erased or used up
	TooLarge                    // 413
	Unsupported                 // 415: unknown media type
	TooMany                     // 429
	Unavailable                 // 503 with Retry-After: log, store or key out of reach; nothing was stored
)

// Error is a failure with its kind. Build it with New, Field or Wrap.
type Error struct {
	Kind       Kind
	Code       string        // stable, machine readable, such as "consent.required"; empty: the kind's default
	Field      string        // the offending field of the request as a JSON path; empty if none
	Message    string        // for the person who called; no personal data
	RetryAfter time.Duration // for TooMany and Unavailable; 0 means one second
	Err        error         // the cause, for the log; may be nil
}

// Error returns the message, followed by the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns a failure of the kind with a message for the caller.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Field returns an Invalid failure that names the offending field.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns a failure of the kind caused by err. The message says what was being done.
func Wrap(k Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...), Err: err}
}

// WithCode returns e with its machine readable code set.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// KindOf returns the kind of err: Internal if it is none of ours.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is tells whether err is a failure of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
