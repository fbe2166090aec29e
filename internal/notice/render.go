package notice

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
)

//go:embed notice.html.tmpl
var templates embed.FS

// renderedPurpose is a purpose with its text in the language of the page.
type renderedPurpose struct {
	Purpose
	Text PurposeText
}

// Render returns a notice in one language and its artefact, the page with all of it. The same input
// gives the same bytes.
func Render(purposes []Purpose, d Draft, version int, lang string) (Notice, []byte, error) {
	text := d.Texts[lang]
	known := d.Facts.values(text, purposes, lang)
	fill := func(s string) string { s, _ = known.fill(s); return s }
	n := Notice{
		ID:           ID,
		Version:      version,
		Language:     lang,
		Title:        fill(text.Title),
		Intro:        fill(text.Intro),
		Controller:   known["controller"],
		WithdrawHint: fill(text.WithdrawHint),
		Purposes:     make([]NoticePurpose, len(purposes)),
		Labels:       text.Labels,
		DetailsURL:   fmt.Sprintf("/probity/v1/notices/%s/%d/%s", ID, version, lang),
	}
	list := make([]renderedPurpose, len(purposes))
	for i, p := range purposes {
		list[i] = renderedPurpose{p, p.Texts[lang]}
		n.Purposes[i] = NoticePurpose{ID: p.ID, Title: p.Texts[lang].Title, Description: p.Texts[lang].Description, Basis: p.Basis, Sharing: p.Sharing}
	}
	page, err := template.ParseFS(templates, "notice.html.tmpl")
	if err != nil {
		return n, nil, fmt.Errorf("read the notice template: %w", err)
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{
		"Notice":   n,
		"Text":     text,
		"Facts":    d.Facts,
		"Sections": known.sections(text),
		"Purposes": list,
		"Own":      OwnStorage(),
	})
	if err != nil {
		return n, nil, fmt.Errorf("render the notice: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	n.SHA256 = hex.EncodeToString(sum[:])
	return n, b.Bytes(), nil
}
