package predict

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func near(got, want, relative float64) bool {
	return got == want || math.Abs(got-want) <= relative*math.Abs(want)
}

func TestTheExactFunctionsAgreeWithTheMathPackage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-700, 700).Draw(t, "x")
		if got, want := exp(x), math.Exp(x); !near(got, want, 1e-15*max(4, math.Abs(x)/100)) {
			t.Errorf("exp(%v) = %v, want %v", x, got, want)
		}
		y := math.Exp(rapid.Float64Range(-300, 300).Draw(t, "ln y"))
		if got, want := log(y), math.Log(y); math.Abs(got-want) > 4e-16*max(1, math.Abs(want)) {
			t.Errorf("log(%v) = %v, want %v", y, got, want)
		}
		z := rapid.Float64Range(-50, 50).Draw(t, "z")
		if got, want := sigmoid(z), 1/(1+math.Exp(-z)); !near(got, want, 1e-14) {
			t.Errorf("sigmoid(%v) = %v, want %v", z, got, want)
		}
		if got, want := loss(z, true), math.Log1p(math.Exp(-z)); math.Abs(got-want) > 1e-14*max(1, want) {
			t.Errorf("loss(%v) = %v, want %v", z, got, want)
		}
		if got := logit(sigmoid(z / 5)); math.Abs(got-z/5) > 1e-9 {
			t.Errorf("logit(sigmoid(%v)) = %v", z/5, got)
		}
	})
}

func TestTheExactFunctionsGiveTheseBits(t *testing.T) {
	// Recorded once. Another result on another machine would mean that models can't be compared.
	for _, c := range []struct {
		name string
		got  float64
		want uint64
	}{
		{"exp(1)", exp(1), 0x4005bf0a8b14576a},
		{"exp(-3.7)", exp(-3.7), 0x3f99511fc6871044},
		{"log(10)", log(10), 0x40026bb1bbb55516},
		{"sigmoid(0.3)", sigmoid(0.3), 0x3fe261d545e46a8b},
		{"loss(2.5)", loss(2.5, true), 0x3fb4321e1cc6d13a},
	} {
		if math.Float64bits(c.got) != c.want {
			t.Errorf("%s is %#x, want %#x", c.name, math.Float64bits(c.got), c.want)
		}
	}
}

func TestTheEndsOfTheRangeAreSafe(t *testing.T) {
	if exp(1e9) != math.Inf(1) || exp(-1e9) != 0 || sigmoid(1e9) != 1 || sigmoid(-1e9) != 0 || logPlus1(0) != 0 {
		t.Error("the ends of the range are wrong")
	}
	if l := loss(-1e6, true); l != 1e6 {
		t.Errorf("the loss of a confident mistake is %v", l)
	}
}
