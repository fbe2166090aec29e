package consent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"unicode/utf8"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// DefaultNotice is the id of the notice that EnsureDefaults publishes.
const DefaultNotice = "privacy"

// mediaType is that of every artefact.
const mediaType = "text/html; charset=utf-8"

// Purpose is one aim for which data is processed, with its own switch.
type Purpose struct {
	ID        string                 `json:"id"`         // lower-case letters and dashes
	Basis     Basis                  `json:"basis"`      // consent unless an assessment says otherwise
	Sharing   bool                   `json:"sharing"`    // a Global Privacy Control signal refuses it
	Profiling bool                   `json:"profiling"`  // evaluates the person (Art. 4(4))
	NeededFor []string               `json:"needed_for"` // services that are given only with this consent (Art. 7(4))
	Why       string                 `json:"why"`        // why those services can't work without it
	Texts     map[string]PurposeText `json:"texts"`      // by language
}

// PurposeText is what the notice says about a purpose.
type PurposeText struct {
	Title       string `json:"title"`
	Description string `json:"description"` // at most 160 characters
}

// Notice is what the banner shows, in one language. It marshals to the wire format.
type Notice struct {
	ID           string          `json:"id"`
	Version      int             `json:"version"`
	Language     string          `json:"language"`
	SHA256       string          `json:"sha256"` // of the artefact, hex
	Title        string          `json:"title"`
	Intro        string          `json:"intro"`
	Controller   string          `json:"controller"`
	WithdrawHint string          `json:"withdraw_hint"`
	Purposes     []NoticePurpose `json:"purposes"`
	Labels       Labels          `json:"labels"`
	DetailsURL   string          `json:"details_url"`
}

// NoticePurpose is one purpose as a notice names it.
type NoticePurpose struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Labels are the words on the banner's controls.
type Labels struct {
	Accept      string `json:"accept"`
	Reject      string `json:"reject"`
	Settings    string `json:"settings"`
	Save        string `json:"save"`
	Back        string `json:"back"`
	On          string `json:"on"`
	Off         string `json:"off"`
	Close       string `json:"close"`
	Saved       string `json:"saved"`
	Manage      string `json:"manage"`
	WithdrawAll string `json:"withdraw_all"`
	Current     string `json:"current"`
	Details     string `json:"details"` // the link to the full notice
	GPC         string `json:"gpc"`     // shown while the browser sends Global Privacy Control
}

// Controller is who decides about the data, as the notice names it (Art. 13(1)(a) and (b)).
type Controller struct {
	Name    string `json:"name"`    // empty: "the operator of this website"
	Address string `json:"address"` // one line
	Contact string `json:"contact"` // e-mail address or web page for questions about privacy
}

// Draft is a notice to be published, in all its languages.
type Draft struct {
	Controller Controller
	Purposes   []Purpose       // in the order shown; nil: those the organisation has
	Texts      map[string]Text // by language
	Material   bool            // purposes, controller or recipients changed: earlier grants are suspended
	Override   string          // publish in spite of what Lint finds, for this reason (20 characters or more); it is logged
}

// Text is the prose of a notice in one language. "{controller}" stands for the controller's name.
type Text struct {
	Title        string    `json:"title"`
	Intro        string    `json:"intro"`
	WithdrawHint string    `json:"withdraw_hint"`
	Sections     []Section `json:"sections"`
	Unnamed      string    `json:"unnamed"` // what to call a controller without a name
	Labels       Labels    `json:"labels"`
	PurposesHead string    `json:"purposes_head"`
	ButtonsHead  string    `json:"buttons_head"`
}

// Section is one headed part of the full notice.
type Section struct {
	Heading    string   `json:"heading"`
	Paragraphs []string `json:"paragraphs"`
}

//go:embed notice.html.tmpl
var noticeFiles embed.FS

// Publish makes the draft the next version of the default notice: renders one artefact per language,
// stores it with its digest and logs both. A published version is never changed. A purpose that the
// draft leaves out is closed from then on, whatever was consented to.
//
// Errors: fail.Invalid naming what the draft lacks; see Lint and Draft.Override.
func (r *Room) Publish(ctx context.Context, t id.Tenant, d Draft) (version int, err error) {
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		set, err := readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		version, err = r.publish(ctx, tx, set, d)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "publish a notice")
	}
	return version, nil
}

func (r *Room) publish(ctx context.Context, tx *store.Tx, set *settings, d Draft) (int, error) {
	if len(d.Texts) == 0 {
		return 0, fail.Field("texts", "The notice has no text in any language.")
	}
	purposes := set.purposes
	if d.Purposes != nil {
		purposes = d.Purposes
	}
	if err := checkPurposes(purposes); err != nil {
		return 0, err
	}
	if err := r.lint(ctx, tx, purposes, d); err != nil {
		return 0, err
	}
	if d.Purposes != nil {
		set.purposes = d.Purposes
		if err := r.writePurposes(ctx, tx, d.Purposes); err != nil {
			return 0, err
		}
	}
	version := 1
	if newest := set.current(DefaultNotice, ""); newest != nil {
		version = newest.Version + 1
	}
	t := tx.TenantID()
	now := r.clk.Now()
	languages := make([]string, 0, len(d.Texts))
	for lang := range d.Texts {
		languages = append(languages, lang)
	}
	slices.Sort(languages)
	for _, lang := range languages {
		n, artefact, err := render(set.purposes, d, version, lang)
		if err != nil {
			return 0, err
		}
		sum := sha256.Sum256(artefact)
		payload, err := json.Marshal(map[string]any{
			"schema":      "probity/notice/1",
			"type":        ledger.NoticePublished,
			"id":          n.ID,
			"version":     version,
			"language":    lang,
			"text_sha256": n.SHA256,
			"material":    d.Material,
			"purposes":    set.purposeIDs(),
			"server_time": now.UTC().Format(timeFormat),
		})
		if err != nil {
			return 0, err
		}
		index, err := r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.NoticePublished, Payload: payload})
		if err != nil {
			return 0, err
		}
		body, err := json.Marshal(n)
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO consent_notice (tenant_id, id, version, language, body, artefact, sha256, material, published, ledger)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			t, n.ID, version, lang, string(body), artefact, sum[:], d.Material, now.UnixMicro(), index); err != nil {
			return 0, err
		}
	}
	tx.AfterCommit(func() {
		r.settings.Drop(t)
		r.gate.views.Clear()
	})
	return version, nil
}

// lint refuses a draft with faults, or logs the reason why it is published all the same.
func (r *Room) lint(ctx context.Context, tx *store.Tx, purposes []Purpose, d Draft) error {
	faults := Lint(purposes, d)
	if len(faults) == 0 {
		return nil
	}
	if utf8.RuneCountInString(strings.TrimSpace(d.Override)) < 20 {
		return fail.Field(faults[0].Field, "%s", faults[0].Message)
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/override/1",
		"type":        ledger.OverrideMade,
		"faults":      faults,
		"reason":      d.Override,
		"actor":       "controller",
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.OverrideMade, Payload: payload})
	return err
}

// checkPurposes sees to it that purposes can be told apart and stored.
func checkPurposes(purposes []Purpose) error {
	if len(purposes) == 0 || len(purposes) > 32 {
		return fail.Field("purposes", "There must be between 1 and 32 purposes.")
	}
	seen := map[string]bool{}
	for _, p := range purposes {
		if !validPurposeID(p.ID) {
			return fail.Field("purposes", "A purpose's id is 1 to 32 lower-case letters, digits and dashes.")
		}
		if seen[p.ID] {
			return fail.Field("purposes."+p.ID, "There are two purposes with the id %q.", p.ID)
		}
		seen[p.ID] = true
		if p.Basis.Article() == "" {
			return fail.Field("purposes."+p.ID+".basis", "The basis of the purpose %q is not one of Article 6(1).", p.ID)
		}
	}
	return nil
}

func validPurposeID(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 32
}

// Artefact returns the exact bytes that were published; fail.NotFound if there is no such notice.
func (r *Room) Artefact(ctx context.Context, t id.Tenant, notice string, version int, lang string) ([]byte, error) {
	var artefact, sum []byte
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `
			SELECT artefact, sha256 FROM consent_notice
			WHERE tenant_id = $1 AND id = $2 AND version = $3 AND language = $4`,
			t, notice, version, lang).Scan(&artefact, &sum)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no notice of that id, version and language.")
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a notice")
	}
	if got := sha256.Sum256(artefact); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("the stored notice %s version %d (%s) is not what was published", notice, version, lang)
	}
	return artefact, nil
}

// render returns a notice and its artefact. The same input gives the same bytes.
func render(purposes []Purpose, d Draft, version int, lang string) (Notice, []byte, error) {
	text := d.Texts[lang]
	name := d.Controller.Name
	if name == "" {
		name = text.Unnamed
	}
	fill := func(s string) string {
		return string(bytes.ReplaceAll([]byte(s), []byte("{controller}"), []byte(name)))
	}
	n := Notice{
		ID:           DefaultNotice,
		Version:      version,
		Language:     lang,
		Title:        fill(text.Title),
		Intro:        fill(text.Intro),
		Controller:   name,
		WithdrawHint: fill(text.WithdrawHint),
		Purposes:     make([]NoticePurpose, len(purposes)),
		Labels:       text.Labels,
		DetailsURL:   fmt.Sprintf("/probity/v1/notices/%s/%d/%s", DefaultNotice, version, lang),
	}
	for i, p := range purposes {
		n.Purposes[i] = NoticePurpose{ID: p.ID, Title: p.Texts[lang].Title, Description: p.Texts[lang].Description}
	}
	sections := make([]Section, len(text.Sections))
	for i, s := range text.Sections {
		sections[i].Heading = fill(s.Heading)
		for _, p := range s.Paragraphs {
			sections[i].Paragraphs = append(sections[i].Paragraphs, fill(p))
		}
	}
	page, err := template.ParseFS(noticeFiles, "notice.html.tmpl")
	if err != nil {
		return n, nil, fmt.Errorf("read the notice template: %w", err)
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Notice":     n,
		"Text":       text,
		"Controller": d.Controller,
		"Sections":   sections,
		"Purposes":   purposes,
	})
	if err != nil {
		return n, nil, fmt.Errorf("render the notice: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	n.SHA256 = hex.EncodeToString(sum[:])
	return n, b.Bytes(), nil
}
