package rights

import "slices"

// moves lists all moves in the order in which a desk offers them.
var moves = []Move{
	MoveRetry, MoveVerify, MoveAnswer, MoveApprove, MoveDecide, MoveRelease, MoveAsk, MoveExtend, MoveHold, MoveFee, MoveRefuse, MoveWithdraw, MoveAnnounce, MoveLift,
}

// Moves lists what people can do to the request as it stands. Apply judges again, and knows more: who
// acts, and when.
func (q *Request) Moves() []Move {
	f := &q.Facts
	asked := func(about string) bool {
		return slices.ContainsFunc(f.Pauses, func(p Pause) bool { return p.About == about && p.Answered.IsZero() })
	}
	var list []Move
	for _, m := range moves {
		ok := slices.Contains(allowed[m], q.State)
		switch m {
		case MoveVerify:
			ok = ok && f.Identity.At.IsZero()
		case MoveAnswer:
			ok = ok && asked(aboutScope)
		case MoveExtend:
			ok = ok && f.Extended == nil
		case MoveHold:
			ok = ok && q.Type == Erasure && f.Hold == nil
		case MoveRelease:
			ok = ok && f.Hold != nil
		case MoveAnnounce:
			ok = ok && q.Type == Restriction && f.Lifting == nil
		case MoveRetry:
			again := *q
			ok = ok && again.retry() == nil
		case MoveLift:
			ok = ok && q.Type == Restriction && f.Lifting != nil && f.Lifting.Lifted.IsZero()
		}
		if ok {
			list = append(list, m)
		}
	}
	return list
}

// Outcomes lists how a human can decide the request, none if there is nothing to decide.
func (q *Request) Outcomes() []Outcome {
	switch q.Type {
	case Objection:
		return []Outcome{OutcomeUpheld, OutcomeCompelling}
	case HumanReview:
		return []Outcome{OutcomeChanged, OutcomeConfirmed}
	}
	return nil
}

// AwaitsCode tells whether the person can show who they are with a code from a letter to them.
func (q *Request) AwaitsCode() bool { return q.awaitsCode() }

// Waits tells whether nothing happens in the state before a person does something.
func (s State) Waits() bool { return slices.Contains(parked, s) }
