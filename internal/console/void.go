package console

import (
	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
)

// voiding returns the record of the path.
func (k *call) voiding() (uuid.UUID, error) {
	record, err := uuid.Parse(k.r.PathValue("record"))
	if err != nil {
		return record, fail.New(fail.NotFound, "There is no such record of consent.")
	}
	return record, nil
}

// voidWay ends what one record gave, by the organisation's own decision.
func voidWay(record uuid.UUID) *way {
	return &way{
		path: "/console/consent/ways/records/" + record.String() + "/end", title: "End what a record gave", verb: "End it",
		lead: "The gate is shut at once. The record stays, with its proof; a new entry says why it does not count any more.",
		form: (*call).voidForm, do: (*call).voidNow,
	}
}

func (k *call) voidForm() ([]group, error) {
	why := field{Name: "revoked", Label: "What was wrong with it", Kind: "pick", Value: k.line("revoked")}
	why.Picks = picks(why.Value, "", "It never was a valid consent", "on", "It was valid, and the organisation ends it")
	return []group{{"Why", "", []field{why,
		{Name: "reason", Label: "Reason", Help: "10 to 2,000 characters, nothing personal. It goes into the ledger, where it stays.", Kind: "area", Rows: 3, Value: k.line("reason")},
	}}}, nil
}

func (k *call) askVoid() error {
	record, err := k.voiding()
	if err != nil {
		return err
	}
	return asks(func() *way { return voidWay(record) })(k)
}

// void ends it. Pressed twice it ends it once: what gives nothing any more makes no entry.
func (k *call) void() error {
	record, err := k.voiding()
	if err != nil {
		return err
	}
	return do(func() *way { return voidWay(record) })(k)
}

func (k *call) voidNow() (string, error) {
	record, err := k.voiding()
	if err != nil {
		return "", err
	}
	if _, err := k.Ways.VoidRecord(k.r.Context(), k.tenant(), record, consent.Void{Reason: k.line("reason"), Actor: k.actor(), Revoked: k.line("revoked") != ""}); err != nil {
		return "", err
	}
	s, err := id.ParseSubject(k.line("subject"))
	if err != nil {
		s = id.Subject{}
	}
	return k.after(s, "ended"), nil
}
