package consent

import (
	"bytes"
	"crypto/sha256"
	"html"
	"reflect"
	"strings"

	"probity/internal/fail"
	"probity/internal/notice"
)

// intact tells whether a stored notice is still the one that was published: its page has the digest
// that choices cite, and every word that the banner shows stands in that page. Whoever changes all of
// it together is found by Audit, which asks the ledger.
func intact(n *notice.Notice, artefact, sum []byte) bool {
	if got := sha256.Sum256(artefact); !bytes.Equal(got[:], sum) {
		return false
	}
	page := html.UnescapeString(string(artefact))
	words := []string{n.Title, n.Intro, n.Controller, n.WithdrawHint}
	for _, p := range n.Purposes {
		words = append(words, p.Title, p.Description)
	}
	labels := reflect.ValueOf(n.Labels)
	for i := range labels.NumField() {
		if label := labels.Field(i); label.Kind() == reflect.String {
			words = append(words, label.String())
		}
	}
	for _, w := range words {
		if !strings.Contains(page, w) {
			return false
		}
	}
	return true
}

// fit returns an error for a notice that must be neither shown nor cited.
func (e *edition) fit() error {
	if e.intact {
		return nil
	}
	return fail.New(fail.Unavailable, "The notice %s, version %d, %s, was changed in the database since it was published. Run probity doctor, and restore it or publish a new version.",
		e.ID, e.Version, e.Language).WithCode("consent.notice.changed")
}
