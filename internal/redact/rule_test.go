package redact

import (
	"strings"
	"testing"

	"probity/internal/fail"
)

func rule(t *testing.T, definition, substitute string) *Rule {
	t.Helper()
	r, err := NewRule(definition, substitute)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARuleMasksWhatItMatchesBesideWhatIsFoundAnyway(t *testing.T) {
	for name, c := range map[string]struct {
		rules []*Rule
		text  string
		want  string
	}{
		"a customer number":          {[]*Rule{rule(t, `\bKD-\d{6}\b`, "*")}, "My number is KD-123456, mail ann@example.com.", "My number is *********, mail [email]."},
		"a token without substitute": {[]*Rule{rule(t, `KD-\d{6}`, "")}, "KD-123456", "[personal info]"},
		"characters, not bytes":      {[]*Rule{rule(t, `Żó+łw`, "#")}, "Żóółw!", "#####!"},
		"within an address":          {[]*Rule{rule(t, `example`, "*")}, "ann@example.com", "[email]"},
		"around an address":          {[]*Rule{rule(t, `<[^>]*>`, "*")}, "to <ann@example.com> now", "to ***************** now"},
		"across the end of one":      {[]*Rule{rule(t, `com and [a-z]+`, "*")}, "ann@example.com and bob", "[email]********"},
		"two rules":                  {[]*Rule{rule(t, `abc`, "1"), rule(t, `cde`, "2")}, "abcde xcde", "11122 x222"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := New(Options{Languages: []string{"en"}, Rules: c.rules})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Text(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			var b strings.Builder
			if err := r.Copy(&b, strings.NewReader(c.text)); err != nil || b.String() != c.want {
				t.Errorf("copied %q, %v", b.String(), err)
			}
		})
	}
}

func TestWhatRE2CannotDoOrTakesTooLongIsRefused(t *testing.T) {
	for definition, why := range map[string]string{
		"":                        "needed",
		`(?=a)b`:                  "looks ahead",
		`(?<!a)b`:                 "looks behind",
		`(a)\1`:                   "not RE2",
		`(?>a)`:                   "holds a group",
		`[a`:                      "not RE2",
		`a*`:                      "empty text",
		`(((a{30}){30}){30})`:     "not RE2",
		`(\pL{1,20}\s){40}`:       "slow",
		strings.Repeat("ab", 513): "more than 1024 bytes",
	} {
		if _, err := NewRule(definition, "*"); !fail.Is(err, fail.Invalid) || !strings.Contains(err.Error(), why) {
			t.Errorf("%.20q: %v, want %q", definition, err, why)
		}
	}
	if _, err := NewRule("a", "**"); !fail.Is(err, fail.Invalid) {
		t.Errorf("two characters: %v", err)
	}
}

func TestARuleIsFoundWhereverALongTextIsCut(t *testing.T) {
	r, err := New(Options{Languages: []string{"en"}, Rules: []*Rule{rule(t, `KD-\d{6}`, "*")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, pad := range []int{window - 4, window - 9, window, 2*window - 3} {
		text := strings.Repeat("x ", pad/2) + strings.Repeat("y", pad%2) + " KD-123456 end"
		if got := r.Text(text); strings.Contains(got, "123456") || strings.Count(got, "*") != 9 {
			t.Errorf("after %d bytes it is %q", pad, got[len(got)-20:])
		}
	}
}
