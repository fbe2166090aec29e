package org_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/google/uuid"

	"probity/internal/clock"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/vault"
)

// Sessions must fit the session manager.
var (
	_ scs.Store    = (*org.Sessions)(nil)
	_ scs.CtxStore = (*org.Sessions)(nil)
)

type house struct {
	room *org.Room
	clk  *clock.Fake
	t    id.Tenant
}

// open returns a room over db with its default organisation and a cheap hash for secrets.
func open(t *testing.T, db *store.DB) *house {
	t.Helper()
	clk := clock.NewFake(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	keys, err := vault.Open(t.Context(), storetest.SQLite(t), vault.RootKey{1}, clk, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{room: org.New(db, keys, clk, org.Options{SecretRounds: 10}), clk: clk}
	if err := h.room.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.t, err = h.room.EnsureDefault(t.Context(), org.Bootstrap{}); err != nil {
		t.Fatal(err)
	}
	return h
}

func wantKind(t *testing.T, err error, kind fail.Kind) {
	t.Helper()
	if !fail.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %d", err, kind)
	}
}

func TestBootstrap(t *testing.T) {
	const deployment = "0194a1b2-0000-7000-8000-000000000001"
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		declared := 0
		b := org.Bootstrap{
			Client: "demo:long-enough-secret", Deployment: deployment, Basis: "legitimate_interest",
			Declare: func(_ context.Context, tenant id.Tenant, d uuid.UUID, basis string) (string, error) {
				declared++
				if tenant != h.t || d.String() != deployment || basis != "legitimate_interest" {
					t.Errorf("declared %s for %s of %s", basis, d, tenant)
				}
				return "record-1", nil
			},
		}
		for range 2 { // a second start changes nothing
			got, err := h.room.EnsureDefault(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if got != h.t {
				t.Fatalf("a second default organisation %s beside %s", got, h.t)
			}
		}
		if declared != 1 {
			t.Errorf("the basis was declared %d times", declared)
		}
		d, err := h.room.Deployment(t.Context(), uuid.MustParse(deployment))
		if err != nil {
			t.Fatal(err)
		}
		if d.Tenant != h.t || !d.AllowLoopback || d.Basis != "legitimate_interest" || d.BasisRecord != "record-1" {
			t.Errorf("deployment is %+v", d)
		}
		token, ttl, err := h.room.Token(t.Context(), "demo", "long-enough-secret")
		if err != nil {
			t.Fatal(err)
		}
		if ttl != 86400*time.Second {
			t.Errorf("the token lives %v", ttl)
		}
		p, err := h.room.Authenticate(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		for _, permission := range org.Permissions() {
			if !p.Can(permission) {
				t.Errorf("the first client lacks %s", permission)
			}
		}
		// Another secret in the environment does not reset the client's.
		b.Client = "demo:another-secret"
		if _, err := h.room.EnsureDefault(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		_, _, err = h.room.Token(t.Context(), "demo", "another-secret")
		wantKind(t, err, fail.Unauthenticated)
	})
}

func TestBootstrapRefusesWhatCanNotBeMeant(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	for name, b := range map[string]org.Bootstrap{
		"a client without a secret":    {Client: "demo"},
		"a short secret":               {Client: "demo:short"},
		"a deployment that is no UUID": {Deployment: "shop"},
		"a basis for no deployment":    {Basis: "contract"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.room.EnsureDefault(t.Context(), b)
			wantKind(t, err, fail.Invalid)
		})
	}
}

func TestProcessesThatStartTogetherShareTheDefaultOrganisation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		clk := clock.NewFake(time.Unix(1, 0))
		first := open(t, db)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				r := org.New(db, nil, clk, org.Options{SecretRounds: 10})
				got, err := r.EnsureDefault(t.Context(), org.Bootstrap{Client: "same:secret-secret"})
				if err != nil || got != first.t {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx := t.Context()
		if _, err := h.room.CreateClient(ctx, h.t, "crm", "secret-of-crm", "CRM", []string{org.PermissionGDPR}); err != nil {
			t.Fatal(err)
		}
		_, err := h.room.CreateClient(ctx, h.t, "crm", "secret-of-crm", "CRM", nil)
		wantKind(t, err, fail.Conflict)
		_, err = h.room.CreateClient(ctx, h.t, "x", "secret-secret", "X", []string{"gdpr:everything"})
		wantKind(t, err, fail.Invalid)

		token, _, err := h.room.Token(ctx, "crm", "secret-of-crm")
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.room.Authenticate(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Can(org.PermissionGDPR) || p.Can(org.PermissionGDPRAdd) || !p.Can(org.PermissionGDPRAdd, org.PermissionGDPR) {
			t.Errorf("permissions are %v", p.Permissions)
		}
		for name, bad := range map[string]string{"empty": "", "unknown": strings.Repeat("x", 43), "too long": strings.Repeat("x", 500), "changed": token[1:]} {
			_, err := h.room.Authenticate(ctx, bad)
			if !fail.Is(err, fail.Unauthenticated) {
				t.Errorf("%s token: %v", name, err)
			}
		}
		if err := h.room.Revoke(ctx, h.t, token); err != nil {
			t.Fatal(err)
		}
		_, err = h.room.Authenticate(ctx, token)
		wantKind(t, err, fail.Unauthenticated)

		token, _, err = h.room.Token(ctx, "crm", "secret-of-crm")
		if err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(24 * time.Hour)
		_, err = h.room.Authenticate(ctx, token)
		wantKind(t, err, fail.Unauthenticated)

		token, _, err = h.room.Token(ctx, "crm", "secret-of-crm")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.room.DisableClient(ctx, h.t, "crm"); err != nil {
			t.Fatal(err)
		}
		_, err = h.room.Authenticate(ctx, token)
		wantKind(t, err, fail.Unauthenticated)
		_, _, err = h.room.Token(ctx, "crm", "secret-of-crm")
		wantKind(t, err, fail.Unauthenticated)
	})
}

func TestNoSecretOrTokenIsStoredInClear(t *testing.T) {
	db := storetest.SQLite(t)
	h := open(t, db)
	if _, err := h.room.EnsureDefault(t.Context(), org.Bootstrap{Client: "demo:marked-secret-7731"}); err != nil {
		t.Fatal(err)
	}
	token, _, err := h.room.Token(t.Context(), "demo", "marked-secret-7731")
	if err != nil {
		t.Fatal(err)
	}
	link, err := h.room.IssueLink(t.Context(), h.t)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.room.AddStaff(t.Context(), h.t, "Marked Name", []string{org.PermissionConsole}); err != nil {
		t.Fatal(err)
	}
	if err := h.room.Sessions().Commit("marked-cookie", []byte("data"), h.clk.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	dump := dumpSQLite(t, db)
	for _, secret := range []string{"marked-secret-7731", token, link, "Marked Name", "marked-cookie"} {
		if strings.Contains(dump, secret) {
			t.Errorf("%q stands in the database", secret)
		}
	}
}

// dumpSQLite returns every value of every table.
func dumpSQLite(t *testing.T, db *store.DB) string {
	t.Helper()
	var out strings.Builder
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		var tables []string
		rows, err := tx.Query(t.Context(), `SELECT name FROM sqlite_schema WHERE type = 'table'`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, name)
		}
		for _, name := range tables {
			rows, err := tx.Query(t.Context(), `SELECT * FROM "`+name+`"`)
			if err != nil {
				return err
			}
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				cells := make([]any, len(columns))
				for i := range cells {
					cells[i] = new([]byte)
				}
				if err := rows.Scan(cells...); err != nil {
					return err
				}
				for _, c := range cells {
					out.Write(*c.(*[]byte))
					out.WriteByte('\n')
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		t.Fatal("the dump is empty")
	}
	return out.String()
}

func TestGuessingSecretsIsSlowedDown(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	if _, err := h.room.EnsureDefault(t.Context(), org.Bootstrap{Client: "demo:right-secret"}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, _, err := h.room.Token(t.Context(), "demo", "wrong-secret")
		wantKind(t, err, fail.Unauthenticated)
	}
	_, _, err := h.room.Token(t.Context(), "demo", "wrong-secret")
	wantKind(t, err, fail.TooMany)
	if e, _ := errors.AsType[*fail.Error](err); e.RetryAfter <= 0 {
		t.Error("the failure does not say when to try again")
	}
	h.clk.Advance(time.Minute)
	if _, _, err := h.room.Token(t.Context(), "demo", "right-secret"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestASignInLinkWorksOnceAndNotForLong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx := t.Context()
		link, err := h.room.IssueLink(ctx, h.t)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 5 {
			wg.Go(func() {
				s, err := h.room.RedeemLink(ctx, link)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && s.Owner && s.Can(org.PermissionConsole) {
					won++
				} else if !fail.Is(err, fail.Gone) {
					t.Errorf("got %+v, %v", s, err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d of five callers signed in with one link", won)
		}
		late, err := h.room.IssueLink(ctx, h.t)
		if err != nil {
			t.Fatal(err)
		}
		h.clk.Advance(org.LinkTTL + time.Second)
		_, err = h.room.RedeemLink(ctx, late)
		wantKind(t, err, fail.Gone)
		_, err = h.room.RedeemLink(ctx, "")
		wantKind(t, err, fail.Gone)
		staff, err := h.room.StaffOf(ctx, h.t)
		if err != nil || len(staff) != 1 {
			t.Fatalf("staff is %v, %v; want the owner alone", staff, err)
		}
		if staff[0].LastSignIn.IsZero() {
			t.Error("the sign-in left no trace")
		}
	})
}

func TestStaffAccountsCloseExceptTheOwners(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx := t.Context()
		s, err := h.room.AddStaff(ctx, h.t, "Ada", []string{org.PermissionConsole})
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != "Ada" {
			t.Errorf("the name came back as %q", s.Name)
		}
		link, err := h.room.IssueLinkFor(ctx, h.t, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.room.CloseStaff(ctx, h.t, s.ID); err != nil {
			t.Fatal(err)
		}
		_, err = h.room.RedeemLink(ctx, link)
		wantKind(t, err, fail.Gone)
		_, err = h.room.Staff(ctx, h.t, s.ID)
		wantKind(t, err, fail.NotFound)

		if _, err := h.room.IssueLink(ctx, h.t); err != nil {
			t.Fatal(err)
		}
		staff, err := h.room.StaffOf(ctx, h.t)
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, h.room.CloseStaff(ctx, h.t, staff[0].ID), fail.Conflict)
	})
}

func TestSessions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		s := h.room.Sessions()
		if _, found, err := s.Find("a"); found || err != nil {
			t.Fatalf("found %v, %v before anything was stored", found, err)
		}
		expiry := h.clk.Now().Add(time.Hour)
		for _, data := range []string{"one", "two"} {
			if err := s.Commit("a", []byte(data), expiry); err != nil {
				t.Fatal(err)
			}
			got, found, err := s.Find("a")
			if err != nil || !found || string(got) != data {
				t.Fatalf("got %q, %v, %v", got, found, err)
			}
		}
		h.clk.Advance(time.Hour)
		if _, found, _ := s.Find("a"); found {
			t.Error("a session outlives its expiry")
		}
		if err := s.Commit("b", []byte("x"), h.clk.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Delete("b"), s.Delete("b")); err != nil {
			t.Fatal(err)
		}
		if _, found, _ := s.Find("b"); found {
			t.Error("a session outlives its deletion")
		}
	})
}

func TestDeploymentsBelongToOneOrganisation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		ctx := t.Context()
		v := uuid.New()
		_, err := h.room.Deployment(ctx, v)
		wantKind(t, err, fail.NotFound)
		d, err := h.room.SaveDeployment(ctx, h.t, org.Deployment{ID: v, Name: "Shop", AllowedOrigins: []string{"https://shop.example"}})
		if err != nil {
			t.Fatal(err)
		}
		if d.Basis != org.BasisConsent || !d.Allows("https://shop.example") {
			t.Errorf("deployment is %+v", d)
		}
		_, err = h.room.SaveDeployment(ctx, id.NewTenant(), org.Deployment{ID: v, Name: "Theirs"})
		wantKind(t, err, fail.Conflict)
		if _, err := h.room.SaveDeployment(ctx, h.t, org.Deployment{ID: v, Name: "Shop", AllowLoopback: true}); err != nil {
			t.Fatal(err)
		}
		d, err = h.room.Deployment(ctx, v)
		if err != nil || d.Allows("https://shop.example") || !d.AllowLoopback {
			t.Errorf("after the change: %+v, %v", d, err)
		}
		wantKind(t, h.room.SetBasis(ctx, h.t, v, "contract", ""), fail.Invalid)
		if err := h.room.SetBasis(ctx, h.t, v, "contract", "r"); err != nil {
			t.Fatal(err)
		}
		list, err := h.room.Deployments(ctx, h.t)
		if err != nil || len(list) != 1 || list[0].Basis != "contract" {
			t.Errorf("list is %+v, %v", list, err)
		}
	})
}

func TestAllowedOrigins(t *testing.T) {
	d := org.Deployment{AllowedOrigins: []string{"https://shop.example"}, AllowLoopback: true}
	for origin, want := range map[string]bool{
		"https://shop.example":           true,
		"https://shop.example:444":       false,
		"http://shop.example":            false,
		"https://evil.example":           false,
		"https://shop.example.evil.test": false,
		"http://localhost":               true,
		"http://localhost:8080":          true,
		"https://localhost:8443":         true,
		"http://127.0.0.1:3000":          true,
		"http://127.8.8.8":               true,
		"http://[::1]:3000":              true,
		"http://localhost.evil.test":     false,
		"http://127.0.0.1.evil.test":     false,
		"ftp://localhost":                false,
		"null":                           false,
		"":                               false,
	} {
		if got := d.Allows(origin); got != want {
			t.Errorf("Allows(%q) = %v", origin, got)
		}
	}
	if (&org.Deployment{}).Allows("http://localhost") {
		t.Error("loopback is allowed without being switched on")
	}
}

func TestOrganisationsCanBeRenamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		if _, err := h.room.Organisation(t.Context(), h.t); err != nil { // into the cache
			t.Fatal(err)
		}
		if err := h.room.Rename(t.Context(), h.t, "Shop Ltd", "", "FR"); err != nil {
			t.Fatal(err)
		}
		o, err := h.room.Organisation(t.Context(), h.t)
		if err != nil || o.Name != "Shop Ltd" || o.DefaultLanguage != "en-us" || o.DefaultCountry != "FR" {
			t.Errorf("got %+v, %v", o, err)
		}
		_, err = h.room.Organisation(t.Context(), id.NewTenant())
		wantKind(t, err, fail.NotFound)
		list, err := h.room.Organisations(t.Context())
		if err != nil || len(list) != 1 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}
