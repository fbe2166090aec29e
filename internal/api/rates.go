package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
)

// consentRates says how people answered the notices: counters without anybody in them. Every
// count is rounded; a small one is null, and the share then only has bounds.
func (c *call) consentRates() error {
	q, err := c.survey()
	if err != nil {
		return err
	}
	rep, err := c.api.Consent.Answers(c.Context(), c.who.Tenant, q)
	if err != nil {
		return err
	}
	switch f := c.URL.Query().Get("format"); f {
	case "", "json":
		return c.reply(http.StatusOK, struct {
			From      string `json:"from"`
			To        string `json:"to"`
			By        string `json:"by,omitempty"`
			FewerThan int    `json:"hidden_below"`
			RoundedTo int    `json:"rounded_to"`
			*consent.Answers
		}{q.From.Format(time.DateOnly), q.To.Format(time.DateOnly), q.By, consent.FewerThan, consent.RoundedTo, rep})
	case "csv":
		c.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		c.w.Header().Set("Content-Disposition", `attachment; filename="consent-rates.csv"`)
		c.w.Header().Set("Cache-Control", "no-store")
		_ = rep.CSV(c.w) // a caller that went away is no fault of ours
		return nil
	}
	return fail.Field("format", "The format is neither json nor csv.")
}

// survey reads what a report is to be about: the last thirty days unless from and to say otherwise.
func (c *call) survey() (q consent.Survey, err error) {
	v := c.URL.Query()
	q = consent.Survey{By: v.Get("by"), Language: v.Get("language"), Component: v.Get("component"), Viewport: v.Get("viewport")}
	if q.To, err = c.day("to", c.api.Clock.Now()); err != nil {
		return q, err
	}
	if q.From, err = c.day("from", q.To.AddDate(0, 0, -29)); err != nil {
		return q, err
	}
	if s := v.Get("version"); s != "" {
		if q.Version, err = strconv.Atoi(s); err != nil || q.Version < 1 {
			return q, fail.Field("version", "The version is not a number from 1.")
		}
	}
	if s := v.Get("deployment"); s != "" {
		if q.Deployment, err = uuid.Parse(s); err != nil {
			return q, fail.Field("deployment", "The deployment is not a UUID.")
		}
	}
	return q, nil
}

// day reads a day in UTC from the query.
func (c *call) day(name string, byDefault time.Time) (time.Time, error) {
	s := c.URL.Query().Get(name)
	if s == "" {
		return byDefault.UTC().Truncate(24 * time.Hour), nil
	}
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return d, fail.Field(name, "%s is not a day such as 2026-11-22", name)
	}
	return d, nil
}
