package binary

import (
	"archive/zip"
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity/internal/store/storetest"
)

// The page's files, calls and commands are used in the order in which they stand there, against a
// database of a company.
func TestThePageOfPackagesDoesWhatItSays(t *testing.T) {
	t.Parallel()
	text := documents(t)[filepath.Join("docs", "packages.md")]
	dir := t.TempDir()
	for _, block := range fenced(text, "yaml") {
		name, _, _ := strings.Cut(strings.TrimPrefix(block, "# "), "\n")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dsn := storetest.PostgresURL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT NOT NULL CHECK (name <> '[name]' AND length(name) > 8 AND name ~ 'Marked'), note TEXT)`,
		`INSERT INTO customers VALUES (1, 'mary@example.org', 'Marked Name', 'rings other@example.org'), (2, 'paul@example.org', 'Marked Paul', NULL)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	commands := strings.Split(strings.TrimSpace(strings.Join(fenced(text, "sh"), "")), "\n")
	calls := fenced(text, "http")
	if len(commands) != 2 || len(calls) != 3 {
		t.Fatalf("the page has the commands %q and %d calls", commands, len(calls))
	}
	h := newHouse(t, "--databases", filepath.Join(dir, words(commands[0])[3]))
	h.env = append(h.env, "PROBITY_DSN_SHOP="+dsn)
	s := h.start(t)
	bearer := s.token(t)
	request := ""
	call := func(block string) *answer {
		line, body, _ := strings.Cut(block, "\n")
		method, path, _ := strings.Cut(line, " ")
		return s.do(t, method, strings.Replace(path, "REQUEST", request, 1), body, "Authorization", bearer)
	}
	var made struct {
		ID      string `json:"id"`
		State   string `json:"state"`
		Problem string `json:"problem"`
	}
	state := func(want string) func() bool {
		return func() bool {
			s.do(t, "GET", "/probity/v1/requests/"+request, "", "Authorization", bearer).want(t, 200).into(t, &made)
			return made.State == want && (want == "verified" || made.Problem != "")
		}
	}

	call(calls[0]).want(t, 202).into(t, &made)
	request = made.ID
	eventually(t, "the copy is made", state("verified"))
	pack := s.do(t, "GET", "/probity/v1/requests/"+request+"/package", "", "Authorization", bearer).want(t, 200).body
	z, err := zip.NewReader(bytes.NewReader(pack), int64(len(pack)))
	if err != nil {
		t.Fatal(err)
	}
	customers, page := entry(t, z, "datamap!shop.customers.json"), entry(t, z, "index.html")
	if !strings.Contains(customers, "Marked Name") || strings.Contains(customers, "paul@") || strings.Contains(customers, "other@") {
		t.Errorf("the copy holds %s", customers)
	}
	if !strings.Contains(page, `<html lang="de">`) {
		t.Errorf("the page begins %.60s", page)
	}

	if plan := string(call(calls[1]).want(t, 200).body); !strings.Contains(plan, `"refused":"`) || !strings.Contains(plan, `"field":"note"`) {
		t.Errorf("the plan is %s", plan)
	}
	s.do(t, "POST", "/probity/v1/requests", `{"type":"erasure","subject":{"emailAddresses":["mary@example.org"]}}`, "Authorization", bearer).want(t, 202).into(t, &made)
	request = made.ID
	eventually(t, "the erasure waits", state("erasing"))
	call(calls[2]).want(t, 204)
	eventually(t, "the erasure is done", state("verified"))
	certificate := s.do(t, "GET", "/probity/v1/requests/"+request+"/certificate", "", "Authorization", bearer).want(t, 200).body
	if !strings.Contains(string(certificate), "invoices are kept for ten years") {
		t.Error("the certificate does not say why the name stays")
	}
	if err := os.WriteFile(filepath.Join(dir, "certificate.json"), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, err := run(t, nil, dir, words(commands[1])[1:]...); err != nil || !strings.Contains(out, "verifies") || !strings.Contains(out, "\n  shop:customers  ") || !strings.Contains(out, "invoices are kept for ten years") {
		t.Errorf("%s: %v %s%s", commands[1], err, out, said)
	}
	var name, email string
	if err := db.QueryRowContext(t.Context(), `SELECT name, email FROM customers WHERE id = 1`).Scan(&name, &email); err != nil || name != "Marked Name" || strings.Contains(email, "mary") {
		t.Errorf("customer 1 is %s, %s, %v", name, email, err)
	}
}

// entry returns one file of an archive.
func entry(t *testing.T, z *zip.Reader, name string) string {
	t.Helper()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestABadFileOfDatabasesIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	set := "dataset:\n- fides_key: shop\n  collections:\n  - name: customers\n    fields:\n    - {name: email, fides_meta: {identity: email}}\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yml"), []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"databases: [{datasets: [shop.yml]}]":                   "PROBITY_DSN_SHOP",
		"databases: [{datasets: [none.yml]}]":                   "none.yml",
		"databases: [{dataset: [shop.yml]}]":                    "not understood",
		"databases: [{organisation: us, datasets: [shop.yml]}]": "no id",
	} {
		file := filepath.Join(dir, "databases.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if said := newHouse(t, "--databases", file).refused(t); !strings.Contains(said, want) {
			t.Errorf("%s: the server says %s", text, said)
		}
	}
}

// What the notice and the list of recipients say reaches the person in their language.
func TestACopyTellsWhatTheOrganisationPublished(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := h.start(t)
	bearer := s.token(t)
	copyOf := func() (told struct {
		Organisation string `json:"organisation"`
		Article15    struct {
			Recipients, Contact, Complaint, Transfers []string
			Purposes                                  []struct{ Title string }
			Automated                                 struct{ Logic string } `json:"automated_decisions"`
		} `json:"article15"`
	}) {
		var made struct{ ID, State string }
		s.do(t, "POST", "/probity/v1/requests", `{"type":"access","language":"fr","subject":{"emailAddresses":["mary@example.org"]}}`, "Authorization", bearer).want(t, 202).into(t, &made)
		eventually(t, "the copy is made", func() bool {
			s.do(t, "GET", "/probity/v1/requests/"+made.ID, "", "Authorization", bearer).want(t, 200).into(t, &made)
			return made.State == "verified"
		})
		pack := s.do(t, "GET", "/probity/v1/requests/"+made.ID+"/package", "", "Authorization", bearer).want(t, 200).body
		z, err := zip.NewReader(bytes.NewReader(pack), int64(len(pack)))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(entry(t, z, "manifest.json")), &told); err != nil {
			t.Fatal(err)
		}
		return told
	}
	const untold = "L’organisme n’a rien indiqué à ce sujet."
	before := copyOf().Article15
	for what, list := range map[string][]string{"recipients": before.Recipients, "contact": before.Contact, "transfers": before.Transfers} {
		if len(list) != 1 || list[0] != untold {
			t.Errorf("before anything was published, of %s it says %q", what, list)
		}
	}
	s.do(t, "POST", "/probity/v1/notices/draft", `{"from":"builtin"}`, "Authorization", bearer).want(t, 201)
	draft := s.do(t, "GET", "/probity/v1/notices/draft", "", "Authorization", bearer).want(t, 200)
	var body map[string]any
	draft.into(t, &body)
	text := body["notice"].(map[string]any)
	text["facts"] = map[string]any{
		"controller": "Fernhill Ltd", "contact": "privacy@fernhill.example", "dpo": "Dr. Vale", "processors": []string{"Hosting Ltd"},
		"transfers": []string{"Japan (adequacy decision)"}, "authority": "Harbour Data Authority",
	}
	changed, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	saved := s.do(t, "PUT", "/probity/v1/notices/draft", string(changed), "Authorization", bearer, "If-Match", draft.header.Get("ETag")).want(t, 200)
	s.do(t, "POST", "/probity/v1/notices/draft/publish", `{}`, "Authorization", bearer, "If-Match", saved.header.Get("ETag")).want(t, 201)
	s.do(t, "POST", "/probity/v1/recipients", `{"name":"Carrier AG","contact":"data@carrier.example","categories":["adresse"],"way":"letter"}`, "Authorization", bearer).want(t, 201)
	after := copyOf()
	said := strings.Join(slices.Concat(after.Article15.Recipients, after.Article15.Contact, after.Article15.Complaint, after.Article15.Transfers), "\n")
	for _, want := range []string{"Hosting Ltd", "Carrier AG, data@carrier.example: adresse", "privacy@fernhill.example", "Dr. Vale", "Harbour Data Authority", "Japan (adequacy decision)"} {
		if !strings.Contains(said, want) {
			t.Errorf("the copy does not name %s: %s", want, said)
		}
	}
	if after.Organisation != "Fernhill Ltd" || strings.Contains(said, untold) || !strings.Contains(after.Article15.Automated.Logic, "profilage") {
		t.Errorf("it says %+v", after)
	}
}
