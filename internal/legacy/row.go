package legacy

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// cells are the columns of a row that are not empty.
type cells map[string]string

// row makes a row of its cells, and tells which column names the person. What is wrong with it is told
// without repeating a value. text tells whether a text is given for rows without one.
func (c cells) row(text bool) (*Row, string, *Refusal) {
	r := &Row{
		Person: map[string]string{}, Purposes: map[string]bool{}, Notice: c["notice"], Language: c["language"], Text: c["text"],
		Evidence: c["evidence"], Key: c["key"],
	}
	bad := func(column, message string) (*Row, string, *Refusal) {
		return nil, "", &Refusal{Column: column, Code: "row.invalid", Message: message}
	}
	identity := ""
	for _, kind := range []string{"email", "phone", "external_id", "cookie"} {
		if c[kind] == "" {
			continue
		}
		if identity != "" {
			return bad(kind, "The row names the person twice, also by "+identity+". Leave one of them empty.")
		}
		identity = kind
		r.Person[kind] = c[kind]
	}
	if identity == "" {
		return bad("email", "The row names nobody: fill email, phone, external_id or cookie.")
	}
	said, ok := readTime(c["said_at"])
	if !ok {
		return bad("said_at", "Write the time as 2026-05-01T09:30:00+02:00, or the day as 2026-05-01, which counts from its start in UTC.")
	}
	r.SaidAt = said
	for _, column := range []string{"granted", "refused", "objected"} {
		for _, purpose := range strings.FieldsFunc(c[column], func(c rune) bool { return c == ' ' || c == ',' || c == ';' }) {
			if _, twice := r.Purposes[purpose]; twice {
				return bad(column, "The row speaks of one purpose twice.")
			}
			r.Purposes[purpose] = column == "granted"
			r.Objection = r.Objection || column == "objected"
		}
	}
	switch {
	case len(r.Purposes) == 0:
		return bad("granted", "The row says nothing about any purpose: fill granted, refused or objected.")
	case r.Objection && (c["granted"] != "" || c["refused"] != ""):
		return bad("objected", "An objection stands in a row of its own.")
	}
	if v := c["version"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1<<30 {
			return bad("version", "The version of the notice is a whole number from 1.")
		}
		r.Version = n
	}
	if v := c["explicit"]; v != "" {
		yes, known := map[string]bool{"true": true, "yes": true, "1": true, "false": false, "no": false, "0": false}[strings.ToLower(v)]
		if !known {
			return bad("explicit", "Write true or false.")
		}
		r.Explicit = yes
	}
	if v := c["deployment"]; v != "" {
		if _, err := uuid.Parse(v); err != nil {
			return bad("deployment", "The deployment is not the id of one.")
		}
		r.Deployment = v
	}
	if r.Notice == "" && r.Text == "" && !text && c["granted"] != "" {
		return bad("notice", "A grant needs the notice that was shown (notice, version, language), or its words (text, language), or --text for all rows (Art. 7(1) GDPR).")
	}
	return r, identity, nil
}

func readTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), at.UTC().Year() >= 1 && at.UTC().Year() <= 9999
		}
	}
	return time.Time{}, false
}
