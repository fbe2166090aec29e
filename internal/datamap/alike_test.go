package datamap

import (
	"slices"
	"testing"

	"probity/internal/store/storetest"
)

// MariaDB takes other cases, and spaces at the end, for the same. A row without a key is told apart from
// others by all that it holds, to the character.
func TestRowsWithoutAKeyAreToldApartToTheCharacter(t *testing.T) {
	dsn, db := storetest.MariaDB(t)
	for _, q := range []string{
		"CREATE TABLE note (email VARCHAR(60), body VARCHAR(60), place VARCHAR(60))",
		"INSERT INTO note VALUES (NULL, 'met ann', 'Paris'), ('p@x.example', 'Met Ann', 'Paris'), ('p@x.example', 'met ann ', 'Paris'), (NULL, 'MET ANN', 'Paris')",
	} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	sets, err := Parse("notes", []byte(`
dataset:
- fides_key: notes
  collections:
  - name: note
    fields:
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: body, data_categories: [system.operations]}
    - {name: place, data_categories: [user.location]}
`))
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Datasets: sets, Connections: map[string]string{"notes": dsn}, Identities: []Identity{{"email", "p@x.example"}}, Targets: []string{"user"}}
	out, err := Erase(t.Context(), &Erasure{Request: req, Strategy: Null, MaxShare: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !out.Verified || out.Masked["notes:note"] != 2 {
		t.Errorf("verified %v, masked %v", out.Verified, out.Masked)
	}
	rows, err := db.QueryContext(t.Context(), "SELECT CONCAT(COALESCE(email, '-'), '|', body, '|', COALESCE(place, '-')) FROM note")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	slices.Sort(got)
	want := []string{"-|MET ANN|Paris", "-|Met Ann|-", "-|met ann |-", "-|met ann|Paris"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}
