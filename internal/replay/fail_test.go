package replay_test

import (
	"errors"

	"probity/internal/fail"
)

// fieldOf returns the field that a failure names.
func fieldOf(err error) string {
	if f, ok := errors.AsType[*fail.Error](err); ok {
		return f.Field
	}
	return ""
}
