package console

import (
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
