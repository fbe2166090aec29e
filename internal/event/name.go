package event

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"probity/internal/fail"
)

// normalName returns the stored form of an event name, or why there is none. Genesys asks for
// letters, digits and underscores; names with ":", "." and "-" are in use, and forms offer names
// with spaces.
func normalName(s string) (name, why string) {
	name = strings.TrimSpace(s)
	if strings.IndexByte(name, ' ') >= 0 {
		name = strings.Join(strings.Fields(name), "_")
	}
	switch {
	case name == "":
		return "", "is required"
	case len(name) > maxName:
		return "", fmt.Sprintf("must not be longer than %d characters", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return notIdentifier(r) && r != ':' && r != '.' && r != '-' }):
		return "", "must consist of letters, digits and underscores, such as order_completed"
	case mask(name, inText) != name:
		return "", "must not hold a phone number or another long number"
	}
	return name, ""
}

// NormalName returns the stored form of an event name: trimmed, spaces turned into underscores. It
// fails with fail.Invalid if the name is empty, longer than 128 characters, has other characters
// than letters, digits and "_:.-", or holds a number of nine digits.
func NormalName(s string) (string, error) {
	name, why := normalName(s)
	if why != "" {
		return "", fail.Field("name", "the name %s", why)
	}
	return name, nil
}

func notIdentifier(r rune) bool {
	return r != '_' && (r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
}

func isControl(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }

// How far the clock of a sender may be off, and how late an event may come.
const (
	MaxAge    = time.Hour
	MaxFuture = 5 * time.Minute
)

// CheckTime tells whether an event that happened at may be taken at the time received. The failures
// are fail.Invalid with code event.too.old or event.in.future. Imported history is not subject to
// it.
func CheckTime(at, received time.Time) error {
	switch d := received.Sub(at); {
	case d > MaxAge:
		return fail.New(fail.Invalid, "the event is older than one hour").WithCode("event.too.old")
	case d < -MaxFuture:
		return fail.New(fail.Invalid, "the event lies more than five minutes in the future").WithCode("event.in.future")
	}
	return nil
}
