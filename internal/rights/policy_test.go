package rights_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/rights"
)

var law = rights.Policy{Months: 1, Extension: 2, PromptDays: 7, BreachHours: 72}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if moment, err := time.Parse(layout, text); err == nil {
			return moment
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

// Every row of the table of deadlines: Art. 12(3) and (6), 33(1), Regulation 1182/71.
func TestTheClockOfArticle12(t *testing.T) {
	german := rights.Calendar{In: rights.Zone("DE"), Holiday: rights.Holidays("DE")}
	pause := func(about, asked, answered string, late bool) rights.Pause {
		p := rights.Pause{About: about, Asked: at(t, asked), Late: late}
		if answered != "" {
			p.Answered = at(t, answered)
		}
		return p
	}
	for _, c := range []struct {
		name  string
		clock rights.Clock
		cal   rights.Calendar
		now   string
		last  string
	}{
		{"start: the day it reached the controller, 5 March, is answered by 5 April, here the Tuesday after Easter 2026", rights.Clock{Received: at(t, "2026-03-05")}, german, "2026-03-05", "2026-04-07"},
		{"start: the same in a year when 5 April is a working day", rights.Clock{Received: at(t, "2027-03-05")}, german, "2027-03-05", "2027-04-05"},
		{"start: not the day it is opened", rights.Clock{Received: at(t, "2026-05-05")}, german, "2026-05-29", "2026-06-05"},
		{"no such day: 31 August", rights.Clock{Received: at(t, "2026-08-31")}, german, "2026-08-31", "2026-09-30"},
		{"no such day: 31 January of a common year", rights.Clock{Received: at(t, "2025-01-31")}, german, "2025-01-31", "2025-02-28"},
		{"no such day: 31 January of a leap year", rights.Clock{Received: at(t, "2028-01-31")}, german, "2028-01-31", "2028-02-29"},
		{"a Saturday becomes Monday", rights.Clock{Received: at(t, "2026-10-14")}, german, "2026-10-14", "2026-11-16"},
		{"a Sunday becomes Monday", rights.Clock{Received: at(t, "2026-10-15")}, german, "2026-10-15", "2026-11-16"},
		{"Christmas in Germany becomes the Monday after", rights.Clock{Received: at(t, "2026-11-25")}, german, "2026-11-25", "2026-12-28"},
		{"a holiday of another country does not count", rights.Clock{Received: at(t, "2026-06-14")}, german, "2026-06-14", "2026-07-14"},
		{"where it is a holiday it counts", rights.Clock{Received: at(t, "2026-06-14")}, rights.Calendar{In: rights.Zone("FR"), Holiday: rights.Holidays("FR")}, "2026-06-14", "2026-07-15"},
		{"late in the evening it is tomorrow in Berlin", rights.Clock{Received: at(t, "2026-05-04T22:30:00Z")}, german, "2026-05-05", "2026-06-05"},
		{"identity: asked on day 3, answered on day 13: ten days more", rights.Clock{Received: at(t, "2026-05-05"), Pauses: []rights.Pause{pause("identity", "2026-05-08 16:00", "2026-05-18 08:00", false)}}, german, "2026-05-20", "2026-06-15"},
		{"identity: while nobody answers the date moves on", rights.Clock{Received: at(t, "2026-05-05"), Pauses: []rights.Pause{pause("identity", "2026-05-08", "", false)}}, german, "2026-05-20", "2026-06-17"},
		{"identity: a question that comes late stops nothing", rights.Clock{Received: at(t, "2026-05-05"), Pauses: []rights.Pause{pause("identity", "2026-05-28", "2026-06-04", true)}}, german, "2026-06-04", "2026-06-05"},
		{"too broad: a question of scope stops the clock too", rights.Clock{Received: at(t, "2026-05-05"), Pauses: []rights.Pause{pause("scope", "2026-05-06", "2026-05-09", false)}}, german, "2026-05-20", "2026-06-08"},
		{"extension: two further months, three in all", rights.Clock{Received: at(t, "2026-05-05"), Extended: true}, german, "2026-05-20", "2026-08-05"},
		{"extension: from 30 November to the first working day after 28 February", rights.Clock{Received: at(t, "2026-11-30"), Extended: true}, german, "2026-12-01", "2027-03-01"},
		{"extension: with a pause of ten days", rights.Clock{Received: at(t, "2026-05-05"), Extended: true, Pauses: []rights.Pause{pause("identity", "2026-05-08", "2026-05-18", false)}}, german, "2026-05-20", "2026-08-17"},
	} {
		t.Run(c.name, func(t *testing.T) {
			due := c.clock.Due(at(t, c.now), law, c.cal).In(c.cal.In)
			if got := due.AddDate(0, 0, -1).Format(time.DateOnly); got != c.last {
				t.Errorf("the last day is %s, want %s", got, c.last)
			}
			if h, m, s := due.Clock(); h+m+s != 0 {
				t.Errorf("%v is not the start of a day", due)
			}
		})
	}
	t.Run("an extension is told within the first month", func(t *testing.T) {
		c := rights.Clock{Received: at(t, "2026-05-05")}
		if got := c.Extendable(at(t, "2026-05-06"), law, german); !got.Equal(c.Due(at(t, "2026-05-06"), law, german)) {
			t.Errorf("it can be told until %v", got)
		}
	})
	t.Run("breach: aware on Friday at 18:00, told by Monday at 18:00", func(t *testing.T) {
		if got := rights.BreachDue(at(t, "2026-11-27 18:00"), law); !got.Equal(at(t, "2026-11-30 18:00")) {
			t.Errorf("told by %v", got)
		}
	})
	t.Run("breach: the hours are a setting", func(t *testing.T) {
		if got := rights.BreachDue(at(t, "2026-11-27 18:00"), rights.Policy{BreachHours: 96}); !got.Equal(at(t, "2026-12-01 18:00")) {
			t.Errorf("told by %v", got)
		}
	})
}

func TestHolidaysByCountryAndYear(t *testing.T) {
	for country, c := range map[string]struct{ free, work []string }{
		"DE": {[]string{"2025-04-18", "2026-04-03", "2026-04-06", "2026-05-14", "2026-05-25", "2026-10-03", "2027-03-26", "2038-04-26"}, []string{"2026-01-06", "2026-08-15", "2026-12-24"}},
		"GR": {[]string{"2026-02-23", "2026-04-10", "2026-04-13", "2026-06-01", "2027-05-03", "2024-05-06"}, []string{"2026-04-03", "2026-04-06"}},
		"RO": {[]string{"2025-04-18", "2025-04-21", "2026-06-01", "2026-12-01"}, []string{"2026-04-03"}},
		"SE": {[]string{"2026-06-06", "2026-05-14"}, []string{"2026-05-25"}},
		"IE": {[]string{"2026-02-02", "2024-02-05", "2030-02-01", "2026-05-04", "2026-06-01", "2026-08-03", "2026-10-26", "2022-01-03"}, []string{"2026-04-03"}},
		"NL": {[]string{"2026-04-27", "2025-04-26"}, []string{"2025-04-28", "2026-04-03"}},
		"AT": {[]string{"2026-06-04", "2026-10-26"}, []string{"2026-12-24"}},
		"BG": {[]string{"2026-03-03", "2026-05-25", "2026-09-07"}, []string{"2026-05-26"}},
		"IS": {[]string{"2026-04-23", "2025-04-24", "2026-08-03"}, nil},
		"fr": {[]string{"2026-07-14", "2026-11-11"}, []string{"2026-04-03"}},
	} {
		holiday := rights.Holidays(country)
		for _, day := range c.free {
			if !holiday(at(t, day)) {
				t.Errorf("%s: %s is a holiday", country, day)
			}
		}
		for _, day := range c.work {
			if holiday(at(t, day)) {
				t.Errorf("%s: %s is no holiday", country, day)
			}
		}
	}
	if rights.Holidays("US") != nil || rights.Holidays("") != nil {
		t.Error("holidays of a country that is not known")
	}
	eu := 0
	for _, country := range rights.HolidayCountries() {
		holiday := rights.Holidays(country)
		n := 0
		for day := at(t, "2026-01-01"); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
			if holiday(day) {
				n++
			}
		}
		if n < 7 || n > 17 {
			t.Errorf("%s has %d holidays in 2026", country, n)
		}
		if rights.Zone(country) == time.UTC {
			t.Errorf("%s has no time zone", country)
		}
		eu++
	}
	if eu != 30 {
		t.Errorf("%d countries are known, want the 27 of the Union and three of the Economic Area", eu)
	}
}

func TestEasterMondayIsAMondayInBothChurches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		year := rapid.IntRange(1970, 2099).Draw(t, "year")
		for country, days := range map[string][]time.Month{"DE": {time.March, time.April, time.May}, "GR": {time.April, time.May}} {
			holiday, found := rights.Holidays(country), false
			for _, m := range days {
				for d := 1; d <= 31; d++ {
					day := time.Date(year, m, d, 0, 0, 0, 0, time.UTC)
					if day.Weekday() == time.Friday && holiday(day) && holiday(day.AddDate(0, 0, 3)) && day.Month() == m {
						found = true
					}
				}
			}
			if !found {
				t.Fatalf("%s has no Good Friday with a Monday after it in %d", country, year)
			}
		}
	})
}

func TestAClockNeverGoesBackNorEndsOnAFreeDay(t *testing.T) {
	cal := rights.Calendar{In: rights.Zone("DE"), Holiday: rights.Holidays("DE")}
	rapid.Check(t, func(t *rapid.T) {
		received := time.Unix(rapid.Int64Range(1.6e9, 3e9).Draw(t, "received"), 0).UTC()
		c := rights.Clock{Received: received}
		now := received
		for range rapid.IntRange(0, 4).Draw(t, "questions") {
			asked := now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "asked")) * time.Hour)
			now = asked.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "answered")) * time.Hour)
			before := c.Due(now, law, cal)
			c.Pauses = append(c.Pauses, rights.Pause{About: "identity", Asked: asked, Answered: now})
			if after := c.Due(now, law, cal); after.Before(before) {
				t.Fatalf("a pause moves the date from %v back to %v", before, after)
			}
		}
		due := c.Due(now, law, cal)
		if last := due.In(cal.In).AddDate(0, 0, -1); last.Weekday() == time.Saturday || last.Weekday() == time.Sunday || cal.Holiday(last) {
			t.Fatalf("it is due on %v", last)
		}
		c.Extended = true
		if !c.Due(now, law, cal).After(due) {
			t.Fatal("an extension is none")
		}
		if len(c.Pauses) == 0 && c.Due(now, law, cal).After(received.AddDate(0, 3, 12)) {
			t.Fatal("more than three months and a few free days")
		}
	})
}
