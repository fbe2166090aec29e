package console

import (
	"net/http"

	"probity/internal/org"
	"probity/internal/rights"
)

// settleWay decides that what no strategy can mask in the organisation's databases stays.
func (k *call) settleWay(q *rights.Request) *way {
	return &way{
		path: "/console/requests/" + q.ID.String() + "/settle", title: "Let stay what can’t be masked", verb: "It stays",
		lead: "The erasure goes on without these fields. The certificate names them and repeats your reason.",
		form: func(k *call) ([]group, error) {
			return []group{{"Why they may stay", "Number " + q.ID.String(), []field{k.reason("Such as the duty to keep invoices, with its article. Nothing personal.")}}}, nil
		},
		do: func(k *call) (string, error) {
			err := k.Rights.SettleDatabases(k.r.Context(), k.tenant(), q.ID, k.hand(), k.text("reason"))
			return "/console/requests/" + q.ID.String(), err
		},
	}
}

func (k *call) askSettle() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return asks(func() *way { return k.settleWay(q) })(k)
}

func (k *call) settle() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return do(func() *way { return k.settleWay(q) })(k)
}

// byHandWay says that somebody restricted the person's rows, or freed them, where nothing here can.
func (k *call) byHandWay(q *rights.Request) *way {
	return &way{
		path: "/console/requests/" + q.ID.String() + "/by-hand", title: "Say what was done by hand", verb: "It is done",
		lead: "The request goes on when nothing is left to do by hand.",
		form: func(k *call) ([]group, error) {
			where := field{Name: "collection", Label: "Where", Kind: "pick", Value: k.line("collection")}
			for _, t := range leftByHand(q) {
				where.Picks = append(where.Picks, picks(where.Value, t.Collection, t.Collection+": "+t.Why)...)
			}
			return []group{{"What was done", "Number " + q.ID.String(), []field{where, k.reason("How it was done. Nothing personal; the trail keeps it.")}}}, nil
		},
		do: func(k *call) (string, error) {
			err := k.Rights.DoneByHand(k.r.Context(), k.tenant(), q.ID, k.hand(), k.line("collection"), k.text("reason"))
			return "/console/requests/" + q.ID.String(), err
		},
	}
}

func (k *call) askByHand() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return asks(func() *way { return k.byHandWay(q) })(k)
}

func (k *call) byHand() error {
	q, err := k.requestOf()
	if err != nil {
		return err
	}
	return do(func() *way { return k.byHandWay(q) })(k)
}

// leftByHand lists where somebody must restrict the person's rows, or free them.
func leftByHand(q *rights.Request) (list []rights.ByHand) {
	if q.State.Final() || q.Report.Restricted == nil {
		return nil
	}
	for _, t := range q.Report.Restricted.Tasks {
		if !t.Done {
			list = append(list, t)
		}
	}
	return list
}

// waitsForDatabases tells whether somebody must decide about fields that nothing can mask.
func waitsForDatabases(q *rights.Request) bool {
	d := q.Report.Databases
	return !q.State.Final() && d != nil && len(d.Unmaskable) > 0 && d.Settled == ""
}

// databaseView is a connected database with how it stood when it was tried last.
type databaseView struct {
	rights.Database
	Check *rights.DatabaseCheck // nil: it was never tried
}

// databases shows which databases requests reach into. Where they are, and with which account, is the
// operator's to know: nothing of a connection is shown.
func (k *call) databases() error {
	checks, err := k.Rights.DatabaseChecks(k.r.Context(), k.tenant())
	if err != nil {
		return err
	}
	var views []databaseView
	for _, d := range k.Rights.ConnectedDatabases(k.tenant()) {
		v := databaseView{Database: d}
		if c, ok := checks[d.Key]; ok {
			v.Check = &c
		}
		views = append(views, v)
	}
	return k.show(http.StatusOK, "connections", "Databases", map[string]any{"List": views, "MayTry": k.staff.Can(org.PermissionAdmin)})
}

// tryDatabases connects to all of them. It takes up to a minute if one does not answer.
func (k *call) tryDatabases() error {
	if err := k.Rights.CheckDatabases(k.r.Context(), k.tenant()); err != nil {
		return err
	}
	return k.goTo("/console/databases")
}
