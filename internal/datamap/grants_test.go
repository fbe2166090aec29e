package datamap

import (
	"slices"
	"strings"
	"testing"

	"probity/internal/fail"
	"probity/internal/store/storetest"
)

func TestWhatAnAccountMayDoIsFoundWithoutDoingIt(t *testing.T) {
	// The store makes the first column itself, so that asking about it says nothing of the account.
	const made = "CREATE TABLE made (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note VARCHAR(20));\n"
	sets, err := Parse("people.yml", []byte(peopleMap))
	if err != nil {
		t.Fatal(err)
	}
	set := &Dataset{Key: sets[0].Key, Collections: append(slices.Clone(sets[0].Collections), &Collection{Name: "nowhere"}, &Collection{Name: "made"})}
	for _, c := range set.Collections {
		c.Dataset = set
	}
	check := func(t *testing.T, dsn string, change bool, want Grants) {
		t.Helper()
		got, err := Allowed(t.Context(), set, dsn, change)
		if err != nil || got.Engine != want.Engine || !slices.Equal(got.Missing, want.Missing) || !slices.Equal(got.Unreadable, want.Unreadable) || !slices.Equal(got.Fixed, want.Fixed) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	}
	t.Run("postgres", func(t *testing.T) {
		eachPostgres(t, func(t *testing.T, d *database) {
			d.exec(t, people+made)
			one := Grants{Engine: "PostgreSQL", Missing: []string{"nowhere"}}
			check(t, d.dsn, true, one)
			d.exec(t, "REVOKE UPDATE ON people FROM CURRENT_USER; REVOKE DELETE ON made FROM CURRENT_USER;\n")
			check(t, d.dsn, false, one)
			one.Fixed = []string{"people", "made"}
			check(t, d.dsn, true, one)
			d.exec(t, "REVOKE SELECT ON people FROM CURRENT_USER;\n")
			one.Unreadable, one.Fixed = []string{"people"}, []string{"made"}
			check(t, d.dsn, true, one)
			d.exec(t, "GRANT SELECT ON people TO CURRENT_USER;\n")
			expect(t, "people", d.table(t, "SELECT * FROM people ORDER BY id"), peopleBefore)
		})
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, db := storetest.MariaDB(t)
		d := &database{dsn: dsn, db: db}
		name := strings.TrimSuffix(d.table(t, "SELECT DATABASE()"), "\n")
		reader := "looker_" + name[len(name)-8:]
		d.exec(t, people+"CREATE TABLE made (id INTEGER PRIMARY KEY, note VARCHAR(20));\nCREATE USER "+reader+"@localhost IDENTIFIED BY 'secret';\nGRANT SELECT ON "+name+".* TO "+reader+"@localhost;\n")
		defer db.Exec("DROP USER " + reader + "@localhost")
		own := strings.Replace(dsn, "root@", reader+":secret@", 1)
		one := Grants{Engine: "MariaDB / MySQL", Missing: []string{"nowhere"}}
		check(t, dsn, true, one)
		check(t, own, false, one)
		one.Fixed = []string{"people", "made"}
		check(t, own, true, one)
		if _, err := Allowed(t.Context(), sets[0], strings.Replace(own, ":secret@", ":wrong-secret@", 1), true); !fail.Is(err, fail.Unavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("with a wrong password: %v", err)
		}
	})
}
