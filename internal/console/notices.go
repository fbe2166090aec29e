package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
)

// Notices keeps drafts and versions of the notice. *consent.Room satisfies it.
type Notices interface {
	Versions(ctx context.Context, t id.Tenant) ([]*consent.Version, error)
	Version(ctx context.Context, t id.Tenant, version int) (*consent.Version, error)
	Draft(ctx context.Context, t id.Tenant) (*consent.Draft, error)
	Begin(ctx context.Context, t id.Tenant, b consent.Beginning) (*consent.Draft, error)
	SaveDraft(ctx context.Context, t id.Tenant, revision int64, d notice.Draft, by string) (*consent.Draft, error)
	DiscardDraft(ctx context.Context, t id.Tenant, revision int64) error
	PublishDraft(ctx context.Context, t id.Tenant, p consent.Publication) (int, error)
	Preview(ctx context.Context, t id.Tenant, lang string) (notice.Notice, []byte, error)
	Screenshots(ctx context.Context, t id.Tenant, version int) ([]consent.Screenshot, error)
	Screenshot(ctx context.Context, t id.Tenant, version int, lang, viewport string) ([]byte, error)
}

// versionView is a version as the pages show it.
type versionView struct {
	*consent.Version
	Who       string
	Languages []string
	Pictures  int // there are
	Wanted    int // there should be: one of a phone and one of a desktop for each language
}

func (k *call) versionView(v *consent.Version) (versionView, error) {
	pictures, err := k.Notices.Screenshots(k.r.Context(), k.tenant(), v.Version)
	if err != nil {
		return versionView{}, err
	}
	languages := v.Draft.Languages()
	return versionView{v, k.who(v.By), languages, len(pictures), 2 * len(languages)}, nil
}

// who names an author as far as it is still known.
func (k *call) who(by string) string {
	if by == "" {
		return "the system"
	}
	if v, err := uuid.Parse(by); err == nil {
		if person, err := k.Staff.Staff(k.r.Context(), k.tenant(), v); err == nil {
			return person.Name
		}
	}
	return "an API client"
}

func (k *call) notices() error {
	list, err := k.Notices.Versions(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	var views []versionView
	for _, v := range list {
		view, err := k.versionView(v)
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	draft, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil && !fail.Is(err, fail.NotFound) {
		return err
	}
	body := map[string]any{"Versions": views, "Draft": draft}
	if draft != nil {
		body["Who"] = k.who(draft.By)
	}
	return k.show(http.StatusOK, "notices", "Notices", body)
}

// noticeVersion shows one version: what changed, why it was published, how it looked.
func (k *call) noticeVersion() error {
	n, err := strconv.Atoi(k.r.PathValue("version"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such version of the notice.")
	}
	v, err := k.Notices.Version(k.r.Context(), k.tenant(), n)
	if err != nil {
		return err
	}
	view, err := k.versionView(v)
	if err != nil {
		return err
	}
	var changes []notice.Change
	if n > 1 {
		before, err := k.Notices.Version(k.r.Context(), k.tenant(), n-1)
		if err != nil {
			return err
		}
		changes = notice.Diff(before.Draft, v.Draft)
	}
	pictures, err := k.Notices.Screenshots(k.r.Context(), k.tenant(), n)
	if err != nil {
		return err
	}
	type language struct {
		Tag, Name     string
		Phone, Screen *consent.Screenshot
	}
	var languages []language
	for _, tag := range view.Languages {
		l := language{Tag: tag, Name: notice.LanguageName(tag)}
		for i := range pictures {
			switch p := &pictures[i]; {
			case p.Language != tag:
			case p.Viewport == "m":
				l.Phone = p
			default:
				l.Screen = p
			}
		}
		languages = append(languages, l)
	}
	return k.show(http.StatusOK, "notice-version", fmt.Sprintf("Notice, version %d", n), map[string]any{"V": view, "Changes": changes, "Languages": languages})
}

func (k *call) noticePicture() error {
	n, err := strconv.Atoi(k.r.PathValue("version"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such version of the notice.")
	}
	picture, err := k.Notices.Screenshot(k.r.Context(), k.tenant(), n, k.r.PathValue("lang"), k.r.PathValue("viewport"))
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Type", "image/png")
	_, _ = k.w.Write(picture) // a browser that left needs no answer
	return nil
}

func (k *call) beginDraft() error {
	_, err := k.Notices.Begin(k.r.Context(), k.tenant(), consent.Beginning{Builtin: k.r.PostFormValue("from") == "builtin", By: k.staff.ID.String()})
	if err != nil {
		return err
	}
	return k.goTo("/console/notices/draft/facts")
}

func (k *call) goTo(path string) error {
	http.Redirect(k.w, k.r, path, http.StatusSeeOther)
	return nil
}

func (k *call) discardDraft() error {
	revision, err := k.seen()
	if err != nil {
		return err
	}
	if err := k.Notices.DiscardDraft(k.r.Context(), k.tenant(), revision); err != nil {
		return err
	}
	return k.goTo("/console/notices")
}

// seen is the revision of the draft that the page showed.
func (k *call) seen() (int64, error) {
	n, err := strconv.ParseInt(k.r.PostFormValue("revision"), 10, 64)
	if err != nil {
		return 0, fail.Field("revision", "The page does not say which draft it showed. Load it again.")
	}
	return n, nil
}

// field is one input of an editor page, with what the linter says about it.
type field struct {
	Name, Label, Help, Value string
	Kind                     string // "line", "area", "check", "choice" or "number"
	Rows                     int    // of an area
	Options                  []string
	Lang                     string // of what is written into it
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
	faults := notice.Lint(d.Draft.Purposes, d.Draft)
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

func lines(list []string) string { return strings.Join(list, "\n") }

func (k *call) lines(name string) []string {
	out := []string{}
	for line := range strings.Lines(k.r.PostFormValue(name)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func (k *call) line(name string) string { return strings.TrimSpace(k.r.PostFormValue(name)) }

// number reads a whole number; empty is 0.
func (k *call) number(name string) (int, error) {
	s := k.line(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 10_000 {
		return 0, fail.Field(name, "A whole number is expected in %s.", name)
	}
	return n, nil
}

func (k *call) editFacts() error {
	return k.edit("facts", "Facts", func(d *consent.Draft, _ string) []group {
		f, s := d.Draft.Facts, d.Draft.Site
		number := func(n int) string {
			if n == 0 {
				return ""
			}
			return strconv.Itoa(n)
		}
		return []group{
			{"Who is responsible", "These stand in the notice in every language, as you write them.", []field{
				{Name: "facts.controller", Label: "Controller", Help: "Name of the organisation that decides why and how data is used.", Value: f.Controller},
				{Name: "facts.address", Label: "Address", Value: f.Address},
				{Name: "facts.contact", Label: "Contact for privacy", Help: "E-mail address or web page.", Value: f.Contact},
				{Name: "facts.dpo", Label: "Data protection officer", Help: "How to reach them, if there is one.", Value: f.DPO},
				{Name: "facts.representative", Label: "Representative in the Union", Help: "Only for a controller outside of it.", Value: f.Representative},
				{Name: "facts.authority", Label: "Supervisory authority", Value: f.Authority},
			}},
			{"Who else, where, how long", "", []field{
				{Name: "facts.processors", Label: "Processors", Help: "One a line. They act on the controller's instructions.", Kind: "area", Rows: 3, Value: lines(f.Processors)},
				{Name: "facts.recipients", Label: "Recipients", Help: "One a line. They use the data for purposes of their own.", Kind: "area", Rows: 3, Value: lines(f.Recipients)},
				{Name: "facts.transfers", Label: "Transfers to other countries", Help: "One a line, with the safeguard: Japan (adequacy decision).", Kind: "area", Rows: 3, Value: lines(f.Transfers)},
				{Name: "facts.retention_months", Label: "Months that records of visits are kept", Kind: "number", Value: number(f.RetentionMonths)},
				{Name: "facts.proof_years", Label: "Years that proofs are kept after their end", Kind: "number", Value: number(f.ProofYears)},
			}},
			{"The site", "Not shown. Tell the truth: the checks depend on it. Forms that ask for consent are stated through the API.", []field{
				{Name: "site.imbalance", Label: "An employer, a public body or the like asks", Kind: "check", Value: on(s.Imbalance)},
				{Name: "site.children", Label: "The service is offered directly to children", Kind: "check", Value: on(s.Children)},
				{Name: "site.min_age", Label: "Age below which a parent decides", Help: "13 to 16, as your country has it.", Kind: "number", Value: number(s.MinAge)},
				{Name: "site.wall", Label: "The site hides its content until a choice is made", Kind: "check", Value: on(s.Wall)},
			}},
		}
	})
}

func on(b bool) string {
	if b {
		return "on"
	}
	return ""
}

func (k *call) saveFacts() error {
	return k.save(func(d *notice.Draft) (err error) {
		f := &d.Facts
		f.Controller, f.Address, f.Contact = k.line("facts.controller"), k.line("facts.address"), k.line("facts.contact")
		f.DPO, f.Representative, f.Authority = k.line("facts.dpo"), k.line("facts.representative"), k.line("facts.authority")
		f.Processors, f.Recipients, f.Transfers = k.lines("facts.processors"), k.lines("facts.recipients"), k.lines("facts.transfers")
		if f.RetentionMonths, err = k.number("facts.retention_months"); err != nil {
			return err
		}
		if f.ProofYears, err = k.number("facts.proof_years"); err != nil {
			return err
		}
		d.Site.Imbalance, d.Site.Children, d.Site.Wall = k.line("site.imbalance") != "", k.line("site.children") != "", k.line("site.wall") != ""
		d.Site.MinAge, err = k.number("site.min_age")
		return err
	}, "/console/notices/draft/facts")
}

func (k *call) editPurposes() error {
	return k.edit("purposes", "Purposes", func(d *consent.Draft, _ string) []group {
		var out []group
		for i, p := range d.Draft.Purposes {
			at := "purposes." + p.ID + "."
			var keys []string
			for _, s := range p.Storage {
				keys = append(keys, fmt.Sprintf("%s %s %d", s.Name, s.Kind, s.Days))
			}
			out = append(out, group{p.ID, p.Texts["en"].Title, []field{
				{Name: at + "place", Label: "Place", Kind: "number", Value: strconv.Itoa(i + 1)},
				{Name: at + "basis", Label: "Lawful basis", Help: "Another one than consent also needs a declaration with an assessment.", Kind: "choice", Value: string(p.Basis),
					Options: []string{string(notice.Consent), string(notice.Contract), string(notice.LegalObligation), string(notice.VitalInterests), string(notice.PublicTask), string(notice.LegitimateInterest)}},
				{Name: at + "profiling", Label: "Evaluates people (profiling)", Kind: "check", Value: on(p.Profiling)},
				{Name: at + "sharing", Label: "Shares data or advertises (Global Privacy Control refuses it)", Kind: "check", Value: on(p.Sharing)},
				{Name: at + "needed_for", Label: "Services given only with it", Help: "One a line. Best: none.", Kind: "area", Rows: 2, Value: lines(p.NeededFor)},
				{Name: at + "necessary", Label: "Those services can't be given without it", Kind: "check", Value: on(p.Necessary)},
				{Name: at + "why", Label: "Why they can't", Value: p.Why},
				{Name: at + "categories", Label: "Categories of data", Help: "One a line.", Kind: "area", Rows: 3, Value: lines(p.Categories)},
				{Name: at + "recipients", Label: "Recipients", Help: "One a line, each also among the facts.", Kind: "area", Rows: 2, Value: lines(p.Recipients)},
				{Name: at + "storage", Label: "Kept on the device", Help: "One a line: name, kind, days. Kinds: " + strings.Join(notice.StorageKinds(), ", ") + ".", Kind: "area", Rows: 2, Value: lines(keys)},
				{Name: at + "exemption", Label: "Why that needs no consent", Kind: "choice", Value: string(p.Exemption), Options: []string{"", string(notice.Transmission), string(notice.RequestedService)}},
				{Name: at + "remove", Label: "Take this purpose out", Kind: "check"},
			}})
		}
		return append(out, group{"Another purpose", "", []field{
			{Name: "new", Label: "Its id", Help: "Lower-case letters, digits and dashes. Then write its words in every language.", Value: ""},
		}})
	})
}

func (k *call) savePurposes() error {
	return k.save(func(d *notice.Draft) error {
		type placed struct {
			notice.Purpose
			place int
		}
		var list []placed
		for _, p := range d.Purposes {
			at := "purposes." + p.ID + "."
			if k.line(at+"remove") != "" {
				continue
			}
			place, err := k.number(at + "place")
			if err != nil {
				return err
			}
			p.Basis, p.Exemption, p.Why = notice.Basis(k.line(at+"basis")), notice.Exemption(k.line(at+"exemption")), k.line(at+"why")
			p.Profiling, p.Sharing, p.Necessary = k.line(at+"profiling") != "", k.line(at+"sharing") != "", k.line(at+"necessary") != ""
			p.NeededFor, p.Categories, p.Recipients = k.lines(at+"needed_for"), k.lines(at+"categories"), k.lines(at+"recipients")
			p.Storage = []notice.StorageKey{}
			for _, line := range k.lines(at + "storage") {
				parts := strings.Fields(line)
				if len(parts) != 3 {
					return fail.Field(at+"storage", "Each line of what %s keeps on the device holds a name, a kind and a number of days.", p.ID)
				}
				days, err := strconv.Atoi(parts[2])
				if err != nil {
					return fail.Field(at+"storage", "The life of what %s keeps on the device is a number of days.", p.ID)
				}
				p.Storage = append(p.Storage, notice.StorageKey{Name: parts[0], Kind: parts[1], Days: days})
			}
			list = append(list, placed{p, place})
		}
		slices.SortStableFunc(list, func(a, b placed) int { return a.place - b.place })
		d.Purposes = d.Purposes[:0]
		for _, p := range list {
			d.Purposes = append(d.Purposes, p.Purpose)
		}
		if one := k.line("new"); one != "" {
			d.Purposes = append(d.Purposes, notice.Purpose{
				ID: one, Basis: notice.Consent, NeededFor: []string{}, Categories: []string{}, Recipients: []string{}, Storage: []notice.StorageKey{}, Texts: map[string]notice.PurposeText{},
			})
		}
		return nil
	}, "/console/notices/draft/purposes")
}

func (k *call) editText() error {
	return k.edit("text", "Words", func(d *consent.Draft, lang string) []group {
		t := d.Draft.Texts[lang]
		at := "texts." + lang + "."
		out := []group{{"Before the choice", "", []field{
			{Name: at + "title", Label: "Title", Value: t.Title},
			{Name: at + "intro", Label: "Introduction", Help: "{controller} stands for the name of the controller.", Kind: "area", Rows: 4, Value: t.Intro},
			{Name: at + "withdraw_hint", Label: "How to withdraw", Help: "Quotes the control on every page.", Kind: "area", Rows: 3, Value: t.WithdrawHint},
			{Name: at + "unnamed", Label: "A controller without a name", Value: t.Unnamed},
			{Name: at + "purposes_head", Label: "Heading of the purposes", Value: t.PurposesHead},
			{Name: at + "buttons_head", Label: "Heading of the buttons", Value: t.ButtonsHead},
		}}}
		var purposes, labels, sections []field
		for _, p := range d.Draft.Purposes {
			name := "purposes." + p.ID + "." + lang
			purposes = append(purposes,
				field{Name: name + ".title", Label: p.ID + ": title", Value: p.Texts[lang].Title},
				field{Name: name + ".description", Label: p.ID + ": description", Kind: "area", Rows: 3, Value: p.Texts[lang].Description})
		}
		byName := t.Labels.ByName()
		for _, name := range notice.LabelNames() {
			labels = append(labels, field{Name: at + "labels." + name, Label: strings.ReplaceAll(name, "_", " "), Value: byName[name]})
		}
		for i, s := range append(slices.Clone(t.Sections), notice.Section{}) {
			label := fmt.Sprintf("Section %d", i+1)
			if i == len(t.Sections) {
				label = "One more section"
			}
			sections = append(sections, field{Name: at + "sections." + strconv.Itoa(i), Label: label, Kind: "area", Rows: 4 + 2*len(s.Paragraphs), Value: s.Write()})
		}
		out = append(out,
			group{"Purposes", "At most 160 characters to describe one.", purposes},
			group{"Controls and messages", "", labels},
			group{"The full notice", "The first line is the heading, each other line a paragraph. [dpo] before a paragraph shows it only if that fact is known, [no dpo] only if it is not.", sections})
		for i := range out {
			for j := range out[i].Fields {
				out[i].Fields[j].Lang = lang
			}
		}
		return out
	})
}

func (k *call) saveText() error {
	lang := k.line("lang")
	back := "/console/notices/draft/text?lang=" + url.QueryEscape(lang)
	return k.save(func(d *notice.Draft) error {
		switch k.line("do") {
		case "add":
			lang = k.line("add")
			text, ok := notice.DefaultTexts()[lang]
			if !ok {
				return fail.Field("add", "There are no built-in words in that language. Bring its text in through the API.")
			}
			d.Texts[lang] = text
			defaults := notice.DefaultPurposes()
			for i := range d.Purposes {
				for _, one := range defaults {
					if _, has := d.Purposes[i].Texts[lang]; one.ID == d.Purposes[i].ID && !has {
						d.Purposes[i].Texts[lang] = one.Texts[lang]
					}
				}
			}
			back = "/console/notices/draft/text?lang=" + url.QueryEscape(lang)
			return nil
		case "remove":
			delete(d.Texts, lang)
			back = "/console/notices/draft/text"
			return nil
		}
		t, ok := d.Texts[lang]
		if !ok {
			return fail.New(fail.NotFound, "The draft has no text in that language.")
		}
		at := "texts." + lang + "."
		t.Title, t.Intro, t.WithdrawHint = k.line(at+"title"), k.line(at+"intro"), k.line(at+"withdraw_hint")
		t.Unnamed, t.PurposesHead, t.ButtonsHead = k.line(at+"unnamed"), k.line(at+"purposes_head"), k.line(at+"buttons_head")
		for _, name := range notice.LabelNames() {
			t.Labels.Set(name, k.line(at+"labels."+name))
		}
		var sections []notice.Section
		for i := range len(t.Sections) + 1 {
			if s := notice.ParseSection(k.r.PostFormValue(at + "sections." + strconv.Itoa(i))); s.Heading != "" {
				sections = append(sections, s)
			}
		}
		t.Sections = sections
		d.Texts[lang] = t
		for i := range d.Purposes {
			name := "purposes." + d.Purposes[i].ID + "." + lang
			d.Purposes[i].Texts[lang] = notice.PurposeText{Title: k.line(name + ".title"), Description: k.line(name + ".description")}
		}
		return nil
	}, back)
}

// previewPolicy lets the page show the frame with the banner.
const previewPolicy = contentPolicy + "; frame-src 'self'"

func (k *call) previewDraft() error {
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	lang := k.r.URL.Query().Get("lang")
	if _, ok := d.Draft.Texts[lang]; !ok && len(d.Draft.Texts) > 0 {
		if lang = "en"; len(d.Draft.Texts["en"].Title) == 0 {
			lang = d.Draft.Languages()[0]
		}
	}
	n, artefact, err := k.Notices.Preview(k.r.Context(), k.tenant(), lang)
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Security-Policy", previewPolicy)
	return k.show(http.StatusOK, "notice-preview", "Preview", map[string]any{
		"Draft": d, "Part": "preview", "Lang": lang, "Name": notice.LanguageName(lang), "Languages": d.Draft.Languages(), "SHA256": n.SHA256, "Bytes": len(artefact), "Version": n.Version,
	})
}

// previewFrame is what the frames of the preview show: the banner's real files, in a world of their own.
func (k *call) previewFrame() error {
	n, artefact, err := k.Notices.Preview(k.r.Context(), k.tenant(), k.r.URL.Query().Get("lang"))
	if err != nil {
		return err
	}
	policy := "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
	if k.r.URL.Query().Get("of") != "artefact" {
		if artefact, err = notice.Shown(n); err != nil {
			return err
		}
		policy = notice.ShownPolicy + "; frame-ancestors 'self'; sandbox allow-scripts"
	}
	k.w.Header().Set("Content-Security-Policy", policy)
	k.w.Header().Set("Content-Type", notice.MediaType)
	_, _ = k.w.Write(artefact) // a browser that left needs no answer
	return nil
}

func (k *call) askPublish() error {
	d, err := k.Notices.Draft(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	list, err := k.Notices.Versions(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	var changes []notice.Change
	next := 1
	if len(list) > 0 {
		changes, next = notice.Diff(list[0].Draft, d.Draft), list[0].Version+1
	}
	faults := notice.Lint(d.Draft.Purposes, d.Draft)
	refused := slices.ContainsFunc(faults, func(f notice.Fault) bool { return f.Severity == notice.Refused })
	return k.show(http.StatusOK, "notice-publish", "Publish", map[string]any{
		"Draft": d, "Part": "publish", "Changes": changes, "Material": notice.Material(changes), "Next": next,
		"Faults": faults, "Blocking": len(notice.Blocking(faults)), "Refused": refused,
	})
}

func (k *call) publishDraft() error {
	revision, err := k.seen()
	if err != nil {
		return err
	}
	version, err := k.Notices.PublishDraft(k.r.Context(), k.tenant(), consent.Publication{
		Revision: revision, Material: k.line("material") != "", Override: k.line("override"), By: k.staff.ID.String(),
	})
	if err != nil {
		return err
	}
	return k.goTo("/console/notices/versions/" + strconv.Itoa(version))
}

// noticeWords are the template functions of these pages.
func noticeWords() map[string]any {
	return map[string]any{
		"language": notice.LanguageName,
		"join":     strings.Join,
		"date":     func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") },
		"cut": func(s string) string {
			if r := []rune(s); len(r) > 300 {
				return string(r[:300]) + "…"
			}
			return s
		},
	}
}
