package privacy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// book is what links are about, kept in memory.
type book struct {
	links     map[string]*consent.Linked
	withdrawn []string
	confirmed []string
	purposes  []notice.Purpose
	err       error
}

func (b *book) OpenLink(_ context.Context, token string) (*consent.Linked, error) {
	if b.err != nil {
		return nil, b.err
	}
	if l := b.links[token]; l != nil {
		return l, nil
	}
	return nil, fail.New(fail.NotFound, "no such link")
}

func (b *book) WithdrawLink(ctx context.Context, token string) (*consent.Linked, *consent.Outcome, error) {
	l, err := b.OpenLink(ctx, token)
	if err == nil {
		b.withdrawn = append(b.withdrawn, token)
	}
	return l, nil, err
}

func (b *book) Confirm(ctx context.Context, token string) (*consent.Linked, *consent.Outcome, error) {
	l, err := b.OpenLink(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	b.confirmed = append(b.confirmed, token)
	l.Ask.State, l.Subject = "confirmed", id.NewSubject()
	return l, nil, nil
}

func (b *book) Purposes(context.Context, id.Tenant) ([]notice.Purpose, error) {
	return slices.Clone(b.purposes), nil
}

func newBook() (*book, http.Handler) {
	b := &book{purposes: notice.DefaultPurposes(), links: map[string]*consent.Linked{
		"mine": {Subject: id.NewSubject(), Purposes: []string{notice.Marketing}},
		"gone": {},
		"ask": {Purposes: []string{notice.Sales}, Ask: &consent.Ask{
			Kind: consent.AskOptIn, Notice: "privacy", Version: 3, Language: "de", State: "open", Asked: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		}},
		"child": {Purposes: []string{notice.Sales}, Ask: &consent.Ask{Kind: consent.AskParent, Notice: "privacy", Version: 3, Language: "en", State: "open"}},
		"late":  {Ask: &consent.Ask{State: "expired", Language: "en"}},
	}}
	return b, lettersOf(b)
}

func lettersOf(b *book) http.Handler { return Letters(b, nameOf, slog.New(slog.DiscardHandler)) }

// another is an organisation that shares the installation with others.
var another = id.Tenant{7}

func nameOf(_ context.Context, t id.Tenant) string {
	if t == another {
		return "Harbour Books"
	}
	return "Shop"
}

func TestThePageOfALinkNamesTheOrganisationTheLetterCameFrom(t *testing.T) {
	b, h := newBook()
	for token, l := range b.links {
		l.Tenant = another
		bodies := []string{"", "List-Unsubscribe=One-Click", "do=confirm", "do=nothing"}
		if l.Ask == nil {
			bodies = []string{"", "do=withdraw", "do=nothing"}
		}
		for _, body := range bodies {
			method := "POST"
			if body == "" {
				method = "GET"
			}
			if page := call(h, method, "/privacy/l/"+token, body).Body.String(); !strings.Contains(page, "Harbour Books") || strings.Contains(page, "Shop") {
				t.Errorf("%s %s %q does not name the letter's own organisation", method, token, body)
			}
		}
	}
	if page := call(h, "GET", "/privacy/l/forged", "").Body.String(); !strings.Contains(page, "Shop") || strings.Contains(page, "Harbour Books") {
		t.Error("a link that is none of ours is answered in the name of an organisation that has nothing to do with it")
	}
}

func call(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestW14_OneClickWithdrawsWithoutSessionAndLookingDoesNot(t *testing.T) {
	b, h := newBook()
	for _, method := range []string{"GET", "HEAD"} {
		w := call(h, method, "/privacy/l/mine", "")
		if w.Code != 200 || len(b.withdrawn) != 0 {
			t.Fatalf("%s: %d, %d withdrawals", method, w.Code, len(b.withdrawn))
		}
	}
	page := call(h, "GET", "/privacy/l/mine", "").Body.String()
	if n := strings.Count(page, "<button"); n != 1 {
		t.Errorf("the page has %d buttons", n)
	}
	title := notice.DefaultPurposes()[6].Texts["en"].Title
	if !strings.Contains(page, title) {
		t.Errorf("the page does not name what is withdrawn (%s)", title)
	}
	// As a mail provider sends it: no cookie, no origin; and as a web mail page might, from elsewhere.
	for _, headers := range [][]string{nil, {"Origin", "https://mail.example", "Sec-Fetch-Site", "cross-site"}} {
		w := call(h, "POST", "/privacy/l/mine", "List-Unsubscribe=One-Click", headers...)
		if w.Code != 200 || w.Header().Get("Location") != "" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("one click: %d %v", w.Code, w.Header())
		}
	}
	multi := "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
	if w := call(h, "POST", "/privacy/l/mine", multi, "Content-Type", "multipart/form-data; boundary=x"); w.Code != 200 {
		t.Errorf("as multipart/form-data: %d", w.Code)
	}
	if w := call(h, "POST", "/privacy/l/mine", "do=withdraw&lang=de"); w.Code != 200 || !strings.Contains(w.Body.String(), "Sie haben widerrufen") {
		t.Errorf("the button: %d", w.Code)
	}
	if len(b.withdrawn) != 4 {
		t.Errorf("%d withdrawals", len(b.withdrawn))
	}
	for _, body := range []string{"x=y", "List-Unsubscribe=Maybe", "do=erase"} {
		if w := call(h, "POST", "/privacy/l/mine", body); w.Code != 400 {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
	if w := call(h, "POST", "/privacy/l/gone", "List-Unsubscribe=One-Click"); w.Code != 200 {
		t.Errorf("of somebody erased: %d", w.Code)
	}
	if w := call(h, "POST", "/privacy/l/forged", "List-Unsubscribe=One-Click"); w.Code != 404 {
		t.Errorf("forged: %d", w.Code)
	}
	b.err = errors.New("broken")
	if w := call(h, "GET", "/privacy/l/mine", ""); w.Code != 500 {
		t.Errorf("broken: %d", w.Code)
	}
}

func TestALetterIsConfirmedByAButtonAndNotByLooking(t *testing.T) {
	b, h := newBook()
	w := call(h, "GET", "/privacy/l/ask", "")
	page := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Language") != "de" || len(b.confirmed) != 0 {
		t.Fatalf("%d in %s, %d confirmed", w.Code, w.Header().Get("Content-Language"), len(b.confirmed))
	}
	for _, want := range []string{`href="/probity/v1/notices/privacy/3/de"`, "29. November 2026", "Ja, ich willige ein"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if w := call(h, "POST", "/privacy/l/ask", "List-Unsubscribe=One-Click"); w.Code != 200 || len(b.confirmed) != 0 {
		t.Error("one click confirmed")
	}
	if w := call(h, "POST", "/privacy/l/ask", "do=confirm"); w.Code != 200 || len(b.confirmed) != 1 || !strings.Contains(w.Body.String(), `value="withdraw"`) {
		t.Errorf("the button: %d, %d confirmed", w.Code, len(b.confirmed))
	}
	if w := call(h, "GET", "/privacy/l/child", ""); !strings.Contains(w.Body.String(), "parental responsibility") {
		t.Error("a parent is not told what the button means")
	}
	if w := call(h, "GET", "/privacy/l/late", ""); w.Code != 200 || strings.Contains(w.Body.String(), "<button") {
		t.Error("an expired question has a button")
	}
}

func TestEveryLanguageOfLinksSaysTheSame(t *testing.T) {
	frame := loadWords()
	all := linkWords()
	if all["en"] == nil || all["de"] == nil {
		t.Fatal("English or German is missing")
	}
	want := slices.Sorted(maps.Keys(all["en"]))
	place := regexp.MustCompile(`\{\d\}`)
	for lang, w := range all {
		if got := slices.Sorted(maps.Keys(w)); !slices.Equal(got, want) {
			t.Errorf("%s and en have different keys", lang)
		}
		for key, text := range w {
			got, want := place.FindAllString(text, -1), place.FindAllString(all["en"][key], -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s fills in %v, en %v", lang, key, got, want)
			}
		}
		if len(w) <= len(frame[lang]) {
			t.Errorf("%s has no words of its own", lang)
		}
	}
	used := regexp.MustCompile(`\bt "([a-z.]+)"`)
	data, err := linkFiles.ReadFile("links/pages.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range used.FindAllStringSubmatch(string(data), -1) {
		if _, ok := all["en"][m[1]]; !ok {
			t.Errorf("the pages use %q, which no language has", m[1])
		}
	}
}

func TestALetterSaysWhoAsksForWhatAndAdvertisesNothing(t *testing.T) {
	for _, kind := range []string{consent.AskOptIn, consent.AskParent} {
		for _, lang := range append(slices.Collect(maps.Keys(linkWords())), "xx") {
			l := WriteLetter(kind, lang, "Shop", []string{"Offers", "Advice"}, "https://shop.example/privacy/l/abc")
			if strings.Count(l.Text, "https://") != 1 || !strings.Contains(l.Text, "– Offers\n– Advice") || !strings.Contains(l.Subject, "Shop") || strings.Contains(l.Text, "{") {
				t.Errorf("%s in %s: %+v", kind, lang, l)
			}
		}
	}
}

func TestB23_TheLinksSpeakEveryLanguageThatTheNoticeDoes(t *testing.T) {
	all := linkWords()
	if got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(notice.DefaultTexts())); !slices.Equal(got, want) {
		t.Fatalf("the pages of links are in %v, the notice in %v", got, want)
	}
	for lang, w := range all {
		for key, text := range w {
			if lang != "en" && key != "date" && strings.Contains(text, " ") && text == all["en"][key] {
				t.Errorf("%s: %s is still English", lang, key)
			}
			if strings.HasPrefix(key, "link.") || strings.HasPrefix(key, "optin.") || strings.HasPrefix(key, "parent.") {
				for sentence := range strings.SplitSeq(strings.NewReplacer("!", ".", "?", ".", ":", ".", "\n\n", ".").Replace(text), ".") {
					if n := len(strings.Fields(sentence)); n > 22 {
						t.Errorf("%s: %s has a sentence of %d words", lang, key, n)
					}
				}
			}
		}
	}
}

func TestB23_APageOfALinkIsWhollyInOneLanguage(t *testing.T) {
	for _, c := range []struct{ about, wanted, has, want string }{
		{"as wanted", "fr", "en fr de", "fr"},
		{"the organisation has no French", "fr", "en de", "en"},
		{"nor English", "fr", "sv fi", "fi"},
		{"a tag with a region", "pt-BR", "en pt", "pt"},
	} {
		purposes := notice.DefaultPurposes()
		for i := range purposes {
			maps.DeleteFunc(purposes[i].Texts, func(lang string, _ notice.PurposeText) bool { return !slices.Contains(strings.Fields(c.has), lang) })
		}
		b := &book{links: map[string]*consent.Linked{"mine": {Subject: id.NewSubject(), Purposes: []string{notice.Marketing, notice.Sales}}}, purposes: purposes}
		w := call(lettersOf(b), "GET", "/privacy/l/mine", "", "Accept-Language", c.wanted)
		page := w.Body.String()
		for _, want := range []string{`<html lang="` + c.want + `">`, linkWords()[c.want]["link.button"], notice.DefaultPurposes()[6].Texts[c.want].Title} {
			if w.Code != 200 || !strings.Contains(page, want) {
				t.Errorf("%s: %d, the page lacks %q", c.about, w.Code, want)
			}
		}
	}
}
