package datamap

import (
	"strings"
	"testing"
)

func TestLintNamesWhatTheFilesLeaveOut(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows+`ALTER TABLE customers ADD COLUMN phone VARCHAR(30);
CREATE TABLE letters (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id), reply VARCHAR(80));
INSERT INTO letters VALUES (1, 1, 'a@b.example'), (2, 1, 'c@d.example'), (3, 2, 'e@f.example');
CREATE TABLE visits (id INTEGER PRIMARY KEY, email VARCHAR(60), customer_id INTEGER REFERENCES customers(id));
`)
		for range 12 {
			d.exec(t, "INSERT INTO visits SELECT COALESCE(MAX(id), 0) + 1, 'unknown@example.com', 1 FROM visits;\n")
		}
		dataset := shopMap + `  - name: visits
    fields:
    - {name: id, data_categories: [system], fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: customer_id}
`
		req := request(t, d, dataset)
		found, err := Lint(t.Context(), req.Datasets, req.Connections)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, f.Rule+" "+f.Collection+" "+f.Field)
			if strings.Contains(f.Message, "@") {
				t.Errorf("a value in %q", f.Message)
			}
		}
		all := strings.Join(got, "\n")
		for _, want := range []string{
			"no-index shop:customers email", "crowd shop:visits email", "foreign-key shop:visits customer_id", "no-category shop:visits customer_id",
			"unmapped shop:customers phone", "unmapped shop:letters reply",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is missing in\n%s", want, all)
			}
		}
	})
}

func TestADraftFindsWhatTheSchemaTells(t *testing.T) {
	eachStore(t, func(t *testing.T, d *database) {
		d.exec(t, shopSchema+shopRows)
		raw, err := Discover(t.Context(), "shop", "", d.dsn)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "draft.yml", strings.TrimSpace(string(raw)))
		got := access(t, request(t, d, string(raw), "email", "ann@example.com"))
		if !strings.Contains(got, "High Street") && !strings.Contains(got, "\"total\"") {
			t.Errorf("the draft leads nowhere: %s", got)
		}
	})
}
