package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/subject"
	"probity/verify"
	"probity/verify/page"
)

// proofTable lists what proves consent to others.
func (a *API) proofTable() []route {
	return []route{
		{"GET", "/probity/verify/{$}", public("the same bytes for everybody"), 0, (*call).verifier},
		{"GET", "/probity/v1/consent/state", can(org.PermissionConsent), 0, (*call).pastConsent},
		{"GET", "/probity/v1/consent/bundle", can(org.PermissionConsent), 0, (*call).consentBundle},
		{"GET", "/probity/v1/consent/records/{recordId}", can(org.PermissionConsent), 0, (*call).exportRecord},
		{"GET", "/probity/v1/consent/builds/{sha256}", can(org.PermissionConsent), 0, (*call).builtFile},
		{"GET", "/probity/v1/consent/rates", can(org.PermissionNotice, org.PermissionConsent), 0, (*call).consentRates},
		{"GET", "/probity/v1/ledger/bundle", can(org.PermissionConsent), 0, (*call).excerpt},
	}
}

// verifier serves the page that checks proofs. It asks this server nothing more.
func (c *call) verifier() error {
	c.w.Header().Set("Content-Security-Policy", page.Policy()+"; frame-ancestors 'none'")
	return c.cached("text/html; charset=utf-8", page.HTML, 3600)
}

// subjectOf reads whom a staff call is about: ?subject= or ?visitor=.
func (c *call) subjectOf() (id.Subject, error) {
	q := c.URL.Query()
	switch {
	case q.Get("subject") != "" && q.Get("visitor") != "":
		return id.Subject{}, fail.Field("subject", "give subject or visitor, not both")
	case q.Get("subject") != "":
		s, err := id.ParseSubject(q.Get("subject"))
		if err != nil {
			return s, fail.Field("subject", "the subject is not a reference of ours")
		}
		return s, nil
	case q.Get("visitor") != "":
		v, err := uuid.Parse(q.Get("visitor"))
		if err != nil {
			return id.Subject{}, fail.Field("visitor", "the visitor is not a UUID")
		}
		s, ok, err := c.api.Subjects.Lookup(c.Context(), c.who.Tenant, subject.Cookie, v.String())
		if err == nil && !ok {
			err = fail.New(fail.NotFound, "Nothing is known of this visitor.")
		}
		return s, err
	}
	return id.Subject{}, fail.Field("subject", "the subject or the visitor is needed")
}

// at reads a time of the query, the present if it is missing.
func (c *call) at(name string) (time.Time, error) {
	s := c.URL.Query().Get(name)
	if s == "" {
		return c.api.Clock.Now(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fail.Field(name, "%s is not a time such as 2026-11-22T12:00:00Z", name)
	}
	return t, nil
}

type pastState struct {
	Status        consent.Status `json:"status"`
	Since         *time.Time     `json:"since"`
	Until         *time.Time     `json:"until,omitempty"`
	NoticeVersion int            `json:"notice_version,omitempty"`
	Entry         *int64         `json:"entry"` // index in the log; null: nothing decides
	RecordID      *uuid.UUID     `json:"record_id"`
	Elsewhere     bool           `json:"elsewhere,omitempty"`
}

// pastConsent says what was allowed at a time, and encloses the proof: probity verify --at finds the
// same from the bundle alone.
func (c *call) pastConsent() error {
	s, err := c.subjectOf()
	if err != nil {
		return err
	}
	at, err := c.at("at")
	if err != nil {
		return err
	}
	states, err := c.api.Consent.StateAt(c.Context(), c.who.Tenant, s, at)
	if err != nil {
		return err
	}
	proofs, err := c.api.Consent.Bundle(c.Context(), c.who.Tenant, []id.Subject{s})
	if err != nil {
		return err
	}
	out := struct {
		At       time.Time            `json:"at"`
		Purposes map[string]pastState `json:"purposes"`
		Proofs   *verify.Bundle       `json:"proofs"`
	}{at.UTC(), map[string]pastState{}, proofs}
	for purpose, st := range states {
		o := pastState{Status: st.Status, NoticeVersion: st.NoticeVersion, Elsewhere: st.Elsewhere}
		if st.Ledger >= 0 {
			since, entry, record := st.Since, st.Ledger, st.RecordID
			o.Since, o.Entry, o.RecordID = &since, &entry, &record
		}
		if until := st.Until; !until.IsZero() {
			o.Until = &until
		}
		out.Purposes[purpose] = o
	}
	return c.reply(http.StatusOK, out)
}

// consentBundle hands out all proofs about one person as a file.
func (c *call) consentBundle() error {
	s, err := c.subjectOf()
	if err != nil {
		return err
	}
	b, err := c.api.Consent.Bundle(c.Context(), c.who.Tenant, []id.Subject{s})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, b)
}

// exportRecord hands out one record in the format asked for, our own by default.
func (c *call) exportRecord() error {
	record, err := c.pathID("recordId")
	if err != nil {
		return err
	}
	return c.export(c.who.Tenant, id.Subject{}, record, c.URL.Query().Get("format"))
}

// export answers with a record of consent; the zero subject stands for anybody.
func (c *call) export(t id.Tenant, s id.Subject, record uuid.UUID, format string) error {
	if format == "" {
		format = string(consent.FormatReceipt)
	}
	if consent.Format(format) == consent.FormatReceipt && !s.IsZero() {
		v, err := c.api.Consent.PersonalReceipt(c.Context(), t, s, record)
		if err != nil {
			return err
		}
		return c.reply(http.StatusOK, v)
	}
	v, err := c.api.Consent.Export(c.Context(), t, s, record, consent.Format(format), c.base())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, v)
}

// excerpt streams everything that the log holds of a period, for a supervisory authority.
func (c *call) excerpt() error {
	q := c.URL.Query()
	p := consent.Period{}
	var err error
	if q.Get("from") == "" {
		return fail.Field("from", "the beginning of the period is needed")
	}
	if p.From, err = c.at("from"); err != nil {
		return err
	}
	if p.To, err = c.at("to"); err != nil {
		return err
	}
	if d := q.Get("deployment"); d != "" {
		if p.Site, err = uuid.Parse(d); err != nil {
			return fail.Field("deployment", "the deployment is not a UUID")
		}
	}
	w := &lateWriter{w: c.w}
	err = c.api.Consent.Excerpt(c.Context(), c.who.Tenant, p, w)
	if err != nil && w.begun {
		// The status is out. Without its last line the file says itself that it is cut off.
		panic(http.ErrAbortHandler)
	}
	return err
}

// lateWriter sends the header with the first byte, so that an error before it can still be told.
type lateWriter struct {
	w     http.ResponseWriter
	begun bool
}

// Write implements io.Writer.
func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/jsonl")
		l.w.Header().Set("Content-Disposition", `attachment; filename="excerpt.jsonl"`)
		l.w.WriteHeader(http.StatusOK)
	}
	return l.w.Write(b)
}

// builtFile hands out a file that drew a banner, by the digest that an entry cites.
func (c *call) builtFile() error {
	name, body, err := c.api.Consent.Build(c.Context(), c.who.Tenant, c.PathValue("sha256"))
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err = c.w.Write(body)
	return err
}
