package redact

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"probity/internal/fail"
)

var update = flag.Bool("update", false, "renew the golden files")

func everything(t testing.TB, languages ...string) *Redactor {
	t.Helper()
	r, err := New(Options{Languages: languages})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestALanguageThatIsNotKnownIsRefused(t *testing.T) {
	if _, err := New(Options{Languages: []string{"en", "xx"}}); fail.KindOf(err) != fail.Invalid {
		t.Fatalf("got %v, want an invalid language", err)
	}
}

func TestEverySpanIsReplacedByItsTokenAndTheRestStays(t *testing.T) {
	r := everything(t)
	for _, c := range [][2]string{
		{"Write to mary.poppins+bank@mail.example.co.uk, please.", "Write to [email], please."},
		{"My card 4111 1111 1111 1111 expires 09/27.", "My card [card number] expires [card expiry date]."},
		{"Call (212) 555-0198 ext. 4 or +44 20 7946 0958!", "Call [phone] or [phone]!"},
		{"IBAN GB29 NWBK 6016 1331 9268 19 it is", "IBAN [personal info] it is"},
		{"ssn 078-05-1120", "ssn [national id]"},
		{"from 192.168.0.1 and 2001:db8::1, mac 00:1A:2b:3c:4d:5e", "from [user info] and [user info], mac [user info]"},
		{"My name is Zbyszek Brzęczyk and I was born on 22 May 1980.", "My name is [name] and I was born on [personal info]."},
		{"visit smith-jones.biz or https://example.org/a?b=c.", "visit [user info] or [user info]."},
		{"Order 123-456-7890, version 1.2.3.4, at 12:30:45, e.g. report.final.pdf", "Order 123-456-7890, version 1.2.3.4, at 12:30:45, e.g. report.final.pdf"},
	} {
		if got := r.Text(c[0]); got != c[1] {
			t.Errorf("%q\n got %q\nwant %q", c[0], got, c[1])
		}
	}
}

func TestEveryTypeHasATokenOfGenesys(t *testing.T) {
	tokens := []string{"[card number]", "[card expiry date]", "[user info]", "[phone]", "[email]", "[name]", "[postal code]", "[location]", "[national id]", "[personal info]"}
	for _, ty := range []Type{Card, CardExpiry, Phone, Email, IBAN, IP, MAC, URL, Domain, Person, User, Birth, Location, PostalCode, usSSN, plPESEL, usBank} {
		if !slices.Contains(tokens, ty.Token()) {
			t.Errorf("%s becomes %s", ty, ty.Token())
		}
	}
}

func TestTheKnownPersonIsMaskedInEverySpelling(t *testing.T) {
	r, err := New(Options{Known: []Known{{Given: "Žofia Anna", Family: "Quillfeather-Øst", Handles: []string{"zq_77"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"as zofia said", "as [name] said"},
		{"QUILLFEATHER-OST, ŽOFIA wrote", "[name] wrote"},
		{"by Z. Quillfeather Øst today", "by [name] today"},
		{"Žofia's parcel, from zq_77", "[name]'s parcel, from [user info]"},
		{"Zofia Anna Quillfeather-Øst", "[name]"},
		{"a zofiax and a quillfeather", "a zofiax and a quillfeather"},
	} {
		if got := r.Text(c[0]); got != c[1] {
			t.Errorf("%q\n got %q\nwant %q", c[0], got, c[1])
		}
	}
}

// sample is a text of about n bytes in which personal data stands at ever changing offsets.
func sample(n int) string {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"The quick brown fox jumps over the lazy dog, again and again. ", "Żółw i jeż — ", "\n\n", "x", " ",
		"mail jane.doe@example.com now ", "call +1-202-456-1414 ", "card 4111 1111 1111 1111, ", "at https://example.org/path?q=1 ",
		"IBAN DE89 3704 0044 0532 0130 00. ", "Dear John Smith,\n", "Hauptstraße 12, 10115 Berlin\n", "10.1.2.3 ",
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}

// clumsy reads pieces of random length.
type clumsy struct {
	r   io.Reader
	rnd *rand.Rand
}

func (c clumsy) Read(p []byte) (int, error) { return c.r.Read(p[:1+c.rnd.IntN(len(p))]) }

func TestAStreamGivesWhatTheWholeGivesHoweverItIsCut(t *testing.T) {
	r := everything(t)
	text := sample(3*window + 777)
	want := r.Text(text)
	for name, reader := range map[string]io.Reader{
		"whole":  strings.NewReader(text),
		"bytes":  iotest.OneByteReader(strings.NewReader(text)),
		"random": clumsy{strings.NewReader(text), rand.New(rand.NewPCG(5, 6))},
		"eof":    iotest.DataErrReader(strings.NewReader(text)),
	} {
		var got bytes.Buffer
		if err := r.Copy(&got, reader); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("%s: the stream differs", name)
		}
	}
}

func TestNoSpanIsLostWhereWindowsMeet(t *testing.T) {
	r := everything(t)
	const secret = "jane.doe@example.com or +1-202-456-1414 or 4111 1111 1111 1111"
	for shift := 0; shift < len(secret)+2; shift++ {
		text := strings.Repeat("word ", (window-shift)/5) + strings.Repeat("y", (window-shift)%5) + " " + secret + " end"
		if got := r.Text(text); !strings.HasSuffix(got, " [email] or [phone] or [card number] end") {
			t.Fatalf("with %d bytes before the end of the window: %q", shift, got[len(got)-60:])
		}
	}
}

func TestOffsetsOfAStreamCountRunes(t *testing.T) {
	r := everything(t)
	text := strings.Repeat("Żółw ", window/8) + "ł jane@example.com\xff é +1-202-456-1414"
	var got []string
	runes := []rune(text)
	if err := r.Runes(strings.NewReader(text), func(s Span) error {
		got = append(got, string(runes[s.Start:s.End]))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"jane@example.com", "+1-202-456-1414"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestAnErrorOfReaderOrWriterIsReturned(t *testing.T) {
	r := everything(t)
	broken := errors.New("broken")
	if err := r.Copy(io.Discard, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("reader: %v", err)
	}
	if err := r.Copy(refusing{broken}, strings.NewReader("a b c")); !errors.Is(err, broken) {
		t.Errorf("writer: %v", err)
	}
}

type refusing struct{ err error }

func (w refusing) Write([]byte) (int, error) { return 0, w.err }

func TestGoldenTexts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(f, ".txt") + ".golden"
		got := everything(t).Text(string(text))
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", f, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"", "a@b.co", "+49 30 123456", "::1", "[::]:", "\xff@\xff.de", "GB29NWBK60161331926819", "X-1234567-L", "12345678-Z",
		"Dear ", "name: ", "4111-1111-1111-1111", "jane at example dot com", "1.2.3.4.5", "22 May 1980 born", "12 Main St, Apt 4, 90210 LA", "http://", "131052-308T",
		"1 85 05 2A 123 456 78", "AB 12 34 56 C", "ul. Długa 3/4, 00-123 Warszawa", sample(300)} {
		f.Add(s)
	}
	r := everything(f)
	f.Fuzz(func(t *testing.T, text string) {
		spans := r.Find(text)
		var rest, masked strings.Builder
		at := 0
		for _, s := range spans {
			if s.Start < at || s.End <= s.Start || s.End > len(text) || s.Type == "" {
				t.Fatalf("span %+v after %d in %q", s, at, text)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[s.Start:s.End]) {
				t.Fatalf("span %+v cuts a character of %q", s, text)
			}
			rest.WriteString(text[at:s.Start])
			masked.WriteString(text[at:s.Start] + s.Type.Token())
			at = s.End
		}
		masked.WriteString(text[at:])
		if got := r.Text(text); got != masked.String() {
			t.Fatalf("the rest of %q changed: %q", text, got)
		}
		var stream bytes.Buffer
		if err := r.Copy(&stream, iotest.OneByteReader(strings.NewReader(text))); err != nil || stream.String() != masked.String() {
			t.Fatalf("the stream of %q differs: %q, %v", text, stream.String(), err)
		}
	})
}

func ExampleRedactor_Text() {
	r, err := New(Options{Languages: []string{"en"}, Known: []Known{{Given: "Mary", Family: "Poppins"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Text("M. Poppins, mary@example.com, paid with 4111 1111 1111 1111."))
	// Output: [name], [email], paid with [card number].
}

// ordinary is prose with as much personal data as letters to a shop have.
func ordinary() string {
	return strings.Repeat("When the parcel arrived on Tuesday, one of the two cups was broken, and the lid of the teapot did not fit. "+
		"I would like to have it replaced, or else the money back; the receipt is in the box. The order was made on 12 March 2026 for 39.90. "+
		"We looked at the pictures again and think that the colour is not the one shown on your pages, although that matters less. "+
		"Please write to jane.doe@example.com or call +44 20 7946 0958 in the afternoon, because nobody is at home in the morning.\n", 2000)
}

func BenchmarkOrdinaryText(b *testing.B) {
	r := everything(b)
	text := ordinary()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := r.Copy(io.Discard, strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
