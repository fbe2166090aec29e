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

// waitsForDatabases tells whether somebody must decide about fields that nothing can mask.
func waitsForDatabases(q *rights.Request) bool {
	d := q.Report.Databases
	return !q.State.Final() && d != nil && len(d.Unmaskable) > 0 && d.Settled == ""
}
