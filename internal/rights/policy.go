package rights

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Policy is every number by which requests are handled. A snapshot of it is kept with each request, so
// that what was decided can be judged by the rules of its day.
type Policy struct {
	Months       int      `json:"months_to_answer"`          // Art. 12(3), first sentence
	Extension    int      `json:"months_of_extension"`       // Art. 12(3), second sentence
	PromptDays   int      `json:"days_to_ask_in"`            // a question later than that does not stop the clock
	AnswerDays   int      `json:"days_to_answer_a_question"` // after which the request is closed; 0: never
	RemindDays   int      `json:"days_to_remind_before"`     // it is closed
	CodeMinutes  int      `json:"minutes_a_code_lives"`      // one-time codes by e-mail
	CodeTries    int      `json:"tries_of_a_code"`           // wrong ones, before it is worth nothing
	CodesADay    int      `json:"codes_in_a_day"`            // letters with codes for one request
	BreachHours  int      `json:"hours_to_tell_a_breach"`    // Art. 33(1)
	PackageDays  int      `json:"days_a_package_lives"`      // in which it can be downloaded
	SecondPerson []Type   `json:"second_person_for"`         // types of requests that somebody else must approve
	Country      string   `json:"country"`                   // whose public holidays count
	Zone         string   `json:"time_zone"`                 // whose days count
	Stores       []string `json:"stores"`                    // that are searched, in the order of deletion
}

// defaults are the numbers of the law, and ours where it has none.
func defaults() Policy {
	return Policy{
		Months: 1, Extension: 2, PromptDays: 7, AnswerDays: 30, RemindDays: 7, CodeMinutes: 15, CodeTries: 5, CodesADay: 5, BreachHours: 72,
		PackageDays: int(PackageTTL / day), SecondPerson: []Type{},
	}
}

// hash is the SHA-256 of the policy as JSON, which is how a request refers to it.
func (p Policy) hash() (sum string, body []byte, err error) {
	if body, err = json.Marshal(p); err != nil {
		return "", nil, err
	}
	digest := sha256.Sum256(body)
	return hex.EncodeToString(digest[:]), body, nil
}

// Calendar is by whose days a clock runs.
type Calendar struct {
	In      *time.Location       // nil: UTC
	Holiday func(time.Time) bool // nil: no public holidays
}

// Pause is a question to the person that stops the clock (Art. 12(6), Rec. 63).
type Pause struct {
	About    string    `json:"about"` // "identity", or "scope" for a request too broad to answer at once
	Asked    time.Time `json:"asked_at"`
	Answered time.Time `json:"answered_at,omitzero"` // zero: open
	Late     bool      `json:"late,omitempty"`       // not asked promptly: the clock goes on
	Reminded time.Time `json:"reminded_at,omitzero"` // zero: not yet
}

// Clock computes when a request is due: Art. 12(3) with the days of Regulation 1182/71. The day on
// which the request reached the controller, by any channel, is not counted.
type Clock struct {
	Received time.Time
	Extended bool
	Pauses   []Pause
}

// Due returns the latest moment as of now: the end of the day of the month, or of the third month after
// an extension, with the same number, moved by the days of the pauses, and then to the next working
// day. A pause that is open counts up to now, so the date moves on as long as the person has not
// answered.
func (c Clock) Due(now time.Time, p Policy, cal Calendar) time.Time {
	months := p.Months
	if c.Extended {
		months += p.Extension
	}
	return c.after(months, now, p, cal)
}

// Extendable returns the moment up to which an extension can still be told: that by which an answer
// would be due without it.
func (c Clock) Extendable(now time.Time, p Policy, cal Calendar) time.Time {
	return c.after(p.Months, now, p, cal)
}

func (c Clock) after(months int, now time.Time, p Policy, cal Calendar) time.Time {
	in := cal.In
	if in == nil {
		in = time.UTC
	}
	last := monthsLater(c.Received, months, in).AddDate(0, 0, c.paused(now, in))
	for isFree(last, cal.Holiday) {
		last = last.AddDate(0, 0, 1)
	}
	return last.AddDate(0, 0, 1).UTC()
}

// paused counts the days on which the clock stood.
func (c Clock) paused(now time.Time, in *time.Location) (days int) {
	for _, p := range c.Pauses {
		if p.Late {
			continue
		}
		until := p.Answered
		if until.IsZero() {
			until = now
		}
		days += max(0, dayNumber(until, in)-dayNumber(p.Asked, in))
	}
	return days
}

// prompt tells whether a question asked now is asked without undue delay: soon after receipt, or
// after the answer to the question before.
func (c Clock) prompt(now time.Time, p Policy, in *time.Location) bool {
	since := c.Received
	for _, earlier := range c.Pauses {
		if earlier.Answered.After(since) {
			since = earlier.Answered
		}
	}
	return dayNumber(now, in)-dayNumber(since, in) <= p.PromptDays
}

// BreachDue returns when a breach must have been told to the authority at the latest: consecutive
// hours from awareness, weekends and holidays included (Art. 33(1); EDPB 09/2022).
func BreachDue(aware time.Time, p Policy) time.Time {
	return aware.Add(time.Duration(p.BreachHours) * time.Hour)
}

// monthsLater returns the start of the day of a later month with the same number, or of its last day.
func monthsLater(from time.Time, months int, in *time.Location) time.Time {
	y, m, d := from.In(in).Date()
	// The zeroth day of a month is the last of the one before.
	last := time.Date(y, m+time.Month(months)+1, 0, 0, 0, 0, 0, in).Day()
	return time.Date(y, m+time.Month(months), min(d, last), 0, 0, 0, 0, in)
}

// dayNumber numbers the days, so that their difference is the number of midnights between.
func dayNumber(at time.Time, in *time.Location) int {
	if in == nil {
		in = time.UTC
	}
	y, m, d := at.In(in).Date()
	return int(date(y, m, d).Unix() / (24 * 60 * 60))
}
