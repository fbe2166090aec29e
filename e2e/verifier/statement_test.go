package verifier

import (
	"os"
	"slices"
	"testing"

	"probity/e2e/chromium"
	"probity/verify"
)

// The page says of a certificate what the program prints, list by list and cell by cell.
func TestThePageShowsWhatACertificateStates(t *testing.T) {
	data, err := os.ReadFile(testdata + "erasure.json")
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.File(data)
	if err != nil || len(report.Statements) != 1 {
		t.Fatalf("%d statements, %v", len(report.Statements), err)
	}
	b := chromium.New(t, chromium.Shared(t))
	b.Offline(true)
	open(t, b, testdata+"erasure.json")
	facts := chromium.Value[[][]string](b, `[...document.querySelectorAll('#result dt')].map((dt) => [dt.textContent, dt.nextElementSibling.textContent])`)
	for i, f := range report.Statements[0].Facts {
		if i >= len(facts) || !slices.Equal(facts[i], []string{f.Name, f.Text}) {
			t.Errorf("the program says %+v, the page %q", f, facts)
		}
	}
	type list struct {
		Heading string     `json:"heading"`
		Head    []string   `json:"head"`
		Rows    [][]string `json:"rows"`
	}
	lists := chromium.Value[[]list](b, `[...document.querySelectorAll('#result details:has(table)')].map((d) => ({
		heading: d.querySelector('summary').textContent, head: [...d.querySelectorAll('th')].map((e) => e.textContent),
		rows: [...d.querySelectorAll('tbody tr')].map((tr) => [...tr.children].map((td) => td.textContent)),
	}))`)
	if len(lists) != len(report.Statements[0].Tables) {
		t.Fatalf("the program has %d lists, the page %d", len(report.Statements[0].Tables), len(lists))
	}
	for i, ours := range report.Statements[0].Tables {
		if theirs := lists[i]; ours.Heading != theirs.Heading || !slices.Equal(ours.Head, theirs.Head) || !slices.EqualFunc(ours.Rows, theirs.Rows, slices.Equal[[]string]) {
			t.Errorf("the program says %+v, the page %+v", ours, theirs)
		}
	}
	if faults := b.Audit(); len(faults) > 0 {
		t.Errorf("the page is not accessible: %q", faults)
	}
}
