package rights

import (
	"context"
	"fmt"
	"strings"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/mail"
	"probity/internal/store"
)

// Mailer sends letters. *mail.Room satisfies it.
type Mailer interface {
	Enabled() bool
	// SendTx has the letter sent if and only if the transaction commits.
	SendTx(ctx context.Context, tx *store.Tx, l mail.Letter) error
}

// canMail tells whether the person named by w can be written to.
func (r *Room) canMail(w *Who) bool {
	return r.Mail != nil && r.Mail.Enabled() && len(w.EmailAddresses) > 0
}

// notice is what a person must be told.
type notice struct {
	subject string
	text    string
}

// tell makes sure that the person is told: by whoever acts, who then says how, or by a letter to the
// address that the request names, sent if the transaction commits. It returns how.
//
// Errors: fail.Invalid for the field told if neither is possible.
func (r *Room) tell(ctx context.Context, tx *store.Tx, q *Request, about id.Subject, told string, n notice) (string, error) {
	if told != "" {
		return told, nil
	}
	if !r.canMail(&q.Who) {
		return "", fail.Field("told", "The person must be told and can't be reached by e-mail from here: tell them, and say how, such as letter.")
	}
	return "e-mail", r.Mail.SendTx(ctx, tx, mail.Letter{
		To: q.Who.EmailAddresses[0], Topic: "rights", Subject: n.subject, Text: n.text, Language: "en", About: about,
	})
}

// noticeOf writes what the person is told of an act.
func noticeOf(q *Request, a *Act, controller string, due time.Time) notice {
	if controller == "" {
		controller = "We"
	}
	last := due.Add(-time.Second).UTC().Format("2 January 2006")
	head := fmt.Sprintf("Your request of %s (%s), number %s.\n\n", q.ReceivedAt.Format("2 January 2006"), q.Type, q.ID)
	var n notice
	switch a.Do {
	case MoveAsk:
		n.subject = "A question about your request"
		n.text = head + "Before we go on we need an answer from you:\n\n" + a.Reason + "\n\nUntil then the time for our answer does not run."
	case MoveExtend:
		n.subject = "Your request takes longer"
		n.text = head + "We need more time, and will answer by " + last + ". The reasons:\n\n" + a.Reason
	case MoveFee:
		n.subject = "A fee for your request"
		n.text = head + fmt.Sprintf("We ask for a fee of %s %s. The reasons:\n\n%s", a.Amount, a.Currency, a.Reason)
	case MoveAnnounce:
		n.subject = "The restriction of your data will end"
		n.text = head + "We will lift the restriction, no sooner than a day from now. The reasons:\n\n" + a.Reason
	case MoveDecide:
		n.subject = "The decision on your request"
		n.text = head + map[Outcome]string{
			OutcomeUpheld:     "Your objection holds: your data is no longer used for what you objected to.",
			OutcomeCompelling: "Your objection was weighed, and compelling grounds were found to go on.",
			OutcomeChanged:    "A person reviewed the automated decision and changed it.",
			OutcomeConfirmed:  "A person reviewed the automated decision and confirmed it.",
		}[a.Outcome] + " The reasons:\n\n" + a.Reason
	default:
		n.subject = "The answer to your request"
		n.text = head + "We do not carry it out (" + a.Article + "). The reasons:\n\n" + a.Reason
	}
	if a.Complaint != "" {
		n.text += "\n\nYou can complain to the supervisory authority: " + a.Complaint
	}
	if a.Remedy != "" {
		n.text += "\n\nYou can go to court: " + a.Remedy
	}
	n.text = strings.TrimSpace(n.text) + "\n\n" + strings.TrimSuffix(controller, "We") + "\n"
	return n
}
