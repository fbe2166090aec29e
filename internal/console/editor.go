package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
)

// field is one input of an editor page, with what the linter says about it.
type field struct {
	Name, Label, Help, Value string
	Kind                     string // "line", "area", "check", "choice", "pick", "when", "date" or "number"
	Rows                     int    // of an area
	Options                  []string
	Picks                    []option // of a pick
	Lang                     string   // of what is written into it
	Faults                   []notice.Fault
}

// ID is that of the element.
func (f field) ID() string { return "f-" + strings.NewReplacer(".", "-", " ", "-").Replace(f.Name) }

// Described lists the ids of the elements that describe the input.
func (f field) Described() string {
	var ids []string
	if f.Help != "" {
		ids = append(ids, f.ID()+"-help")
	}
	if len(f.Faults) > 0 {
		ids = append(ids, f.ID()+"-faults")
	}
	return strings.Join(ids, " ")
}

// group is a part of an editor page under one heading.
type group struct {
	Title, Help string
	Fields      []field
}

// editor is the body of an editor page.
type editor struct {
	Draft     *consent.Draft
	Part      string // "facts", "purposes" or "text"
	Lang      string
	Languages []string
	Missing   []string // built-in languages that the draft lacks
	Groups    []group
	Rest      []notice.Fault // that belong to no field of this page
	Blocking  int
}

// edit shows one part of the draft beside what the linter says.
func (k *call) edit(part, title string, groups func(d *consent.Draft, lang string) []group) error {
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	e := editor{Draft: d, Part: part, Languages: d.Draft.Languages()}
	if part == "text" {
		e.Lang = k.r.URL.Query().Get("lang")
		if _, ok := d.Draft.Texts[e.Lang]; !ok {
			e.Lang = "en"
			if _, ok := d.Draft.Texts["en"]; !ok && len(e.Languages) > 0 {
				e.Lang = e.Languages[0]
			}
		}
		for _, lang := range notice.Languages() {
			if !slices.Contains(e.Languages, lang) {
				e.Missing = append(e.Missing, lang)
			}
		}
	}
	e.Groups = groups(d, e.Lang)
	faults, err := k.Notices.Lint(k.r.Context(), k.tenant(), d.Draft)
	if err != nil {
		return err
	}
	e.Blocking = len(notice.Blocking(faults))
	for _, f := range faults {
		if !e.place(f) && (e.Lang == "" || strings.Contains("."+f.Field+".", "."+e.Lang+".")) {
			e.Rest = append(e.Rest, f)
		}
	}
	return k.show(http.StatusOK, "notice-editor", title, e)
}

// place puts a fault beside its field and tells whether there is one on this page.
func (e *editor) place(f notice.Fault) bool {
	for i := range e.Groups {
		for j := range e.Groups[i].Fields {
			one := &e.Groups[i].Fields[j]
			if f.Field == one.Name || strings.HasPrefix(f.Field, one.Name+".") {
				one.Faults = append(one.Faults, f)
				return true
			}
		}
	}
	return false
}

// save stores what fn made of the draft and comes back to the page.
func (k *call) save(fn func(d *notice.Draft) error, back string) error {
	revision, err := k.seen()
	if err != nil {
		return err
	}
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	if err := fn(&d.Draft); err != nil {
		return err
	}
	if _, err := k.Notices.SaveDraft(k.r.Context(), k.tenant(), revision, d.Draft, k.staff.ID.String()); err != nil {
		return err
	}
	return k.goTo(back)
}

// seen is the revision of the draft that the page showed.
func (k *call) seen() (int64, error) {
	n, err := strconv.ParseInt(k.r.PostFormValue("revision"), 10, 64)
	if err != nil {
		return 0, fail.Field("revision", "The page does not say which draft it showed. Load it again.")
	}
	return n, nil
}
