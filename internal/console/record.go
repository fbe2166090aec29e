package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/rights"
)

// recordable are the types of requests that staff write down, in the order of their articles.
var recordable = []rights.Type{
	rights.Access, rights.Rectification, rights.Erasure, rights.Restriction, rights.Portability, rights.Objection, rights.HumanReview,
}

// terms are the kinds of values that a correction replaces, with what they are called.
var terms = []string{
	"NAME", "name", "EMAIL", "e-mail address", "PHONE", "phone number", "ADDRESS", "address", "EXTERNAL_ID", "customer number",
	"WHATSAPP", "WhatsApp", "APPLE_MESSAGES", "Apple Messages", "FACEBOOK", "Facebook", "INSTAGRAM", "Instagram", "TWITTER", "Twitter",
}

// termsAForm is how many values one form corrects.
const termsAForm = 4

// newRequestWay writes down what somebody asked for by letter, by phone or elsewhere. What belongs to the
// type is asked for with it, so the type is chosen first.
func newRequestWay() *way {
	return &way{
		path: "/console/requests/new", title: "Write down a request", verb: "Write it down",
		lead: "The clock runs from the day on which it reached you, by whatever way.",
		form: (*call).newRequestForm, do: (*call).openRequest,
		tabs: func(k *call) (list []queueTab) {
			for _, t := range recordable {
				list = append(list, queueTab{Name: rightWords(t), URL: "/console/requests/new?" + url.Values{"type": {string(t)}}.Encode(), Here: t == k.asksFor()})
			}
			return list
		},
		keep: func(k *call) []fact { return []fact{{"type", string(k.asksFor())}} },
	}
}

// asksFor is the type of the request that is written down.
func (k *call) asksFor() rights.Type {
	return rights.Type(cmp.Or(k.line("type"), k.r.URL.Query().Get("type"), string(rights.Access)))
}

func (k *call) newRequestForm() ([]group, error) {
	typ := k.asksFor()
	if !slices.Contains(recordable, typ) {
		return nil, fail.New(fail.NotFound, "There is no such type of request.")
	}
	channel := field{Name: "channel", Label: "How it came", Kind: "pick", Value: cmp.Or(k.line("channel"), "letter")}
	channel.Picks = picks(channel.Value, "letter", "by letter", "e-mail", "by e-mail", "phone", "by phone", "in-person", "in person", "chat", "in a chat")
	language := field{Name: "language", Label: "Language of the answer", Kind: "pick", Value: k.line("language")}
	language.Picks = picks(language.Value, "", "that in which the person chose last")
	for _, lang := range notice.Languages() {
		language.Picks = append(language.Picks, picks(language.Value, lang, notice.LanguageName(lang))...)
	}
	method := field{Name: "method", Label: "Who asks", Kind: "pick", Value: k.line("method")}
	method.Picks = picks(method.Value, string(rights.ByStaff), "I am sure who it is, for the reason below", string(rights.BySignIn), "The person signed in with us",
		string(rights.ByCode), "Send a code to the e-mail address", "ask", "Ask the question below; the clock stands meanwhile")
	about, err := k.aboutForm(typ)
	if err != nil {
		return nil, err
	}
	groups := []group{{rightWords(typ) + " (" + articleWords(typ) + ")", "", []field{
		channel, {Name: "received_at", Label: "When it reached you (UTC)", Help: "Empty: just now.", Kind: "when", Value: k.line("received_at")}, language,
	}}}
	return append(append(groups, about...),
		group{"The person", "", k.person()},
		group{"Identity", "Ask for no more than is needed (Art. 12(6) GDPR).", []field{method, {Name: "reason", Label: "Reason or question", Kind: "area", Rows: 3, Value: k.line("reason")}, k.told()}},
	), nil
}

// aboutForm asks for what belongs to one type of requests only.
func (k *call) aboutForm(typ rights.Type) ([]group, error) {
	words := field{Name: "statement", Label: "The person’s own words", Help: "As far as they matter. They go with the request.", Kind: "area", Rows: 3, Value: k.line("statement")}
	ground := field{Name: "ground", Label: "Ground", Kind: "pick", Value: k.line("ground")}
	switch typ {
	case rights.Rectification:
		var fields []field
		for n := range termsAForm {
			at := fmt.Sprint(n + 1)
			kind := field{Name: "kind." + at, Label: at + ". What", Kind: "pick", Value: cmp.Or(k.line("kind."+at), terms[2*n])}
			kind.Picks = picks(kind.Value, terms...)
			fields = append(fields, kind,
				field{Name: "existing." + at, Label: at + ". Wrong, as it is held", Value: k.line("existing." + at)},
				field{Name: "updated." + at, Label: at + ". Right", Value: k.line("updated." + at)})
		}
		words.Label, words.Help = "Supplementary statement", "What the person wants added to incomplete data (Art. 16, second sentence). It is handed out with every copy."
		return []group{{"What is wrong", "What stays empty is left out. A correction has at least one value, or a statement.", fields}, {"What is missing", "", []field{words}}}, nil
	case rights.Erasure:
		ground.Picks = picks(ground.Value, "", "none was named", "a", "a) not needed any more", "b", "b) consent was withdrawn", "c", "c) the person objects", "d", "d) unlawful",
			"e", "e) the law wants it erased", "f", "f) collected from a child")
		return []group{{"Why", "Nobody has to name a ground (Art. 17(1) GDPR).", []field{ground}}}, nil
	case rights.Restriction:
		ground.Picks = picks(ground.Value, "", "none was named", "a", "a) the data is said to be wrong", "b", "b) unlawful, but not to be erased", "c", "c) needed by the person for a legal claim", "d", "d) an objection is not decided yet")
		return []group{{"Why", "Art. 18(1) GDPR", []field{ground}}}, nil
	case rights.Portability:
		return []group{{"Where to", "", []field{{Name: "deliver_to", Label: "Send it to", Help: "An address of another service that takes the package (https). Empty: the person downloads it.", Value: k.line("deliver_to")}}}}, nil
	case rights.Objection:
		boxes, err := k.ticks(nil)
		if err != nil {
			return nil, err
		}
		bases, err := k.basesOf()
		if err != nil {
			return nil, err
		}
		for i := range boxes {
			boxes[i].Help = bases[strings.TrimPrefix(boxes[i].Name, "purposes.")]
		}
		marketing := field{Name: "marketing", Label: "Direct marketing (Art. 21(2))", Help: "It needs no reason, and holds without a decision.", Kind: "check", Value: k.line("marketing")}
		once := field{Name: "at_once", Label: "Nothing is to be weighed: end it at once", Help: "Otherwise everything is restricted until somebody decides whether compelling legitimate grounds override it.", Kind: "check", Value: k.line("at_once")}
		return []group{{"What the objection is to", "", append(boxes, marketing)}, {"How", "", []field{once, words}}}, nil
	case rights.HumanReview:
		kind := field{Name: "decision", Label: "Kind of decision", Kind: "pick", Value: k.line("decision")}
		kind.Picks = picks(kind.Value, "offer", "an offer that was made, or not", "score", "an estimate", "segment", "a group", "other", "another one")
		number := field{Name: "decision_id", Label: "Its number", Help: "From the page of the visitor or the person’s copy. Empty: it is not known which one.", Value: k.line("decision_id")}
		return []group{{"The automated decision", "A person reviews it (Art. 22(3) GDPR).", []field{kind, number, words}}}, nil
	}
	return nil, nil
}

// basesOf says on what each purpose rests, by purpose.
func (k *call) basesOf() (map[string]string, error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	all, err := k.Ways.Declarations(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range purposes {
		names := []string{cmp.Or(basisNames[p.Basis], "Consent")}
		for _, d := range all {
			if name := basisNames[d.Basis]; d.Ended.IsZero() && slices.Contains(d.Purposes, p.ID) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		out[p.ID] = "Rests on: " + strings.ToLower(strings.Join(names, ", ")) + "."
	}
	return out, nil
}

// wishes reads what belongs to the type. Fields of other types are not looked at.
func (k *call) wishes(q *rights.Request) error {
	switch q.Type {
	case rights.Rectification:
		for n := range termsAForm {
			at := fmt.Sprint(n + 1)
			term := rights.ReplacementTerm{Type: k.line("kind." + at), Existing: k.line("existing." + at), Updated: k.line("updated." + at)}
			switch {
			case term.Existing == "" && term.Updated == "":
				continue
			case term.Existing == "":
				return fail.Field("existing."+at, "Write what is wrong, as it is held.")
			case term.Updated == "":
				return fail.Field("updated."+at, "Write what is right.")
			}
			q.Replacements = append(q.Replacements, term)
		}
		q.Statement = k.text("statement")
	case rights.Erasure, rights.Restriction:
		q.Facts.Ground = k.line("ground")
	case rights.Portability:
		q.DeliverTo = k.line("deliver_to")
	case rights.Objection:
		purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
		if err != nil {
			return err
		}
		for _, p := range purposes {
			if k.line("purposes."+p.ID) != "" {
				q.Facts.Purposes = append(q.Facts.Purposes, p.ID)
			}
		}
		q.Facts.Marketing = k.line("marketing") != ""
		q.Facts.AtOnce = k.line("at_once") != "" && len(q.Facts.Purposes) > 0
		if len(q.Facts.Purposes) == 0 && !q.Facts.Marketing {
			return fail.Field("marketing", "Tick what the objection is to: purposes, or direct marketing.")
		}
		q.Statement = k.text("statement")
	case rights.HumanReview:
		q.Facts.Automated = &rights.Automated{Kind: k.line("decision")}
		if text := k.line("decision_id"); text != "" {
			number, err := uuid.Parse(text)
			if err != nil {
				return fail.Field("decision_id", "This is no number of a decision. It has 36 letters, such as 6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11.")
			}
			q.Facts.Automated.ID = number
		}
		q.Statement = k.text("statement")
	}
	return nil
}

func (k *call) openRequest() (string, error) {
	who, _, err := k.named()
	if err != nil {
		return "", err
	}
	received, err := k.when("received_at")
	if err != nil {
		return "", err
	}
	if received.After(k.Clock.Now()) {
		return "", fail.Field("received_at", "This lies in the future.")
	}
	q := rights.Request{Type: k.asksFor(), Channel: k.line("channel"), ReceivedAt: received, CreatedBy: k.hand(), Language: k.line("language")}
	switch who.Kind {
	case "email":
		q.Who.EmailAddresses = []string{who.Value}
	case "phone":
		q.Who.PhoneNumbers = []string{who.Value}
	default:
		q.Who.ExternalID = who.Value
	}
	if err := k.wishes(&q); err != nil {
		return "", err
	}
	o := rights.Opening{Method: rights.Method(k.line("method")), Reason: k.text("reason"), Told: k.line("told")}
	if o.Method == "ask" {
		o = rights.Opening{Ask: o.Reason, Told: o.Told}
		if o.Ask == "" {
			return "", fail.Field("reason", "Write the question that the person is to answer.")
		}
	}
	if !slices.Contains([]string{"letter", "e-mail", "phone", "in-person", "chat"}, q.Channel) {
		return "", fail.Field("channel", "Choose how the request came.")
	}
	made, err := k.Rights.Open(k.r.Context(), k.tenant(), q, o)
	if e, ok := errors.AsType[*fail.Error](err); ok {
		switch {
		case strings.HasPrefix(e.Field, "subject"):
			return "", fail.Field("identity", "%s", e.Message)
		case strings.HasPrefix(e.Field, "replacementTerms"):
			return "", fail.Field("existing.1", "%s", e.Message)
		case strings.HasPrefix(e.Field, "automated_decision"):
			return "", fail.Field("decision", "%s", e.Message)
		case fail.Is(err, fail.Unavailable):
			return "", fail.Field("method", "%s", e.Message)
		}
	}
	if err != nil {
		return "", err
	}
	return "/console/requests/" + made.ID.String(), nil
}

// wishesOf lists what a request asks for besides its type, in the person's words where there are any.
func (k *call) wishesOf(q *rights.Request) (list []fact, err error) {
	add := func(label, value string) {
		if value != "" {
			list = append(list, fact{label, value})
		}
	}
	if g := q.Facts.Ground; g != "" {
		add("Ground", strings.TrimSuffix(articleWords(q.Type), " GDPR")+"(1)("+g+") GDPR")
	}
	if len(q.Facts.Purposes) > 0 {
		titles, err := k.titles()
		if err != nil {
			return nil, err
		}
		for _, p := range q.Facts.Purposes {
			add("Against", cmp.Or(titles[p], p))
		}
	}
	if q.Facts.Marketing {
		add("Against", "direct marketing")
	}
	if q.Facts.AtOnce {
		add("Ends", "at once, without a decision")
	}
	if a := q.Facts.Automated; a != nil {
		number := ""
		if a.ID != uuid.Nil {
			number = " " + a.ID.String()
		}
		add("Decision", a.Kind+number)
	}
	for _, r := range q.Replacements {
		i := slices.Index(terms, r.Type)
		add(sentence(terms[i+1]), r.Existing+" → "+r.Updated)
	}
	add("Own words", q.Statement)
	add("Send it to", q.DeliverTo)
	if q.Language != "" {
		add("Answer in", notice.LanguageName(q.Language))
	}
	return list, nil
}
