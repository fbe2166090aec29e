package notice_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"probity/internal/notice"
)

// mutant is the good notice with one deceptive pattern put into it.
type mutant struct {
	pattern string // what the guidelines call it
	rule    string // that must find it
	change  func(m *subject)
}

// subject is what a mutant changes: the English text, the purposes and the rest of the draft.
type subject struct {
	text     notice.Text
	purposes []notice.Purpose
	notice.Draft
}

func (m *subject) purpose(id string) *notice.Purpose {
	return &m.purposes[slices.IndexFunc(m.purposes, func(p notice.Purpose) bool { return p.ID == id })]
}

// say replaces the English text of a purpose.
func (m *subject) say(id, title, description string) {
	m.purpose(id).Texts["en"] = notice.PurposeText{Title: title, Description: description}
}

func lint(change func(m *subject)) []notice.Fault {
	purposes, d := good()
	m := &subject{text: d.Texts["en"], purposes: purposes, Draft: d}
	m.text.Sections = slices.Clone(m.text.Sections)
	change(m)
	m.Texts["en"] = m.text
	m.Draft.Purposes = m.purposes
	return notice.Lint(m.purposes, m.Draft)
}

// found tells whether a rule refuses: a warning does not.
func found(faults []notice.Fault, rule string) bool {
	return slices.ContainsFunc(notice.Blocking(faults), func(f notice.Fault) bool { return f.Rule == rule })
}

func refuses(t *testing.T, list []mutant) {
	t.Helper()
	for _, m := range list {
		t.Run(m.pattern, func(t *testing.T) {
			if faults := lint(m.change); !found(faults, m.rule) {
				t.Errorf("%s does not refuse it: %+v", m.rule, faults)
			}
		})
	}
}

func TestB20_TheConsentStandsApartFromEverythingElse(t *testing.T) {
	refuses(t, []mutant{
		{"terms and conditions mixed in", "terms-mixed-in", func(m *subject) { m.text.Intro += " You also accept our terms and conditions." }},
		{"another question in the introduction", "other-question", func(m *subject) { m.text.Intro += " Would you like to sign up?" }},
		{"another question on a button", "other-question", func(m *subject) { m.text.Labels.Settings = "Sign up?" }},
		{"a form inside of the text", "other-matter", func(m *subject) { m.text.Intro += ` <input name="email">` }},
	})
}

func TestB21_TheFirstLayerNamesWhoAsksForWhatAndForWhom(t *testing.T) {
	refuses(t, []mutant{
		{"no controller", "controller-unnamed", func(m *subject) { m.Facts.Controller = "" }},
		{"a controller that the introduction hides", "controller-unnamed", func(m *subject) { m.text.Intro = "We ask for your consent." }},
		{"a recipient that the notice hides", "recipient-unnamed", func(m *subject) { m.purpose(notice.Marketing).Recipients = []string{"Ad Co"} }},
		{"empty recipients but transfers", "transfer-unsafe", func(m *subject) {
			m.Facts.Processors, m.Facts.Recipients, m.Facts.Transfers = nil, nil, []string{"Japan (adequacy decision)"}
		}},
		{"a transfer without a safeguard", "transfer-unsafe", func(m *subject) { m.Facts.Transfers = []string{"Japan"} }},
		{"overloading with words", "text-too-long", func(m *subject) { m.say(notice.Measure, "Measure", strings.Repeat("word ", 33)) }},
		{"overloading with too many purposes", "purposes-too-many", func(m *subject) {
			for _, letter := range "abcd" {
				p := m.purposes[0]
				p.ID += "-" + string(letter)
				m.purposes = append(m.purposes, p)
			}
		}},
		{"two purposes of one name", "purposes-alike", func(m *subject) { m.purpose(notice.Sales).Texts["en"] = m.purpose(notice.Support).Texts["en"] }},
		{"a purpose without words", "purpose-text-missing", func(m *subject) { delete(m.purpose(notice.Predict).Texts, "en") }},
	})
}

func TestB22_WithdrawalIsNamedBeforeTheChoiceAndWhereItIsDone(t *testing.T) {
	refuses(t, []mutant{
		{"hidden withdrawal", "withdrawal-hidden", func(m *subject) { m.text.WithdrawHint = "Your settings are under “Privacy choices” on each page." }},
		{"withdrawal without a place", "withdrawal-hidden", func(m *subject) { m.text.WithdrawHint = "You can withdraw at any time. Write us a letter." }},
		{"withdrawal that is not mentioned", "text-missing", func(m *subject) { m.text.WithdrawHint = " " }},
	})
}

func TestB23_EachTextIsInTheLanguageItIsFiledUnder(t *testing.T) {
	german := notice.DefaultTexts()["de"]
	refuses(t, []mutant{
		{"language discontinuity: the whole text", "language-mixed", func(m *subject) { m.text = german }},
		{"language discontinuity: one paragraph", "language-mixed", func(m *subject) {
			m.text.Sections[1].Paragraphs = append(slices.Clone(m.text.Sections[1].Paragraphs), german.Sections[1].Paragraphs[1])
		}},
		{"language discontinuity: the introduction", "language-mixed", func(m *subject) { m.text.Intro = german.Intro }},
		{"a missing label", "text-missing", func(m *subject) { m.text.Labels.Save = "" }},
		{"a notice without details", "text-missing", func(m *subject) { m.text.Sections = nil }},
		{"a placeholder without a fact", "placeholder-unknown", func(m *subject) { m.text.Intro += " {company}" }},
		{"a language that does not exist", "language-tag", func(m *subject) { m.Texts["e"] = m.text }},
	})
}

func TestB24_ProfilingIsNamedAndNothingIsVague(t *testing.T) {
	refuses(t, []mutant{
		{"unnamed profiling", "profiling-unnamed", func(m *subject) { m.say(notice.Predict, "Smart help", "We find out what you need.") }},
		{"vague purpose", "vague", func(m *subject) { m.say(notice.Measure, "Measure", "We use cookies to improve your experience.") }},
		{"ambiguous wording", "vague", func(m *subject) { m.text.Intro = "{controller} records your visit for research purposes." }},
	})
}

func TestB25_TheWordsCanBeUnderstood(t *testing.T) {
	refuses(t, []mutant{
		{"endless sentences", "sentences-too-long", func(m *subject) {
			m.text.Intro = "{controller} asks " + strings.Repeat("and asks you once more ", 12) + "."
		}},
		{"hard words", "hard-to-read", func(m *subject) {
			m.say(notice.Measure, "Behavioural measurement", "Interaction telemetry concerning individually identifiable browsing behaviour undergoes continuous aggregation.")
		}},
		{"double negative", "negated-twice", func(m *subject) { m.text.Intro += " You do not have to not agree." }},
		{"double negative on a button", "negated-twice", func(m *subject) { m.text.Labels.Save = "Do not proceed without saving" }},
		{"legalese", "legalese", func(m *subject) { m.text.Intro += " Processing is pursuant to the law." }},
	})
}

func TestB26_BothAnswersHaveTheSameWeight(t *testing.T) {
	refuses(t, []mutant{
		{"a refusal that steers", "refusal-label", func(m *subject) { m.text.Labels.Reject = "No, I like slow sites" }},
		{"a refusal that waits", "refusal-label", func(m *subject) { m.text.Labels.Reject = "Maybe later" }},
		{"an acceptance that lures", "acceptance-label", func(m *subject) { m.text.Labels.Accept = "Sounds great!" }},
		{"unequal labels", "labels-unequal", func(m *subject) { m.text.Labels.Reject = "Reject" }},
		{"conflicting information: one word for two answers", "labels-alike", func(m *subject) { m.text.Labels.Settings = m.text.Labels.Accept }},
		{"emotional steering", "steering", func(m *subject) { m.text.Intro += " You would miss out." }},
		{"confirm-shaming in the hint", "steering", func(m *subject) { m.text.WithdrawHint += " Are you sure" }},
		{"by continuing", "forced", func(m *subject) { m.text.Intro += " By continuing you agree." }},
	})
}

func TestB27_NothingIsAdvertisedBesideTheChoice(t *testing.T) {
	refuses(t, []mutant{
		{"promotion", "promotion", func(m *subject) { m.text.Intro += " Who accepts gets a discount." }},
		{"a newsletter on the way", "promotion", func(m *subject) { m.text.Labels.Saved = "Saved. Read our newsletter." }},
		{"a picture", "other-matter", func(m *subject) { m.text.Title = "🍪 May we record your visit?" }},
	})
}

func TestB29_ALegitimateInterestKeepsNothingOnTheDevice(t *testing.T) {
	refuses(t, []mutant{
		{"legitimate interest for storage", "interest-on-device", func(m *subject) { m.purpose(notice.Measure).Basis = notice.LegitimateInterest }},
	})
}

func TestB30_WhatIsCalledNecessaryCitesAnExemptionAndListsItsKeys(t *testing.T) {
	refuses(t, []mutant{
		{"wrong “necessary”: no exemption", "exemption-wrong", func(m *subject) { m.purpose(notice.Measure).Basis = notice.Contract }},
		{"wrong “necessary”: no keys", "exemption-wrong", func(m *subject) {
			p := m.purpose(notice.Actions)
			p.Basis, p.Exemption = notice.Contract, notice.RequestedService
		}},
		{"wrong “necessary”: profiling", "exemption-wrong", func(m *subject) {
			p := m.purpose(notice.Predict)
			p.Basis, p.Exemption, p.Storage = notice.Contract, notice.RequestedService, []notice.StorageKey{{Name: "p", Kind: "local"}}
		}},
		{"wrong “necessary”: a consent that needs none", "exemption-wrong", func(m *subject) { m.purpose(notice.Measure).Exemption = notice.RequestedService }},
	})
}

// What our files keep is listed in the notice, in every language, or the notice is not published.
func TestS7_B30_EveryKeyThatOurFilesKeepIsInTheNotice(t *testing.T) {
	refuses(t, []mutant{
		{"a key that nobody declared", "storage-undeclared", func(m *subject) { m.purpose(notice.Measure).Storage = nil }},
		{"a key of another kind", "storage-undeclared", func(m *subject) {
			m.purpose(notice.Measure).Storage = []notice.StorageKey{{Name: "_actmu", Kind: "local", Days: 182}}
		}},
		{"a key that lives longer", "storage-undeclared", func(m *subject) {
			m.purpose(notice.Measure).Storage = []notice.StorageKey{{Name: "_actmu", Kind: "cookie", Days: 30}}
		}},
	})
	if faults := lint(func(m *subject) {
		m.purpose(notice.Measure).Storage = []notice.StorageKey{{Name: "_act*", Kind: "cookie", Days: 400}}
	}); len(notice.Blocking(faults)) != 0 {
		t.Errorf("what is declared more widely is found wrong: %+v", faults)
	}
	for _, lang := range notice.Languages() {
		_, page, err := notice.Render(notice.DefaultPurposes(), notice.Draft{Texts: notice.DefaultTexts()}, 1, lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range notice.Stored() {
			if want := fmt.Sprintf(`<code data-storage="%s" data-days="%d">%s, %[2]d d</code>`, k.Kind, k.Days, k.Name); !strings.Contains(string(page), want) {
				t.Errorf("the notice in %s does not list %s", lang, k.Name)
			}
		}
	}
}

func TestF1_F5_F7_F8_B9_ConsentIsFree(t *testing.T) {
	refuses(t, []mutant{
		{"F1: bundling with a service", "service-gated", func(m *subject) { m.purpose(notice.Measure).NeededFor = []string{"checkout"} }},
		{"F1: a reason for what is not necessary", "service-gated", func(m *subject) {
			p := m.purpose(notice.Measure)
			p.NeededFor, p.Why = []string{"checkout"}, "Because we would like to know who buys."
		}},
		{"F5: prediction inside of support", "prediction-bundled", func(m *subject) { m.purpose(notice.Support).Profiling = true }},
		{"F5: a profile in the text of another purpose", "prediction-bundled", func(m *subject) {
			m.say(notice.Support, "Offer you help", "We build a profile of you and open a chat when you need help.")
		}},
		{"F5: support and sales in one", "prediction-bundled", func(m *subject) { m.purpose(notice.Support).ID = "support-sales" }},
		{"F8: children without an age gate", "age-gate", func(m *subject) { m.Site.Children = true }},
		{"F8: an age that no country has", "age-gate", func(m *subject) { m.Site.Children, m.Site.MinAge = true, 7 }},
		{"B9: forced choice", "wall", func(m *subject) { m.Site.Wall = true }},
	})
	warns := func(rule string, change func(m *subject)) {
		t.Helper()
		faults := lint(change)
		if !slices.ContainsFunc(faults, func(f notice.Fault) bool { return f.Rule == rule && f.Severity == notice.Doubtful }) {
			t.Errorf("%s does not warn: %+v", rule, faults)
		}
	}
	warns("imbalance", func(m *subject) { m.Site.Imbalance = true })
	warns("children-profiled", func(m *subject) { m.Site.Children, m.Site.MinAge = true, 16 })
	if faults := lint(func(m *subject) {
		p := m.purpose(notice.Identity)
		p.NeededFor, p.Necessary, p.Why = []string{"order history"}, true, "An order history is the list of what one person bought."
	}); len(notice.Blocking(faults)) != 0 {
		t.Errorf("a service that can't do without is refused: %+v", faults)
	}
}

func TestF3_OnePurposeHasOneAim(t *testing.T) {
	faults := lint(func(m *subject) {
		m.say(notice.Sales, "Offer you advice and sell your data", "We may offer you a talk with our staff.")
	})
	if !slices.ContainsFunc(faults, func(f notice.Fault) bool { return f.Rule == "aims-joined" && strings.Contains(f.Field, "sales.en") }) {
		t.Errorf("got %+v", faults)
	}
	for _, f := range lint(func(*subject) {}) {
		if f.Rule == "aims-joined" {
			t.Errorf("the built-in purposes are warned of: %+v", f)
		}
	}
}

func TestF6_AFormAsksWithABoxForEachPurposeAndGoesThroughWithout(t *testing.T) {
	fine := func() notice.Form {
		return notice.Form{ID: "order", Boxes: []notice.FormBox{{Purposes: []string{notice.Support}}, {Purposes: []string{notice.Marketing}}}}
	}
	if faults := lint(func(m *subject) { m.Site.Forms = []notice.Form{fine()} }); len(notice.Blocking(faults)) != 0 {
		t.Errorf("a good form is refused: %+v", faults)
	}
	for name, change := range map[string]func(f *notice.Form){
		"the submit button consents":  func(f *notice.Form) { f.BySubmit = true },
		"the boxes must be ticked":    func(f *notice.Form) { f.NeedsBoxes = true },
		"it is part of the terms":     func(f *notice.Form) { f.WithinTerms = true },
		"a box is ticked":             func(f *notice.Form) { f.Boxes[0].Ticked = true },
		"one box for two purposes":    func(f *notice.Form) { f.Boxes[0].Purposes = []string{notice.Support, notice.Sales} },
		"a purpose that is not there": func(f *notice.Form) { f.Boxes[0].Purposes = []string{"everything"} },
	} {
		form := fine()
		change(&form)
		if faults := lint(func(m *subject) { m.Site.Forms = []notice.Form{form} }); !found(faults, "form-bundled") {
			t.Errorf("%s: %+v", name, faults)
		}
	}
}

func TestARenderedNoticeIsRefusedWhenItsButtonsDeceive(t *testing.T) {
	purposes, d := good()
	interest := slices.Clone(purposes)
	interest[1].Basis = notice.LegitimateInterest
	_, page, err := notice.Render(purposes, d, 1, "en")
	if err != nil {
		t.Fatal(err)
	}
	if faults := notice.LintPage(page, purposes, "en"); len(faults) != 0 {
		t.Fatalf("the good page is refused: %+v", faults)
	}
	reject := `<li><button type="button" data-layer="1" data-action="reject_all">Reject all</button></li>`
	for _, c := range []struct{ pattern, rule, old, new string }{
		{"reject missing on layer 1", "page-refusal-missing", reject, ""},
		{"no way to accept on layer 1", "page-refusal-missing", `data-layer="1" data-action="accept_all"`, `data-layer="3" data-action="read"`},
		{"reject as a link", "page-refusal-no-button", `<button type="button" data-layer="1" data-action="reject_all">Reject all</button>`, `<a href="#" data-layer="1" data-action="reject_all">Reject all</a>`},
		{"reject apart from accept", "page-choices-unequal", reject, "</ol><ol>" + reject},
		{"reject in pale", "page-choices-unequal", `data-layer="1" data-action="reject_all"`, `data-layer="1" data-action="reject_all" style="color:#ccc"`},
		{"reject out of the keyboard's reach", "page-choices-unequal", `data-layer="1" data-action="reject_all"`, `data-layer="1" data-action="reject_all" tabindex="-1"`},
		{"pre-ticked", "page-pre-ticked", "<dl>", `<dl><dt><input type="checkbox" checked></dt>`},
		{"a switch that is on", "page-pre-ticked", "<dl>", `<dl><dt><button role="switch" aria-checked="true">On</button></dt>`},
		{"legitimate interest as a switch", "page-interest-switch", "<dl>", `<dl><dt><input type="checkbox" data-purpose="actions"></dt>`},
		{"withdrawal after the choice", "page-withdrawal-late", ` id="withdraw"`, ""},
		{"an image", "page-other-content", "<dl>", `<dl><dt><img src="cookie.png"></dt>`},
		{"a newsletter's field", "page-other-content", "<dl>", `<dl><dt><input type="email"></dt>`},
		{"another language", "page-language", `<dl>`, `<dl lang="fr">`},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			bad := bytes.Replace(page, []byte(c.old), []byte(c.new), 1)
			if bytes.Equal(bad, page) {
				t.Fatal("the mutant is the good page")
			}
			if faults := notice.LintPage(bad, interest, "en"); !found(faults, c.rule) {
				t.Errorf("%s does not refuse it: %+v", c.rule, faults)
			}
		})
	}
}

func TestEveryRuleHasAnIDASourceAndACheck(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range notice.Rules() {
		if r.ID == "" || r.Source == "" || r.Checks == "" || r.Pattern == "" || seen[r.ID] {
			t.Errorf("the rule %+v is not whole, or stands twice", r.ID)
		}
		seen[r.ID] = true
	}
}
