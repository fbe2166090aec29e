package consent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/verify"
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
	Proof      string          `json:"proof_level"` // "first-hand", "assertion", or "none" for what the system or the controller noted
	Assertion  *entryAssertion `json:"assertion,omitempty"`
	Reason     string          `json:"reason,omitempty"`       // why the controller ended it
	Requested  string          `json:"requested_at,omitempty"` // when a letter was asked for that this confirms
	Age        *entryAge       `json:"age,omitempty"`          // of a child, as the site declared it
	// EnteredAgain is when the entry was made of what is kept outside of the database, because that had
	// been restored from a backup; ServerTime is when it was said.
	EnteredAgain string     `json:"entered_again_at,omitempty"`
	Build        entryBuild `json:"build"`
	Controller   string     `json:"controller_id"`      // the organisation
	Recipients   string     `json:"recipients_version"` // the notice that names them, as id/version
	Storage      string     `json:"storage_location"`
	Retention    string     `json:"retention"` // ISO 8601 duration
	TC           string     `json:"tc_string"` // of IAB's framework, which is not used

	theme *notice.Theme // of the dialog that was shown; nil where none was, or where it is not known
}

// entryAssertion says who claims that somebody said this, and on what evidence.
type entryAssertion struct {
	Channel    string `json:"channel"`
	SaidAt     string `json:"said_at"`
	RecordedBy string `json:"recorded_by"`
	Evidence   string `json:"evidence,omitempty"` // where the recording, paper or form is kept
	Explicit   bool   `json:"explicit"`
}

// entryAge is what a site declared about a child, and no more.
type entryAge struct {
	Band    string `json:"band"`
	Country string `json:"country"`
	Consent int    `json:"age_of_digital_consent"`
}

// The levels of proof.
const (
	proofFirstHand = "first-hand"
	proofAssertion = "assertion"
	proofNone      = "none"
)

type entryPurpose struct {
	ID          string `json:"id"`
	State       Status `json:"state"`
	Basis       string `json:"basis"` // article
	Source      string `json:"source"`
	Conditional bool   `json:"conditional"`
	Version     int    `json:"version"` // of the notice that describes the purpose; 0: none was shown
}

type entryNotice struct {
	ID           string `json:"id"`
	Version      int    `json:"version"`
	TextSHA256   string `json:"text_sha256"`             // words, language, purposes, buttons and their order
	LayoutSHA256 string `json:"layout_sha256,omitempty"` // of the style sheet that was shown
	LayoutSeen   string `json:"layout_seen,omitempty"`   // how that is known, see themeSeen
	Language     string `json:"language"`
}

// entryBuild names what drew the banner, by SHA-256 in hex. Room.Build returns the files.
type entryBuild struct {
	Banner  string `json:"banner_sha256"`
	Config  string `json:"config_sha256"`
	Version string `json:"sdk_version"`
}

type entryServed struct {
	ID       string `json:"id,omitempty"` // of the entry notice.served that precedes this one
	Nonce    string `json:"nonce"`        // digest
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
		Proof:      proofFirstHand,
		TC:         "none",
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
	e.Build.Config = set.config
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

// textOf returns how an entry names the text that a record is about, nil for none.
func (s *settings) textOf(rec *Record) *entryNotice {
	if isScript(rec.Notice) {
		return &entryNotice{ID: rec.Notice, Version: rec.Version, TextSHA256: strings.TrimPrefix(rec.Notice, scriptPrefix), Language: rec.Language}
	}
	if shown := s.published(rec.Notice, rec.Version, rec.Language); shown != nil {
		return &entryNotice{ID: shown.ID, Version: shown.Version, TextSHA256: shown.SHA256, Language: shown.Language}
	}
	return nil
}

// complete adds what the installation and the organisation's settings say about every entry.
func (r *Room) complete(e *entry, t id.Tenant) {
	f := r.terms
	e.Law = cmp.Or(f.Jurisdiction, e.Law)
	e.Controller = t.String()
	e.Storage = cmp.Or(f.Storage, "self-hosted")
	e.Retention = cmp.Or(f.Retention, fmt.Sprintf("P%dD", int(Validity.Hours()/24)))
	e.Build.Banner, e.Build.Version = f.Build.digest("banner.js"), f.Build.Version
	if e.Notice == nil {
		return
	}
	if e.theme != nil {
		_, e.Notice.LayoutSHA256 = f.Build.layout(*e.theme)
	}
	e.Recipients = fmt.Sprintf("%s/%d", e.Notice.ID, e.Notice.Version)
	for i := range e.Purposes {
		e.Purposes[i].Version = e.Notice.Version
	}
}

// configDigest returns the SHA-256, in hex, of the settings behind a banner: the canonical JSON of
// the purposes, as the ledger's newest purposes.published entry lists them, and of the validity of a
// choice. Whoever has that entry can compute it again.
func configDigest(purposes []string) (string, error) {
	text := fmt.Sprintf(`{"purposes":[%s],"valid_days":%d}`, strings.Join(purposes, ","), int(Validity.Hours()/24))
	canonical, err := verify.Canonical([]byte(text))
	if err != nil {
		return "", fmt.Errorf("the purposes: %w", err)
	}
	return digest(canonical), nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// served is the payload of the entry that says which notice a browser had asked for. It is written
// together with the choice it precedes: who never chooses leaves a count and no entry.
type served struct {
	Schema     string       `json:"schema"`
	ID         string       `json:"id"`
	Type       string       `json:"type"`
	Subject    string       `json:"subject,omitempty"`
	Site       string       `json:"site"`
	Notice     *entryNotice `json:"notice"`
	Nonce      string       `json:"nonce"` // digest
	IssuedAt   string       `json:"issued_at"`
	DwellMS    int          `json:"dwell_ms"`
	Viewport   string       `json:"viewport,omitempty"`
	Build      entryBuild   `json:"build"`
	ServerTime string       `json:"server_time"`
}

// served returns the entry that precedes a choice, from the choice's own.
func (e *entry) served() ([]byte, error) {
	return json.Marshal(served{
		Schema: "probity/served/1", ID: e.Served.ID, Type: ledger.NoticeServed, Subject: e.Subject, Site: e.Site,
		Notice: e.Notice, Nonce: e.Served.Nonce, IssuedAt: e.Served.IssuedAt, DwellMS: e.Served.DwellMS,
		Viewport: e.UI.Viewport, Build: e.Build, ServerTime: e.ServerTime,
	})
}
