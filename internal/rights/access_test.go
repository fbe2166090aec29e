package rights_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/verify"
)

// unpack returns the files of an archive by name.
func unpack(t *testing.T, file []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestAnAccessPackageHoldsEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		p, other := h.newPerson(t), h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{PhoneNumbers: []string{p.phone}}})
		if q.State != rights.Verified || q.Package == nil {
			t.Fatalf("the request is %s: %s", q.State, q.Problem)
		}
		got, file, err := h.Download(ctx, h.t, q.Package.ID, rights.Actor{Kind: "client"})
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^results-([0-9a-f-]{36})-(\d{4}-\d\d-\d\dT[\d_]+(?:\.\d+)?Z)\.zip$`).MatchString(got.Name) {
			t.Errorf("the file is called %s", got.Name)
		}
		files := unpack(t, file)
		all := string(bytes.Join(values(files), nil))
		for what, want := range map[string]string{
			"the e-mail address": p.email, "the phone number": p.phone, "the cookie": p.cookie.String(),
			"a page": "https://shop.example/marked-page", "an attribute": "marked-attribute", "a choice": "consent.given",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("%s is missing", what)
			}
		}
		if strings.Contains(all, other.email) || strings.Contains(all, other.cookie.String()) {
			t.Error("the package holds data of somebody else")
		}

		t.Run("the manifest lists every file with its hash", func(t *testing.T) {
			var m struct {
				Files []struct{ Path, SHA256 string }
			}
			if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
				t.Fatal(err)
			}
			if len(m.Files) != len(files)-1 {
				t.Errorf("%d of %d files are listed", len(m.Files), len(files)-1)
			}
			for _, f := range m.Files {
				if sum := sha256.Sum256(files[f.Path]); hex.EncodeToString(sum[:]) != f.SHA256 {
					t.Errorf("%s has another hash", f.Path)
				}
			}
		})
		t.Run("the page is readable, and what the person entered can do nothing in it", func(t *testing.T) {
			page := string(files["index.html"])
			if strings.Contains(page, "<script>alert(1)") || !strings.Contains(page, "&lt;script&gt;alert(1)") {
				t.Error("a page title is not escaped")
			}
			if m := regexp.MustCompile(`(?i)(src|href)="(https?:)?//`).FindString(page); m != "" {
				t.Errorf("the page loads something: %s", m)
			}
			for _, article := range []string{"Art. 16", "Art. 17", "Art. 18", "Art. 20", "Art. 21", "Art. 22", "Art. 77"} {
				if !strings.Contains(page, article) {
					t.Errorf("the page does not tell of %s", article)
				}
			}
		})
		t.Run("the proofs of choices verify offline", func(t *testing.T) {
			key, err := h.ledger.VerifierKey(ctx, h.t)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verify.File(files["consent!receipts.json"], key); err != nil {
				t.Error(err)
			}
		})
		t.Run("downloads are counted", func(t *testing.T) {
			again, err := h.Get(ctx, h.t, q.ID)
			if err != nil || again.Package.Downloads != 1 {
				t.Errorf("got %+v, %v", again.Package, err)
			}
			held, err := h.Held(ctx, h.t, p.subject)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(held)
			if !strings.Contains(string(text), got.Name) {
				t.Error("the person is not told who downloaded their data")
			}
		})
		t.Run("another organisation gets nothing", func(t *testing.T) {
			_, _, err := h.Download(ctx, id.NewTenant(), q.Package.ID, rights.Actor{Kind: "client"})
			wantKind(t, err, fail.NotFound)
		})
	})
}

func values(m map[string][]byte) [][]byte {
	var list [][]byte
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

func wantKind(t *testing.T, err error, kind fail.Kind) {
	t.Helper()
	if !fail.Is(err, kind) {
		t.Fatalf("got error %v, want one of kind %d", err, kind)
	}
}

func TestAPortabilityPackageLeavesOutWhatWasConcluded(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Portability, Who: rights.Who{EmailAddresses: []string{p.email}}})
	_, file, err := h.Download(t.Context(), h.t, q.Package.ID, rights.Actor{Kind: "client"})
	if err != nil {
		t.Fatal(err)
	}
	files := unpack(t, file)
	for name, want := range map[string]bool{
		"journey!events.json": true, "journey!traits.json": true, "identities!identifiers.json": true,
		"journey!visits.json": false, "journey!offers.json": false,
	} {
		if _, got := files[name]; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
}

func TestASignedLinkWorksForAFewMinutes(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	q := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
	pack := q.Package.ID
	until, mac, err := h.Ticket(t.Context(), h.t, pack)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Redeem(t.Context(), pack, until, mac); err != nil {
		t.Errorf("the link does not work: %v", err)
	}
	_, _, err = h.Redeem(t.Context(), pack, until+1, mac)
	wantKind(t, err, fail.Forbidden)
	_, _, err = h.Redeem(t.Context(), pack, until, "00")
	wantKind(t, err, fail.Forbidden)
	_, _, err = h.Redeem(t.Context(), uuid.New(), until, mac)
	wantKind(t, err, fail.NotFound)
	h.clk.Advance(rights.TicketTTL + time.Second)
	_, _, err = h.Redeem(t.Context(), pack, until, mac)
	wantKind(t, err, fail.Forbidden)
}

func TestPackagesExpire(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		p := h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
		if n, err := h.Expire(t.Context()); n != 0 || err != nil {
			t.Fatalf("expired %d, %v too early", n, err)
		}
		h.clk.Advance(rights.PackageTTL)
		_, _, err := h.Download(t.Context(), h.t, q.Package.ID, rights.Actor{Kind: "client"})
		wantKind(t, err, fail.NotFound)
		if n, err := h.Expire(t.Context()); n != 1 || err != nil {
			t.Fatalf("expired %d, %v", n, err)
		}
		again, err := h.Get(t.Context(), h.t, q.ID)
		if err != nil || again.Package != nil || len(again.Who.EmailAddresses) > 0 {
			t.Errorf("the request still holds %+v, %v", again, err)
		}
		if n, err := h.Expire(t.Context()); n != 0 || err != nil {
			t.Errorf("a second time: %d, %v", n, err)
		}
	})
}

func TestTheOrganisationSetsForHowLongAPackageLives(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, days := range []int{1, 30} {
			h := newHouse(t, db)
			p := h.newPerson(t)
			for _, wrong := range []int{-1, 31} {
				if err := h.Set(t.Context(), h.t, rights.Settings{PackageDays: wrong}); !fail.Is(err, fail.Invalid) {
					t.Errorf("%d days: %v", wrong, err)
				}
			}
			if err := h.Set(t.Context(), h.t, rights.Settings{PackageDays: days}); err != nil {
				t.Fatal(err)
			}
			q := h.carryOut(t, rights.Request{Type: rights.Access, Who: rights.Who{EmailAddresses: []string{p.email}}})
			life := time.Duration(days) * 24 * time.Hour
			if got := q.Package.ExpiresAt.Sub(q.Package.MadeAt); got != life {
				t.Errorf("it lives %v, want %v", got, life)
			}
			// A setting of later does not end it.
			if err := h.Set(t.Context(), h.t, rights.Settings{}); err != nil {
				t.Fatal(err)
			}
			h.clk.Advance(life - time.Second)
			if _, err := h.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := h.Download(t.Context(), h.t, q.Package.ID, rights.Actor{Kind: "client"}); err != nil {
				t.Errorf("a second before it ends: %v", err)
			}
			h.clk.Advance(time.Second)
			_, _, err := h.Download(t.Context(), h.t, q.Package.ID, rights.Actor{Kind: "client"})
			wantKind(t, err, fail.NotFound)
			if _, err := h.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := h.rows(t, "rights_package") + h.rows(t, "rights_package_part"); n != 0 {
				t.Errorf("after %d days %d rows of it are left", days, n)
			}
			h.clk.Advance(rights.ContentTTL)
			if _, err := h.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if again, err := h.Get(t.Context(), h.t, q.ID); err != nil || len(again.Who.EmailAddresses) > 0 {
				t.Errorf("the request still holds %+v, %v", again, err)
			}
		}
	})
}

func TestSearchGivesWhatCanBeSubmittedAsItIs(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	p := h.newPerson(t)
	h.newPerson(t)
	found, err := h.Search(t.Context(), h.t, "EMAIL", p.email)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	who := found[0].Who
	if who.JourneyCustomer == nil || who.JourneyCustomer.ID != p.cookie.String() || len(who.PhoneNumbers) != 1 || who.PhoneNumbers[0] != p.phone {
		t.Errorf("the person is described as %+v", who)
	}
	if err := (&rights.Request{Type: rights.Access, Who: who}).Validate(); err != nil {
		t.Errorf("it can't be submitted: %v", err)
	}
	for term, value := range map[string]string{"PHONE": "abc", "NAME": "Nobody", "ADDRESS": "Somewhere", "EMAIL": "nobody@example.org", "TWITTER": "@nobody"} {
		if found, err := h.Search(t.Context(), h.t, term, value); err != nil || len(found) > 0 {
			t.Errorf("V7 %s=%s finds %v, %v", term, value, found, err)
		}
	}
	_, err = h.Search(t.Context(), h.t, "SHOE", "44")
	wantKind(t, err, fail.Invalid)
	_, err = h.Search(t.Context(), h.t, "EMAIL", " ")
	wantKind(t, err, fail.Invalid)
}
