package rights

import (
	"context"
	"embed"
	"sync"
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

//go:embed letters/*.json
var letterFiles embed.FS

var letterWords = sync.OnceValue(func() map[string]words { return readWords(letterFiles, "letters") })

// lettersIn returns the words of letters in a language, and those of its dates: English where there
// are none. What staff write stands in a letter as they wrote it.
func lettersIn(language string) (tag string, letters, dates words) {
	tag, dates = wordsOf(language)
	if w, ok := letterWords()[tag]; ok {
		return tag, w, dates
	}
	_, dates = wordsOf("en")
	return "en", letterWords()["en"], dates
}

// notice is what a person must be told.
type notice struct {
	subject  string
	text     string
	language string
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
		To: q.Who.EmailAddresses[0], Topic: "rights", Subject: n.subject, Text: n.text, Language: n.language, About: about,
	})
}

// noticeOf writes what the person is told of an act. q is the request as it is after it.
func noticeOf(q *Request, a *Act, controller string) notice {
	tag, say, dates := lettersIn(q.Language)
	n := notice{language: tag, text: say.text("head", dates.day(q.ReceivedAt), q.ID)}
	add := func(text string) { n.text += "\n\n" + text }
	key := string(a.Do)
	switch a.Do {
	case MoveAsk:
		add(say.text("ask"))
		add(a.Reason)
		if q.Paused() {
			add(say.text("ask.clock"))
		}
	case MoveRemind:
		add(a.Reason)
	case MoveExtend:
		add(say.text("extend", dates.day(q.DueAt.Add(-time.Second))))
	case MoveFee:
		add(say.text("fee", a.Amount, a.Currency))
	case MoveAnnounce:
		add(say.text("announce"))
	case MoveDecide:
		add(say.text(string(a.Outcome)))
	default:
		key = "refuse"
		add(say.text("refuse", q.Article))
	}
	n.subject = say.text(key + ".subject")
	if a.Do != MoveAsk && a.Do != MoveRemind {
		n.text += " " + say.text("reasons")
		add(a.Reason)
	}
	if a.Complaint != "" {
		add(say.text("complaint", a.Complaint))
	}
	if a.Remedy != "" {
		add(say.text("remedy", a.Remedy))
	}
	if controller != "" {
		add(controller)
	}
	n.text += "\n"
	return n
}
