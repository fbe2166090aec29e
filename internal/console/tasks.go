package console

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/org"
	"probity/internal/rights"
)

// Desks shows what requests rest on besides themselves: who must do something, who receives data, which
// databases are connected, and what is masked. *rights.Room satisfies it.
type Desks interface {
	Tasks(ctx context.Context, t id.Tenant, limit int) (list []rights.Task, total int, err error)
	Told(ctx context.Context, t id.Tenant, request uuid.UUID) ([]rights.Told, error)
	TellTaskMessage(ctx context.Context, t id.Tenant, request, recipient uuid.UUID) (*rights.Message, error)
	SettleTold(ctx context.Context, t id.Tenant, request, recipient uuid.UUID, by rights.Actor, waive bool, words string) error
	Recipients(ctx context.Context, t id.Tenant) ([]rights.Recipient, error)
	Tellings(ctx context.Context, t id.Tenant) (map[uuid.UUID]rights.Telling, error)
	AddRecipient(ctx context.Context, t id.Tenant, p rights.Recipient) (*rights.Recipient, error)
	ChangeRecipient(ctx context.Context, t id.Tenant, recipient uuid.UUID, change func(*rights.Recipient)) (*rights.Recipient, error)
	DropRecipient(ctx context.Context, t id.Tenant, recipient uuid.UUID) error
	ConnectedDatabases(t id.Tenant) []rights.Database
	DatabaseChecks(ctx context.Context, t id.Tenant) (map[string]rights.DatabaseCheck, error)
	CheckDatabases(ctx context.Context, t id.Tenant) error
	MaskingRules(ctx context.Context, t id.Tenant) ([]rights.MaskingRule, error)
	MaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID) (*rights.MaskingRule, error)
	AddMaskingRule(ctx context.Context, t id.Tenant, m rights.MaskingRule) (*rights.MaskingRule, error)
	ChangeMaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID, change func(*rights.MaskingRule)) (*rights.MaskingRule, error)
	DropMaskingRule(ctx context.Context, t id.Tenant, rule uuid.UUID) error
}

// tasksShown is how many tasks the page lists; what is due first comes first.
const tasksShown = 200

// desks are the pages around requests, in the order of their tabs, with what each needs.
var desks = []struct{ path, name, may string }{
	{"/console/requests", "Queue", org.PermissionRights},
	{"/console/tasks", "Waits for people", org.PermissionRights},
	{"/console/recipients", "Recipients", org.PermissionAdmin},
	{"/console/databases", "Databases", org.PermissionRights},
	{"/console/masking", "Masking rules", maskingView},
}

// deskTabs are the pages that somebody may see.
func deskTabs(staff *org.Staff, path string) (list []queueTab) {
	for _, d := range desks {
		if staff != nil && staff.Can(d.may) {
			list = append(list, queueTab{Name: d.name, URL: d.path, Here: path == d.path || d.path != "/console/requests" && strings.HasPrefix(path, d.path+"/")})
		}
	}
	return list
}

// ofRequests tells whether a page belongs to the requests.
func ofRequests(path string) bool {
	return slices.ContainsFunc(desks, func(d struct{ path, name, may string }) bool {
		return path == d.path || strings.HasPrefix(path, d.path+"/")
	})
}

// taskView is a step that waits, with where it is taken.
type taskView struct {
	rights.Task
	What, URL, Who string
	May            bool // this member of staff can take it
	Mine           bool
}

// tasks lists the steps that wait for people, across requests.
func (k *call) tasks() error {
	list, total, err := k.Rights.Tasks(k.r.Context(), k.tenant(), tasksShown)
	if err != nil {
		return err
	}
	names := map[uuid.UUID]string{}
	var views []taskView
	for _, t := range list {
		v := taskView{Task: t, URL: "/console/requests/" + t.Request.String(), Mine: t.Assignee == k.staff.ID}
		if t.Assignee != uuid.Nil {
			if names[t.Assignee] == "" {
				names[t.Assignee] = k.who(t.Assignee.String())
			}
			v.Who = names[t.Assignee]
		}
		may := org.PermissionHandle
		switch t.Do {
		case string(rights.IdentityPending):
			v.What = "Record the identity, or what the person answered"
		case string(rights.Held):
			v.What, may = "End the hold when its reason is gone", org.PermissionDecide
		case string(rights.ApprovalPending):
			v.What, may = "Approve as the second person", org.PermissionApprove
		case string(rights.Deciding):
			v.What, may = "Weigh the objection", org.PermissionDecide
			if t.Type == rights.HumanReview {
				v.What = "Review the automated decision"
			}
		case rights.TaskSettle:
			v.What, may = "Decide about fields that nothing can mask", org.PermissionDecide
			v.URL += "/settle"
		case rights.TaskLift:
			v.What, may = "Lift the restriction: its end was announced", org.PermissionDecide
			v.URL += "/steps/lift"
		case rights.TaskTell:
			v.What = "Tell " + t.Name
			v.URL += "/recipients/" + t.Recipient.String()
		default:
			v.What = sentence(standWords(rights.State(t.Do)))
		}
		v.May = k.staff.Can(may)
		views = append(views, v)
	}
	return k.show(http.StatusOK, "tasks", "Waits for people", map[string]any{"List": views, "Total": total, "More": total - len(views)})
}

// toldView is what became of telling one recipient, on the page of a request.
type toldView struct {
	rights.Told
	URL string // where staff do it; empty: there is nothing to do, or they may not
}

// toldOf tells what became of telling the recipients.
func (k *call) toldOf(q *rights.Request) (views []toldView, err error) {
	list, err := k.Rights.Told(k.r.Context(), k.tenant(), q.ID)
	for _, t := range list {
		v := toldView{Told: t}
		if t.State == rights.TellTask && k.staff.Can(org.PermissionHandle) {
			v.URL = "/console/requests/" + q.ID.String() + "/recipients/" + t.Recipient.String()
		}
		views = append(views, v)
	}
	return views, err
}

// tellState says what became of telling.
func tellState(state string) string {
	switch state {
	case rights.TellDue:
		return "is being told"
	case rights.TellTask:
		return "waits for staff"
	case rights.TellSent:
		return "told, not confirmed yet"
	case rights.TellDone:
		return "told"
	case rights.TellWaived:
		return "need not be told"
	}
	return "not told"
}

// tellWay says how a recipient is told.
func tellWay(way string) string {
	switch way {
	case rights.ByWebhook:
		return "a signed call"
	case rights.ByOpenDSR:
		return "OpenDSR 2.0"
	}
	return "a letter by staff"
}

// telling returns the request and recipient of the path, and what is known of the recipient.
func (k *call) telling() (q *rights.Request, told rights.Told, err error) {
	if q, err = k.requestOf(); err != nil {
		return nil, told, err
	}
	list, err := k.Rights.Told(k.r.Context(), k.tenant(), q.ID)
	if err != nil {
		return nil, told, err
	}
	for _, t := range list {
		if t.Recipient.String() == k.r.PathValue("recipient") {
			return q, t, nil
		}
	}
	return nil, told, fail.New(fail.NotFound, "This recipient was not to be told of this request.")
}

// tell shows what staff must tell a recipient: whom the request was about, and what was done.
func (k *call) tell() error {
	q, told, err := k.telling()
	if err != nil {
		return err
	}
	m, err := k.Rights.TellTaskMessage(k.r.Context(), k.tenant(), q.ID, told.Recipient)
	gone := ""
	if fail.Is(err, fail.Gone) {
		gone, err = messageOf(err), nil
	}
	if err != nil {
		return err
	}
	var facts []fact
	if m != nil {
		for _, i := range m.Identifiers {
			facts = append(facts, fact{sentence(i.Kind), i.Value})
		}
		for _, r := range m.Replacements {
			facts = append(facts, fact{"Corrected", r.Existing + " → " + r.Updated})
		}
	}
	contact := ""
	all, err := k.Rights.Recipients(k.r.Context(), k.tenant())
	for _, p := range all {
		if p.ID == told.Recipient {
			contact = p.Contact
		}
	}
	if err != nil {
		return err
	}
	at := "/console/requests/" + q.ID.String()
	return k.show(http.StatusOK, "tell", "Tell a recipient", map[string]any{
		"Request": q, "Told": told, "Contact": contact, "Facts": facts, "Gone": gone, "At": at, "URL": at + "/recipients/" + told.Recipient.String(),
		"Open": told.State == rights.TellTask || told.State == rights.TellDue, "MayWaive": k.staff.Can(org.PermissionDecide),
	})
}

// tellingWay notes that a recipient was told, or why nobody will tell them.
func (k *call) tellingWay(q *rights.Request, told rights.Told, waive bool) *way {
	path := "/console/requests/" + q.ID.String() + "/recipients/" + told.Recipient.String()
	w := &way{path: path + "/told", title: told.Name + " was told", verb: "It is done", lead: "The trail of the request keeps it (Art. 19 GDPR)."}
	help := "How and when they were told. Nothing personal."
	if waive {
		w.path, w.title, w.verb = path+"/waive", told.Name+" need not be told", "They need not be told"
		w.lead, help = "Only where it is impossible or takes disproportionate effort (Art. 19 GDPR).", "Why that is so. The trail keeps it; nothing personal."
	}
	w.form = func(k *call) ([]group, error) {
		return []group{{rightWords(q.Type) + ", received " + q.ReceivedAt.Format("2 Jan 2006"), "Number " + q.ID.String(), []field{k.reason(help)}}}, nil
	}
	w.do = func(k *call) (string, error) {
		return "/console/requests/" + q.ID.String(), k.Rights.SettleTold(k.r.Context(), k.tenant(), q.ID, told.Recipient, k.hand(), waive, k.text("reason"))
	}
	return w
}

// askTelling shows the form that ends the telling of one recipient, and settleTelling takes it.
func askTelling(waive bool) func(*call) error {
	return func(k *call) error {
		q, told, err := k.telling()
		if err != nil {
			return err
		}
		return asks(func() *way { return k.tellingWay(q, told, waive) })(k)
	}
}

func settleTelling(waive bool) func(*call) error {
	return func(k *call) error {
		q, told, err := k.telling()
		if err != nil {
			return err
		}
		return do(func() *way { return k.tellingWay(q, told, waive) })(k)
	}
}
