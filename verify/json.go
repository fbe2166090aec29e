package verify

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON text, so that a hostile file can't exhaust the stack.
const maxDepth = 64

// maxSafeInteger is the largest integer that every JSON reader keeps exactly (RFC 7493 §2.2).
const maxSafeInteger = 1<<53 - 1

// kind is the JSON type of a value.
type kind byte

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// value is one parsed JSON value. Objects hold their members sorted.
type value struct {
	kind    kind
	truth   bool
	number  float64
	text    string
	items   []*value
	members []member
}

type member struct {
	name  string
	value *value
}

// get returns the member of that exact name, nil if v has none.
func (v *value) get(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return nil
}

// parser reads one JSON text after RFC 8259.
type parser struct {
	in  []byte
	pos int
}

func parse(text []byte) (*value, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the text is not valid UTF-8")
	}
	p := parser{in: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.in) {
		return nil, p.fail("there is something after the end of the JSON value")
	}
	return v, nil
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", p.pos, fmt.Sprintf(format, args...))
}

func (p *parser) space() {
	for p.pos < len(p.in) {
		switch p.in[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

func (p *parser) word(w string) bool {
	if len(p.in)-p.pos < len(w) || string(p.in[p.pos:p.pos+len(w)]) != w {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *parser) value(depth int) (*value, error) {
	if depth > maxDepth {
		return nil, p.fail("the JSON is nested deeper than %d levels", maxDepth)
	}
	p.space()
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.string()
		return &value{kind: kindString, text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case p.word("true"):
		return &value{kind: kindBool, truth: true}, nil
	case p.word("false"):
		return &value{kind: kindBool}, nil
	case p.word("null"):
		return &value{kind: kindNull}, nil
	}
	return nil, p.fail("a JSON value is expected")
}

func (p *parser) object(depth int) (*value, error) {
	v := &value{kind: kindObject}
	p.pos++
	p.space()
	if p.peek() == '}' {
		p.pos++
		return v, nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return nil, p.fail("the name of a member is expected")
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		p.space()
		if p.peek() != ':' {
			return nil, p.fail("a colon is expected")
		}
		p.pos++
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.members = append(v.members, member{name, item})
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			sort.Slice(v.members, func(i, j int) bool { return lessUTF16(v.members[i].name, v.members[j].name) })
			for i := 1; i < len(v.members); i++ {
				if v.members[i-1].name == v.members[i].name {
					return nil, p.fail("the member %q occurs twice in one object", v.members[i].name)
				}
			}
			return v, nil
		default:
			return nil, p.fail("a comma or the end of the object is expected")
		}
	}
}

func (p *parser) array(depth int) (*value, error) {
	v := &value{kind: kindArray}
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		return v, nil
	}
	for {
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return v, nil
		default:
			return nil, p.fail("a comma or the end of the array is expected")
		}
	}
}

func (p *parser) number() (*value, error) {
	start := p.pos
	digits := func() int {
		n := p.pos
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.pos++
		}
		return p.pos - n
	}
	if p.peek() == '-' {
		p.pos++
	}
	lead := p.peek()
	if n := digits(); n == 0 || n > 1 && lead == '0' {
		return nil, p.fail("a number must not be empty nor start with a zero")
	}
	whole := true
	if p.peek() == '.' {
		whole = false
		p.pos++
		if digits() == 0 {
			return nil, p.fail("a digit is expected after the point")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		whole = false
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if digits() == 0 {
			return nil, p.fail("a digit is expected in the exponent")
		}
	}
	f, err := strconv.ParseFloat(string(p.in[start:p.pos]), 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, p.fail("the number is out of range")
	}
	if a := math.Abs(f); a > maxSafeInteger && (whole || a < 1e21) {
		return nil, p.fail("the integer is beyond ±(2^53−1) and would not survive every reader")
	}
	return &value{kind: kindNumber, number: f}, nil
}

func (p *parser) string() (string, error) {
	p.pos++
	start := p.pos
	// Most strings have no escapes: hand out one copy of the bytes.
	for p.pos < len(p.in) && p.in[p.pos] != '"' && p.in[p.pos] != '\\' && p.in[p.pos] >= 0x20 {
		p.pos++
	}
	if p.peek() == '"' {
		s := string(p.in[start:p.pos])
		p.pos++
		return s, nil
	}
	b := append([]byte(nil), p.in[start:p.pos]...)
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(b), nil
		case c < 0x20:
			return "", p.fail("a control character must be escaped")
		case c != '\\':
			b = append(b, c)
			p.pos++
		default:
			p.pos++
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return "", p.fail("the string has no end")
}

func (p *parser) escape() (rune, error) {
	c := p.peek()
	p.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, err := p.hex4()
		if err != nil || !utf16.IsSurrogate(r) {
			return r, err
		}
		if !p.word(`\u`) {
			return 0, p.fail("half of a surrogate pair stands alone")
		}
		low, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, p.fail("half of a surrogate pair stands alone")
		}
		return r, nil
	}
	return 0, p.fail("unknown escape")
}

func (p *parser) hex4() (rune, error) {
	if len(p.in)-p.pos < 4 {
		return 0, p.fail("four hexadecimal digits are expected")
	}
	var r rune
	for _, c := range p.in[p.pos : p.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, p.fail("four hexadecimal digits are expected")
		}
	}
	p.pos += 4
	return r, nil
}
