package rights

import "time"

// Due returns when a request that reached the controller at received must be answered at the
// latest (Art. 12(3) GDPR, computed as Regulation 1182/71 says): the last moment of the day of the
// next month with the same number, or of that month's last day if it has no such day; if that is a
// Saturday, a Sunday or a public holiday, of the next working day.
//
// The days are those of the controller's time zone, in. holiday tells public holidays of the
// controller's country; nil means there are none. The result is the start of the following day.
func Due(received time.Time, in *time.Location, holiday func(time.Time) bool) time.Time {
	return dueIn(received, 1, in, holiday)
}

// DueExtended returns the latest moment after an extension by two further months, counted from
// receipt: three months in all (Art. 12(3), second sentence).
func DueExtended(received time.Time, in *time.Location, holiday func(time.Time) bool) time.Time {
	return dueIn(received, 3, in, holiday)
}

// Suspended returns the due date moved by the time a question about the person's identity was open
// (Art. 12(6)). The clock stands from the question to the answer.
func Suspended(due, asked, answered time.Time) time.Time {
	if !answered.After(asked) {
		return due
	}
	return due.Add(answered.Sub(asked))
}

func dueIn(received time.Time, months int, in *time.Location, holiday func(time.Time) bool) time.Time {
	if in == nil {
		in = time.UTC
	}
	day := monthsLater(received, months, in)
	for isFree(day, holiday) {
		day = day.AddDate(0, 0, 1)
	}
	return day.AddDate(0, 0, 1).UTC()
}

func isFree(day time.Time, holiday func(time.Time) bool) bool {
	w := day.Weekday()
	return w == time.Saturday || w == time.Sunday || (holiday != nil && holiday(day))
}
