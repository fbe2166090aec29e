package console

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/rights"
	"probity/verify"
)

// requestsAPage is how many requests one page of the queue lists.
const requestsAPage = 50

// queueTab is one of the lists that the queue has.
type queueTab struct {
	Name, URL string
	N         int
	Here      bool
}

// queueView is the page that lists requests.
type queueView struct {
	Tabs          []queueTab
	Show          rights.Show
	Types, States []option
	Whose         []option
	Names         map[uuid.UUID]string // of those who have taken one on
	Filtered      bool
	List          []rights.Waiting
	Total         int
	First, Last   int    // of the rows shown, counted from 1
	Earlier, More string // addresses of the pages before and after; empty: there is none

	MayAdd, MaySet bool
}

// requests is the queue: what is due first comes first, so what is late is on top.
func (k *call) requests() error {
	ctx, query := k.r.Context(), k.r.URL.Query()
	load, err := k.Rights.Load(ctx, k.tenant())
	if err != nil {
		return err
	}
	v := queueView{Show: rights.ShowOpen, MayAdd: k.staff.Can(org.PermissionRequest), MaySet: k.staff.Can(org.PermissionAdmin)}
	q := rights.Queue{Type: rights.Type(query.Get("type")), State: rights.State(query.Get("state"))}
	whose := query.Get("whose")
	switch whose {
	case "nobody":
		q.Free = true
	case "mine":
		q.Assignee = k.staff.ID
	default:
		whose = ""
	}
	v.Whose = picks(whose, "", "anybody’s", "nobody", "nobody’s", "mine", "mine")
	all := load.Open + load.Done
	tabs := []struct {
		show rights.Show
		name string
		n    int
	}{
		{rights.ShowOpen, "Open", load.Open}, {rights.ShowOverdue, "Overdue", load.Overdue}, {rights.ShowSoon, "Due within a week", load.Soon},
		{rights.ShowDone, "Finished", load.Done}, {rights.ShowAll, "All", all},
	}
	for _, t := range tabs {
		if string(t.show) == query.Get("show") {
			v.Show = t.show
		}
	}
	address := func(show rights.Show, page int) string {
		out := url.Values{"show": {string(show)}}
		for name, value := range map[string]string{"type": string(q.Type), "state": string(q.State), "whose": whose} {
			if value != "" {
				out.Set(name, value)
			}
		}
		if page > 1 {
			out.Set("page", strconv.Itoa(page))
		}
		return "/console/requests?" + out.Encode()
	}
	for _, t := range tabs {
		v.Tabs = append(v.Tabs, queueTab{Name: t.name, URL: address(t.show, 1), N: t.n, Here: t.show == v.Show})
	}
	v.Types = picks(string(q.Type), "", "all rights")
	for _, t := range slices.Sorted(maps.Keys(load.Types)) {
		v.Types = append(v.Types, picks(string(q.Type), string(t), rightWords(t))...)
	}
	v.States = picks(string(q.State), "", "all states")
	for _, s := range slices.Sorted(maps.Keys(load.States)) {
		v.States = append(v.States, picks(string(q.State), string(s), standWords(s))...)
	}
	v.Filtered = q.Type != "" || q.State != "" || whose != ""
	q.Show = v.Show
	page, err := strconv.Atoi(cmp.Or(query.Get("page"), "1"))
	if err != nil || page < 1 || page > 1_000_000 {
		return fail.New(fail.NotFound, "There is no such page of requests.")
	}
	skip := (page - 1) * requestsAPage
	if v.List, v.Total, err = k.Rights.Queue(ctx, k.tenant(), q, skip, requestsAPage); err != nil {
		return err
	}
	v.Names = map[uuid.UUID]string{}
	for _, w := range v.List {
		if w.Assignee != uuid.Nil && v.Names[w.Assignee] == "" {
			v.Names[w.Assignee] = k.who(w.Assignee.String())
		}
	}
	v.First, v.Last = skip+1, skip+len(v.List)
	if page > 1 {
		v.Earlier = address(v.Show, page-1)
	}
	if v.Last < v.Total {
		v.More = address(v.Show, page+1)
	}
	return k.show(http.StatusOK, "requests", "Requests", v)
}

// requestView is a request as staff see it.
type requestView struct {
	*rights.Request
	Named   []fact // who it is about, as they were named
	Forgot  bool   // who it is about is not held any more
	Proof   proofOf
	Proven  []string // what the certificate was verified to say
	Unknown []string // what the reader must know by other means
	Expired bool     // there was a package, and it is gone

	Told     []toldView
	Wishes   []fact // what it asks for besides its type
	Steps    []stepView
	Code     bool // a code can show who asks
	Plan     *rights.Plan
	NoPlan   string // why there is no plan
	Trail    []happened
	Progress []progress
	Running  bool // it is being carried out right now
	Refused  []fact
	Taken    string // who takes care of it; empty: nobody
	Mine     bool
	MayTake  bool
}

func (k *call) request() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	v := requestView{Request: q, Named: namedBy(&q.Who)}
	v.Forgot = len(v.Named) == 0
	if q.Certified {
		if err := k.checkCertificate(&v); err != nil {
			return err
		}
	}
	taken, err := k.Rights.Assignee(k.r.Context(), k.tenant(), q.ID)
	if err != nil {
		return err
	}
	if taken != uuid.Nil {
		v.Taken = k.who(taken.String())
	}
	v.Mine, v.MayTake = taken == k.staff.ID, !q.State.Final() && k.staff.Can(org.PermissionHandle)
	if v.Told, err = k.toldOf(q); err != nil {
		return err
	}
	if v.Wishes, err = k.wishesOf(q); err != nil {
		return err
	}
	if v.Trail, err = k.trailOf(q); err != nil {
		return err
	}
	v.Steps, v.Code = k.stepsOf(q), q.AwaitsCode() && k.staff.Can(org.PermissionHandle)
	switch {
	case q.State.Waits():
		if err := k.plan(&v); err != nil {
			return err
		}
	case !q.State.Final():
		v.Running = true
		k.w.Header().Set("Refresh", "2")
		if v.Progress, err = k.progressOf(q); err != nil {
			return err
		}
	case q.State == rights.Refused:
		v.Refused = wordsOf(v.Trail, whatWords(string(rights.MoveRefuse)))
	}
	v.Expired = q.State == rights.Verified && q.Package == nil && (q.Type == rights.Access || q.Type == rights.Portability)
	return k.show(http.StatusOK, "request", "Request", &v)
}

// wordsOf returns what was written with the last entry of its kind.
func wordsOf(trail []happened, what string) []fact {
	for _, h := range slices.Backward(trail) {
		if h.What == what {
			return h.Words
		}
	}
	return nil
}

// plan tries the request without doing anything. That a database does not answer is no reason to show
// nothing else.
func (k *call) plan(v *requestView) error {
	q, f := v.Request, v.Facts
	p, err := k.Rights.Simulate(k.r.Context(), k.tenant(), rights.Request{
		Type: q.Type, Who: q.Who, Replacements: q.Replacements, Statement: q.Statement, ReceivedAt: q.ReceivedAt, Channel: q.Channel, CreatedBy: q.CreatedBy,
		Facts: rights.Facts{Ground: f.Ground, Purposes: f.Purposes, Marketing: f.Marketing, AtOnce: f.AtOnce, Automated: f.Automated},
	}, rights.Opening{})
	if fail.Is(err, fail.Unavailable) || fail.Is(err, fail.Invalid) {
		v.NoPlan = messageOf(err)
		return nil
	}
	v.Plan = p
	return err
}

// requestOf returns the request of the path.
func (k *call) requestOf() (*rights.Request, error) {
	request, err := uuid.Parse(k.r.PathValue("request"))
	if err != nil {
		return nil, fail.New(fail.NotFound, "There is no such request.")
	}
	return k.Rights.Get(k.r.Context(), k.tenant(), request)
}

// checkCertificate verifies the certificate as a stranger would, with no key but those that the log
// publishes.
func (k *call) checkCertificate(v *requestView) error {
	ctx := k.r.Context()
	file, err := k.Rights.Certificate(ctx, k.tenant(), v.ID)
	if err != nil {
		return err
	}
	chain, err := k.Entries.Keys(ctx, k.tenant())
	if err != nil {
		return err
	}
	var keys []string
	for _, key := range chain.Keys {
		keys = append(keys, key.VerifierKey)
	}
	report, err := verify.File(file, keys...)
	if err != nil {
		v.Proof.Why = string(verify.ReasonOf(err))
		return nil
	}
	v.Proof.Holds, v.Proven, v.Unknown = true, report.Verified, report.Unverified
	return nil
}

// namedBy lists how the request names the person.
func namedBy(w *rights.Who) []fact {
	var list []fact
	add := func(label string, values ...string) {
		for _, v := range values {
			if v != "" {
				list = append(list, fact{label, v})
			}
		}
	}
	add("Name", w.Name)
	add("E-mail address", w.EmailAddresses...)
	add("Phone number", w.PhoneNumbers...)
	add("Address", w.Addresses...)
	add("Customer number", w.ExternalID)
	if c := w.JourneyCustomer; c != nil {
		add("Visitor by "+strings.ToLower(c.Type), c.ID)
	}
	if h := w.SocialHandle; h != nil {
		add(h.Type, h.Value)
	}
	add("User", w.UserID)
	add("Contact", w.ExternalContactID)
	if d := w.DialerContactID; d != nil {
		add("Contact of a list", d.ID)
	}
	for _, s := range w.Subjects {
		add("Browser", s.String())
	}
	return list
}

func (k *call) certificate() error {
	request, err := uuid.Parse(k.r.PathValue("request"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such request.")
	}
	data, err := k.Rights.Certificate(k.r.Context(), k.tenant(), request)
	if err != nil {
		return err
	}
	return k.attach("certificate-"+request.String()+".json", data)
}

// takePackage hands out the package. That it was taken, and by whom, goes into the log.
func (k *call) takePackage() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	if q.Package == nil {
		return fail.New(fail.NotFound, "There is no file for this request, or its time is over.")
	}
	p, data, err := k.Rights.Download(k.r.Context(), k.tenant(), q.Package.ID, k.hand())
	if err != nil {
		return err
	}
	k.w.Header().Set("Content-Type", "application/zip")
	k.w.Header().Set("Content-Disposition", `attachment; filename="`+p.Name+`"`)
	_, _ = k.w.Write(data) // a browser that left needs no answer
	return nil
}

// hand is how requests refer to the member of staff.
func (k *call) hand() rights.Actor { return rights.Actor{Kind: "staff", ID: k.staff.ID} }

// requestWords are the functions of the templates of requests.
func (c *console) requestWords() template.FuncMap {
	return template.FuncMap{
		"left":    func(due time.Time) string { return left(c.Clock.Now(), due) },
		"late":    func(due time.Time) bool { return !c.Clock.Now().Before(due) },
		"right":   rightWords,
		"outcome": outcomeWords,
		"method":  methodWords,
		"total":   total,
		"stand":   standWords,
		"article": articleWords,
		"lastday": func(due time.Time) string { return due.Add(-time.Second).UTC().Format("2 Jan 2006") },
		"many":    many,

		"desktabs": deskTabs, "tellstate": tellState, "tellway": tellWay,
		"channel": func(s string) string { return strings.ReplaceAll(s, "-", " ") },
	}
}

// many writes a number and what it counts.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// rightWords name what is asked for.
func rightWords(t rights.Type) string {
	switch t {
	case rights.Access:
		return "Access"
	case rights.Portability:
		return "Portability"
	case rights.Rectification:
		return "Rectification"
	case rights.Erasure:
		return "Erasure"
	case rights.Restriction:
		return "Restriction"
	case rights.Objection:
		return "Objection"
	case rights.HumanReview:
		return "Review by a human"
	}
	return sentence(string(t))
}

// articleWords name the article that a type rests on.
func articleWords(t rights.Type) string {
	switch t {
	case rights.Access:
		return "Art. 15 GDPR"
	case rights.Portability:
		return "Art. 20 GDPR"
	case rights.Rectification:
		return "Art. 16 GDPR"
	case rights.Erasure:
		return "Art. 17 GDPR"
	case rights.Restriction:
		return "Art. 18 GDPR"
	case rights.Objection:
		return "Art. 21 GDPR"
	case rights.HumanReview:
		return "Art. 22(3) GDPR"
	}
	return ""
}

// standWords say how far a request has come.
func standWords(s rights.State) string {
	switch s {
	case rights.Received:
		return "received"
	case rights.IdentityPending:
		return "waits for the person"
	case rights.Held:
		return "data kept for now"
	case rights.ApprovalPending:
		return "waits for approval"
	case rights.Deciding:
		return "waits for a decision"
	case rights.Locating:
		return "searching"
	case rights.Rewriting:
		return "correcting"
	case rights.Erasing:
		return "deleting"
	case rights.Verifying:
		return "reading again"
	case rights.Packaging:
		return "packing"
	case rights.Certifying:
		return "signing"
	case rights.Restricting:
		return "restricting"
	case rights.Settling:
		return "carrying out the decision"
	case rights.Withdrawn:
		return "taken back"
	case rights.Verified:
		return "done and verified"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}

// total adds counts up.
func total(counts []rights.Count) (n int64) {
	for _, c := range counts {
		n += c.N
	}
	return n
}

// sentence writes an identifier as the beginning of a sentence.
func sentence(s string) string {
	s = strings.NewReplacer("_", " ", "-", " ").Replace(s)
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// left says how much time there is until a moment, or since.
func left(now, due time.Time) string {
	const day = 24 * time.Hour
	if d := due.Sub(now); d > 0 {
		return many(int((d+day-1)/day), "day", "days") + " left"
	}
	return many(int(now.Sub(due)/day)+1, "day", "days") + " late"
}
