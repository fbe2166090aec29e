package genesys

import (
	"encoding/json"
	"errors"
	"time"
)

// Time is a moment on the wire: UTC, three digits of milliseconds, and always a Z at the end. The
// Go client reads any offset as the year 1.
type Time time.Time

const layout = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the moment, or null for the zero time.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(time.Time(t).UTC().Format(layout))
}

// String returns the moment as on the wire.
func (t Time) String() string { return time.Time(t).UTC().Format(layout) }

func asTime(t Time) time.Time { return time.Time(t) }

// UnmarshalJSON reads a moment with or without fractions, and also without a zone, which some
// clients send for UTC. null and the empty string are the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == nil || *text == "" {
		*t = Time{}
		return nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		at, err := time.Parse(form, *text)
		if at = at.UTC(); err == nil && at.Year() >= 0 && at.Year() <= 9999 {
			*t = Time(at)
			return nil
		}
	}
	return errors.New("not a time of the form 2006-01-02T15:04:05.000Z")
}
