package rights

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // days are counted in the controller's zone on machines without a database of zones too
)

// Holidays returns which days are public holidays throughout the country, an ISO 3166-1 code such as
// "DE". The days are computed by rule for every year: fixed dates, and those that move with Easter of
// the Western or the Eastern church. It knows the countries of the European Economic Area; for others
// it returns nil, and only weekends count.
//
// Holidays of a region, half days and days that are worked all the same are left out: a day that is
// missing here makes an answer due earlier, never later.
func Holidays(country string) func(time.Time) bool {
	rules, ok := holidayRules[strings.ToUpper(country)]
	if !ok {
		return nil
	}
	var mu sync.Mutex // guards years
	years := map[int][]int{}
	return func(day time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		year := day.Year()
		days, ok := years[year]
		if !ok {
			days = rules.days(year)
			years[year] = days
		}
		return slices.Contains(days, day.YearDay())
	}
}

// HolidayCountries lists the countries whose holidays are known, sorted.
func HolidayCountries() []string {
	var list []string
	for c := range holidayRules {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

// Zone returns the time zone in which the days of a country are counted: that of its capital. A
// country that is not known has UTC.
func Zone(country string) *time.Location {
	name, ok := zones[strings.ToUpper(country)]
	if !ok {
		return time.UTC
	}
	in, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return in
}

// holidays are the rules of one country.
type holidays struct {
	fixed      string // month-day, separated by spaces
	easter     []int  // days after Easter Sunday of the Western church
	orthodox   []int  // days after Easter Sunday of the Eastern church
	substitute bool   // a fixed holiday on a weekend is made good on the next working day
	more       func(year int) []time.Time
}

// Days after Easter Sunday.
const (
	cleanMonday    = -48
	maundyThursday = -3
	goodFriday     = -2
	easterMonday   = 1
	ascension      = 39
	whitMonday     = 50
	corpusChristi  = 60
)

var holidayRules = map[string]holidays{
	"AT": {fixed: "1-1 1-6 5-1 8-15 10-26 11-1 12-8 12-25 12-26", easter: []int{easterMonday, ascension, whitMonday, corpusChristi}},
	"BE": {fixed: "1-1 5-1 7-21 8-15 11-1 11-11 12-25", easter: []int{easterMonday, ascension, whitMonday}},
	"BG": {fixed: "1-1 3-3 5-1 5-6 5-24 9-6 9-22 12-24 12-25 12-26", orthodox: []int{goodFriday, easterMonday}, substitute: true},
	"CY": {fixed: "1-1 1-6 3-25 4-1 5-1 8-15 10-1 10-28 12-25 12-26", orthodox: []int{cleanMonday, goodFriday, easterMonday, whitMonday}},
	"CZ": {fixed: "1-1 5-1 5-8 7-5 7-6 9-28 10-28 11-17 12-24 12-25 12-26", easter: []int{goodFriday, easterMonday}},
	"DE": {fixed: "1-1 5-1 10-3 12-25 12-26", easter: []int{goodFriday, easterMonday, ascension, whitMonday}},
	"DK": {fixed: "1-1 12-25 12-26", easter: []int{maundyThursday, goodFriday, easterMonday, ascension, whitMonday}},
	"EE": {fixed: "1-1 2-24 5-1 6-23 6-24 8-20 12-24 12-25 12-26", easter: []int{goodFriday}},
	"ES": {fixed: "1-1 1-6 5-1 8-15 10-12 11-1 12-6 12-8 12-25", easter: []int{goodFriday}},
	"FI": {fixed: "1-1 1-6 5-1 12-6 12-25 12-26", easter: []int{goodFriday, easterMonday, ascension}},
	"FR": {fixed: "1-1 5-1 5-8 7-14 8-15 11-1 11-11 12-25", easter: []int{easterMonday, ascension, whitMonday}},
	"GR": {fixed: "1-1 1-6 3-25 5-1 8-15 10-28 12-25 12-26", orthodox: []int{cleanMonday, goodFriday, easterMonday, whitMonday}},
	"HR": {fixed: "1-1 1-6 5-1 5-30 6-22 8-5 8-15 11-1 11-18 12-25 12-26", easter: []int{easterMonday, corpusChristi}},
	"HU": {fixed: "1-1 3-15 5-1 8-20 10-23 11-1 12-25 12-26", easter: []int{goodFriday, easterMonday, whitMonday}},
	"IE": {fixed: "1-1 3-17 12-25 12-26", easter: []int{easterMonday}, substitute: true, more: irish},
	"IS": {fixed: "1-1 5-1 6-17 12-25 12-26", easter: []int{maundyThursday, goodFriday, easterMonday, ascension, whitMonday}, more: icelandic},
	"IT": {fixed: "1-1 1-6 4-25 5-1 6-2 8-15 11-1 12-8 12-25 12-26", easter: []int{easterMonday}},
	"LI": {fixed: "1-1 1-6 5-1 8-15 9-8 11-1 12-8 12-25 12-26", easter: []int{easterMonday, ascension, whitMonday, corpusChristi}},
	"LT": {fixed: "1-1 2-16 3-11 5-1 6-24 7-6 8-15 11-1 11-2 12-24 12-25 12-26", easter: []int{easterMonday}},
	"LU": {fixed: "1-1 5-1 5-9 6-23 8-15 11-1 12-25 12-26", easter: []int{easterMonday, ascension, whitMonday}},
	"LV": {fixed: "1-1 5-1 5-4 6-23 6-24 11-18 12-24 12-25 12-26 12-31", easter: []int{goodFriday, easterMonday}},
	"MT": {fixed: "1-1 2-10 3-19 3-31 5-1 6-7 6-29 8-15 9-8 9-21 12-8 12-13 12-25", easter: []int{goodFriday}},
	"NL": {fixed: "1-1 12-25 12-26", easter: []int{easterMonday, ascension, whitMonday}, more: kingsDay},
	"NO": {fixed: "1-1 5-1 5-17 12-25 12-26", easter: []int{maundyThursday, goodFriday, easterMonday, ascension, whitMonday}},
	"PL": {fixed: "1-1 1-6 5-1 5-3 8-15 11-1 11-11 12-25 12-26", easter: []int{easterMonday, corpusChristi}},
	"PT": {fixed: "1-1 4-25 5-1 6-10 8-15 10-5 11-1 12-1 12-8 12-25", easter: []int{goodFriday, corpusChristi}},
	"RO": {fixed: "1-1 1-2 1-24 5-1 6-1 8-15 11-30 12-1 12-25 12-26", orthodox: []int{goodFriday, easterMonday, whitMonday}},
	"SE": {fixed: "1-1 1-6 5-1 6-6 12-25 12-26", easter: []int{goodFriday, easterMonday, ascension}},
	"SI": {fixed: "1-1 1-2 2-8 4-27 5-1 5-2 6-25 8-15 10-31 11-1 12-25 12-26", easter: []int{easterMonday}},
	"SK": {fixed: "1-1 1-6 5-1 7-5 8-29 11-1 12-24 12-25 12-26", easter: []int{goodFriday, easterMonday}},
}

var zones = map[string]string{
	"AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CY": "Asia/Nicosia", "CZ": "Europe/Prague",
	"DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn", "ES": "Europe/Madrid", "FI": "Europe/Helsinki",
	"FR": "Europe/Paris", "GR": "Europe/Athens", "HR": "Europe/Zagreb", "HU": "Europe/Budapest", "IE": "Europe/Dublin",
	"IS": "Atlantic/Reykjavik", "IT": "Europe/Rome", "LI": "Europe/Vaduz", "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg",
	"LV": "Europe/Riga", "MT": "Europe/Malta", "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "PL": "Europe/Warsaw",
	"PT": "Europe/Lisbon", "RO": "Europe/Bucharest", "SE": "Europe/Stockholm", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
}

// days returns the holidays of a year as days of the year.
func (h holidays) days(year int) []int {
	var free []time.Time
	for _, text := range strings.Fields(h.fixed) {
		day, err := time.Parse("1-2", text)
		if err != nil {
			continue // a test reads every rule
		}
		free = append(free, date(year, day.Month(), day.Day()))
	}
	for _, after := range h.easter {
		free = append(free, easter(year).AddDate(0, 0, after))
	}
	for _, after := range h.orthodox {
		free = append(free, orthodoxEaster(year).AddDate(0, 0, after))
	}
	if h.more != nil {
		free = append(free, h.more(year)...)
	}
	if h.substitute {
		for _, day := range slices.Clone(free) {
			if !isFree(day, nil) {
				continue
			}
			for isFree(day, nil) || slices.ContainsFunc(free, day.Equal) {
				day = day.AddDate(0, 0, 1)
			}
			if day.Year() == year {
				free = append(free, day)
			}
		}
	}
	days := make([]int, len(free))
	for i, day := range free {
		days[i] = day.YearDay()
	}
	return days
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// easter returns Easter Sunday of the Western church: the computation of Meeus, Jones and Butcher.
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return date(year, time.Month(n/31), n%31+1)
}

// orthodoxEaster returns Easter Sunday of the Eastern church as a day of our calendar: Meeus' Julian
// computation, and the thirteen days between the calendars, which hold from 1900 to 2099.
func orthodoxEaster(year int) time.Time {
	d := (19*(year%19) + 15) % 30
	e := (2*(year%4) + 4*(year%7) - d + 34) % 7
	n := d + e + 114
	return date(year, time.Month(n/31), n%31+1).AddDate(0, 0, 13)
}

// first returns the first such weekday on or after a day.
func first(w time.Weekday, from time.Time) time.Time {
	return from.AddDate(0, 0, (int(w)-int(from.Weekday())+7)%7)
}

func irish(year int) []time.Time {
	brigid := first(time.Monday, date(year, time.February, 1))
	if date(year, time.February, 1).Weekday() == time.Friday {
		brigid = date(year, time.February, 1)
	}
	return []time.Time{
		brigid, first(time.Monday, date(year, time.May, 1)), first(time.Monday, date(year, time.June, 1)),
		first(time.Monday, date(year, time.August, 1)), first(time.Monday, date(year, time.October, 25)),
	}
}

func icelandic(year int) []time.Time {
	return []time.Time{first(time.Thursday, date(year, time.April, 19)), first(time.Monday, date(year, time.August, 1))}
}

func kingsDay(year int) []time.Time {
	day := date(year, time.April, 27)
	if day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return []time.Time{day}
}
