package notice_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity/internal/notice"
)

// good is the default notice of an organisation that said who it is.
func good() ([]notice.Purpose, notice.Draft) {
	purposes := notice.DefaultPurposes()
	return purposes, notice.Draft{
		Facts: notice.Facts{
			Controller: "Example Shop Ltd", Address: "1 High Street, Dublin", Contact: "privacy@shop.example", DPO: "dpo@shop.example",
			Processors: []string{"Host One"}, RetentionMonths: 14, ProofYears: 3, Authority: "Data Protection Commission",
		},
		Purposes: purposes, Texts: notice.DefaultTexts(),
	}
}

func TestTheDefaultTextsPassTheLint(t *testing.T) {
	purposes, d := good()
	for _, f := range notice.Lint(purposes, d) {
		t.Errorf("%s %s %s: %s", f.Severity, f.Rule, f.Field, f.Message)
	}
}

func TestTheDocumentListsEveryRule(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "notices.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range notice.Rules() {
		if !strings.Contains(string(document), "| `"+r.ID+"` | "+r.Pattern+" |") {
			t.Errorf("docs/notices.md does not list %s", r.ID)
		}
	}
}

func BenchmarkLint(b *testing.B) {
	purposes, d := good()
	for b.Loop() {
		notice.Lint(purposes, d)
	}
}
