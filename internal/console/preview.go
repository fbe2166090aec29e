package console

import (
	"net/http"

	"github.com/google/uuid"

	"probity/internal/notice"
)

// previewPolicy lets the page show the frame with the banner.
const previewPolicy = contentPolicy + "; frame-src 'self'"

func (k *call) previewDraft() error {
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	lang := k.r.URL.Query().Get("lang")
	if _, ok := d.Draft.Texts[lang]; !ok && len(d.Draft.Texts) > 0 {
		if lang = "en"; len(d.Draft.Texts["en"].Title) == 0 {
			lang = d.Draft.Languages()[0]
		}
	}
	n, artefact, err := k.Notices.Preview(k.r.Context(), k.tenant(), lang)
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Security-Policy", previewPolicy)
	return k.show(http.StatusOK, "notice-preview", "Preview", map[string]any{
		"Draft": d, "Part": "preview", "Lang": lang, "Name": notice.LanguageName(lang), "Languages": d.Draft.Languages(), "SHA256": n.SHA256, "Bytes": len(artefact), "Version": n.Version,
	})
}

// previewFrame is what the frames of the preview show: the banner's real files, in a world of their own.
func (k *call) previewFrame() error {
	n, artefact, err := k.Notices.Preview(k.r.Context(), k.tenant(), k.r.URL.Query().Get("lang"))
	if err != nil {
		return err
	}
	policy := "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
	if k.r.URL.Query().Get("of") != "artefact" {
		theme, _, err := k.Notices.Theme(k.r.Context(), k.tenant(), uuid.Nil)
		if err != nil {
			return err
		}
		if artefact, err = notice.Shown(n, theme); err != nil {
			return err
		}
		policy = notice.ShownPolicy + "; frame-ancestors 'self'; sandbox allow-scripts"
	}
	k.w.Header().Set("Content-Security-Policy", policy)
	k.w.Header().Set("Content-Type", notice.MediaType)
	_, _ = k.w.Write(artefact) // a browser that left needs no answer
	return nil
}
