package consent

import (
	"time"

	"probity/internal/notice"
)

// timeFormat is RFC 3339 in UTC with microseconds.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// entrySchema names the format of the payloads below; it changes with any change of meaning.
const entrySchema = "probity/consent/1"

// entry is the payload of a consent entry in the ledger, after ISO/IEC TS 27560 and the terms of
// the W3C Data Privacy Vocabulary. It is sealed under the person's key, except for a refusal by
// somebody unknown, which holds nothing personal.
type entry struct {
	Schema     string          `json:"schema"`
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Subject    string          `json:"subject,omitempty"` // random reference
	Site       string          `json:"site"`              // deployment
	Source     string          `json:"source"`
	Purposes   []entryPurpose  `json:"purposes"`
	Notice     *entryNotice    `json:"notice,omitempty"`
	Served     *entryServed    `json:"served,omitempty"`
	UI         *UI             `json:"ui,omitempty"`
	Signals    entrySignals    `json:"signals"`
	Conflicts  bool            `json:"conflicts_with_gpc"`
	Conflict   []entryConflict `json:"conflict,omitempty"`   // of a merge
	Conditions []string        `json:"conditional_services"` // services that are given only on consent
	ValidUntil string          `json:"valid_until,omitempty"`
	ClientTime string          `json:"client_time,omitempty"`
	Skewed     bool            `json:"client_clock_skewed"`
	ServerTime string          `json:"server_time"`
	PrevID     string          `json:"prev_id,omitempty"`
	Withdrawal string          `json:"withdrawal_method"`
	Law        string          `json:"jurisdiction"`
	Actor      string          `json:"actor"`
}

type entryPurpose struct {
	ID          string `json:"id"`
	State       Status `json:"state"`
	Basis       string `json:"basis"` // article
	Source      string `json:"source"`
	Conditional bool   `json:"conditional"`
}

type entryNotice struct {
	ID         string `json:"id"`
	Version    int    `json:"version"`
	TextSHA256 string `json:"text_sha256"`
	Language   string `json:"language"`
}

type entryServed struct {
	Nonce    string `json:"nonce"` // digest
	IssuedAt string `json:"issued_at"`
	DwellMS  int    `json:"dwell_ms"`
}

type entrySignals struct {
	GPC bool `json:"gpc"`
	DNT bool `json:"dnt"`
}

// skew is how far the browser's clock may be off before the entry says so.
const skew = 5 * time.Minute

func newEntry(rec *Record) *entry {
	e := &entry{
		Schema:     entrySchema,
		ID:         rec.ID.String(),
		Type:       rec.Kind,
		Site:       rec.Deployment.String(),
		Source:     rec.Source,
		Conflicts:  rec.ConflictsWithGPC,
		Conditions: []string{},
		ServerTime: rec.At.UTC().Format(timeFormat),
		Withdrawal: "/privacy/",
		Law:        "EU",
		Actor:      "data_subject",
	}
	if !rec.Subject.IsZero() {
		e.Subject = rec.Subject.String()
	}
	if !rec.Until.IsZero() {
		e.ValidUntil = rec.Until.UTC().Format(timeFormat)
	}
	return e
}

func (e *entry) setClientTime(client, server time.Time) {
	if client.IsZero() {
		return
	}
	e.ClientTime = client.UTC().Format(timeFormat)
	d := client.Sub(server)
	e.Skewed = d > skew || d < -skew
}

// addPurposes spells out every purpose of the record, given and refused alike.
func (e *entry) addPurposes(set *settings, rec *Record, source func(p *notice.Purpose, given bool) string) {
	e.Purposes = make([]entryPurpose, 0, len(rec.Effects))
	for _, ef := range rec.Effects {
		out := entryPurpose{ID: ef.Purpose, State: ef.Status, Basis: notice.Consent.Article(), Source: rec.Source}
		if p := set.purpose(ef.Purpose); p != nil {
			out.Basis = p.Basis.Article()
			out.Conditional = len(p.NeededFor) > 0
			e.Conditions = append(e.Conditions, p.NeededFor...)
			if source != nil {
				out.Source = source(p, ef.Status == Given)
			}
		}
		e.Purposes = append(e.Purposes, out)
	}
}
