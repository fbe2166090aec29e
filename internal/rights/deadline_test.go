package rights_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity/internal/rights"
)

func TestDue(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	easter := func(day time.Time) bool { return day.Month() == time.April && (day.Day() == 3 || day.Day() == 6) }
	for _, c := range []struct {
		name     string
		received string
		in       *time.Location
		holiday  func(time.Time) bool
		lastDay  string
	}{
		{"the same day of the next month", "2026-03-05T10:00:00Z", time.UTC, nil, "2026-04-06"}, // 5 April is a Sunday
		{"a working day stays", "2026-05-05T10:00:00Z", time.UTC, nil, "2026-06-05"},
		{"31 August has no 31 September", "2026-08-31T10:00:00Z", time.UTC, nil, "2026-09-30"},
		{"31 January in a common year", "2025-01-31T10:00:00Z", time.UTC, nil, "2025-02-28"},
		{"31 January in a leap year", "2028-01-31T10:00:00Z", time.UTC, nil, "2028-02-29"},
		{"31 January before a Saturday", "2026-01-31T10:00:00Z", time.UTC, nil, "2026-03-02"}, // 28 February is a Saturday
		{"December turns the year", "2026-12-10T10:00:00Z", time.UTC, nil, "2027-01-11"},      // 10 January is a Sunday
		{"a Saturday moves to Monday", "2026-10-14T10:00:00Z", time.UTC, nil, "2026-11-16"},
		{"Good Friday and Easter Monday", "2026-03-03T10:00:00Z", time.UTC, easter, "2026-04-07"},
		{"late in the evening it is already tomorrow in Berlin", "2026-05-04T23:30:00Z", berlin, nil, "2026-06-05"},
	} {
		t.Run(c.name, func(t *testing.T) {
			received, err := time.Parse(time.RFC3339, c.received)
			if err != nil {
				t.Fatal(err)
			}
			due := rights.Due(received, c.in, c.holiday)
			if got := due.In(c.in).AddDate(0, 0, -1).Format(time.DateOnly); got != c.lastDay {
				t.Errorf("the last day is %s, want %s", got, c.lastDay)
			}
			if h, m, s := due.In(c.in).Clock(); h+m+s != 0 {
				t.Errorf("the due moment %v is not the start of a day", due)
			}
		})
	}
}

func TestDueExtendedIsThreeMonthsInAll(t *testing.T) {
	received := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	// 28 February 2027 is a Sunday.
	if got, want := rights.DueExtended(received, time.UTC, nil), time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheClockStandsWhileIdentityIsInDoubt(t *testing.T) {
	due := time.Date(2026, 4, 7, 0, 0, 0, 0, time.UTC)
	asked := time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC)
	if got, want := rights.Suspended(due, asked, asked.AddDate(0, 0, 10)), due.AddDate(0, 0, 10); !got.Equal(want) {
		t.Errorf("after ten days: %v, want %v", got, want)
	}
	if got := rights.Suspended(due, asked, asked.Add(-time.Hour)); !got.Equal(due) {
		t.Errorf("an answer before the question moved the date to %v", got)
	}
}

func TestDueIsNeverEarlierThanFourWeeksNorOnAFreeDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		received := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "received"), 0).UTC()
		due := rights.Due(received, time.UTC, nil)
		last := due.AddDate(0, 0, -1)
		if w := last.Weekday(); w == time.Saturday || w == time.Sunday {
			t.Fatalf("%v is due on a %v", received, w)
		}
		if d := due.Sub(received); d < 28*24*time.Hour || d > 35*24*time.Hour {
			t.Fatalf("%v is due after %v", received, d)
		}
		if ext := rights.DueExtended(received, time.UTC, nil); !ext.After(due) {
			t.Fatalf("the extension to %v is no extension of %v", ext, due)
		}
	})
}
