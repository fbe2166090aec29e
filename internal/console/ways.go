package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/subject"
)

// Ways takes consent in and out by other ways than the banner, and keeps what rests on other bases, as
// the API does. *consent.Room satisfies it.
type Ways interface {
	Foresee(ctx context.Context, t id.Tenant, a consent.Assertion) (*consent.Forecast, error)
	Assert(ctx context.Context, t id.Tenant, a consent.Assertion) (*consent.Asserted, error)
	VoidRecord(ctx context.Context, t id.Tenant, record uuid.UUID, v consent.Void) ([]consent.Record, error)
	NonceUnseen(ctx context.Context, t id.Tenant, f consent.NonceFor) (string, error)
	RequestOptIn(ctx context.Context, t id.Tenant, o consent.OptIn) (uuid.UUID, error)
	AskParent(ctx context.Context, t id.Tenant, c consent.Child) (uuid.UUID, error)
	Effective(ctx context.Context, t id.Tenant, who consent.Who) (map[id.Subject]map[string]consent.State, error)
	Declarations(ctx context.Context, t id.Tenant) ([]consent.Declared, error)
	Basings(ctx context.Context, t id.Tenant) ([]consent.Basing, error)
	Objections(ctx context.Context, t id.Tenant, purposes ...string) (map[string]int64, error)
	Warnings(ctx context.Context, t id.Tenant) ([]string, error)
	DeclareAssessed(ctx context.Context, t id.Tenant, d consent.Declaration, a consent.Assessment) (string, error)
	EndDeclaration(ctx context.Context, t id.Tenant, recordID, by string) error
}

// way is one of these ways: a form, a page that says what will be written, and the writing.
type way struct {
	path, title, lead, verb string // verb is on the last button
	form                    func(k *call) ([]group, error)
	check                   func(k *call) (*checked, error)
	do                      func(k *call) (next string, err error)
	tabs                    func(k *call) []queueTab // forms of the same kind; nil: there are none
	keep                    func(k *call) []fact     // what is sent with the form and not shown; nil: nothing
}

// checked is what a form leads to, before it does.
type checked struct {
	Facts    []fact
	Foreseen []foreseen
	Warnings []string
	Keep     map[string]string // fields of the last form that the first has not
}

// fact is one line of what will be written.
type fact struct{ Label, Value string }

type foreseen struct {
	Title         string
	Before, After consent.Status
	Stays         string // why what was said does not take effect; empty: it does
}

// formPage is the body of a form, and of the page that checks it.
type formPage struct {
	*way
	Groups  []group
	Rest    []notice.Fault // that belong to no field of the form
	Subject string         // of the person whom staff have found; empty: none
	Key     string         // by which a second press of the button is known
	Checked *checked       // nil: the form is shown
	Fields  []fact         // all of them, to be sent again
	Tabs    []queueTab
	Keep    []fact
}

// Path and Title tell the template where it is.
func (p *formPage) Path() string { return p.path }
func (p *formPage) Lead() string { return p.lead }
func (p *formPage) Verb() string { return p.verb }
func (p *formPage) Head() string { return p.title }
func (p *formPage) Checks() bool { return p.check != nil }

// asks shows an empty form.
func asks(w func() *way) func(*call) error {
	return func(k *call) error { return k.showForm(http.StatusOK, w(), nil) }
}

// check shows what will be written, or the form again beside what is wrong with it.
func check(w func() *way) func(*call) error {
	return func(k *call) error {
		one := w()
		if k.line("do") == "change" {
			return k.showForm(http.StatusOK, one, nil)
		}
		done, err := one.check(k)
		if err != nil {
			return k.again(one, err)
		}
		p, err := k.formOf(one)
		if err != nil {
			return err
		}
		p.Checked = done
		sent := map[string]string{"subject": p.Subject, "key": p.Key}
		for _, g := range p.Groups {
			for _, f := range g.Fields {
				sent[f.Name] = f.Value
			}
		}
		maps.Copy(sent, done.Keep)
		for _, name := range slices.Sorted(maps.Keys(sent)) {
			p.Fields = append(p.Fields, fact{name, sent[name]})
		}
		return k.show(http.StatusOK, "way-check", one.title, p)
	}
}

func do(w func() *way) func(*call) error {
	return func(k *call) error {
		one := w()
		next, err := one.do(k)
		if err != nil {
			return k.again(one, err)
		}
		return k.goTo(next)
	}
}

// again shows the form with the fault beside the field it is about. Whatever is not about the form is
// an error of the page.
func (k *call) again(w *way, err error) error {
	kind := fail.KindOf(err)
	if kind != fail.Invalid && kind != fail.Conflict && kind != fail.Gone && kind != fail.TooMany && kind != fail.Forbidden && kind != fail.NotFound {
		return err
	}
	status := map[fail.Kind]int{fail.Invalid: 400, fail.Conflict: 409, fail.Gone: 410, fail.TooMany: 429, fail.Forbidden: 403, fail.NotFound: 404}[kind]
	return k.showForm(status, w, err)
}

func (k *call) formOf(w *way) (*formPage, error) {
	p := &formPage{way: w, Subject: cmp.Or(k.line("subject"), k.r.URL.Query().Get("subject")), Key: cmp.Or(k.line("key"), uuid.NewString())}
	if p.Subject != "" {
		if _, err := id.ParseSubject(p.Subject); err != nil {
			return nil, fail.New(fail.NotFound, "There is no such visitor.")
		}
	}
	if w.tabs != nil {
		p.Tabs = w.tabs(k)
	}
	if w.keep != nil {
		p.Keep = w.keep(k)
	}
	var err error
	p.Groups, err = w.form(k)
	return p, err
}

func (k *call) showForm(status int, w *way, wrong error) error {
	p, err := k.formOf(w)
	if err != nil {
		return err
	}
	if wrong != nil {
		if f := faultOf(wrong); !placeIn(p.Groups, f) {
			p.Rest = append(p.Rest, f)
		}
	}
	return k.show(status, "way-form", w.title, p)
}

// faultOf is what is wrong with a form, as it stands beside a field.
func faultOf(wrong error) notice.Fault {
	f := notice.Fault{Severity: notice.Refused, Rule: "to do", Message: messageOf(wrong)}
	if e, ok := errors.AsType[*fail.Error](wrong); ok {
		f.Field = e.Field
	}
	return f
}

// placeIn puts a fault beside its field and tells whether there is one.
func placeIn(groups []group, f notice.Fault) bool {
	for i := range groups {
		for j := range groups[i].Fields {
			if one := &groups[i].Fields[j]; one.Name == f.Field {
				one.Faults = append(one.Faults, f)
				return true
			}
		}
	}
	return false
}

// ways is the page that leads to the forms.
func (k *call) ways() error {
	return k.waysPage(http.StatusOK, nil, "")
}

func (k *call) waysPage(status int, found []id.Subject, wrong string) error {
	return k.show(status, "ways", "Said elsewhere", map[string]any{
		"MayAssert": k.staff.Can(org.PermissionAssert), "MaySee": k.staff.Can(org.PermissionConsent),
		"Done": k.r.URL.Query().Get("done"), "Found": found, "Wrong": wrong, "Kinds": kindsOf(k.line("kind")),
	})
}

// findPerson leads to what the bearer of an identity chose. The identity is sent in the body: addresses
// of pages hold nothing personal.
func (k *call) findPerson() error {
	states, err := k.Ways.Effective(k.r.Context(), k.tenant(), consent.Who{Kind: subject.Kind(k.line("kind")), Value: k.line("identity")})
	if fail.Is(err, fail.Invalid) {
		return k.waysPage(http.StatusBadRequest, nil, messageOf(err))
	}
	if err != nil {
		return err
	}
	found := slices.SortedFunc(maps.Keys(states), func(a, b id.Subject) int { return strings.Compare(a.String(), b.String()) })
	switch len(found) {
	case 0:
		return k.waysPage(http.StatusNotFound, nil, "Nobody is known by this. Look for a slip of the pen, or record what the person said: then they are known.")
	case 1:
		return k.goTo("/console/visitors/" + found[0].String() + "/consent")
	}
	return k.waysPage(http.StatusOK, found, "")
}

// after is where staff go when something was written about a person: to the person's history, if they
// may see it.
func (k *call) after(s id.Subject, done string) string {
	if !s.IsZero() && k.staff.Can(org.PermissionConsent) {
		return "/console/visitors/" + s.String() + "/consent"
	}
	return "/console/consent/ways?done=" + done
}

// actor is how entries refer to the member of staff.
func (k *call) actor() string { return "staff:" + k.staff.ID.String() }

// kindsOf are the identities by which staff know people.
func kindsOf(chosen string) []option {
	return picks(chosen, string(subject.Email), "E-mail address", string(subject.Phone), "Phone number", string(subject.ExternalID), "Customer number")
}

// picks makes options from values and labels in turn.
func picks(chosen string, valuesAndLabels ...string) []option {
	var list []option
	for i := 0; i+1 < len(valuesAndLabels); i += 2 {
		list = append(list, option{Value: valuesAndLabels[i], Label: valuesAndLabels[i+1], Chosen: valuesAndLabels[i] == chosen})
	}
	return list
}

// person are the fields that name somebody; none for a person whom staff have found.
func (k *call) person() []field {
	if cmp.Or(k.line("subject"), k.r.URL.Query().Get("subject")) != "" {
		return nil
	}
	return []field{
		{Name: "kind", Label: "Known by", Kind: "pick", Value: cmp.Or(k.line("kind"), string(subject.Email)), Picks: kindsOf(k.line("kind"))},
		{Name: "identity", Label: "Address or number", Help: "Kept under the person's own key, and never in the ledger.", Value: k.line("identity")},
	}
}

// named returns who the form is about: one of the two.
func (k *call) named() (who consent.Who, s id.Subject, err error) {
	if text := k.line("subject"); text != "" {
		if s, err = id.ParseSubject(text); err != nil {
			err = fail.New(fail.NotFound, "There is no such visitor.")
		}
		return who, s, err
	}
	who = consent.Who{Kind: subject.Kind(k.line("kind")), Value: k.line("identity")}
	if !slices.Contains([]subject.Kind{subject.Email, subject.Phone, subject.ExternalID}, who.Kind) {
		return who, s, fail.Field("kind", "Say by what the person is known: an e-mail address, a phone number or a customer number.")
	}
	if _, err := subject.Normalise(who.Kind, who.Value); err != nil {
		return who, s, fail.Field("identity", "%s", messageOf(err))
	}
	return who, s, nil
}

// deployments are the options for where something was said.
func (k *call) deployments(name string, need bool) (field, error) {
	list, err := k.Sites.Deployments(k.r.Context(), k.tenant())
	f := field{Name: name, Label: "Website", Kind: "pick", Value: k.line(name)}
	if !need {
		f.Picks = picks(f.Value, "", "none in particular")
	}
	for _, d := range list {
		if need && f.Value == "" {
			f.Value = d.ID.String()
		}
		f.Picks = append(f.Picks, picks(f.Value, d.ID.String(), d.Name)...)
	}
	return f, err
}

func (k *call) deployment() (uuid.UUID, error) {
	text := k.line("deployment")
	if text == "" {
		return uuid.Nil, nil
	}
	d, err := uuid.Parse(text)
	names, also := k.siteNames()
	if also != nil {
		return d, also
	}
	if _, ok := names[d]; err != nil || !ok {
		return d, fail.Field("deployment", "There is no such website. Choose one of the list.")
	}
	return d, nil
}

// languages are the options for a language of the notice, those of the newest version first.
func (k *call) languages(newest []string) field {
	f := field{Name: "language", Label: "Language", Kind: "pick", Value: cmp.Or(k.line("language"), "en")}
	if k.line("language") == "" && !slices.Contains(newest, "en") && len(newest) > 0 {
		f.Value = newest[0]
	}
	for _, lang := range newest {
		f.Picks = append(f.Picks, picks(f.Value, lang, notice.LanguageName(lang))...)
	}
	return f
}

// ticks are boxes, one for each purpose, unticked unless on says otherwise.
func (k *call) ticks(on func(purpose string) bool) ([]field, error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	var list []field
	for _, p := range purposes {
		f := field{Name: "purposes." + p.ID, Label: titleOf(&p), Kind: "check", Value: k.line("purposes." + p.ID)}
		if k.r.Method == http.MethodGet && on != nil && on(p.ID) {
			f.Value = "on"
		}
		list = append(list, f)
	}
	return list, err
}

// ticked are the purposes whose box is ticked, and what they are called.
func (k *call) ticked() (ids, names []string, err error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	for _, p := range purposes {
		if k.line("purposes."+p.ID) != "" {
			ids, names = append(ids, p.ID), append(names, titleOf(&p))
		}
	}
	if err == nil && len(ids) == 0 {
		err = fail.Field("purposes", "Tick at least one purpose.")
	}
	return ids, names, err
}
