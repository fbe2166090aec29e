package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
)

// importRow is one consent that another system kept.
type importRow struct {
	Person     who             `json:"person"`
	Deployment uuid.UUID       `json:"deployment"`
	Purposes   map[string]bool `json:"purposes"`
	Objection  bool            `json:"objection"`
	SaidAt     time.Time       `json:"said_at"`
	Notice     string          `json:"notice"`
	Version    int             `json:"version"`
	Language   string          `json:"language"`
	Text       string          `json:"text"`
	Evidence   string          `json:"evidence"`
	Explicit   bool            `json:"explicit"`
	Key        string          `json:"key"`
}

// refusedRow says why a row was not recorded, by its place in the request.
type refusedRow struct {
	Row     int    `json:"row"`
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// importConsents records what other systems kept, many rows at once. Rows that can't be recorded are
// named and keep none of the others from it. text and language hold for rows that name neither a notice
// nor a text.
func (c *call) importConsents() error {
	var body struct {
		DryRun   bool        `json:"dry_run"`
		Text     string      `json:"text"`
		Language string      `json:"language"`
		Staff    string      `json:"staff"`
		Rows     []importRow `json:"rows"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	by := c.actor()
	if body.Staff != "" {
		by += " staff:" + body.Staff
	}
	list := make([]consent.Assertion, 0, len(body.Rows))
	at := make([]int, 0, len(body.Rows)) // where each of list stands in the request
	refused := []refusedRow{}
	for i, row := range body.Rows {
		person, err := row.Person.one()
		if err != nil {
			refused = append(refused, refusedAt(i, err))
			continue
		}
		if row.Text == "" && row.Notice == "" && body.Text != "" {
			row.Text, row.Language = body.Text, cmp.Or(row.Language, body.Language)
		}
		list, at = append(list, consent.Assertion{
			Who: person, Deployment: row.Deployment, Purposes: row.Purposes, Objection: row.Objection, Said: row.SaidAt,
			Notice: row.Notice, Version: row.Version, Language: row.Language, Text: row.Text, RecordedBy: by,
			Evidence: row.Evidence, Explicit: row.Explicit, Key: row.Key,
		}), append(at, i)
	}
	var done []consent.Imported
	if len(list) > 0 || len(refused) == 0 {
		var err error
		if done, err = c.api.Consent.Import(c.Context(), c.who.Tenant, list, body.DryRun); err != nil {
			return err
		}
	}
	recorded, repeated := 0, 0
	for i, one := range done {
		switch {
		case one.Refused != nil:
			refused = append(refused, refusedAt(at[i], one.Refused))
		case one.Repeated:
			repeated++
		default:
			recorded++
		}
	}
	return c.reply(http.StatusOK, map[string]any{"recorded": recorded, "repeated": repeated, "refused": refused, "dry_run": body.DryRun})
}

func refusedAt(row int, err error) refusedRow {
	p := describe(err)
	return refusedRow{Row: row, Code: p.code, Field: p.field, Message: p.message}
}
