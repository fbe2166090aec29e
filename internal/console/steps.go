package console

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/rights"
)

// Rights shows requests and takes the steps of people. *rights.Room satisfies it.
type Rights interface {
	Desks
	Queue(ctx context.Context, t id.Tenant, q rights.Queue, offset, limit int) (page []rights.Waiting, total int, err error)
	Load(ctx context.Context, t id.Tenant) (rights.Load, error)
	Get(ctx context.Context, t id.Tenant, request uuid.UUID) (*rights.Request, error)
	Open(ctx context.Context, t id.Tenant, q rights.Request, o rights.Opening) (*rights.Request, error)
	Act(ctx context.Context, t id.Tenant, request uuid.UUID, a rights.Act) (*rights.Request, error)
	SendCode(ctx context.Context, t id.Tenant, request uuid.UUID, by rights.Actor) error
	CheckCode(ctx context.Context, t id.Tenant, request uuid.UUID, code string, by rights.Actor) (*rights.Request, error)
	Simulate(ctx context.Context, t id.Tenant, q rights.Request, o rights.Opening) (*rights.Plan, error)
	Assign(ctx context.Context, t id.Tenant, request, staff uuid.UUID, by rights.Actor) error
	Assignee(ctx context.Context, t id.Tenant, request uuid.UUID) (uuid.UUID, error)
	DoneByHand(ctx context.Context, t id.Tenant, request uuid.UUID, by rights.Actor, collection, how string) error
	SettleDatabases(ctx context.Context, t id.Tenant, request uuid.UUID, by rights.Actor, reason string) error
	Trail(ctx context.Context, t id.Tenant, request uuid.UUID) ([]rights.Happened, error)
	Snapshot(ctx context.Context, t id.Tenant, sum string) (json.RawMessage, error)
	Settings(ctx context.Context, t id.Tenant) (rights.Settings, error)
	Set(ctx context.Context, t id.Tenant, s rights.Settings) error
	Certificate(ctx context.Context, t id.Tenant, request uuid.UUID) ([]byte, error)
	Download(ctx context.Context, t id.Tenant, pack uuid.UUID, by rights.Actor) (*rights.Package, []byte, error)
}

// moveForm is one of the steps that staff can take with a request, as a form of its own.
type moveForm struct {
	title, lead, verb string
	may               string // permission
	form              func(k *call, q *rights.Request) []field
}

// moveForms are all of them, by the move that they make.
var moveForms = map[rights.Move]moveForm{
	rights.MoveVerify: {"Record that the identity is established", "Only now is anything searched. Ask for no more than you need: whoever uses the address or the browser under which the data stands need not show a passport.", "Record it", org.PermissionHandle,
		func(k *call, _ *rights.Request) []field {
			method := field{Name: "method", Label: "How it was found out", Kind: "pick", Value: cmp.Or(k.line("method"), string(rights.ByStaff))}
			method.Picks = picks(method.Value, string(rights.ByStaff), "I decided it, for the reason below", string(rights.BySignIn), "The person signed in with us", string(rights.ByController), "It was checked where the request came in")
			return []field{method, k.reason("What shows who the person is. Nothing personal; the trail keeps it.")}
		}},
	rights.MoveAsk: {"Ask the person", "The time limit stands still until the answer is there, if you ask within a week of the request or of the last answer.", "Ask", org.PermissionHandle,
		func(k *call, _ *rights.Request) []field {
			about := field{Name: "about", Label: "What it is about", Kind: "pick", Value: cmp.Or(k.line("about"), "identity")}
			about.Picks = picks(about.Value, "identity", "who the person is", "scope", "what the request is about")
			return []field{about, k.reason("The question, in words that the person understands."), k.told()}
		}},
	rights.MoveAnswer: {"The person has answered", "The clock runs again from now.", "It is answered", org.PermissionHandle, nil},
	rights.MoveExtend: {"Extend the time limit", "Once, by two months, for a complex request or many requests. The person must be told within the first month, with the reasons (Art. 12(3) GDPR).", "Extend it", org.PermissionHandle,
		func(k *call, _ *rights.Request) []field {
			return []field{k.reason("Why it takes longer, in words that the person understands."), k.told()}
		}},
	rights.MoveHold: {"Keep the data for now", "The erasure waits until you release the hold.", "Keep it", org.PermissionDecide,
		func(k *call, _ *rights.Request) []field {
			return []field{k.articles("article", "", exceptions...), k.reason("Why the data is needed. The trail keeps it.")}
		}},
	rights.MoveRelease: {"End the hold", "The erasure goes on.", "End it", org.PermissionDecide,
		func(k *call, _ *rights.Request) []field {
			return []field{k.reason("Why the data is not needed any more.")}
		}},
	rights.MoveApprove: {"Approve", "What the plan shows is carried out at once. An erasure can’t be undone.", "Approve", org.PermissionApprove, nil},
	rights.MoveRefuse: {"Refuse", "A refusal has three parts, and is none without one of them: the reasons, how to complain, and how to go to court (Art. 12(4) GDPR).", "Refuse it", org.PermissionDecide,
		func(k *call, q *rights.Request) []field {
			list := []string{"Art. 12(5)(b) GDPR", "Art. 12(5)(b): manifestly unfounded or excessive", "Art. 11(2) GDPR", "Art. 11(2): we can’t tell who the person is"}
			switch q.Type {
			case rights.Access:
				list = append(list, "Art. 15(4) GDPR", "Art. 15(4): it would harm the rights of others")
			case rights.Erasure:
				list = append(list, exceptions...)
			case rights.Portability:
				list = append(list, "Art. 20(4) GDPR", "Art. 20(4): it would harm the rights of others")
			}
			return append([]field{k.articles("article", "", list...), k.reason("Why, in words that the person understands.")}, append(k.remedies(), k.told())...)
		}},
	rights.MoveDecide: {"Decide", "The person is told the decision with its reasons. A decision against them says how to complain and how to go to court.", "Decide", org.PermissionDecide,
		func(k *call, q *rights.Request) []field {
			outcome := field{Name: "outcome", Label: "The decision", Kind: "pick", Value: k.line("outcome")}
			for _, o := range q.Outcomes() {
				outcome.Picks = append(outcome.Picks, picks(outcome.Value, string(o), outcomeWords(o))...)
			}
			return append([]field{outcome, k.reason("Why, in words that the person understands.")}, append(k.remedies(), k.told())...)
		}},
	rights.MoveFee: {"Ask for a fee", "Only for a manifestly unfounded or excessive request, or for further copies (Art. 12(5), 15(3) GDPR). You must be able to show that it is one.", "Ask for it", org.PermissionHandle,
		func(k *call, _ *rights.Request) []field {
			return []field{
				{Name: "amount", Label: "Amount", Help: "Such as 12.50: no more than the administrative costs.", Value: k.line("amount")},
				{Name: "currency", Label: "Currency", Value: cmp.Or(k.line("currency"), "EUR")}, k.reason("Why, in words that the person understands."), k.told(),
			}
		}},
	rights.MoveWithdraw: {"The person takes the request back", "Nothing is done, and the request is finished.", "It is taken back", org.PermissionHandle, nil},
	rights.MoveRetry:    {"Try again", "The request goes on with the step that failed. What was done stays done.", "Try again", org.PermissionHandle, nil},
	rights.MoveAnnounce: {"Tell the person that the restriction will end", "It can be lifted a day later at the earliest (Art. 18(3) GDPR).", "Tell them", org.PermissionDecide,
		func(k *call, _ *rights.Request) []field {
			return []field{k.reason("Why it ends, in words that the person understands."), k.told()}
		}},
	rights.MoveLift: {"Lift the restriction", "From then on the data may be used again for what the person allows.", "Lift it", org.PermissionDecide,
		func(k *call, _ *rights.Request) []field { return []field{k.reason("Why it ends.")} }},
}

// exceptions are the reasons of Art. 17(3) to keep what somebody wants erased, with words for each.
var exceptions = []string{
	"Art. 17(3)(e) GDPR", "Art. 17(3)(e): legal claims", "Art. 17(3)(b) GDPR", "Art. 17(3)(b): a legal obligation or a public task",
	"Art. 17(3)(a) GDPR", "Art. 17(3)(a): freedom of expression and information", "Art. 17(3)(c) GDPR", "Art. 17(3)(c): public health",
	"Art. 17(3)(d) GDPR", "Art. 17(3)(d): archiving, research or statistics",
}

func (k *call) reason(help string) field {
	return field{Name: "reason", Label: "Reasons", Help: help, Kind: "area", Rows: 4, Value: k.line("reason")}
}

func (k *call) remedies() []field {
	return []field{
		{Name: "complaint", Label: "How to complain", Help: "The supervisory authority and how to reach it (Art. 77 GDPR).", Kind: "area", Rows: 2, Value: k.line("complaint")},
		{Name: "remedy", Label: "How to go to court", Help: "Which court, and within which time (Art. 79 GDPR).", Kind: "area", Rows: 2, Value: k.line("remedy")},
	}
}

func (k *call) told() field {
	f := field{Name: "told", Label: "How the person is told", Help: "By e-mail works if the request names an address and a mail server is set.", Kind: "pick", Value: k.line("told")}
	f.Picks = picks(f.Value, "", "send an e-mail from here", "letter", "I send a letter", "phone", "I told them by phone", "in-person", "I told them in person")
	return f
}

func (k *call) articles(name, none string, valuesAndLabels ...string) field {
	f := field{Name: name, Label: "Legal ground", Kind: "pick", Value: k.line(name)}
	if none != "" {
		f.Picks = picks(f.Value, "", none)
	}
	f.Picks = append(f.Picks, picks(f.Value, valuesAndLabels...)...)
	return f
}

// moving returns the step of the path and the request it is taken with.
func (k *call) moving() (rights.Move, *rights.Request, error) {
	move := rights.Move(k.r.PathValue("step"))
	s, ok := moveForms[move]
	if !ok {
		return move, nil, fail.New(fail.NotFound, "There is no such step.")
	}
	if !k.staff.Can(s.may) {
		return move, nil, fail.New(fail.Forbidden, "Your account lacks the permission %s.", s.may)
	}
	q, err := k.requestOf()
	return move, q, err
}

// stepWay is the form of one step with one request.
func (k *call) stepWay(move rights.Move, q *rights.Request) *way {
	s := moveForms[move]
	w := &way{path: "/console/requests/" + q.ID.String() + "/steps/" + string(move), title: s.title, lead: s.lead, verb: s.verb}
	w.form = func(k *call) ([]group, error) {
		var fields []field
		if s.form != nil {
			fields = s.form(k, q)
		}
		title := rightWords(q.Type) + ", received " + q.ReceivedAt.Format("2 Jan 2006")
		return []group{{title, "Number " + q.ID.String(), fields}}, nil
	}
	w.do = func(k *call) (string, error) { return k.take(move, q) }
	return w
}

func (k *call) askStep() error {
	move, q, err := k.moving()
	if err != nil {
		return err
	}
	if !slices.Contains(q.Moves(), move) {
		return fail.New(fail.Conflict, "This step can’t be taken: the request is %s now.", standWords(q.State))
	}
	return asks(func() *way { return k.stepWay(move, q) })(k)
}

func (k *call) takeStep() error {
	move, q, err := k.moving()
	if err != nil {
		return err
	}
	return do(func() *way { return k.stepWay(move, q) })(k)
}

// take makes the move with what the form says.
func (k *call) take(move rights.Move, q *rights.Request) (string, error) {
	a := rights.Act{
		Do: move, By: k.hand(), Reason: k.text("reason"), Complaint: k.text("complaint"), Remedy: k.text("remedy"), Article: k.line("article"),
		Outcome: rights.Outcome(k.line("outcome")), About: k.line("about"), Method: rights.Method(k.line("method")), Told: k.line("told"),
		Amount: k.line("amount"), Currency: k.line("currency"),
	}
	if move == rights.MoveRefuse && strings.HasPrefix(a.Article, "Art. 11(2)") {
		a.Outcome = rights.OutcomeUnidentified
	}
	if _, err := k.Rights.Act(k.r.Context(), k.tenant(), q.ID, a); err != nil {
		return "", err
	}
	return "/console/requests/" + q.ID.String(), nil
}

// text reads a text of several lines with the line ends of this side.
func (k *call) text(name string) string {
	return strings.TrimSpace(strings.ReplaceAll(k.r.PostFormValue(name), "\r\n", "\n"))
}

// codeWay checks a code that the person reads out from the letter to them.
func (k *call) codeWay(q *rights.Request) *way {
	return &way{
		path: "/console/requests/" + q.ID.String() + "/code", title: "Enter the code of the person", verb: "Check it",
		lead: "It was sent to the one address that the request names. Whoever knows it reads the letters to that address.",
		form: func(k *call) ([]group, error) {
			return []group{{"Code", "", []field{{Name: "code", Label: "Eight digits", Kind: "number"}}}}, nil
		},
		do: func(k *call) (string, error) {
			_, err := k.Rights.CheckCode(k.r.Context(), k.tenant(), q.ID, k.line("code"), k.hand())
			if fail.Is(err, fail.Forbidden) || fail.Is(err, fail.Gone) {
				return "", fail.Field("code", "%s", messageOf(err))
			}
			return "/console/requests/" + q.ID.String(), err
		},
	}
}

func (k *call) askCode() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return asks(func() *way { return k.codeWay(q) })(k)
}

func (k *call) checkCode() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return do(func() *way { return k.codeWay(q) })(k)
}

// takeOn has the member of staff take care of the request, or leave it to others.
func (k *call) takeOn() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	staff := k.staff.ID
	if k.line("leave") != "" {
		staff = uuid.Nil
	}
	if err := k.Rights.Assign(k.r.Context(), k.tenant(), q.ID, staff, k.hand()); err != nil {
		return err
	}
	return k.goTo("/console/requests/" + q.ID.String())
}

// sendCode has a new code sent to the person.
func (k *call) sendCode() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	if err := k.Rights.SendCode(k.r.Context(), k.tenant(), q.ID, k.hand()); err != nil {
		return err
	}
	return k.goTo("/console/requests/" + q.ID.String())
}

// secondWay chooses which requests a second person approves.
func secondWay() *way {
	return &way{
		path: "/console/requests/settings", title: "What a second person approves, and how long packages live", verb: "Save",
		lead: "Nothing is done before somebody other than who wrote the request down, or established the identity, agrees. It holds for requests that come in from now on.",
		form: (*call).secondForm, do: (*call).saveSecond,
	}
}

// approvable are the types that can need approval.
var approvable = []rights.Type{rights.Access, rights.Portability, rights.Rectification, rights.Erasure, rights.Restriction, rights.Objection}

func (k *call) secondForm() ([]group, error) {
	set, err := k.Rights.Settings(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	var boxes []field
	for _, t := range approvable {
		f := field{Name: "type." + string(t), Label: rightWords(t) + " (" + articleWords(t) + ")", Kind: "check", Value: k.line("type." + string(t))}
		if k.line("key") == "" {
			f.Value = on(slices.Contains(set.SecondPerson, t))
		}
		boxes = append(boxes, f)
	}
	life := field{
		Name: "days_a_package_lives", Label: "Days for which a package can be downloaded", Help: "1 to 30. Empty: 14.", Kind: "number", Value: k.line("days_a_package_lives"),
	}
	if k.line("key") == "" && set.PackageDays > 0 {
		life.Value = strconv.Itoa(set.PackageDays)
	}
	return []group{{"A second person approves", "", boxes}, {"Packages", "", []field{life}}}, nil
}

func (k *call) saveSecond() (string, error) {
	set, err := k.Rights.Settings(k.r.Context(), k.tenant())
	if err != nil {
		return "", err
	}
	set.SecondPerson = slices.DeleteFunc(slices.Clone(set.SecondPerson), func(t rights.Type) bool { return slices.Contains(approvable, t) })
	for _, t := range approvable {
		if k.line("type."+string(t)) != "" {
			set.SecondPerson = append(set.SecondPerson, t)
		}
	}
	if set.PackageDays, err = k.number("days_a_package_lives"); err != nil {
		return "", err
	}
	return "/console/requests", k.Rights.Set(k.r.Context(), k.tenant(), set)
}

// stepView is a step that can be taken now.
type stepView struct {
	URL, Title string
	Main       bool // it moves the request on
}

// stepsOf lists the steps that this member of staff can take.
func (k *call) stepsOf(q *rights.Request) (list []stepView) {
	for _, m := range q.Moves() {
		if s := moveForms[m]; k.staff.Can(s.may) {
			main := m == rights.MoveVerify || m == rights.MoveRetry || m == rights.MoveAnswer || m == rights.MoveApprove || m == rights.MoveDecide || m == rights.MoveLift
			list = append(list, stepView{"/console/requests/" + q.ID.String() + "/steps/" + string(m), s.title, main})
		}
	}
	if waitsForDatabases(q) && k.staff.Can(org.PermissionDecide) {
		list = append(list, stepView{"/console/requests/" + q.ID.String() + "/settle", "Let stay what can’t be masked", true})
	}
	if len(leftByHand(q)) > 0 && k.staff.Can(org.PermissionHandle) {
		list = append(list, stepView{"/console/requests/" + q.ID.String() + "/by-hand", "Say what was done by hand", true})
	}
	return list
}

// happened is one line of the trail, in words.
type happened struct {
	At    time.Time
	By    string
	What  string
	State rights.State
	Words []fact
}

// trailOf tells what happened to the request, oldest first.
func (k *call) trailOf(q *rights.Request) ([]happened, error) {
	trail, err := k.Rights.Trail(k.r.Context(), k.tenant(), q.ID)
	if err != nil {
		return nil, err
	}
	names := map[uuid.UUID]string{}
	var list []happened
	for _, h := range trail {
		one := happened{At: h.At, What: whatWords(h.What), State: h.State}
		switch h.By.Kind {
		case "subject":
			one.By = "the person"
		case "system":
			one.By = "Probity"
		case "staff":
			if names[h.By.ID] == "" {
				names[h.By.ID] = k.who(h.By.ID.String())
			}
			one.By = names[h.By.ID]
		default:
			one.By = "an API client"
		}
		for _, name := range slices.Sorted(maps.Keys(h.Words)) {
			one.Words = append(one.Words, fact{sentence(name), h.Words[name]})
		}
		list = append(list, one)
	}
	return list, nil
}

// whatWords say what happened.
func whatWords(what string) string {
	if w, ok := map[string]string{
		"received": "The request came in", "code-sent": "A code was sent", "code-wrong": "A wrong code was tried", "taken": "Somebody takes care of it", "left": "Nobody takes care of it any more",
		string(rights.MoveAsk): "The person was asked", string(rights.MoveAnswer): "The person answered", string(rights.MoveVerify): "The identity was established",
		string(rights.MoveExtend): "The time limit was extended", string(rights.MoveHold): "The data is kept for now", string(rights.MoveRelease): "The hold ended",
		string(rights.MoveApprove): "A second person approved", string(rights.MoveRefuse): "It was refused", string(rights.MoveDecide): "It was decided",
		"recipient-told": "A recipient was told", "recipient-waived": "A recipient need not be told",
		string(rights.MoveFee): "A fee was asked for", string(rights.MoveWithdraw): "The person took it back",
		string(rights.MoveAnnounce): "The person was told that the restriction will end", string(rights.MoveLift): "The restriction was lifted",
		string(rights.MoveRetry): "It was tried again", "by-hand": "Somebody did it by hand", string(rights.MoveRemind): "The person was reminded of the question",
		string(rights.MoveLapse): "It was closed: the question was not answered", "unanswered": "The question was not answered, and the person can’t be reached from here",
	}[what]; ok {
		return w
	}
	return sentence(standWords(rights.State(what)))
}

func outcomeWords(o rights.Outcome) string {
	switch o {
	case rights.OutcomeUpheld:
		return "the objection holds: the use ends"
	case rights.OutcomeCompelling:
		return "compelling legitimate grounds override it"
	case rights.OutcomeChanged:
		return "the decision is changed"
	case rights.OutcomeConfirmed:
		return "the decision is confirmed"
	case rights.OutcomeRefused:
		return "refused"
	case rights.OutcomeUnanswered:
		return "the person did not answer"
	case rights.OutcomeUnidentified:
		return "the person can’t be identified"
	}
	return string(o)
}

// methodWords say how identity was established.
func methodWords(m rights.Method) string {
	switch m {
	case rights.ByController:
		return "checked by whoever handed the request in"
	case rights.BySignIn:
		return "the person signed in"
	case rights.ByCookie:
		return "the browser holds the random id that the data stands under"
	case rights.ByCode:
		return "a code that was sent by e-mail"
	case rights.ByStaff:
		return "a decision of staff"
	}
	return string(m)
}

// progressOf lists the stores in the order in which an erasure goes through them, as far as it has come.
func (k *call) progressOf(q *rights.Request) ([]progress, error) {
	if q.Facts.Policy == "" || q.State.Final() {
		return nil, nil
	}
	body, err := k.Rights.Snapshot(k.r.Context(), k.tenant(), q.Facts.Policy)
	if err != nil {
		return nil, err
	}
	var policy rights.Policy
	if err := json.Unmarshal(body, &policy); err != nil {
		return nil, err
	}
	var list []progress
	for _, name := range policy.Stores {
		i := slices.IndexFunc(q.Report.Stores, func(s rights.StoreReport) bool { return s.Store == name })
		p := progress{Store: name}
		if i >= 0 {
			p.Did = q.Report.Stores[i].Did
		}
		list = append(list, p)
	}
	return list, nil
}

// progress is how far one store is.
type progress struct{ Store, Did string }
