package rights

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// Facts are what is known about a request besides what it asks for. They hold no personal data and
// stay with the request. Only Apply and the procedures change them.
type Facts struct {
	Ground    string     `json:"ground,omitempty"`           // letter of Art. 17(1) or 18(1) that the person relies on
	Purposes  []string   `json:"purposes,omitempty"`         // of an objection
	Marketing bool       `json:"direct_marketing,omitempty"` // an objection to direct marketing, Art. 21(2)
	AtOnce    bool       `json:"at_once,omitempty"`          // an objection whose purposes end without a decision
	Automated *Automated `json:"automated_decision,omitempty"`

	Identity  Identity   `json:"identity"`
	Pauses    []Pause    `json:"pauses,omitempty"`
	Extended  *Extension `json:"extension,omitempty"`
	Hold      *Hold      `json:"hold,omitempty"`
	Approval  *Approval  `json:"approval,omitempty"`
	Fee       *Fee       `json:"fee,omitempty"`
	Outcome   Outcome    `json:"outcome,omitempty"`
	Lifting   *Lifting   `json:"lifting,omitempty"`
	Policy    string     `json:"policy_sha256,omitempty"`
	Redo      *Redo      `json:"correction_to_make,omitempty"` // what a restored database lacks; this restriction holds until it is made again
	Duplicate uuid.UUID  `json:"duplicate_of,omitzero"`        // the open request of the same kind about the same person
	Earlier   int        `json:"earlier_requests"`             // about the same person in the twelve months before
}

// Automated names the automated decision that a human is to review (Art. 22(3)).
type Automated struct {
	Kind string    `json:"kind"` // "offer", "score", "segment" or "other"
	ID   uuid.UUID `json:"id"`
}

// Method is how it was found out that who asks is who they say.
type Method string

// The methods.
const (
	ByController Method = "controller" // whoever submitted the request has checked
	BySignIn     Method = "signed-in"
	ByCookie     Method = "cookie" // the device holds the random id that the data stands under
	ByCode       Method = "email-code"
	ByStaff      Method = "staff" // a decision with a reason
)

// Identity is the check of who asks. Nothing is located, released or changed before it is made.
type Identity struct {
	Method Method    `json:"method,omitempty"`
	At     time.Time `json:"verified_at,omitzero"` // zero: not verified
	By     Actor     `json:"by,omitzero"`
}

// Extension is the one extension by two months (Art. 12(3)).
type Extension struct {
	At   time.Time `json:"at"`
	Told string    `json:"told"` // how the person was told
}

// Hold keeps the data from erasure (Art. 17(3)).
type Hold struct {
	At      time.Time `json:"at"`
	Article string    `json:"article"`
	Record  uuid.UUID `json:"record,omitzero"` // the hold on the person, if it was not placed on this request
}

// Approval is the second person's.
type Approval struct {
	By Actor     `json:"by,omitzero"`
	At time.Time `json:"at,omitzero"` // zero: still needed
}

// Fee is what is asked of a person whose request is manifestly unfounded or excessive, or for further
// copies (Art. 12(5), 15(3)). The justification stands in the trail.
type Fee struct {
	Amount   string    `json:"amount"`
	Currency string    `json:"currency"`
	At       time.Time `json:"at"`
	Told     string    `json:"told"`
}

// Lifting is the end of a restriction, which the person hears of first (Art. 18(3)).
type Lifting struct {
	Announced time.Time `json:"announced_at"`
	Told      string    `json:"told"`
	Lifted    time.Time `json:"lifted_at,omitzero"`
}

// Outcome is how a request ended, where its state alone does not say so.
type Outcome string

// The outcomes.
const (
	OutcomeRefused      Outcome = "refused"
	OutcomeUnidentified Outcome = "cannot-identify" // Art. 11(2)
	OutcomeUpheld       Outcome = "upheld"          // the objection holds: processing for the purposes ends
	OutcomeCompelling   Outcome = "compelling-grounds"
	OutcomeChanged      Outcome = "decision-changed" // by the human who reviewed it
	OutcomeConfirmed    Outcome = "decision-confirmed"
)

// Move is something that people do to a request.
type Move string

// The moves.
const (
	MoveAsk      Move = "ask"      // a question about identity or scope: the clock stands
	MoveAnswer   Move = "answer"   // the person answered a question about scope
	MoveVerify   Move = "verify"   // identity is established
	MoveExtend   Move = "extend"   // by two months
	MoveHold     Move = "hold"     // keep the data from erasure
	MoveRelease  Move = "release"  // end the hold
	MoveApprove  Move = "approve"  // by a second person
	MoveRefuse   Move = "refuse"   // with reasons, complaint and remedy
	MoveDecide   Move = "decide"   // an objection, or a review
	MoveFee      Move = "fee"      // ask for a fee
	MoveWithdraw Move = "withdraw" // the person takes the request back
	MoveAnnounce Move = "announce" // that a restriction will be lifted
	MoveLift     Move = "lift"
	MoveRetry    Move = "retry" // go on with a request that failed, where it failed
)

// Act is one move, with who makes it and what belongs to it.
type Act struct {
	Do        Move
	By        Actor
	Reason    string // why, in words that are shown to the person where it concerns them
	Complaint string // how to complain to the authority (Art. 12(4), 77)
	Remedy    string // how to go to court (Art. 12(4), 79)
	Article   string // of a refusal or a hold
	Outcome   Outcome
	About     string // of a question: "identity" or "scope"
	Method    Method // of a verification
	Told      string // how the person was told, such as "letter"; empty: by e-mail, if that can be sent
	Amount    string // of a fee
	Currency  string
}

// Rules are what Apply judges by.
type Rules struct {
	Policy
	Calendar
}

// parked are the states in which a request waits for people.
var parked = []State{IdentityPending, Held, ApprovalPending, Deciding}

// allowed lists the states in which each move can be made.
var allowed = map[Move][]State{
	MoveAsk:      {Received, Held, ApprovalPending},
	MoveAnswer:   {IdentityPending},
	MoveVerify:   {IdentityPending},
	MoveExtend:   {Received, IdentityPending, Held, ApprovalPending, Deciding, Locating, Rewriting, Erasing, Restricting, Settling, Verifying, Packaging, Certifying},
	MoveHold:     {Received, IdentityPending, ApprovalPending},
	MoveRelease:  {Held, IdentityPending},
	MoveApprove:  {ApprovalPending},
	MoveRefuse:   {Received, IdentityPending, Held, ApprovalPending, Deciding},
	MoveDecide:   {Deciding},
	MoveFee:      {Received, IdentityPending, Held, ApprovalPending, Deciding},
	MoveWithdraw: {Received, IdentityPending, Held, ApprovalPending, Deciding},
	MoveAnnounce: {Verified},
	MoveLift:     {Verified},
	MoveRetry:    {Failed},
	MoveRemind:   {IdentityPending},
	MoveLapse:    {IdentityPending},
}

// MaxWords is how many characters a reason, and each other text of an act, may have.
const MaxWords = 4000

// Apply makes the move or says why it can't be made, and leaves the request as it was then. It is pure:
// storing the result, telling the person and keeping the trail is the room's.
//
// Rules, besides the states in which a move is possible:
//
//   - A question stops the clock if it is asked promptly; there is one open question at a time.
//   - An extension is given once, with reasons, and told within the first month (Art. 12(3)).
//   - A refusal has reasons, complaint and judicial remedy, or is none (Art. 12(4)); so has the
//     decision that an objection does not hold, and the confirmation of an automated decision.
//   - Only an erasure can be held, and for a reason of Art. 17(3).
//   - Who approves is neither who submitted the request nor who verified the identity.
//   - A restriction is lifted after the person was told, and no sooner than a day later (Art. 18(3)).
//   - The clock alone reminds of a question, and closes the request when nobody answers it.
//   - A request that failed goes on with the step that failed, as long as it is known whom it is about.
//
// Errors: fail.Invalid with the field; fail.Conflict if the state forbids it; fail.Forbidden for an
// approval by the same person.
func (q *Request) Apply(a Act, now time.Time, rules Rules) error {
	states, known := allowed[a.Do]
	if !known {
		return fail.Field("do", "There is no such step.")
	}
	if !slices.Contains(states, q.State) {
		return fail.New(fail.Conflict, "A request that is %q can't take the step %q.", q.State, a.Do).WithCode("request.state")
	}
	if err := a.check(); err != nil {
		return err
	}
	next := *q
	next.Facts = q.Facts.clone()
	if err := next.move(a, now, rules); err != nil {
		return err
	}
	next.DueAt = next.clock().Due(now, rules.Policy, rules.Calendar)
	if q.State == Verified && next.State == Settling {
		next.DueAt = Clock{Received: now}.Due(now, rules.Policy, rules.Calendar) // not late because it was in force for long
	}
	*q = next
	return nil
}

// check looks at what belongs to the act, whatever the request is.
func (a *Act) check() error {
	for field, text := range map[string]string{"reason": a.Reason, "complaint": a.Complaint, "remedy": a.Remedy} {
		if utf8.RuneCountInString(text) > MaxWords || !utf8.ValidString(text) {
			return fail.Field(field, "This text is longer than %d characters, or no text.", MaxWords)
		}
	}
	for field, text := range map[string]string{"told": a.Told, "article": a.Article, "amount": a.Amount, "currency": a.Currency} {
		if len(text) > 60 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '@' }) {
			return fail.Field(field, "This is a short word without personal data, at most 60 letters.")
		}
	}
	need := map[Move][]string{
		MoveAsk: {"reason"}, MoveExtend: {"reason"}, MoveHold: {"reason"}, MoveRelease: {"reason"}, MoveFee: {"reason", "amount", "currency"},
		MoveRefuse: {"reason", "complaint", "remedy", "article"}, MoveDecide: {"reason"}, MoveAnnounce: {"reason"}, MoveLift: {"reason"},
	}[a.Do]
	if a.Do == MoveDecide && (a.Outcome == OutcomeCompelling || a.Outcome == OutcomeConfirmed) {
		need = []string{"reason", "complaint", "remedy"}
	}
	if a.Do == MoveVerify && a.Method == ByStaff {
		need = []string{"reason"}
	}
	have := map[string]string{
		"reason": a.Reason, "complaint": a.Complaint, "remedy": a.Remedy, "article": a.Article, "amount": a.Amount, "currency": a.Currency,
	}
	for _, field := range need {
		if strings.TrimSpace(have[field]) == "" {
			return fail.Field(field, "%s", missing[field])
		}
	}
	return nil
}

var missing = map[string]string{
	"reason":    "Say why, in words that the person understands.",
	"complaint": "Say how the person can complain to the supervisory authority (Art. 12(4), 77 GDPR).",
	"remedy":    "Say how the person can go to court (Art. 12(4), 79 GDPR).",
	"article":   "Name the article that allows it, such as Art. 12(5)(b) GDPR.",
	"amount":    "Name the amount, such as 12.50.",
	"currency":  "Name the currency, such as EUR.",
}

func (q *Request) move(a Act, now time.Time, rules Rules) error {
	f := &q.Facts
	switch a.Do {
	case MoveAsk:
		if a.About != aboutIdentity && a.About != aboutScope {
			return fail.Field("about", "A question is about identity or about scope.")
		}
		f.Pauses = append(f.Pauses, Pause{About: a.About, Asked: now, Late: !q.clock().prompt(now, rules.Policy, rules.In)})
		if a.About == aboutIdentity {
			f.Identity = Identity{}
		}
		f.Approval = q.approvalAgain()
	case MoveAnswer:
		if !q.close(aboutScope, now) {
			return fail.New(fail.Conflict, "No question about the scope of the request is open.").WithCode("request.state")
		}
	case MoveVerify:
		if !slices.Contains([]Method{ByController, BySignIn, ByCookie, ByCode, ByStaff}, a.Method) {
			return fail.Field("method", "Identity is verified by controller, signed-in, cookie, email-code or staff.")
		}
		if !f.Identity.At.IsZero() {
			return fail.New(fail.Conflict, "The identity is verified already.").WithCode("request.state")
		}
		f.Identity = Identity{Method: a.Method, At: now, By: a.By}
		q.close(aboutIdentity, now)
	case MoveExtend:
		return q.extend(a, now, rules)
	case MoveHold:
		if q.Type != Erasure {
			return fail.New(fail.Conflict, "Only an erasure can be held; other requests take nothing away.").WithCode("request.state")
		}
		if f.Hold != nil {
			return fail.New(fail.Conflict, "The request is held already.").WithCode("request.state")
		}
		if !heldArticle(a.Article) {
			return fail.Field("article", "A hold rests on Art. 17(3)(a) to (e), such as Art. 17(3)(e) for legal claims.")
		}
		f.Hold = &Hold{At: now, Article: a.Article}
	case MoveRelease:
		if f.Hold == nil {
			return fail.New(fail.Conflict, "The request is not held.").WithCode("request.state")
		}
		f.Hold = nil
	case MoveApprove:
		if a.By == q.CreatedBy || a.By == f.Identity.By {
			return fail.New(fail.Forbidden, "Somebody else must approve: not who submitted the request, nor who verified the identity.").WithCode("second.person")
		}
		f.Approval = &Approval{By: a.By, At: now}
	case MoveRefuse:
		f.Outcome = OutcomeRefused
		if a.Outcome == OutcomeUnidentified {
			if !f.Identity.At.IsZero() {
				return fail.Field("outcome", "The identity is verified; who it is about is known.")
			}
			f.Outcome = OutcomeUnidentified
		} else if a.Outcome != "" && a.Outcome != OutcomeRefused {
			return fail.Field("outcome", "A refusal ends as refused or as cannot-identify.")
		}
		q.closeAll(now)
		q.State, q.FinishedAt, q.Article = Refused, now, a.Article
		return nil
	case MoveWithdraw:
		q.closeAll(now)
		q.State, q.FinishedAt = Withdrawn, now
		return nil
	case MoveFee:
		f.Fee = &Fee{Amount: a.Amount, Currency: a.Currency, At: now, Told: a.Told}
		return nil
	case MoveDecide:
		return q.decide(a)
	case MoveAnnounce, MoveLift:
		return q.lift(a, now)
	case MoveRetry:
		return q.retry()
	case MoveRemind, MoveLapse:
		return q.lapse(a, now, rules)
	}
	q.State = q.ready()
	return nil
}

const (
	aboutIdentity = "identity"
	aboutScope    = "scope"
)

// ready returns where a request that was received stands: it waits for an answer, then for the end of
// a hold, then for approval, and is carried out when nothing is missing.
func (q *Request) ready() State {
	f := &q.Facts
	open := slices.ContainsFunc(f.Pauses, func(p Pause) bool { return p.Answered.IsZero() })
	switch {
	case open || f.Identity.At.IsZero():
		return IdentityPending
	case f.Hold != nil:
		return Held
	case f.Approval != nil && f.Approval.At.IsZero():
		return ApprovalPending
	}
	return Received
}

// Paused tells whether a question stops the clock at present.
func (q *Request) Paused() bool {
	return slices.ContainsFunc(q.Facts.Pauses, func(p Pause) bool { return p.Answered.IsZero() && !p.Late })
}

// approvalAgain takes an approval back: what was approved is in question.
func (q *Request) approvalAgain() *Approval {
	if q.Facts.Approval == nil {
		return nil
	}
	return &Approval{}
}

func (q *Request) extend(a Act, now time.Time, rules Rules) error {
	switch {
	case q.Facts.Extended != nil:
		return fail.New(fail.Conflict, "The time was extended once; that is all the law allows (Art. 12(3) GDPR).").WithCode("request.extended")
	case !now.Before(q.clock().Extendable(now, rules.Policy, rules.Calendar)):
		return fail.New(fail.Conflict, "An extension is told within the first month; that has passed (Art. 12(3) GDPR).").WithCode("request.late")
	}
	q.Facts.Extended = &Extension{At: now, Told: a.Told}
	return nil
}

func (q *Request) decide(a Act) error {
	of := map[Type][]Outcome{Objection: {OutcomeUpheld, OutcomeCompelling}, HumanReview: {OutcomeChanged, OutcomeConfirmed}}[q.Type]
	if !slices.Contains(of, a.Outcome) {
		return fail.Field("outcome", "An objection ends as upheld or as compelling-grounds, a review as decision-changed or as decision-confirmed.")
	}
	if a.By.Kind != "staff" && a.By.Kind != "client" {
		return fail.New(fail.Forbidden, "A human decides.")
	}
	q.Facts.Outcome = a.Outcome
	q.State = Settling
	return nil
}

// liftAfter is how long the person has between the notice and the end of a restriction.
const liftAfter = 24 * time.Hour

func (q *Request) lift(a Act, now time.Time) error {
	f := &q.Facts
	if q.Type != Restriction || f.Lifting != nil && !f.Lifting.Lifted.IsZero() {
		return fail.New(fail.Conflict, "No restriction is in force by this request.").WithCode("request.state")
	}
	if a.Do == MoveAnnounce {
		if f.Lifting != nil {
			return fail.New(fail.Conflict, "The person was told already.").WithCode("request.state")
		}
		f.Lifting = &Lifting{Announced: now, Told: a.Told}
		return nil
	}
	if f.Lifting == nil {
		return fail.New(fail.Conflict, "Tell the person first that the restriction will be lifted (Art. 18(3) GDPR).").WithCode("request.untold")
	}
	if now.Before(f.Lifting.Announced.Add(liftAfter)) {
		return fail.New(fail.Conflict, "The person was told less than a day ago; lift the restriction after that.").WithCode("request.untold")
	}
	f.Lifting.Lifted = now
	if q.Report.Restricted != nil && q.known() {
		q.State, q.FinishedAt = Settling, time.Time{} // the databases follow
	}
	return nil
}

// close ends the open question about something and tells whether there was one.
func (q *Request) close(about string, now time.Time) bool {
	for i := range q.Facts.Pauses {
		if p := &q.Facts.Pauses[i]; p.About == about && p.Answered.IsZero() {
			p.Answered = now
			return true
		}
	}
	return false
}

func (q *Request) closeAll(now time.Time) {
	q.close(aboutIdentity, now)
	q.close(aboutScope, now)
}

func (q *Request) clock() Clock {
	return Clock{Received: q.ReceivedAt, Extended: q.Facts.Extended != nil, Pauses: q.Facts.Pauses}
}

func heldArticle(text string) bool {
	text = strings.TrimSuffix(strings.ReplaceAll(text, " ", ""), "GDPR")
	return len(text) == len("Art.17(3)(e)") && strings.HasPrefix(text, "Art.17(3)(") && text[10] >= 'a' && text[10] <= 'e' && text[11] == ')'
}

func (f Facts) clone() Facts {
	f.Pauses = slices.Clone(f.Pauses)
	f.Purposes = slices.Clone(f.Purposes)
	f.Automated = copied(f.Automated)
	f.Extended = copied(f.Extended)
	f.Hold = copied(f.Hold)
	f.Approval = copied(f.Approval)
	f.Fee = copied(f.Fee)
	f.Lifting = copied(f.Lifting)
	return f
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
