package console

import (
	"net/http"
	"strconv"
	"strings"

	"probity/internal/fail"
)

func lines(list []string) string { return strings.Join(list, "\n") }

func (k *call) lines(name string) []string {
	out := []string{}
	for line := range strings.Lines(k.r.PostFormValue(name)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (k *call) line(name string) string { return strings.TrimSpace(k.r.PostFormValue(name)) }

// number reads a whole number; empty is 0.
func (k *call) number(name string) (int, error) {
	s := k.line(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 10_000 {
		return 0, fail.Field(name, "A whole number is expected in %s.", name)
	}
	return n, nil
}

func on(b bool) string {
	if b {
		return "on"
	}
	return ""
}

func (k *call) goTo(path string) error {
	http.Redirect(k.w, k.r, path, http.StatusSeeOther)
	return nil
}
