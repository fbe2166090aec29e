package subject

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"probity/internal/fail"
)

func TestNormalise(t *testing.T) {
	for _, c := range []struct {
		name string
		kind Kind
		in   string
		want string // empty: refused
	}{
		{"a domain is folded", Email, "Ann@EXAMPLE.Org", "Ann@example.org"},
		{"dots and plus are kept", Email, "a.n.n+x@gmail.com", "a.n.n+x@gmail.com"},
		{"an international domain", Email, "ann@münchen.example", "ann@xn--mnchen-3ya.example"},
		{"a trailing dot", Email, "ann@example.org.", ""},
		{"a display name", Email, "Ann <ann@example.org>", ""},
		{"a quoted local part", Email, `"a b"@example.org`, ""},
		{"no at sign", Email, "ann.example.org", ""},
		{"a comment", Email, "ann@example.org (home)", ""},
		{"an international number", Phone, "+1 (212) 555-0100", "+12125550100"},
		{"two zeros", Phone, "0044 20 7946 0958", "+442079460958"},
		{"a national number", Phone, "020 7946 0958", ""},
		{"too short", Phone, "+44 1", ""},
		{"WhatsApp is a number", WhatsApp, "+49 30 901820", "+4930901820"},
		{"a handle", Twitter, "@Ann_Example", "ann_example"},
		{"only an at sign", Instagram, "@", ""},
		{"a customer number keeps its case", ExternalID, " Cust-01 ", "Cust-01"},
		{"nothing", ExternalID, "  ", ""},
		{"a line break", ExternalID, "a\nb", ""},
		{"too long", ExternalID, strings.Repeat("a", 321), ""},
		{"invalid UTF-8", ExternalID, "a\xff", ""},
		{"an unknown kind", Kind("shoe_size"), "42", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Normalise(c.kind, c.in)
			if c.want == "" {
				if !fail.Is(err, fail.Invalid) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestNormalisingTwiceChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(Kinds()).Draw(t, "kind")
		once, err := Normalise(k, rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[A-Za-z0-9.+_-]{1,10}@[A-Za-zäöü0-9-]{1,10}\.[A-Za-z]{2,4}`),
			rapid.StringMatching(`(\+|00)[1-9][0-9 ()-]{5,14}`),
			rapid.StringMatching(` ?@?[A-Za-z_]{0,8}`),
		).Draw(t, "value"))
		if err != nil {
			return
		}
		twice, err := Normalise(k, once)
		if err != nil || twice != once {
			t.Fatalf("%s: %q became %q, %v", k, once, twice, err)
		}
	})
}

func TestAnErrorNeverRepeatsTheValue(t *testing.T) {
	for _, k := range append(Kinds(), "other") {
		_, err := Normalise(k, "walrus\x00walrus@")
		if err == nil || strings.Contains(err.Error(), "walrus") {
			t.Errorf("%s: %v", k, err)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add("email", "ann@example.org")
	f.Add("phone", "+44 20 7946 0958")
	f.Add("twitter", "@@a")
	f.Fuzz(func(t *testing.T, kind, value string) {
		once, err := Normalise(Kind(kind), value)
		if err != nil {
			if fail.KindOf(err) != fail.Invalid {
				t.Fatalf("the error is not Invalid: %v", err)
			}
			return
		}
		if twice, err := Normalise(Kind(kind), once); err != nil || twice != once {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
	})
}
