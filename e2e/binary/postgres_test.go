package binary

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"probity/internal/store/storetest"
)

// The main path on PostgreSQL: two databases, under a role that can't step around row-level security.
func TestPostgreSQLRunsTheMainPath(t *testing.T) {
	t.Parallel()
	main, keys := storetest.PostgresURL(t), storetest.PostgresURL(t)
	h := newHouse(t, "--store", main, "--vault", keys)
	s := h.start(t)
	auth := s.token(t)
	cookie, record := s.grant(t)
	s.send(t, batch(cookie, event(1, map[string]any{"traits": map[string]any{"email": markedMail}}), event(2, map[string]any{"search": "kiln"})), 2)
	var seen struct {
		Session struct {
			ID         string `json:"id"`
			EventCount int    `json:"eventCount"`
		} `json:"session"`
	}
	s.do(t, "POST", webEventsPath, webEvent(cookie, nil)).want(t, 200).into(t, &seen)
	if seen.Session.ID == "" || seen.Session.EventCount != 3 {
		t.Fatalf("the third event went to the session %+v", seen.Session)
	}
	path := "/api/v2/journey/sessions/" + seen.Session.ID
	s.do(t, "GET", path, "", "Authorization", auth).want(t, 200)
	s.do(t, "GET", path+"/outcomescores", "", "Authorization", auth).want(t, 200)
	var events struct {
		Entities []struct {
			EventType string `json:"eventType"`
		} `json:"entities"`
	}
	s.do(t, "GET", path+"/events", "", "Authorization", auth).want(t, 200).into(t, &events)
	if len(events.Entities) != 3 {
		t.Errorf("the session shows %d events, want 3", len(events.Entities))
	}
	dir := t.TempDir()
	proofs := func(name string, file []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, said, err := command(t, nil, "verify", filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, out, said)
		}
	}
	proofs("receipt.json", s.do(t, "POST", "/probity/v1/consent/receipt", object(map[string]any{"deployment": deployment, "visitor": cookie, "record_id": record}), "Origin", origin).want(t, 200).body)

	access := s.request(t, auth, "", object(map[string]any{"requestType": "GDPR_EXPORT", "subject": map[string]any{"journeyCustomer": map[string]string{"type": "email", "id": markedMail}}}))
	pack := unzip(t, s.do(t, "GET", "/probity/v1/requests/"+access+"/package", "", "Authorization", auth).want(t, 200).body)
	for _, want := range []string{cookie, "kiln", record} {
		if !strings.Contains(string(pack), want) {
			t.Errorf("the package does not hold %q", want)
		}
	}
	clearColumns(t, main, keys, cookie)

	erasure := s.erase(t, auth, cookie)
	proofs("certificate.json", s.do(t, "GET", "/probity/v1/requests/"+erasure+"/certificate", "", "Authorization", auth).want(t, 200).body)
	s.do(t, "GET", path, "", "Authorization", auth).want(t, 404)
	if a := s.do(t, "POST", webEventsPath, webEvent(cookie, nil)); a.status != 410 && a.status != 403 {
		t.Errorf("a late event answers %d", a.status)
	}
	var late sent
	if a := s.do(t, "POST", eventsPath, batch(cookie, event(9, nil)), "Origin", origin); a.status == 202 {
		if a.into(t, &late); late.Accepted != 0 {
			t.Error("a late event was accepted")
		}
	}
	s.stop(t)

	// Everything but the log is in PostgreSQL: another start finds it.
	s = h.start(t)
	s.token(t)
	s.stop(t)
	for _, file := range []string{"probity.db", "vault.db"} {
		if _, err := os.Stat(filepath.Join(h.data, file)); err == nil {
			t.Errorf("there is a %s although PostgreSQL is used", file)
		}
	}
	if out, said, err := command(t, h.env, "doctor", "--data", h.data, "--store", main, "--vault", keys); err != nil {
		t.Errorf("doctor: %v\n%s%s", err, out, said)
	}
	if out, said, err := command(t, h.env, "keys", "rotate", "--data", h.data, "--store", main, "--vault", keys); err != nil {
		t.Errorf("keys rotate: %v\n%s%s", err, out, said)
	}
	// The keys are in the vault: without the root key that belongs to it nothing starts.
	if err := os.Remove(filepath.Join(h.data, "root.key")); err != nil {
		t.Fatal(err)
	}
	said := h.refused(t)
	if !strings.Contains(said, "root key") || strings.Contains(said, "Recovery share") {
		t.Errorf("without the root key it says %s", said)
	}
	if _, err := os.Stat(filepath.Join(h.data, "root.key")); !os.IsNotExist(err) {
		t.Errorf("another root key stands where the lost one belongs (%v)", err)
	}
}

// clearColumns searches all rows of both databases as text. On the way it sees that the role is bound
// by row-level security: a connection that names no organisation sees no row of any.
func clearColumns(t *testing.T, main, keys, cookie string) {
	t.Helper()
	look := needles(markedMailbox, markedDomain, cookie)
	for _, raw := range []string{main, keys} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		nobody := connect(t, u.String())
		q := u.Query()
		q.Set("probity.tenant", "*")
		u.RawQuery = q.Encode()
		everybody := connect(t, u.String())
		searched := 0
		for _, table := range column(t, everybody, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1") {
			rows := column(t, everybody, `SELECT r::text FROM "`+table+`" r`)
			for _, row := range rows {
				searched++
				if found := search([]byte(row), look); found != nil {
					t.Errorf("%s shows %v: %.300s", table, found, row)
				}
			}
			owned := column(t, everybody, "SELECT column_name FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_name = '"+table+"'")
			if len(owned) > 0 && len(column(t, nobody, `SELECT r::text FROM "`+table+`" r`)) > 0 {
				t.Errorf("%s shows rows to a connection that named no organisation", table)
			}
		}
		if searched < 5 {
			t.Errorf("only %d rows were searched", searched)
		}
	}
}

func connect(t *testing.T, u string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// column returns the first column of a query.
func column(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
