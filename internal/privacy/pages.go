package privacy

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/rights"
	"probity/internal/subject"
)

// stranger shows how to be recognised to somebody who isn't. Whoever has just withdrawn everything may
// be one already: another tab deletes the cookie as soon as it hears of it. They are told that it is
// done.
func (v *visit) stranger() error {
	return v.show(http.StatusOK, "stranger", "stranger.title", map[string]any{"Saved": v.r.FormValue("saved") != ""})
}

// overview is the front page: what can be done here, and what was asked for before.
func (v *visit) overview() error {
	if !v.known {
		return v.stranger()
	}
	requests, err := v.Rights.OfSubjects(v.r.Context(), v.Tenant, []id.Subject{v.subject})
	if err != nil {
		return err
	}
	sections, err := v.Rights.Held(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return err
	}
	type count struct {
		heading
		N int
	}
	var held []count
	for _, s := range sections {
		if n := size(s.Data); n > 0 {
			held = append(held, count{v.heading(&s), n})
		}
	}
	return v.show(http.StatusOK, "overview", "overview.title", map[string]any{"Held": held, "Requests": requests})
}

// heading is what a part of the data is called, and in which language that is: other rooms may hold
// something that the words do not know.
type heading struct{ Title, Lang string }

func (v *visit) heading(s *rights.Section) heading {
	if title, ok := v.words["part."+s.File]; ok {
		return heading{title, v.lang}
	}
	return heading{s.Title, "en"}
}

// data shows everything that is held, as it is held.
func (v *visit) data() error {
	if !v.known {
		return v.stranger()
	}
	sections, err := v.Rights.Held(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return err
	}
	purposes, err := v.purposes()
	if err != nil {
		return err
	}
	type part struct {
		heading
		About    string
		Provided bool
		Size     int
		Tree     *node
	}
	var parts []part
	for _, s := range sections {
		tree, err := treeOf(s.Data)
		if err != nil {
			return err
		}
		parts = append(parts, part{v.heading(&s), s.In(v.lang), s.Provided, size(s.Data), tree})
	}
	facts, err := v.facts()
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "data", "data.title", map[string]any{"Parts": parts, "Purposes": purposes, "Facts": facts})
}

// purposeView is a purpose as the visitor chose about it.
type purposeView struct {
	ID, Title, Description, Basis string
	Lang                          string // of title and description: an organisation may lack the page's
	Asked                         bool   // it rests on consent
	Given                         bool   // there is consent
	Open                          bool   // data may be used for it now, on whatever basis
	State                         consent.State
	HasReceipt                    bool

	Others      []notice.Basis // on what else data may be used for it
	Advertising bool           // direct marketing: an objection is absolute
	MayObject   bool
	Objected    bool
	Reason      string    // why, if they said so
	Request     uuid.UUID // that says so; zero: it was not said here
}

func (v *visit) purposes() ([]purposeView, error) {
	purposes, err := v.Consent.Purposes(v.r.Context(), v.Tenant)
	if err != nil {
		return nil, err
	}
	state, err := v.Consent.State(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return nil, err
	}
	var list []purposeView
	for _, p := range purposes {
		lang := v.lang
		text, ok := p.Texts[lang]
		if !ok {
			lang = "en"
			text = p.Texts[lang]
		}
		open, err := v.Consent.Standing(v.r.Context(), v.Tenant, v.subject, p.ID)
		if err != nil {
			return nil, err
		}
		s := state[p.ID]
		list = append(list, purposeView{
			ID: p.ID, Title: text.Title, Description: text.Description, Lang: lang, Basis: string(p.Basis), Asked: p.Basis == notice.Consent,
			Given: s.Status == consent.Given, Open: open, State: s, HasReceipt: s.RecordID != uuid.Nil && !s.Elsewhere, Advertising: p.Advertising(),
		})
	}
	return list, v.objectable(list)
}

// choices shows what was chosen, when and on which notice, with the button that takes it back; and
// what rests on another basis, with the button that objects.
func (v *visit) choices() error {
	if !v.known {
		return v.stranger()
	}
	purposes, err := v.purposes()
	if err != nil {
		return err
	}
	site, err := v.site()
	if err != nil {
		return err
	}
	var asked, other []purposeView
	for _, p := range purposes {
		if p.Asked {
			asked = append(asked, p)
		} else {
			other = append(other, p)
		}
	}
	given := slices.ContainsFunc(purposes, func(p purposeView) bool { return p.Given })
	done := ""
	for query, words := range map[string]string{"saved": "choices.saved", "objected": "object.saved", "given": "give.saved"} {
		if v.r.FormValue(query) != "" {
			done = words
		}
	}
	control := "" // how the website calls what opens the choices there
	if done == "give.saved" {
		n, err := v.Consent.Notice(v.r.Context(), v.Tenant, v.lang)
		if err != nil {
			return err
		}
		control = n.Labels.Manage
	}
	return v.show(http.StatusOK, "choices", "choices.title", map[string]any{
		"Control": control, "Asked": asked, "Other": other, "Given": given, "Done": done, "CanGive": site != uuid.Nil && len(asked) > 0,
	})
}

// withdraw takes consent back for one purpose or for all: one click, no question asked (Art. 7(3)).
func (v *visit) withdraw() error {
	if !v.known {
		return v.stranger()
	}
	w := consent.Withdrawal{
		Subject: v.subject,
		UI:      consent.UI{Component: "form", Action: "withdraw_all"},
	}
	if p := v.r.PostFormValue("purpose"); p != "" {
		w.Purposes, w.UI.Action = []string{p}, "save"
	}
	if _, err := v.Consent.Withdraw(v.r.Context(), v.Tenant, w); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, "/privacy/choices?saved=1&lang="+v.lang, http.StatusSeeOther)
	return nil
}

// receipt hands out the proof of a choice, for probity verify.
func (v *visit) receipt() error {
	record, err := uuid.Parse(v.r.PathValue("record"))
	if err != nil || !v.known {
		return fail.New(fail.NotFound, "there is no such receipt")
	}
	receipt, err := v.Consent.PersonalReceipt(v.r.Context(), v.Tenant, v.subject, record)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return err
	}
	return v.attach("application/json", "consent-receipt-"+record.String()+".json", data)
}

func (v *visit) attach(contentType, name string, data []byte) error {
	v.w.Header().Set("Content-Type", contentType)
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = v.w.Write(data) // a visitor who left hears nothing
	return nil
}

func (v *visit) askCopy() error {
	if !v.known {
		return v.stranger()
	}
	set, err := v.Rights.Settings(v.r.Context(), v.Tenant)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "copy", "copy.title", set.PackageLife())
}

// makeCopy starts an access request (Art. 15) or, asked so, one for portability (Art. 20).
func (v *visit) makeCopy() error {
	typ := rights.Access
	if v.r.PostFormValue("type") == "portability" {
		typ = rights.Portability
	}
	return v.submit(rights.Request{Type: typ})
}

func (v *visit) submit(q rights.Request) error {
	if !v.known {
		return v.stranger()
	}
	made, err := v.open(q)
	if err != nil {
		return err
	}
	return v.see("/privacy/requests/" + made.ID.String())
}

// open hands the visitor's request in.
func (v *visit) open(q rights.Request) (*rights.Request, error) {
	q.Who = rights.Who{Subjects: []id.Subject{v.subject}}
	q.Channel, q.Language = "privacy-centre", v.lang
	q.CreatedBy = rights.Actor{Kind: "subject"}
	return v.Rights.Open(v.r.Context(), v.Tenant, q, rights.Opening{Method: rights.ByCookie})
}

// correctable are the kinds of identities that a visitor can correct here, and what the rights room
// calls them.
var correctable = []struct {
	kind subject.Kind
	term string
}{{subject.Email, "EMAIL"}, {subject.Phone, "PHONE"}}

func (v *visit) askCorrection() error {
	if !v.known {
		return v.stranger()
	}
	identities, err := v.Subjects.Identities(v.r.Context(), v.Tenant, v.subject)
	if err != nil {
		return err
	}
	type entry struct{ Term, Label, Value string }
	var list []entry
	for _, c := range correctable {
		for _, i := range identities {
			if i.Kind == c.kind {
				list = append(list, entry{c.term, v.words.text("correct." + strings.ToLower(c.term)), i.Value})
			}
		}
	}
	return v.show(http.StatusOK, "correct", "correct.title", list)
}

// correct starts a rectification (Art. 16) of every field that was changed, or of a name.
func (v *visit) correct() error {
	var terms []rights.ReplacementTerm
	if err := v.r.ParseForm(); err != nil {
		return fail.Wrap(fail.Invalid, err, "the form can't be read")
	}
	old, updated, kinds := v.r.PostForm["old"], v.r.PostForm["new"], v.r.PostForm["kind"]
	for i := range min(len(old), len(updated), len(kinds)) {
		was, is := strings.TrimSpace(old[i]), strings.TrimSpace(updated[i])
		if was == "" || is == "" || was == is {
			continue
		}
		terms = append(terms, rights.ReplacementTerm{Type: kinds[i], Existing: was, Updated: is})
	}
	if len(terms) == 0 {
		return v.askCorrection()
	}
	return v.submit(rights.Request{Type: rights.Rectification, Replacements: terms})
}

func (v *visit) askErasure() error {
	if !v.known {
		return v.stranger()
	}
	return v.show(http.StatusOK, "erase", "erase.title", nil)
}

// erase starts an erasure (Art. 17) and takes the cookie away: from here on this browser is nobody.
func (v *visit) erase() error {
	if !v.known {
		return v.stranger()
	}
	http.SetCookie(v.w, &http.Cookie{Name: Cookie, Path: "/", MaxAge: -1, SameSite: http.SameSiteLaxMode})
	return v.submit(rights.Request{Type: rights.Erasure})
}

// find returns the request of the path if this visitor may see it. The page of an erasure is shown to
// whoever has its unguessable address: its subject can't be recognised any more, and it holds
// nothing personal.
func (v *visit) find() (*rights.Request, error) {
	missing := fail.New(fail.NotFound, "there is no such request")
	request, err := uuid.Parse(v.r.PathValue("id"))
	if err != nil {
		return nil, missing
	}
	q, err := v.Rights.Get(v.r.Context(), v.Tenant, request)
	if err != nil {
		return nil, err
	}
	if q.Type == rights.Erasure && q.Channel == "privacy-centre" {
		return q, nil
	}
	if !v.known {
		return nil, missing
	}
	if slices.Contains(q.Who.Subjects, v.subject) {
		return q, nil // asked for here; it is not yet known which other devices are the person's
	}
	own, err := v.Rights.OfSubjects(v.r.Context(), v.Tenant, []id.Subject{v.subject})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(own, func(o *rights.Request) bool { return o.ID == q.ID }) {
		return nil, missing
	}
	return q, nil
}

// request shows how far a request has come; while it is under way the page renews itself.
func (v *visit) request() error {
	q, err := v.find()
	if err != nil {
		return err
	}
	body := map[string]any{
		"Request": q, "Done": q.State == rights.Verified, "Failed": q.State == rights.Failed, "Refused": q.State == rights.Refused,
		"TakenBack": q.State == rights.Withdrawn, "Erasure": q.Type == rights.Erasure, "Type": string(q.Type), "Due": q.DueAt.Add(-time.Second),
		"MayTakeBack": slices.Contains(q.Moves(), rights.MoveWithdraw),
	}
	if q.Type == rights.Objection && v.known {
		if body["Objected"], err = v.objectedTo(q); err != nil {
			return err
		}
	}
	switch {
	case q.State == rights.Refused || q.State == rights.Verified && q.Facts.Outcome != "":
		if body["Words"], err = v.wordsOf(q); err != nil {
			return err
		}
	case q.State.Waits():
		v.w.Header().Set("Refresh", "60") // until a person moves it on
		body["Waits"] = true
	case !q.State.Final():
		v.w.Header().Set("Refresh", "1")
	}
	return v.show(http.StatusOK, "request", "request.title", body)
}

func (v *visit) file() error {
	q, err := v.find()
	if err != nil {
		return err
	}
	if q.Package == nil {
		return fail.New(fail.NotFound, "there is no file for this request")
	}
	p, data, err := v.Rights.Download(v.r.Context(), v.Tenant, q.Package.ID, rights.Actor{Kind: "subject"})
	if err != nil {
		return err
	}
	return v.attach("application/zip", p.Name, data)
}

func (v *visit) certificate() error {
	q, err := v.find()
	if err != nil {
		return err
	}
	data, err := v.Rights.Certificate(v.r.Context(), v.Tenant, q.ID)
	if err != nil {
		return err
	}
	return v.attach("application/json", "certificate-"+q.ID.String()+".json", data)
}
