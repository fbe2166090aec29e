package sdk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"probity/e2e/chromium"
	"probity/internal/notice"
)

// aging opens a tab on a site that asks for an age, and its page.
func aging(t *testing.T, lang string) *tab {
	t.Helper()
	s := newSite(t)
	s.lang, s.ages, s.builtin = lang, true, lang != "en"
	b := s.visit(t, chromium.Shared(t))
	b.open("/")
	b.banner()
	return b
}

// answer chooses an age, and a country if it is not empty.
func (b *tab) answer(band, country string) {
	b.t.Helper()
	b.Visible("select[name=age]")
	b.Script(fmt.Sprintf(`document.querySelector('[name=age]').value = %q; document.querySelector('[name=country]').value = %q`, band, country))
	b.Press("[data-probity=next]")
}

func TestF8_AnAgeIsAskedForBeforeAGrantAndNoAnswerIsSuggested(t *testing.T) {
	t.Parallel()
	b := aging(t, "en")
	if n := len(b.site.asked("/age.js")); n != 0 {
		t.Error("the question was loaded before anybody wanted to agree")
	}
	b.Press("[data-probity=accept]")
	b.Visible("select[name=age]")
	got := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('.probity h2, .probity p, select[name=age] option')].map(e => e.textContent)`)
	words := (&notice.Notice{Language: "en"}).Age()
	if want := []string{words.Title, words.Why, words.Choose, words.Under, "13", "14", "15", words.Over}; !slices.Equal(got, want) {
		t.Errorf("the question reads %q, want %q", got, want)
	}
	if got := chromium.Value[string](b.Tab, `document.querySelector('[name=age]').value + document.querySelector('[name=country]').value`); got != "" {
		t.Errorf("%q is answered beforehand", got)
	}
	for _, threshold := range []string{"13", "14", "15", "16", "child", "minor"} {
		if strings.Contains(words.Title+words.Why, threshold) {
			t.Errorf("the question names %s, which leads to an answer", threshold)
		}
	}
	b.Press("[data-probity=next]")
	b.calm()
	if n := len(b.site.asked("/choices")); n != 0 {
		t.Error("a choice was sent without an age")
	}
	b.Holds()
	b.Script(`document.querySelector('[name=country]').value = 'SE'`)
	b.answer("16+", "SE")
	b.Until("!document.querySelector('.probity')")
	b.events("page_viewed", 1)
	b.site.mu.Lock()
	defer b.site.mu.Unlock()
	if c := b.site.choices[0]; c["age_band"] != "16+" || c["country"] != "SE" {
		t.Errorf("the choice came with %v and %v", c["age_band"], c["country"])
	}
}

func TestF8_RefusingNeedsNoAgeAndGoingBackDecidesNothing(t *testing.T) {
	t.Parallel()
	b := aging(t, "en")
	b.Press("[data-probity=accept]")
	b.Visible("select[name=age]")
	b.Press("[data-probity=back]")
	b.Visible("[data-probity=accept]")
	order := chromium.Value[[]string](b.Tab, `[...document.querySelectorAll('.probity-acts button')].map(e => e.dataset.probity)`)
	if want := []string{"accept", "reject", "settings"}; !slices.Equal(order, want) {
		t.Errorf("after going back the dialog offers %q, want %q", order, want)
	}
	b.Holds()
	b.Press("[data-probity=accept]")
	b.Visible("select[name=age]")
	b.Press("[data-probity=reject]")
	b.Until("!document.querySelector('.probity') && localStorage.probity_choice")
	b.Holds("local probity_choice")
	b.site.until(t, b.ctx, "the refusal", func() bool { return len(b.site.choices) == 1 })
	if c := b.site.choices[0]; c["age_band"] != nil || grantsAny(c["purposes"].(map[string]any)) {
		t.Errorf("the server heard %v", c)
	}
}

func TestF8_AChildAsksAParentAndTheAnswerIsTakenOver(t *testing.T) {
	t.Parallel()
	b := aging(t, "en")
	b.Press("[data-probity=settings]")
	b.Press(".probity input[name=measure]")
	b.Press(".probity input[name=actions]")
	b.Press("[data-probity=save]")
	b.answer("13", "")
	b.Visible("[name=parent]")
	b.Type("[name=parent]", "mum@example.org")
	b.Key(kb.Enter)
	b.Until(`document.querySelector('.probity').textContent.includes('The e-mail is on its way.')`)
	b.site.mu.Lock()
	if len(b.site.parents) != 1 {
		t.Fatalf("%d letters were asked for", len(b.site.parents))
	}
	letter := b.site.parents[0]
	b.site.mu.Unlock()
	if letter["parent_email"] != "mum@example.org" || letter["age_band"] != "13" || fmt.Sprint(letter["purposes"]) != "[measure actions]" {
		t.Errorf("the server heard %v", letter)
	}
	if got := chromium.Value[string](b.Tab, `document.querySelector('.probity p').textContent`); !strings.Contains(got, "“Privacy choices”") {
		t.Errorf("nobody says how it goes on: %q", got)
	}
	b.Press("[data-probity=close]")
	b.Until("!document.querySelector('.probity')")
	b.Holds("local probity_choice", "local _act_parent")

	// Nobody is asked again, and nothing is recorded, until a parent agrees.
	b.open("/later")
	b.Until("document.querySelector('[data-privacy-choices]')")
	b.calm()
	if n := len(b.site.named("")); n != 0 || chromium.Value[bool](b.Tab, "!!document.querySelector('.probity')") {
		t.Errorf("%d events before a parent agreed, or the question again", n)
	}
	b.Press("[data-privacy-choices]")
	b.Visible("[data-probity=reject]")
	b.Press("[data-probity=close]")
	b.Holds("local probity_choice", "local _act_parent")

	child := b.site.agree()
	b.Press("[data-privacy-choices]")
	if e := b.events("page_viewed", 1)[0]; e.Visitor != child {
		t.Errorf("the page view is of %s, the parent agreed for %s", e.Visitor, child)
	}
	b.Visible("[data-probity=withdraw_all]")
	b.Holds("cookie _actmu", "local probity_choice")
	if got := b.site.grants(); !slices.Equal(got, []string{"actions", "measure"}) {
		t.Errorf("the server holds %q", got)
	}
}

func TestF8_AFailureIsSaidAndTheQuestionStays(t *testing.T) {
	t.Parallel()
	b := aging(t, "en")
	b.Press("[data-probity=accept]")
	b.site.set(func(path string) int {
		if strings.HasSuffix(path, "/choices") {
			return 503
		}
		return 0
	})
	b.answer("16+", "")
	b.Until(`document.querySelector('[role=status]')?.textContent.includes('could not be saved')`)
	b.Holds()
	b.site.set(nil)
	b.Press("[data-probity=next]")
	b.events("page_viewed", 1)
}

func TestF8_TheQuestionIsAccessibleInEveryLanguage(t *testing.T) {
	t.Parallel()
	for i, lang := range notice.Languages() {
		b := aging(t, lang)
		b.Prefer("prefers-color-scheme", []string{"light", "dark"}[i%2])
		b.Resize([]int64{320, 1280}[i%2], 640)
		b.Press("[data-probity=accept]")
		b.Visible("select[name=age]")
		if got := chromium.Value[string](b.Tab, `document.querySelector('.probity form').lang`); got != lang {
			t.Errorf("%s: the question says it is in %q", lang, got)
		}
		audit(t, b, lang+", age")
		b.answer("0-12", "")
		b.Visible("[name=parent]")
		audit(t, b, lang+", parent")
	}
}
