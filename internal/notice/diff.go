package notice

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between two drafts or versions of a notice.
type Change struct {
	Field    string `json:"field"`
	Was      string `json:"was"` // empty: it is new
	Is       string `json:"is"`  // empty: it is gone
	Material bool   `json:"material"`
	Why      string `json:"why,omitempty"` // why it is material
}

// Diff returns what is different, material changes first. A change is material if people who agreed
// before did not agree to it (EDPB 05/2020 §110):
//
//   - another controller, or a new recipient or transfer;
//   - a purpose that is new, that has another basis, that now profiles, shares, gates a service, keeps
//     more on the device or keeps it longer, or that uses more categories of data or has more recipients;
//   - data that is kept longer.
//
// Other words for the same, a new language, another processor (which acts for the controller alone), and anything that only takes away is not material.
func Diff(was, is Draft) []Change {
	d := &differ{}
	d.facts(&was.Facts, &is.Facts)
	d.purposes(was.Purposes, is.Purposes)
	d.texts(was.Texts, is.Texts)
	d.plain("site", encode(was.Site), encode(is.Site))
	slices.SortStableFunc(d.list, func(a, b Change) int {
		switch {
		case a.Material != b.Material && a.Material:
			return -1
		case a.Material != b.Material:
			return 1
		}
		return 0
	})
	return d.list
}

// Material tells whether one of the changes is material.
func Material(list []Change) bool {
	return slices.ContainsFunc(list, func(c Change) bool { return c.Material })
}

type differ struct{ list []Change }

// plain adds a change that is not material.
func (d *differ) plain(field, was, is string) { d.change(field, was, is, "") }

// change adds a change, which is material if there is a reason why.
func (d *differ) change(field, was, is, why string) {
	if was != is {
		d.list = append(d.list, Change{field, was, is, why != "", why})
	}
}

// grown adds a change of a list, which is material if it has new members.
func (d *differ) grown(field string, was, is []string, why string) {
	more := slices.ContainsFunc(is, func(s string) bool { return !slices.Contains(was, s) })
	if !more {
		why = ""
	}
	d.change(field, strings.Join(was, "; "), strings.Join(is, "; "), why)
}

// raised adds a change of a flag, which is material if it is now set.
func (d *differ) raised(field string, was, is bool, why string) {
	if !is {
		why = ""
	}
	d.change(field, strconv.FormatBool(was), strconv.FormatBool(is), why)
}

func (d *differ) facts(was, is *Facts) {
	another := "another controller asks"
	if was.Controller == "" {
		another = "" // the same one, named at last
	}
	d.change("facts.controller", was.Controller, is.Controller, another)
	d.plain("facts.address", was.Address, is.Address)
	d.plain("facts.contact", was.Contact, is.Contact)
	d.plain("facts.representative", was.Representative, is.Representative)
	d.plain("facts.dpo", was.DPO, is.DPO)
	d.plain("facts.authority", was.Authority, is.Authority)
	d.plain("facts.processors", strings.Join(was.Processors, "; "), strings.Join(is.Processors, "; "))
	d.grown("facts.recipients", was.Recipients, is.Recipients, "somebody new receives the data")
	d.grown("facts.transfers", was.Transfers, is.Transfers, "the data goes to another country")
	longer := func(was, is int) string {
		if was != 0 && (is == 0 || is > was) {
			return "the data is kept longer"
		}
		return ""
	}
	d.change("facts.retention_months", strconv.Itoa(was.RetentionMonths), strconv.Itoa(is.RetentionMonths), longer(was.RetentionMonths, is.RetentionMonths))
	d.plain("facts.proof_years", strconv.Itoa(was.ProofYears), strconv.Itoa(is.ProofYears))
}

func (d *differ) purposes(was, is []Purpose) {
	byID := func(list []Purpose, id string) *Purpose {
		for i := range list {
			if list[i].ID == id {
				return &list[i]
			}
		}
		return nil
	}
	for i := range is {
		now, before := &is[i], byID(was, is[i].ID)
		if before == nil {
			d.change("purposes."+now.ID, "", now.ID, "a new purpose")
			continue
		}
		d.purpose(before, now)
	}
	for _, p := range was {
		if byID(is, p.ID) == nil {
			d.plain("purposes."+p.ID, p.ID, "")
		}
	}
	if order(was) != order(is) {
		d.plain("purposes", order(was), order(is))
	}
}

func order(list []Purpose) string {
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return strings.Join(ids, ", ")
}

func (d *differ) purpose(was, is *Purpose) {
	at := "purposes." + is.ID + "."
	d.change(at+"basis", string(was.Basis), string(is.Basis), "another lawful basis")
	d.raised(at+"sharing", was.Sharing, is.Sharing, "the purpose now shares data")
	d.raised(at+"profiling", was.Profiling, is.Profiling, "the purpose now profiles people")
	d.grown(at+"needed_for", was.NeededFor, is.NeededFor, "a service now depends on it")
	d.raised(at+"necessary", was.Necessary, is.Necessary, "")
	d.plain(at+"why", was.Why, is.Why)
	d.change(at+"exemption", string(was.Exemption), string(is.Exemption), "it stores on the device on another ground")
	d.grown(at+"categories", was.Categories, is.Categories, "it uses other data")
	d.grown(at+"recipients", was.Recipients, is.Recipients, "somebody new receives its data")
	why := ""
	for _, k := range is.Storage {
		if !slices.ContainsFunc(was.Storage, func(old StorageKey) bool { return old.Name == k.Name && old.Kind == k.Kind && old.Days >= k.Days }) {
			why = "it keeps more on the device, or longer"
		}
	}
	d.change(at+"storage", encode(was.Storage), encode(is.Storage), why)
	for _, lang := range languagesOf(was.Texts, is.Texts) {
		before, had := was.Texts[lang]
		now, has := is.Texts[lang]
		if had && has {
			d.plain(at+lang+".title", before.Title, now.Title)
			d.plain(at+lang+".description", before.Description, now.Description)
		}
	}
}

func (d *differ) texts(was, is map[string]Text) {
	for _, lang := range languagesOf(was, is) {
		before, had := was[lang]
		now, has := is[lang]
		at := "texts." + lang
		switch {
		case !had:
			d.plain(at, "", LanguageName(lang))
		case !has:
			d.plain(at, LanguageName(lang), "")
		default:
			d.text(at+".", before, now)
		}
	}
}

func (d *differ) text(at string, was, is Text) {
	d.plain(at+"title", was.Title, is.Title)
	d.plain(at+"intro", was.Intro, is.Intro)
	d.plain(at+"withdraw_hint", was.WithdrawHint, is.WithdrawHint)
	d.plain(at+"unnamed", was.Unnamed, is.Unnamed)
	d.plain(at+"purposes_head", was.PurposesHead, is.PurposesHead)
	d.plain(at+"buttons_head", was.ButtonsHead, is.ButtonsHead)
	before := was.Labels.ByName()
	for _, name := range LabelNames() {
		d.plain(at+"labels."+name, before[name], is.Labels.ByName()[name])
	}
	for i := range max(len(was.Sections), len(is.Sections)) {
		var a, b string
		if i < len(was.Sections) {
			a = was.Sections[i].Write()
		}
		if i < len(is.Sections) {
			b = is.Sections[i].Write()
		}
		d.plain(at+"sections."+strconv.Itoa(i), a, b)
	}
}

func languagesOf[T any](a, b map[string]T) []string {
	var out []string
	for lang := range a {
		out = append(out, lang)
	}
	for lang := range b {
		if _, both := a[lang]; !both {
			out = append(out, lang)
		}
	}
	slices.Sort(out)
	return out
}

// encode writes what has no plain form as JSON; nothing and an empty list are the same.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" || string(b) == "[]" {
		return ""
	}
	return string(b)
}
