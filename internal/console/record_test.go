package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"probity/internal/notice"
	"probity/internal/rights"
)

// latest returns the request that came in last.
func (o *office) latest() *rights.Request {
	o.t.Helper()
	list, _, err := o.rights.List(o.t.Context(), o.tenant, 0, 1)
	if err != nil || len(list) != 1 {
		o.t.Fatalf("%d requests (%v)", len(list), err)
	}
	return list[0]
}

func TestStaffWriteDownARequestOfEveryTypeWithWhatBelongsToIt(t *testing.T) {
	o := newOffice(t)
	decision := uuid.New()
	for _, c := range []struct {
		typ    rights.Type
		form   url.Values
		is     func(q *rights.Request) bool
		shows  []string // on the page of the request
		lacks  url.Values
		faulty string // the field that the fault stands beside
	}{
		{rights.Access, url.Values{"language": {"pl"}}, func(q *rights.Request) bool { return q.Language == "pl" }, []string{"Answer in", "Polski"}, url.Values{"method": {"staff"}, "reason": {""}}, "f-reason"},
		{rights.Rectification, url.Values{"kind.1": {"NAME"}, "existing.1": {"Mary Miler"}, "updated.1": {"Mary <Miller>"}, "kind.3": {"PHONE"}, "existing.3": {"+49 30 1"}, "updated.3": {"+49 30 2"}, "statement": {"Moved in May."}},
			func(q *rights.Request) bool {
				return slices.Equal(q.Replacements, []rights.ReplacementTerm{{Type: "NAME", Existing: "Mary Miler", Updated: "Mary <Miller>"}, {Type: "PHONE", Existing: "+49 30 1", Updated: "+49 30 2"}}) && q.Statement == "Moved in May."
			}, []string{"Mary Miler → Mary &lt;Miller&gt;", "Moved in May."}, url.Values{"updated.1": {""}}, "f-updated-1"},
		{rights.Rectification, url.Values{"statement": {"I paid in March."}}, func(q *rights.Request) bool { return len(q.Replacements) == 0 && q.Statement == "I paid in March." }, nil, url.Values{"statement": {""}}, "f-existing-1"},
		{rights.Erasure, url.Values{"ground": {"d"}}, func(q *rights.Request) bool { return q.Facts.Ground == "d" }, []string{"Art. 17(1)(d) GDPR"}, url.Values{"ground": {"x"}}, "f-ground"},
		{rights.Restriction, url.Values{"ground": {"c"}}, func(q *rights.Request) bool { return q.Facts.Ground == "c" }, []string{"Art. 18(1)(c) GDPR"}, url.Values{"ground": {"e"}}, "f-ground"},
		{rights.Portability, url.Values{"deliver_to": {"https://other.example/in"}}, func(q *rights.Request) bool { return q.DeliverTo == "https://other.example/in" }, []string{"https://other.example/in"}, url.Values{"deliver_to": {"ftp://x"}}, ""},
		{rights.Objection, url.Values{"purposes.predict": {"on"}, "statement": {"I am known in this town."}},
			func(q *rights.Request) bool {
				return slices.Equal(q.Facts.Purposes, []string{notice.Predict}) && !q.Facts.Marketing && !q.Facts.AtOnce && q.Statement == "I am known in this town."
			}, []string{"Against", "I am known in this town."}, url.Values{"purposes.predict": {""}}, "f-marketing"},
		{rights.Objection, url.Values{"purposes.support": {"on"}, "at_once": {"on"}}, func(q *rights.Request) bool { return q.Facts.AtOnce }, []string{"at once, without a decision"}, nil, ""},
		{rights.Objection, url.Values{"marketing": {"on"}, "at_once": {"on"}}, func(q *rights.Request) bool { return q.Facts.Marketing && len(q.Facts.Purposes) == 0 }, []string{"direct marketing"}, nil, ""},
		{rights.HumanReview, url.Values{"decision": {"offer"}, "decision_id": {decision.String()}, "statement": {"I have ordered before."}},
			func(q *rights.Request) bool {
				return *q.Facts.Automated == rights.Automated{Kind: "offer", ID: decision}
			},
			[]string{"offer " + decision.String(), "I have ordered before."}, url.Values{"decision_id": {"7"}}, "f-decision_id"},
		{rights.HumanReview, url.Values{"decision": {"segment"}}, func(q *rights.Request) bool { return *q.Facts.Automated == rights.Automated{Kind: "segment"} }, nil, url.Values{"decision": {"fate"}}, "f-decision"},
	} {
		page := o.see("/console/requests/new?type="+string(c.typ), http.StatusOK)
		if !strings.Contains(page, `name="type" value="`+string(c.typ)+`"`) || strings.Count(page, `aria-current="page">`+rightWords(c.typ)) != 1 {
			t.Errorf("%s: the form is that of another type:\n%s", c.typ, page)
		}
		form := url.Values{"type": {string(c.typ)}, "channel": {"phone"}, "kind": {"email"}, "identity": {"mary@example.org"}, "method": {"staff"}, "reason": {"Called from the known number."}}
		for name, v := range c.form {
			if !strings.Contains(page, `name="`+name+`"`) {
				t.Errorf("%s: the form has no %s", c.typ, name)
			}
			form[name] = v
		}
		if c.lacks != nil {
			bad := url.Values{}
			for _, f := range []url.Values{form, c.lacks} {
				for name, v := range f {
					bad[name] = v
				}
			}
			r := o.send("/console/requests/new", bad)
			if again := text(t, r); r.StatusCode != http.StatusBadRequest || c.faulty != "" && !strings.Contains(again, `id="`+c.faulty+`-faults"`) || !strings.Contains(again, `value="mary@example.org"`) {
				t.Errorf("%s without %v: %d\n%s", c.typ, c.lacks, r.StatusCode, again)
			}
		}
		made := o.went("/console/requests/new", form)
		if q := o.latest(); q.Type != c.typ || q.Channel != "phone" || !slices.Equal(q.Who.EmailAddresses, []string{"mary@example.org"}) || !c.is(q) {
			t.Errorf("%s: it was written down as %+v, %+v", c.typ, q, q.Facts)
		}
		for _, want := range append(c.shows, rightWords(c.typ)) {
			if !strings.Contains(made, want) {
				t.Errorf("%s: the page of the request lacks %q:\n%s", c.typ, want, made)
			}
		}
	}
	o.see("/console/requests/new?type=fate", http.StatusNotFound)
	if r := o.send("/console/requests/new", url.Values{"type": {"fate"}, "kind": {"email"}, "identity": {"mary@example.org"}}); r.StatusCode != http.StatusNotFound {
		t.Errorf("a request of no type: %d", r.StatusCode)
	}
}
