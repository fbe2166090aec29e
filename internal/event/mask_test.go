package event

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMaskText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain words stay", "Oak chair, 4 legs", "Oak chair, 4 legs"},
		{"an e-mail address goes", "Mail to mary.jones+shop@mail.example.co.uk now", "Mail to (email) now"},
		{"two of them go", "a@b.de, c@d.fr.", "(email), (email)."},
		{"one with umlauts goes", "jörg@köln.example", "(email)"},
		{"one with a wide at sign goes", "mary＠example.com", "(email)"},
		{"an encoded one goes", "mary%40example.com", "(email)"},
		{"a twice encoded one goes", "mary%2540example.com", "(email)"},
		{"a handle stays", "follow @shop", "follow @shop"},
		{"a package version stays", "react@18.2.0", "react@18.2.0"},
		{"eight digits stay", "order 12345678", "order 12345678"},
		{"nine digits go", "order 123456789", "order (number)"},
		{"digits glued to letters go", "DE89370400440532013000", "DE(number)"},
		{"an IBAN with spaces goes", "DE89 3704 0044 0532 0130 00", "DE(phone)"},
		{"a card with spaces goes", "4111 1111 1111 1111", "(number)"},
		{"a card with dashes goes", "5500-0000-0000-0004", "(number)"},
		{"an international number goes", "call +49 (0) 511 / 12 34 56 now", "call (phone) now"},
		{"a short one after a plus goes", "+3545551234", "(phone)"},
		{"a national number goes", "0511/1234567", "(phone)"},
		{"an American number goes", "(555) 867-5309", "(phone)"},
		{"digits of other scripts go", "٠١٥١٢٣٤٥٦٧٨", "(phone)"},
		{"an IPv4 address of four full parts goes", "192.168.100.200", "(phone)"},
		{"an ISO date stays", "2026-11-22 10:15", "2026-11-22 10:15"},
		{"a UUID stays", "550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
		{"a number beside a UUID goes", "550e8400-e29b-41d4-a716-446655440000 123456789", "550e8400-e29b-41d4-a716-446655440000 (number)"},
		{"a price with commas stays", "1,299,000,000", "1,299,000,000"},
		{"a position goes", "48.2081743,16.3738189", "(phone),(phone)"},
		{"an empty text stays", "", ""},
		{"digits behind an escape go", "%00123456789", "\x00(number)"},
		{"a percent sign stays", "100% of 50%", "100% of 50%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := maskText(c.in); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMaskPath(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"an article number stays", "/p/4711/oak-chair", "/p/4711/oak-chair"},
		{"numbers joined by dashes stay", "/p/12345-678901-oak", "/p/12345-678901-oak"},
		{"a date in segments stays", "/2026/11/22/news", "/2026/11/22/news"},
		{"a date with dashes and an article stay", "/2026-11-22-12345678", "/2026-11-22-12345678"},
		{"a UUID stays", "/o/550e8400-e29b-41d4-a716-446655440000", "/o/550e8400-e29b-41d4-a716-446655440000"},
		{"nine digits go", "/account/123456789/edit", "/account/(number)/edit"},
		{"nine digits go and what follows stays", "/account/123456789-4711", "/account/(number)-4711"},
		{"nine digits behind a short number go", "/a/12-123456789", "/a/12-(number)"},
		{"an e-mail address goes", "/user/mary@example.com/edit", "/user/(email)/edit"},
		{"an encoded one goes", "/user/mary%40example.com/edit", "/user/(email)/edit"},
		{"a thrice encoded one goes", "/user/mary%252540example.com", "/user/(email)"},
		{"what hides below all layers goes as a whole", "/user/mary%25252525252540example.com", "(masked)"},
		{"a phone goes", "/call/+49-511-1234567", "/call/(phone)"},
		{"an American phone goes", "/call/555-867-5309", "/call/(phone)"},
		{"an encoded space stays", "/garden%20chairs/r%C3%A9sum%C3%A9", "/garden%20chairs/r%C3%A9sum%C3%A9"},
		{"what stands beside a mask keeps its encoding", "/a%20b;c/mary%40example.com/%2F%3F", "/a%20b;c/(email)//%3F"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := maskPath(c.in); strings.ReplaceAll(got, "%3B", ";") != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNoEmailOrLongNumberSurvives(t *testing.T) {
	word := rapid.StringMatching(`[a-zA-Zäöü .,/()-]{0,12}`)
	secret := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9.+]{1,10}@[a-z0-9-]{1,8}\.[a-z]{2,5}`),
		rapid.StringMatching(`[1-9][0-9]{8,18}`),
		rapid.StringMatching(`\+[1-9]([ .-]{0,2}[0-9]){8,13}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := secret.Draw(t, "secret")
		in := word.Draw(t, "before") + " " + s + " " + word.Draw(t, "after")
		for _, got := range []string{mask(in, inText), mask(in, inPath)} {
			if strings.Contains(got, s) {
				t.Fatalf("%q became %q", in, got)
			}
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"mary@example.com", "+49 (0) 511 / 12 34 56", "/a/%2540/123456789", "2026-11-22", "(((1", "+(+(1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for name, mask := range map[string]func(string) string{"text": maskText, "path": maskPath, "query": maskQueryValue} {
			once := mask(s)
			if !utf8.ValidString(once) {
				t.Fatalf("%s: %q became invalid UTF-8 %q", name, s, once)
			}
			if twice := mask(once); twice != once {
				t.Fatalf("%s: %q became %q and then %q", name, s, once, twice)
			}
			run := 0
			for i := range len(once) {
				if c := once[i]; c < '0' || c > '9' {
					run = 0
				} else if run++; run >= 9 && !strings.ContainsAny(once, "-%") { // UUIDs have dashes
					t.Fatalf("%s: %q kept nine digits: %q", name, s, once)
				}
			}
		}
	})
}
