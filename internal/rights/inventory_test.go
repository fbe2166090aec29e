package rights_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

// storesPage is docs/stores.md as the declaration says it.
func storesPage() string {
	var b strings.Builder
	b.WriteString(`# Where what is kept

Every table, file and memory that Probity itself keeps something in, in the order in which an erasure
goes through them. The page is made from the declaration in the code (` + "`go test ./internal/rights -run StoresPage -update`" + `);
a test compares the declaration with the databases, and fails for a table that nobody declared. The
same as JSON: ` + "`GET /probity/v1/stores`" + `.

What an erasure does: **delete** (rows are deleted and overwritten), **destroy key** (what remains is
ciphertext that nothing opens), **redact** (the person's part is taken out), **pseudonymise** (what
remains leads to nobody), **keep** (the article allows it), **nobody's** (nothing of data subjects). After
it everything is read again, against the database's own catalogue.

**The thirty-day rule.** What surely ends by itself within thirty days may be left out of an answer. Here
it is included all the same, and the answer names it with its date (` + "`expiring`" + ` of a request,
` + "`would_have_expired`" + ` of a certificate).

| store | where | what | an erasure | kept without one | after an erasure |
|---|---|---|---|---|---|
`)
	for _, p := range rights.Inventory() {
		where := p.Where
		for _, table := range p.Tables {
			where += " `" + table + "`"
		}
		kept := p.Kept
		if p.Within > 0 {
			kept += fmt.Sprintf(" (within %.0f days)", max(1, p.Within.Hours()/24))
		}
		after := p.Erased
		if p.Article != "" {
			after = strings.TrimSpace(after + " (" + p.Article + ")")
		}
		if after == "" && p.Strategy != rights.Nobodys {
			after = "nothing"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", p.Store, where, p.What, p.Strategy, kept, after)
	}
	return b.String()
}

func TestTheStoresPageSaysWhatIsDeclared(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "stores.md")
	if *update {
		if err := os.WriteFile(path, []byte(storesPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != storesPage() {
		t.Error("docs/stores.md is not what the code declares; run this test with -update")
	}
}

func TestEveryPlaceSaysWhatBecomesOfWhatItHolds(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range rights.Inventory() {
		if p.What == "" || p.Kept == "" || p.Strategy == "" || p.Where == "" {
			t.Errorf("%s says too little: %+v", p.Store, p)
		}
		if p.Strategy == rights.Keep && (p.Article == "" || p.Erased == "") {
			t.Errorf("%s keeps %s without an article", p.Store, p.What)
		}
		for _, table := range p.Tables {
			if seen[p.Where+table] {
				t.Errorf("%s is declared twice", table)
			}
			seen[p.Where+table] = true
		}
	}
}

// What is deleted and what the report counts are one: every store that an erasure goes through is in
// the declaration.
func TestEveryStoreOfAReportIsDeclared(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
	for _, s := range q.Report.Stores {
		if s.Store == "database" {
			continue // all of them, counted by table
		}
		if !slices.ContainsFunc(rights.Inventory(), func(p rights.Place) bool { return p.Store == s.Store }) {
			t.Errorf("the report names %s, which nobody declared", s.Store)
		}
	}
}

func TestWhatEndsByItselfWithinThirtyDaysIsNamedAndIncludedAllTheSame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		access := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if len(access.Report.Expiring) != 0 {
			t.Errorf("nothing ends soon, and the answer names %+v", access.Report.Expiring)
		}
		erasure := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{EmailAddresses: []string{p.email}}})
		want := h.clk.Now().Add(rights.PackageTTL).Format("2006-01-02")
		list := erasure.Report.Expiring
		if len(list) != 1 || list[0].Store != "requests" || list[0].By != want {
			t.Errorf("the answer names %+v, want the package of before by %s", list, want)
		}
		if n := find(t, erasure.Report, "requests"); n.Counts[0].N != 1 {
			t.Errorf("the package was not erased: %+v", n)
		}
		file, err := h.Certificate(t.Context(), h.t, erasure.ID)
		if err != nil || !strings.Contains(string(file), "would_have_expired") {
			t.Errorf("the certificate does not name it: %v", err)
		}
	})
}
