package verify

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The examples of RFC 8785, sections 3.2.2, 3.2.3 and appendix B.
func TestCanonicalFollowsRFC8785(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{
			"section 3.2.2",
			`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
			  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		},
		{
			"section 3.2.3",
			`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
			  "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\"," +
				"\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
		},
		{"empty containers", ` { "b" : [ ] , "a" : { } } `, `{"a":{},"b":[]}`},
		{"short escapes", `"\b\f\n\r\t\u0000\u001f\u007f"`, `"\b\f\n\r\t\u0000\u001f` + "\u007f" + `"`},
		{"no HTML escapes", `"<&>\u2028"`, "\"<&>\u2028\""},
		{"minus zero", `-0`, `0`},
		{"the largest integer", `9007199254740991`, `9007199254740991`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Canonical([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got\n%s\n%v, want\n%s", got, err, c.want)
			}
		})
	}
}

func TestNumbersAreWrittenAsECMAScriptDoes(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0",
		0x8000000000000000: "0",
		0x0000000000000001: "5e-324",
		0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992",
		0xc340000000000000: "-9007199254740992",
		0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22",
		0x44b52d02c7e14af6: "1e+23",
		0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000",
		0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7",
		0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555554: "333333333.33333325",
		0x41b3de4355555555: "333333333.3333333",
		0x41b3de4355555556: "333333333.3333334",
		0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333",
		0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		if got := string(appendNumber(nil, math.Float64frombits(bits))); got != want {
			t.Errorf("%016x is written %s, want %s", bits, got, want)
		}
	}
}

func TestCanonicalRefusesWhatCouldBeReadInTwoWays(t *testing.T) {
	for name, in := range map[string]string{
		"a name twice":                 `{"a":1,"a":2}`,
		"a name twice, once escaped":   `{"a":1,"\u0061":2}`,
		"invalid UTF-8":                "\"\xff\"",
		"half a surrogate pair":        `"\ud800"`,
		"two first halves":             `"\ud800\ud800"`,
		"a lone second half":           `"\udc00"`,
		"an integer that loses digits": `9007199254740993`,
		"an integer beyond 2^53":       `9007199254740992`,
		"a number out of range":        `1e999`,
		"a leading zero":               `01`,
		"a leading plus":               `+1`,
		"a bare point":                 `1.`,
		"an empty exponent":            `1e`,
		"two values":                   `1 2`,
		"nothing":                      ` `,
		"a trailing comma":             `[1,]`,
		"a raw line break in a string": "\"a\nb\"",
		"an unknown escape":            `"\x41"`,
		"no end":                       `{"a":[1`,
		"a comment":                    `/**/1`,
		"NaN":                          `NaN`,
		"nesting without end":          strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		if got, err := Canonical([]byte(in)); err == nil {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// jsonValue draws any JSON value.
func jsonValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth > 3 && kind > 3 {
		kind -= 4
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Float64Range(-1e15, 1e15).Draw(t, "number")
	case 3, 4:
		return strings.ToValidUTF8(rapid.String().Draw(t, "text"), "?")
	case 5:
		out := make([]any, rapid.IntRange(0, 4).Draw(t, "items"))
		for i := range out {
			out[i] = jsonValue(t, depth+1)
		}
		return out
	default:
		out := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			out[strings.ToValidUTF8(rapid.String().Draw(t, "name"), "?")] = jsonValue(t, depth+1)
		}
		return out
	}
}

func TestCanonicalKeepsTheMeaningAndIsAFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := jsonValue(t, 0)
		in, err := json.MarshalIndent(v, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		once, err := Canonical(in)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		var a, b any
		if err := json.Unmarshal(in, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(once, &b); err != nil {
			t.Fatalf("the canonical form is not JSON: %v", err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s became %s", in, once)
		}
		twice, err := Canonical(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s, %v", once, twice, err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{"b":[1,2.50,1e-7],"a":"\u00e9\ud83d\ude00"}`, `[]`, `"\u0000"`, `-0.0`, `{"a":1,"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := Canonical(in)
		if err != nil {
			return
		}
		if !json.Valid(in) || !json.Valid(once) {
			t.Fatalf("%q was accepted and became %q", in, once)
		}
		twice, err := Canonical(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q, %v", once, twice, err)
		}
	})
}
