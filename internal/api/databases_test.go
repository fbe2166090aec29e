package api_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/datamap"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store/storetest"
)

func TestDatabasesAreListedPlannedAndSettled(t *testing.T) {
	h := newHouse(t)
	h.call(t, "GET", "/probity/v1/databases", "").want(t, 200)
	dsn := storetest.PostgresURL(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT NOT NULL CHECK (name = 'Marked Name'))`,
		`INSERT INTO customers VALUES (1, 'mary@example.org', 'Marked Name')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	sets, err := datamap.Parse("shop.yml", []byte(`dataset:
- fides_key: shop
  collections:
  - name: customers
    fields:
    - {name: id, fides_meta: {primary_key: true}}
    - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}
    - {name: name, data_categories: [user.name]}`))
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{"shop": dsn}
	h.rights.Databases, err = rights.Connect(map[id.Tenant]rights.ConnectedGroup{
		h.tenant: {Datasets: sets, Read: at, Write: at, Targets: []string{"user"}, Strategy: "redact"},
	})
	if err != nil {
		t.Fatal(err)
	}
	list := h.call(t, "GET", "/probity/v1/databases", "").want(t, 200)
	if body := string(list.body); !strings.Contains(body, `"key":"shop"`) || strings.Contains(body, "postgres") {
		t.Errorf("the list is %s", body)
	}
	if none := h.call(t, "GET", "/probity/v1/databases/checks", "").want(t, 200); string(none.body) != "{\"checks\":[]}\n" {
		t.Errorf("never tried: %s", none.body)
	}
	tried := h.call(t, "PUT", "/probity/v1/databases/checks", "").want(t, 200)
	if body := string(tried.body); !strings.Contains(body, `"key":"shop","engine":"PostgreSQL"`) || !strings.Contains(body, `"ok":true`) || strings.Contains(body, dsn) {
		t.Errorf("the trial says %s", body)
	}
	subject := `"subject":{"emailAddresses":["mary@example.org"]}`
	plan := h.call(t, "POST", "/probity/v1/databases/plan", `{`+subject+`}`).want(t, 200)
	if body := string(plan.body); !strings.Contains(body, `"refused":"`) || !strings.Contains(body, `"unmaskable":[{"collection":"shop:customers","field":"name"`) {
		t.Errorf("the plan is %s", body)
	}
	h.call(t, "POST", "/probity/v1/databases/plan", `{}`).want(t, http.StatusBadRequest)
	q := h.call(t, "POST", "/probity/v1/requests", `{"type":"erasure",`+subject+`}`).want(t, 202)
	request := q.str(t, "id")
	h.call(t, "POST", "/probity/v1/requests/"+uuid.NewString()+"/databases", `{"reason":"x"}`).want(t, http.StatusNotFound)
	h.call(t, "POST", "/probity/v1/requests/"+request+"/databases", `{}`).want(t, http.StatusBadRequest)
	// It waits for a decision: nothing else moves it on.
	for waits := false; !waits; {
		moment, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		found, err := h.rights.Wait(moment, h.tenant, uuid.MustParse(request))
		cancel()
		if found != nil && found.State.Final() {
			t.Fatalf("the request is %s, %v", found.State, err)
		}
		waits = found != nil && found.Problem != ""
	}
	h.call(t, "POST", "/probity/v1/requests/"+request+"/databases", `{"reason":"Art. 17(3)(b)"}`).want(t, http.StatusNoContent)
	if done := h.finished(t, request); done.State != rights.Verified || done.Report.Databases.Settled == "" {
		t.Errorf("the request is %s: %s", done.State, done.Problem)
	}
}
