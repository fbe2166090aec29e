package consent_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
	"probity/internal/subject"
)

func (w *world) link(t testing.TB, s id.Subject, purposes ...string) string {
	t.Helper()
	token, err := w.Link(t.Context(), w.tenant, s, site, purposes)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestW14_ALinkWithdrawsWithoutASessionOnceAndForTwoYears(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		given := w.choose(t, nil, notice.Measure, notice.Marketing)
		token := w.link(t, given.Subject, notice.Marketing)
		if again := w.link(t, given.Subject, notice.Marketing); again != token {
			t.Error("the same link has two addresses")
		}
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || strings.Contains(string(raw), string(given.Subject[:])) {
			t.Error("the token names the subject")
		}
		// Programs that look at links change nothing.
		for range 3 {
			l, err := w.OpenLink(t.Context(), token)
			if err != nil || !slices.Equal(l.Purposes, []string{notice.Marketing}) || l.Subject != given.Subject {
				t.Fatalf("the link is %+v (%v)", l, err)
			}
		}
		if !w.open(t, given.Subject, notice.Marketing) {
			t.Fatal("looking at the link withdrew")
		}
		// The keys change many times in two years.
		for range 4 {
			w.fake.Advance(182 * 24 * time.Hour)
			if err := w.vault.Rotate(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
		}
		w.choose(t, given.Visitor, notice.Measure, notice.Marketing)
		w.fake.Advance(time.Minute)
		other := w.room() // another process, with empty caches
		_, out, err := other.WithdrawLink(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		entry := w.verified(t, out.Receipt)
		if entry["type"] != "consent.withdrawn" || entry["source"] != "link" || entry["proof_level"] != "first-hand" {
			t.Errorf("the entry is %v", entry)
		}
		w.Invalidate(w.tenant, given.Subject)
		if w.open(t, given.Subject, notice.Marketing) || !w.open(t, given.Subject, notice.Measure) {
			t.Error("the gate does not fit the link")
		}
		entries := w.count(t, "ledger_entry")
		if _, again, err := w.WithdrawLink(t.Context(), token); err != nil || again.RecordID != out.RecordID || w.count(t, "ledger_entry") != entries {
			t.Errorf("the second time gave %+v (%v)", again, err)
		}
		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{given.Subject}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{given.Subject})
		})
		l, gone, err := w.WithdrawLink(t.Context(), token)
		if err != nil || gone != nil || !l.Subject.IsZero() {
			t.Errorf("after the erasure the link gave %+v, %+v (%v)", l, gone, err)
		}
		if w.count(t, "consent_link") != 0 {
			t.Error("the erasure left a link")
		}
	})
}

func TestL24_AForgedOrForeignLinkIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Marketing)
	token := w.link(t, given.Subject, notice.Marketing)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"", "x", token + "A", token[:len(token)-1], strings.Repeat("A", len(token))}
	for i := range raw {
		b := slices.Clone(raw)
		b[i] ^= 1
		forged = append(forged, base64.RawURLEncoding.EncodeToString(b))
	}
	for _, f := range forged {
		if _, _, err := w.WithdrawLink(t.Context(), f); !fail.Is(err, fail.NotFound) {
			t.Errorf("%q gave %v", f, err)
		}
		if _, _, err := w.Confirm(t.Context(), f); !fail.Is(err, fail.NotFound) {
			t.Errorf("confirming %q gave %v", f, err)
		}
	}
	if _, _, err := w.Confirm(t.Context(), token); !fail.Is(err, fail.NotFound) {
		t.Errorf("a link to withdraw was taken for one to confirm: %v", err)
	}
	if !w.open(t, given.Subject, notice.Marketing) {
		t.Error("a forged link withdrew")
	}
}

func FuzzOpenLink(f *testing.F) {
	w := newWorld(f, storetest.SQLite(f))
	given := w.choose(f, nil, notice.Marketing)
	token := w.link(f, given.Subject, notice.Marketing)
	f.Add(token)
	f.Add(token[1:] + "A")
	f.Add("")
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, s string) {
		l, err := w.OpenLink(ctx, s)
		if s == token {
			if err != nil || l.Subject != given.Subject {
				t.Fatalf("the link is %+v (%v)", l, err)
			}
		} else if !fail.Is(err, fail.NotFound) {
			t.Fatalf("%q gave %+v, %v", s, l, err)
		}
	})
}

// postbox keeps the questions that were sent.
type postbox struct{ sent []consent.Question }

func (p *postbox) Ask(_ context.Context, _ *store.Tx, q consent.Question) error {
	p.sent = append(p.sent, q)
	return nil
}

func (w *world) post() *postbox {
	p := &postbox{}
	w.UsePost(p, w.vault)
	return p
}

func (w *world) optIn(t testing.TB, email string, purposes ...string) error {
	t.Helper()
	_, err := w.RequestOptIn(t.Context(), w.tenant, consent.OptIn{Deployment: site, Nonce: w.nonce(t), Email: email, Purposes: purposes})
	return err
}

func (w *world) known(t testing.TB, email string) (id.Subject, bool) {
	t.Helper()
	s, ok, err := w.subjects.Lookup(t.Context(), w.tenant, subject.Email, email)
	if err != nil {
		t.Fatal(err)
	}
	return s, ok
}

func TestADoubleOptInCountsOnceItIsConfirmedFromTheAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		if err := w.optIn(t, "ada@example.org", notice.Marketing); err != nil {
			t.Fatal(err)
		}
		if len(post.sent) != 1 || post.sent[0].To != "ada@example.org" || post.sent[0].Kind != consent.AskOptIn {
			t.Fatalf("the letters are %+v", post.sent)
		}
		if _, known := w.known(t, "ada@example.org"); known {
			t.Error("the address is somebody's before it is confirmed")
		}
		token := post.sent[0].Token
		l, err := w.OpenLink(t.Context(), token)
		if err != nil || l.Ask == nil || l.Ask.State != "open" || !l.Subject.IsZero() {
			t.Fatalf("the link is %+v (%v)", l, err)
		}
		if n := w.count(t, "consent_record"); n != 0 {
			t.Errorf("%d records before it is confirmed", n)
		}
		w.fake.Advance(24 * time.Hour)
		_, out, err := w.Confirm(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		s, known := w.known(t, "ada@example.org")
		if !known || s != out.Subject || !w.open(t, s, notice.Marketing) || w.open(t, s, notice.Measure) {
			t.Error("the gate does not fit the confirmation")
		}
		entry := w.verified(t, out.Receipt)
		if entry["type"] != "consent.given" || entry["proof_level"] != "first-hand" || entry["source"] != "link" ||
			entry["requested_at"] != "2026-11-22T12:00:00.000000Z" || entry["server_time"] != "2026-11-23T12:00:00.000000Z" {
			t.Errorf("the entry is %v", entry)
		}
		if out.Receipt.Notice == nil {
			t.Error("the receipt does not hold the text that was shown")
		}
		entries := w.count(t, "ledger_entry")
		if _, again, err := w.Confirm(t.Context(), token); err != nil || again != nil || w.count(t, "ledger_entry") != entries {
			t.Errorf("the second time gave %+v (%v)", again, err)
		}
		// The link in the letter takes it back, too.
		w.fake.Advance(time.Hour)
		if _, _, err := w.WithdrawLink(t.Context(), token); err != nil || w.open(t, s, notice.Marketing) {
			t.Errorf("it could not be taken back: %v", err)
		}
		if _, _, err := w.Confirm(t.Context(), token); err != nil || w.open(t, s, notice.Marketing) {
			t.Error("a used link opened what was taken back")
		}
		if err := w.Audit(t.Context(), w.tenant); err != nil {
			t.Error(err)
		}
	})
}

func TestL28_AQuestionWithoutAnswerExpiresWithAnEntryAndTheAddressIsDeleted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		if err := w.optIn(t, "ada@example.org", notice.Marketing); err != nil {
			t.Fatal(err)
		}
		w.fake.Advance(consent.AskLife - time.Second)
		if n, err := w.ExpireAsks(t.Context(), w.tenant, 10); err != nil || n != 0 {
			t.Errorf("%d expired early (%v)", n, err)
		}
		w.fake.Advance(time.Second)
		if _, _, err := w.Confirm(t.Context(), post.sent[0].Token); !fail.Is(err, fail.Gone) {
			t.Errorf("confirming late gave %v", err)
		}
		entries := w.count(t, "ledger_entry")
		if n, err := w.ExpireAsks(t.Context(), w.tenant, 10); err != nil || n != 1 || w.count(t, "ledger_entry") != entries+1 {
			t.Errorf("%d expired, %d entries (%v)", n, w.count(t, "ledger_entry")-entries, err)
		}
		var left int
		err := w.db.Tenant(w.tenant).Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM consent_ask WHERE tenant_id = $1 AND (length(sealed) > 0 OR length(digest) > 0)`, w.tenant).Scan(&left)
		})
		if err != nil || left != 0 {
			t.Errorf("%d addresses are left (%v)", left, err)
		}
		if n, err := w.ExpireAsks(t.Context(), w.tenant, 10); err != nil || n != 0 {
			t.Errorf("%d expired twice (%v)", n, err)
		}
	})
}

func TestOneAddressGetsThreeLettersADay(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	if err := w.optIn(t, "ada@example.org", notice.Marketing); !fail.Is(err, fail.Conflict) {
		t.Errorf("without a mail server: %v", err)
	}
	post := w.post()
	for range consent.AsksPerDay {
		if err := w.optIn(t, "ada@example.org", notice.Marketing); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.optIn(t, "ada@EXAMPLE.org", notice.Marketing); !fail.Is(err, fail.TooMany) {
		t.Errorf("one letter more gave %v", err)
	}
	if err := w.optIn(t, "bob@example.org", notice.Marketing); err != nil {
		t.Errorf("another address: %v", err)
	}
	w.fake.Advance(24 * time.Hour)
	if err := w.optIn(t, "ada@example.org", notice.Marketing); err != nil {
		t.Errorf("the next day: %v", err)
	}
	if len(post.sent) != consent.AsksPerDay+2 {
		t.Errorf("%d letters were sent", len(post.sent))
	}
}

func TestL24_AnOptInNeedsAFreshNonceOfItsOwnSite(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.post()
	n := w.nonce(t)
	o := consent.OptIn{Deployment: uuid.New(), Nonce: n, Email: "ada@example.org", Purposes: []string{notice.Marketing}}
	if _, err := w.RequestOptIn(t.Context(), w.tenant, o); !fail.Is(err, fail.Invalid) {
		t.Errorf("a nonce of another site: %v", err)
	}
	o.Deployment = site
	if _, err := w.RequestOptIn(t.Context(), w.tenant, o); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RequestOptIn(t.Context(), w.tenant, o); !fail.Is(err, fail.Conflict) {
		t.Errorf("the nonce was taken twice: %v", err)
	}
	o.Nonce = w.nonce(t)
	w.fake.Advance(consent.NonceLife)
	if _, err := w.RequestOptIn(t.Context(), w.tenant, o); !fail.Is(err, fail.Conflict) {
		t.Errorf("a stale nonce: %v", err)
	}
}

func TestF8_AnAgeGateStaysAfterALookAtTheLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if err := w.SetAgeGate(t.Context(), w.tenant, site, true, "DE"); err != nil {
			t.Fatal(err)
		}
		configs := map[any]bool{}
		for range 3 {
			c := w.choice(t, nil, notice.Measure)
			if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Invalid) {
				t.Errorf("without an age: %v", err)
			}
			c.Age = &consent.Age{Band: "16+"}
			out, err := w.Choose(t.Context(), w.tenant, c)
			if err != nil {
				t.Fatal(err)
			}
			configs[w.verified(t, out.Receipt)["build"].(map[string]any)["config_sha256"]] = true
			// The second look at the log tells of nothing new.
			for range 2 {
				w.fake.Advance(consent.CacheLife)
				if err := w.Refresh(t.Context(), w.tenant); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(configs) != 1 || configs[""] {
			t.Errorf("the entries name the configurations %v, want one", configs)
		}
	})
}

func TestF8_AChildNeedsAParentAndBothCanTakeItBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		post := w.post()
		if err := w.SetAgeGate(t.Context(), w.tenant, site, true, "DE"); err != nil {
			t.Fatal(err)
		}
		c := w.choice(t, nil, notice.Measure)
		if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Invalid) {
			t.Errorf("without an age: %v", err)
		}
		c.Age = &consent.Age{Band: "14"}
		if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Forbidden) {
			t.Errorf("at 14 in Germany: %v", err)
		}
		if on, err := w.AgeGate(t.Context(), w.tenant, site); err != nil || !on {
			t.Errorf("the gate is on: %t (%v)", on, err)
		}
		c.Age = &consent.Age{Band: "14", Country: "Austria"}
		if _, err := w.Choose(t.Context(), w.tenant, c); !fail.Is(err, fail.Invalid) {
			t.Errorf("in a country that does not exist: %v", err)
		}
		// Where neither the visitor nor the site names a country, the highest age holds.
		if nowhere := (&consent.Age{Band: "15"}); !nowhere.Minor() {
			t.Error("at 15 in no country: old enough")
		}
		c.Age = &consent.Age{Band: "14", Country: "AT"}
		grown, err := w.Choose(t.Context(), w.tenant, c)
		if err != nil {
			t.Fatalf("at 14 in Austria: %v", err)
		}
		if entry := w.verified(t, grown.Receipt); entry["age"] == nil {
			t.Error("the entry does not say which age was declared")
		}
		if _, err := w.Choose(t.Context(), w.tenant, w.choice(t, nil)); err != nil {
			t.Errorf("a refusal needs an age: %v", err)
		}
		// The gate stands when the room has looked at the log again and found nothing new.
		w.fake.Advance(2 * consent.CacheLife)
		if _, err := w.Choose(t.Context(), w.tenant, w.choice(t, nil, notice.Measure)); !fail.Is(err, fail.Invalid) {
			t.Errorf("without an age, a second later: %v", err)
		}
		birthday := noon.Add(30 * 24 * time.Hour)
		visitor, err := w.AskParent(t.Context(), w.tenant, consent.Child{
			Deployment: site, Nonce: w.nonce(t), Purposes: []string{notice.Measure}, Parent: "mum@example.org",
			Age: consent.Age{Band: "15", Until: birthday},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, known, err := w.subjects.Lookup(t.Context(), w.tenant, subject.Cookie, visitor.String())
		if err != nil || !known || w.open(t, s, notice.Measure) {
			t.Fatalf("before the parent answers: known %v (%v)", known, err)
		}
		token := post.sent[0].Token
		w.fake.Advance(time.Hour)
		_, out, err := w.Confirm(t.Context(), token)
		if err != nil || !w.open(t, s, notice.Measure) {
			t.Fatalf("after the parent confirmed: %v", err)
		}
		entry := w.verified(t, out.Receipt)
		if entry["actor"] != "holder_of_parental_responsibility" || entry["age"].(map[string]any)["age_of_digital_consent"] != 16.0 {
			t.Errorf("the entry is %v", entry)
		}
		if _, known := w.known(t, "mum@example.org"); known {
			t.Error("the parent's address became the child's identity")
		}
		w.withdraw(t, visitor) // the child
		if w.open(t, s, notice.Measure) {
			t.Error("the child could not take it back")
		}
		_, err = w.AskParent(t.Context(), w.tenant, consent.Child{
			Deployment: site, Nonce: w.nonce(t), Purposes: []string{notice.Measure}, Parent: "mum@example.org",
			Age: consent.Age{Band: "15", Until: birthday},
		})
		if err != nil {
			t.Fatal(err)
		}
		token = post.sent[1].Token
		if _, out, err = w.Confirm(t.Context(), token); err != nil || !w.open(t, out.Subject, notice.Measure) {
			t.Fatal(err)
		}
		w.fake.Set(birthday)
		if w.open(t, out.Subject, notice.Measure) {
			t.Error("the authorisation outlived the birthday")
		}
		w.fake.Set(birthday.Add(-time.Hour))
		if _, _, err := w.WithdrawLink(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if w.open(t, out.Subject, notice.Measure) {
			t.Error("the parent could not take it back")
		}
	})
}

func TestTheAgeOfConsentIsKnownForEveryCountryOfTheUnionAndNeverOutsideOfArticle8(t *testing.T) {
	known := 0
	for age, countries := range map[int]string{
		13: "BE EE FI LV MT PT SE IS NO GB", 14: "AT BG CY IT LT ES", 15: "CZ DK FR GR SI", 16: "HR DE HU IE LU NL PL RO SK LI",
	} {
		for _, c := range strings.Fields(countries) {
			known++
			if consent.AgeOfConsent(c) != age || consent.AgeOfConsent(strings.ToLower(c)) != age {
				t.Errorf("%s: %d, want %d", c, consent.AgeOfConsent(c), age)
			}
		}
	}
	if known != 27+3+1 {
		t.Errorf("%d countries", known)
	}
	if consent.AgeOfConsent("XX") != 16 || consent.AgeOfConsent("ES") != 14 || consent.AgeOfConsent("FR") != 15 {
		t.Error("the table is not read")
	}
}

func TestW14_WhoHoldsOnlyTheReceiptCanWithdrawWhatItGave(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Describe(consent.Terms{PublicURL: "https://shop.example"})
		given := w.choose(t, nil, notice.Measure, notice.Marketing)
		w.verified(t, given.Receipt)
		token, ok := strings.CutPrefix(given.Receipt.Withdrawal, "https://shop.example/privacy/l/")
		if !ok {
			t.Fatalf("the receipt's link is %q", given.Receipt.Withdrawal)
		}
		again, err := w.PersonalReceipt(t.Context(), w.tenant, given.Subject, given.RecordID)
		if err != nil || again.Withdrawal != given.Receipt.Withdrawal {
			t.Errorf("a later copy of the receipt has another link (%v)", err)
		}
		if _, err := w.PersonalReceipt(t.Context(), w.tenant, id.NewSubject(), given.RecordID); !fail.Is(err, fail.NotFound) {
			t.Errorf("somebody else's receipt: %v", err)
		}
		// The file that staff get, and the log, hold no link.
		staff, err := w.Receipt(t.Context(), w.tenant, given.Subject, given.RecordID)
		if err != nil || staff.Withdrawal != "" || strings.Contains(string(staff.Entry), token) {
			t.Errorf("the receipt for staff is %+v (%v)", staff, err)
		}
		for range 4 { // over two years, and changes of the keys
			w.fake.Advance(182 * 24 * time.Hour)
			if err := w.vault.Rotate(t.Context(), w.tenant); err != nil {
				t.Fatal(err)
			}
		}
		w.choose(t, given.Visitor, notice.Measure, notice.Marketing, notice.Sales)
		w.fake.Advance(time.Minute)
		if l, err := w.OpenLink(t.Context(), token); err != nil || l.Subject != given.Subject || l.Deployment != site || !slices.Equal(l.Purposes, []string{notice.Marketing, notice.Measure}) {
			t.Fatalf("the link is about %+v (%v)", l, err)
		}
		if !w.open(t, given.Subject, notice.Measure) {
			t.Fatal("looking at the link withdrew")
		}
		_, out, err := w.WithdrawLink(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if w.open(t, given.Subject, notice.Measure) || w.open(t, given.Subject, notice.Marketing) || !w.open(t, given.Subject, notice.Sales) {
			t.Error("the link took back something else than what its receipt gave")
		}
		if entry := w.verified(t, out.Receipt); entry["type"] != "consent.withdrawn" || entry["source"] != "link" || out.Receipt.Withdrawal != "" {
			t.Errorf("the entry is %v", entry)
		}
		if _, _, err := w.Confirm(t.Context(), token); !fail.Is(err, fail.NotFound) {
			t.Errorf("the link of a receipt confirmed something: %v", err)
		}
		refused := w.choose(t, nil)
		if refused.Receipt == nil || refused.Receipt.Withdrawal != "" {
			t.Error("a refusal has something to take back")
		}
		w.write(t, func(tx *store.Tx) error {
			if err := w.Erase(t.Context(), tx, []id.Subject{given.Subject}); err != nil {
				return err
			}
			return w.subjects.Erase(t.Context(), tx, []id.Subject{given.Subject})
		})
		if l, gone, err := w.WithdrawLink(t.Context(), token); err != nil || gone != nil || !l.Subject.IsZero() {
			t.Errorf("after the erasure the link gave %+v, %+v (%v)", l, gone, err)
		}
	})
}
