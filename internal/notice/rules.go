package notice

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits that rules go by.
const (
	maxTitle        = 80  // characters of a title
	maxDescription  = 160 // characters of a purpose's description, shown before the choice
	maxMeanSentence = 20  // words
	maxPurposes     = 10  // more can't be told apart before a choice
	labelMargin     = 8   // characters by which the labels that accept and refuse may differ in length
)

// Rules returns everything that Lint looks for. It is the whole table: a rule that is not here does not
// exist.
func Rules() []Rule {
	return []Rule{
		// What makes a notice one: no reason overrides these.
		{"language-tag", Refused, "RFC 5646", "B23", "unknown language", nil, languageTag, nil},
		{"text-missing", Refused, "Art. 12(1), 13 GDPR; EDPB 03/2022 language discontinuity", "B23", "missing key", nil, textMissing, nil},
		{"purpose-text-missing", Refused, "Art. 13(1)(c) GDPR; EDPB 03/2022 language discontinuity", "B21 B23", "purpose without words", nil, purposeTextMissing, nil},
		{"placeholder-unknown", Refused, "Art. 12(1) GDPR", "B23", "placeholder without a fact", nil, placeholderUnknown, nil},
		{"labels-alike", Refused, "Art. 7(2) GDPR; EDPB 03/2022 conflicting information", "B26", "conflicting information", nil, labelsAlike, nil},

		// Who asks, for what, for whom.
		{"controller-unnamed", Wrong, "Art. 13(1)(a) GDPR, R42", "B21", "no controller", controllerUnnamed, controllerNotInIntro, nil},
		{"contact-missing", Doubtful, "Art. 13(1)(a) GDPR", "B21", "no contact", contactMissing, nil, nil},
		{"retention-missing", Doubtful, "Art. 13(2)(a) GDPR", "B21", "no retention", retentionMissing, nil, nil},
		{"authority-missing", Doubtful, "Art. 13(2)(d) GDPR", "B21", "no authority", authorityMissing, nil, nil},
		{"recipient-unnamed", Wrong, "Art. 13(1)(e) GDPR", "B21", "hidden recipient", recipientUnnamed, nil, nil},
		{"transfer-unsafe", Wrong, "Art. 13(1)(f), 44 GDPR", "B21", "transfer without recipient or safeguard", transferUnsafe, nil, nil},
		{"text-too-long", Wrong, "CNIL 2020-091 §23", "B21", "overloading with words", nil, textTooLong, nil},
		{"purposes-too-many", Wrong, "EDPB 03/2022 too many options", "B21", "overloading with purposes", purposesTooMany, nil, nil},
		{"purposes-alike", Wrong, "EDPB 03/2022 conflicting information", "B21 F3", "two purposes of one name", nil, purposesAlike, nil},

		// How it asks.
		{"withdrawal-hidden", Wrong, "Art. 7(3), 13(2)(c) GDPR", "B22", "hidden withdrawal", nil, withdrawalHidden, nil},
		{"terms-mixed-in", Wrong, "Art. 7(2) GDPR", "B20", "terms and conditions mixed in", nil, termsMixedIn, nil},
		{"other-question", Wrong, "Art. 7(2) GDPR", "B20", "another question", nil, otherQuestion, nil},
		{"other-matter", Wrong, "Art. 7(2) GDPR; CNIL 2020-091", "B20 B27", "picture or form in the text", nil, otherMatter, nil},
		{"language-mixed", Wrong, "Art. 12(1) GDPR; EDPB 03/2022 language discontinuity", "B23", "language discontinuity", nil, languageMixed, nil},
		{"vague", Wrong, "WP260 §12; EDPB 03/2022 ambiguous wording", "B24", "vague purpose", nil, vague, nil},
		{"profiling-unnamed", Wrong, "Art. 13(2)(f), 4(4) GDPR", "B24", "unnamed profiling", nil, profilingUnnamed, nil},
		{"sentences-too-long", Wrong, "Art. 12(1) GDPR; WP260 §12", "B25", "endless sentences", nil, sentencesTooLong, nil},
		{"hard-to-read", Wrong, "Art. 12(1) GDPR; WP260 §12", "B25", "hard words", nil, hardToRead, nil},
		{"negated-twice", Wrong, "EDPB 03/2022 ambiguous wording", "B25", "double negative", nil, doubleNegative, nil},
		{"legalese", Wrong, "Art. 12(1) GDPR; WP260 §13", "B25", "legalese", nil, legalese, nil},
		{"refusal-label", Wrong, "EDPB 03/2022 emotional steering; Taskforce §8", "B26", "a refusal that steers", nil, refusalLabel, nil},
		{"acceptance-label", Wrong, "EDPB 03/2022 emotional steering", "B26", "an acceptance that steers", nil, acceptanceLabel, nil},
		{"labels-unequal", Wrong, "CNIL 2020-092 §34; EDPB 03/2022", "B26", "unequal labels", nil, labelsUnequal, nil},
		{"steering", Wrong, "EDPB 03/2022 emotional steering", "B26", "steering words", nil, steering, nil},
		{"forced", Wrong, "Art. 4(11), 7(4) GDPR; R32; Taskforce §13", "B26", "by continuing", nil, forced, nil},
		{"promotion", Wrong, "Art. 7(2) GDPR; EDPB 03/2022 look over there", "B27", "promotion", nil, promotion, nil},

		// What each purpose rests on.
		{"interest-on-device", Wrong, "Art. 5(3) ePrivacy; Taskforce §24", "B29", "legitimate interest for storage", interestOnDevice, nil, nil},
		{"basis-contradicted", Wrong, "Art. 5(1)(a), 13(1)(c) GDPR", "B29 L27", "another basis than the notice says", nil, nil, nil}, // see LintBases
		{"storage-undeclared", Wrong, "Art. 5(3) ePrivacy; Taskforce §27", "S7 B30", "undeclared storage", storageUndeclared, nil, nil},
		{"exemption-wrong", Wrong, "Art. 5(3) ePrivacy; Taskforce §27", "B30", "wrong “necessary”", exemptionWrong, nil, nil},

		// Whether consent is free.
		{"service-gated", Wrong, "Art. 7(4) GDPR, R43", "F1", "bundling with a service", serviceGated, nil, nil},
		{"aims-joined", Doubtful, "R43 GDPR", "F3", "joined aims", nil, aimsJoined, nil},
		{"prediction-bundled", Wrong, "R43 GDPR", "F5", "prediction inside of another purpose", predictionBundled, predictionInText, nil},
		{"form-bundled", Wrong, "Art. 4(11), 7(2) GDPR, R32; Planet49", "F6 B20", "consent in a form", formBundled, nil, nil},
		{"imbalance", Doubtful, "R43 GDPR; EDPB 05/2020 §16–21", "F7", "imbalance of power", imbalance, nil, nil},
		{"age-gate", Wrong, "Art. 8 GDPR", "F8", "children without an age gate", ageGate, nil, nil},
		{"children-profiled", Doubtful, "R71, R38 GDPR", "F8", "profiling of children", childrenProfiled, nil, nil},
		{"wall", Wrong, "EDPB 05/2020 §39; Art. 7(4) GDPR", "B9", "forced choice", wall, nil, nil},

		// How the page is built. Ours passes; a banner of an organisation's own must as well.
		{"page-refusal-missing", Refused, "Taskforce §8; CNIL 2020-092 §31", "B1 B11", "no refusal on the first layer", nil, nil, refusalMissing},
		{"page-refusal-no-button", Refused, "Taskforce §14; CNIL 2020-092 §34", "B1", "refusal as a link", nil, nil, refusalNoButton},
		{"page-choices-unequal", Refused, "Taskforce §17; CNIL 2020-092 §34", "B2", "unequal buttons", nil, nil, choicesUnequal},
		{"page-pre-ticked", Refused, "R32 GDPR; Planet49; Taskforce §10", "B6", "pre-ticked", nil, nil, preTicked},
		{"page-interest-switch", Refused, "Art. 21 GDPR; Taskforce §24", "B29", "legitimate interest as a switch", nil, nil, interestSwitch},
		{"page-withdrawal-late", Refused, "Art. 7(3) GDPR", "B22", "withdrawal after the choice", nil, nil, withdrawalAfter},
		{"page-other-content", Refused, "Art. 7(2) GDPR", "B20 B27", "more than the question", nil, nil, pageOtherContent},
		{"page-language", Refused, "EDPB 03/2022 language discontinuity", "B23", "wrong language", nil, nil, pageLanguage},
	}
}

func languageTag(r *reader, lang string, _ Text) {
	if !ValidLanguage(lang) {
		r.fault("texts."+lang, "%q is not a language tag such as en or pt-BR.", lang)
	}
}

func textMissing(r *reader, lang string, t Text) {
	for _, p := range r.everything(lang, t) {
		if strings.TrimSpace(p.text) == "" && !strings.HasPrefix(p.field, "purposes.") {
			r.fault(p.field, "This text is empty. A language is published whole or not at all: write it, or take the language out.")
		}
	}
	if len(t.Sections) == 0 {
		r.fault("texts."+lang+".sections", "The full notice has no sections: it must say what Article 13 asks for.")
	}
}

func purposeTextMissing(r *reader, lang string, _ Text) {
	for _, p := range r.purposes {
		if t := p.Texts[lang]; strings.TrimSpace(t.Title) == "" || strings.TrimSpace(t.Description) == "" {
			r.fault("purposes."+p.ID+"."+lang, "The purpose %s has no title and description in %s. Write both, or take the language out.", p.ID, lang)
		}
	}
}

func placeholderUnknown(r *reader, lang string, t Text) {
	known := PlaceholderNames()
	for _, p := range r.everything(lang, t) {
		names := known
		if strings.HasSuffix(p.field, ".labels.blocked") {
			names = []string{"site", "purpose"}
		} else if strings.Contains(p.field, ".labels.") || strings.HasPrefix(p.field, "purposes.") {
			names = nil
		}
		rest := placeholder.ReplaceAllStringFunc(p.text, func(m string) string {
			if slices.Contains(names, m[1:len(m)-1]) {
				return ""
			}
			return m
		})
		if strings.ContainsAny(rest, "{}") {
			r.fault(p.field, "This text has braces that stand for nothing. What may stand in braces here: %s.", orNone(names))
		}
	}
	for i, s := range t.Sections {
		for _, p := range s.Paragraphs {
			for _, name := range []string{p.When, p.Unless} {
				if name != "" && !slices.Contains(known, name) {
					r.fault("texts."+lang+".sections."+strconv.Itoa(i), "A paragraph depends on the fact %q, which does not exist. The facts are: %s.", name, strings.Join(known, ", "))
				}
			}
		}
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// labelsAlike keeps one word from meaning two things.
func labelsAlike(r *reader, lang string, t Text) {
	seen := map[string]string{}
	l := t.Labels
	for _, one := range []struct{ name, label string }{
		{"accept", l.Accept}, {"reject", l.Reject}, {"settings", l.Settings}, {"save", l.Save}, {"withdraw_all", l.WithdrawAll}, {"on", l.On}, {"off", l.Off},
	} {
		key := strings.ToLower(strings.TrimSpace(one.label))
		if other, twice := seen[key]; twice && key != "" {
			r.fault("texts."+lang+".labels."+one.name, "The labels %s and %s are the same word and do different things.", other, one.name)
		}
		seen[key] = one.name
	}
}

func controllerUnnamed(r *reader) {
	if strings.TrimSpace(r.draft.Facts.Controller) == "" {
		r.fault("facts.controller", "Nothing says who asks. Write the name of the organisation that decides about the data.")
	}
}

func controllerNotInIntro(r *reader, lang string, t Text) {
	if !strings.Contains(t.Intro, "{controller}") {
		r.fault("texts."+lang+".intro", "The introduction in %s does not name the controller. Put {controller} where its name belongs.", lang)
	}
}

func contactMissing(r *reader) {
	if strings.TrimSpace(r.draft.Facts.Contact) == "" {
		r.fault("facts.contact", "There is no contact for questions about privacy. The notice then points to the contact page of the site, which must exist.")
	}
}

func retentionMissing(r *reader) {
	if r.draft.Facts.RetentionMonths <= 0 {
		r.fault("facts.retention_months", "Nothing says after how many months records of visits are deleted. The notice then names criteria instead, which is allowed where no time is known.")
	}
}

func authorityMissing(r *reader) {
	if strings.TrimSpace(r.draft.Facts.Authority) == "" {
		r.fault("facts.authority", "No supervisory authority is named. The notice then says only that there is a right to complain.")
	}
}

func recipientUnnamed(r *reader) {
	for _, p := range r.purposes {
		for _, one := range p.Recipients {
			if !slices.Contains(r.draft.Facts.Recipients, one) {
				r.fault("purposes."+p.ID+".recipients", "A recipient of the purpose %s is not among the recipients that the notice names.", p.ID)
			}
		}
	}
}

func transferUnsafe(r *reader) {
	f := r.draft.Facts
	if len(f.Transfers) > 0 && len(f.Recipients)+len(f.Processors) == 0 {
		r.fault("facts.transfers", "Data leaves the Union, but no recipient and no processor is named to whom it goes.")
	}
	for i, one := range f.Transfers {
		if country, safeguard, ok := strings.Cut(one, "("); !ok || strings.TrimSpace(country) == "" || strings.Trim(safeguard, " ).") == "" {
			r.fault("facts.transfers."+strconv.Itoa(i), "Write the country and, in parentheses, the safeguard, such as: Japan (adequacy decision).")
		}
	}
}

func textTooLong(r *reader, lang string, t Text) {
	limit := func(field, s string, most int) {
		if n := utf8.RuneCountInString(s); n > most {
			r.fault(field, "This text has %d characters; at most %d can be read before a choice.", n, most)
		}
	}
	limit("texts."+lang+".title", t.Title, maxTitle)
	limit("texts."+lang+".intro", t.Intro, 4*maxDescription)
	limit("texts."+lang+".withdraw_hint", t.WithdrawHint, 2*maxDescription)
	for _, p := range r.purposes {
		limit("purposes."+p.ID+"."+lang+".title", p.Texts[lang].Title, maxTitle)
		limit("purposes."+p.ID+"."+lang+".description", p.Texts[lang].Description, maxDescription)
	}
}

func purposesTooMany(r *reader) {
	if n := len(r.purposes); n > maxPurposes {
		r.fault("purposes", "There are %d purposes. Nobody weighs more than %d before a choice: leave out what is not needed.", n, maxPurposes)
	}
}

func purposesAlike(r *reader, lang string, _ Text) {
	seen := map[string]string{}
	for _, p := range r.purposes {
		key := strings.ToLower(strings.TrimSpace(p.Texts[lang].Title))
		if other, twice := seen[key]; twice && key != "" {
			r.fault("purposes."+p.ID+"."+lang+".title", "The purposes %s and %s have the same title.", other, p.ID)
		}
		seen[key] = p.ID
	}
}

func withdrawalHidden(r *reader, lang string, t Text) {
	at := "texts." + lang + ".withdraw_hint"
	if known := wordsOf(lang).Withdraw; len(known) > 0 && !holds(t.WithdrawHint, known) {
		r.fault(at, "The hint in %s does not say that consent can be withdrawn.", lang)
	}
	if t.Labels.Manage != "" && !strings.Contains(t.WithdrawHint, t.Labels.Manage) {
		r.fault(at, "The hint in %s does not say where: it must quote the control on every page, “%s”.", lang, t.Labels.Manage)
	}
}

func termsMixedIn(r *reader, lang string, t Text) {
	for _, p := range r.everything(lang, t) {
		if w := find(p.text, wordsOf(lang).Terms); w != "" {
			r.fault(p.field, "%q belongs to another matter. Consent is asked for apart from terms and conditions.", w)
		}
	}
}

// otherQuestion lets the title ask, once, and nothing else.
func otherQuestion(r *reader, lang string, t Text) {
	for _, p := range slices.Concat(r.asking(lang, t), r.labels(lang, t)) {
		n := strings.Count(p.text, "?")
		if strings.HasSuffix(p.field, "."+lang+".title") && strings.HasPrefix(p.field, "texts.") {
			n--
		}
		if n > 0 {
			r.fault(p.field, "There is another question here. The dialog asks for consent and nothing else; only its title may be a question.")
		}
	}
}

func otherMatter(r *reader, lang string, t Text) {
	for _, p := range r.everything(lang, t) {
		picture := strings.ContainsFunc(p.text, func(c rune) bool { return unicode.Is(unicode.So, c) && c > 0x2000 })
		if picture || strings.ContainsAny(p.text, "<>") || strings.Contains(p.text, "data:image") {
			r.fault(p.field, "Nothing but words stands beside the choice: no markup, no picture, no emoji.")
		}
	}
}

// languageMixed compares each language as a whole, and each longer passage where another language is
// unmistakable.
func languageMixed(r *reader, lang string, t Text) {
	if len(wordsOf(lang).Common) == 0 {
		return
	}
	var all strings.Builder
	for _, p := range r.prose(lang, t) {
		all.WriteString(p.text + "\n")
		if likely, most, own := speaks(p.text, lang); most >= 5 && most >= 3*own && most >= 0.3*float64(len(words(p.text))) {
			r.fault(p.field, "This text is filed under %s and reads like %s.", LanguageName(lang), LanguageName(likely))
		}
	}
	if likely, most, own := speaks(all.String(), lang); most > own+own/2 {
		r.fault("texts."+lang, "The notice is filed under %s and reads like %s.", LanguageName(lang), LanguageName(likely))
	}
}

func vague(r *reader, lang string, t Text) {
	for _, p := range r.prose(lang, t) {
		if w := find(p.text, wordsOf(lang).Vague); w != "" {
			r.fault(p.field, "%q tells nobody what will happen. Name what is recorded and what it is used for.", w)
		}
	}
}

func profilingUnnamed(r *reader, lang string, _ Text) {
	for _, p := range r.purposes {
		t := p.Texts[lang]
		if known := wordsOf(lang).Profiling; p.Profiling && len(known) > 0 && !holds(t.Title+" "+t.Description, known) {
			r.fault("purposes."+p.ID+"."+lang+".description", "The purpose %s profiles people, but its text in %s does not call it so.", p.ID, lang)
		}
	}
}

func sentencesTooLong(r *reader, lang string, t Text) {
	if mean := read(r.prose(lang, t)).mean(); mean > maxMeanSentence {
		r.fault("texts."+lang, "The sentences in %s have %.0f words on average; more than %d are hard to read.", lang, mean, maxMeanSentence)
	}
	for _, p := range r.prose(lang, t) {
		for _, s := range sentences(p.text) {
			if n := len(words(s)); n > 2*maxMeanSentence {
				r.fault(p.field, "One sentence has %d words. Make several of it.", n)
			}
		}
	}
}

func hardToRead(r *reader, lang string, t Text) {
	y, ok := yardsticks()[Base(lang)]
	if !ok {
		return
	}
	hard := func(field string, got, most float64) {
		if got > most {
			r.fault(field, "This is harder to read than people can be expected to: index %.0f, at most %.0f. Use shorter sentences and words.", got, most)
		}
	}
	hard("texts."+lang, read(r.prose(lang, t)).lix(), y.text+lixMargin)
	hard("purposes."+lang, read(r.asking(lang, Text{})).lix(), y.purposes+lixMarginShort)
	for _, p := range r.purposes {
		t := p.Texts[lang]
		hard("purposes."+p.ID+"."+lang+".description", read([]passage{{text: t.Title + ". " + t.Description}}).lix(), y.purposes+2*lixMarginShort)
	}
}

func doubleNegative(r *reader, lang string, t Text) {
	lint := wordsOf(lang)
	for _, p := range slices.Concat(r.prose(lang, t), r.labels(lang, t)) {
		if clause := negatedTwice(p.text, lint); clause != "" {
			r.fault(p.field, "“%s” negates twice. Say what is, not what is not.", clause)
		}
	}
}

func legalese(r *reader, lang string, t Text) {
	for _, p := range r.prose(lang, t) {
		if w := find(p.text, wordsOf(lang).Legalese); w != "" {
			r.fault(p.field, "%q is a formula of lawyers. Say it in plain words.", w)
		}
	}
}

func refusalLabel(r *reader, lang string, t Text) {
	if known := wordsOf(lang).Refusals; len(known) > 0 && !slices.Contains(known, t.Labels.Reject) {
		r.fault("texts."+lang+".labels.reject", "The label that refuses in %s must be one of: %s.", lang, strings.Join(known, ", "))
	}
}

func acceptanceLabel(r *reader, lang string, t Text) {
	if known := wordsOf(lang).Accepts; len(known) > 0 && !slices.Contains(known, t.Labels.Accept) {
		r.fault("texts."+lang+".labels.accept", "The label that accepts in %s must be one of: %s.", lang, strings.Join(known, ", "))
	}
}

func labelsUnequal(r *reader, lang string, t Text) {
	a, b := utf8.RuneCountInString(t.Labels.Accept), utf8.RuneCountInString(t.Labels.Reject)
	wordsA, wordsB := len(strings.Fields(t.Labels.Accept)), len(strings.Fields(t.Labels.Reject))
	if max(a, b)-min(a, b) > labelMargin || max(wordsA, wordsB) > 1 && min(wordsA, wordsB) == 1 && max(a, b) > min(a, b)+min(a, b)/2 {
		r.fault("texts."+lang+".labels.reject", "The labels “%s” and “%s” are not of one weight. Use a pair such as: Accept all, Reject all.", t.Labels.Accept, t.Labels.Reject)
	}
}

func steering(r *reader, lang string, t Text) {
	for _, p := range r.everything(lang, t) {
		if w := find(p.text, wordsOf(lang).Steering); w != "" {
			r.fault(p.field, "%q presses, shames or praises. Both answers must read alike.", w)
		}
	}
}

func forced(r *reader, lang string, t Text) {
	for _, p := range r.everything(lang, t) {
		if w := find(p.text, wordsOf(lang).Obligation); w != "" {
			r.fault(p.field, "%q makes the choice look like none. Silence and going on are no consent.", w)
		}
	}
}

func promotion(r *reader, lang string, t Text) {
	for _, p := range slices.Concat(r.asking(lang, t), r.labels(lang, t)) {
		if w := find(p.text, wordsOf(lang).Promotion); w != "" {
			r.fault(p.field, "%q advertises. Nothing is advertised beside the choice.", w)
		}
	}
}

func interestOnDevice(r *reader) {
	for _, p := range r.purposes {
		if p.Basis == LegitimateInterest && len(p.Storage) > 0 && p.Exemption == "" {
			r.fault("purposes."+p.ID+".basis", "The purpose %s keeps something on the device, and a legitimate interest does not allow that: ask for consent, or name the exemption.", p.ID)
		}
	}
}

// storageUndeclared holds the purposes to what our files keep on a device. Without measuring they keep
// the choice alone, which each notice lists by itself.
func storageUndeclared(r *reader) {
	at := slices.IndexFunc(r.purposes, func(p Purpose) bool { return p.ID == Measure })
	if at < 0 {
		return
	}
	declared := append(OwnStorage(), r.purposes[at].Storage...)
	for _, k := range Stored() {
		if !slices.ContainsFunc(declared, func(d StorageKey) bool { return d.covers(k) }) {
			r.fault("purposes."+Measure+".storage", "Measuring keeps %s (%s, %d days) on the device, and the purpose does not say so. Add it to what it stores.", k.Name, k.Kind, k.Days)
		}
	}
}

func exemptionWrong(r *reader) {
	for _, p := range r.purposes {
		at := "purposes." + p.ID + ".exemption"
		switch {
		case p.Exemption == "" && p.Basis != Consent && p.Basis != LegitimateInterest && len(p.Storage) > 0:
			r.fault(at, "The purpose %s keeps something on the device without consent and names no exemption.", p.ID)
		case p.Exemption == "":
		case p.Basis == Consent:
			r.fault(at, "The purpose %s asks for consent and says at once that it needs none.", p.ID)
		case len(p.Storage) == 0:
			r.fault("purposes."+p.ID+".storage", "The purpose %s claims an exemption and does not list what it keeps on the device.", p.ID)
		case p.Profiling || p.Sharing:
			r.fault(at, "Profiling and sharing are never strictly necessary for a service that somebody asked for.")
		}
	}
}

func serviceGated(r *reader) {
	for _, p := range r.purposes {
		switch at := "purposes." + p.ID; {
		case len(p.NeededFor) == 0:
		case strings.TrimSpace(p.Why) == "":
			r.fault(at+".why", "Services depend on the consent to %s, and nothing says why they can't do without it (Art. 7(4)).", p.ID)
		case !p.Necessary:
			r.fault(at+".necessary", "Services depend on the consent to %s although it is not necessary for them (Art. 7(4)). Give them without it.", p.ID)
		}
	}
}

// aimsJoined lets a purpose that is called profiling join it with what comes of it.
func aimsJoined(r *reader, lang string, _ Text) {
	lint := wordsOf(lang)
	for _, p := range r.purposes {
		title := p.Texts[lang].Title
		if p.Profiling && holds(title, lint.Profiling) {
			continue
		}
		for _, w := range words(title) {
			if slices.Contains(lint.And, w) {
				r.fault("purposes."+p.ID+"."+lang+".title", "This title joins aims with %q. Each aim has a switch of its own.", w)
				break
			}
		}
	}
}

// engagement are the default purposes that must not swallow one another.
func engagement() []string { return []string{Predict, Support, Sales, Marketing} }

func predictionBundled(r *reader) {
	for _, p := range r.purposes {
		if p.Profiling && slices.Contains([]string{Measure, Actions, Identity, Support, Sales, Marketing}, p.ID) {
			r.fault("purposes."+p.ID+".profiling", "The purpose %s profiles people on the side. Prediction is a purpose of its own: %s.", p.ID, Predict)
		}
		var parts []string
		for _, part := range strings.Split(p.ID, "-") {
			if slices.Contains(engagement(), part) && !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
		if len(parts) > 1 {
			r.fault("purposes."+p.ID+".id", "The purpose %s bundles what must be chosen apart: %s.", p.ID, strings.Join(parts, ", "))
		}
	}
}

func predictionInText(r *reader, lang string, _ Text) {
	for _, p := range r.purposes {
		t := p.Texts[lang]
		if known := wordsOf(lang).Profiling; !p.Profiling && holds(t.Title+" "+t.Description, known) {
			r.fault("purposes."+p.ID+"."+lang+".description", "The text of the purpose %s in %s speaks of profiles, and the purpose is not marked as profiling. Leave it to the purpose that is.", p.ID, lang)
		}
	}
}

func formBundled(r *reader) {
	for _, f := range r.draft.Site.Forms {
		at := "site.forms." + f.ID
		if f.BySubmit {
			r.fault(at+".by_submit", "Sending the form %s is not a consent. Add a box for each purpose.", f.ID)
		}
		if f.NeedsBoxes {
			r.fault(at+".needs_boxes", "The form %s can't be sent without consent. It must go through without.", f.ID)
		}
		if f.WithinTerms {
			r.fault(at+".within_terms", "The consent in the form %s is part of its terms. Set it apart.", f.ID)
		}
		for i, b := range f.Boxes {
			if b.Ticked {
				r.fault(at+".boxes."+strconv.Itoa(i)+".ticked", "A box of the form %s is ticked from the start. That is no consent.", f.ID)
			}
			if len(b.Purposes) != 1 {
				r.fault(at+".boxes."+strconv.Itoa(i)+".purposes", "A box of the form %s stands for %d purposes. Each purpose has a box of its own.", f.ID, len(b.Purposes))
			}
			for _, id := range b.Purposes {
				if !slices.ContainsFunc(r.purposes, func(p Purpose) bool { return p.ID == id && p.Basis == Consent }) {
					r.fault(at+".boxes."+strconv.Itoa(i)+".purposes", "A box of the form %s asks for a purpose that does not exist or does not rest on consent.", f.ID)
				}
			}
		}
	}
}

func imbalance(r *reader) {
	if r.draft.Site.Imbalance {
		r.fault("site.imbalance", "Where an employer or a public body asks, people may not feel free to refuse: consent may not hold. Consider another basis.")
	}
}

func ageGate(r *reader) {
	switch s := r.draft.Site; {
	case s.Children && s.MinAge == 0:
		r.fault("site.min_age", "The service is offered to children, and nobody is asked for an age. Set the age below which a parent decides.")
	case s.MinAge != 0 && (s.MinAge < 13 || s.MinAge > 16):
		r.fault("site.min_age", "Article 8 allows an age from 13 to 16.")
	}
}

func childrenProfiled(r *reader) {
	for _, p := range r.purposes {
		if p.Profiling && r.draft.Site.Children {
			r.fault("purposes."+p.ID+".profiling", "The purpose %s profiles, and the service is offered to children. Recital 71 says that children should not be profiled.", p.ID)
		}
	}
}

func wall(r *reader) {
	if r.draft.Site.Wall {
		r.fault("site.wall", "The site hides its content until a choice is made. Who can't go on without choosing does not choose freely.")
	}
}

// ValidLanguage tells whether s looks like a language tag (RFC 5646) of at most 35 characters.
func ValidLanguage(s string) bool {
	parts := strings.Split(s, "-")
	for i, p := range parts {
		if p == "" || len(p) > 8 || i == 0 && len(p) < 2 {
			return false
		}
		for _, c := range p {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
				return false
			}
		}
	}
	return len(s) <= 35
}
