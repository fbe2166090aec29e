package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity/internal/fail"
)

// Limits of what is taken from outside.
const (
	MaxEventBytes  = 64 << 10 // JSON of one event
	MaxBatchBytes  = 1 << 20  // JSON of one request
	MaxBatchEvents = 100
	MaxAttributes  = 64 // and as many traits

	maxURL   = 8 << 10 // bytes of an address
	maxText  = 8 << 10 // of a title, keywords, search terms, user agent
	maxValue = 4 << 10 // of an attribute or trait
	maxName  = 128     // of an event, an attribute, a language or a family
)

// parser reads one JSON text token by token: that names the field that is wrong, allocates next
// to nothing, and never builds what is not needed. Texts without escapes are cut out of one copy
// of the input.
type parser struct {
	dec   jsontext.Decoder
	in    bytes.Buffer
	all   string
	index int        // of the event that is being read, or -1; for error messages
	spare *spareMaps // where maps for attributes come from; nil: they are made
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// parse runs read over body, which must be one JSON object with nothing behind it.
func parse(body []byte, read func(p *parser) error) error {
	p := parsers.Get().(*parser)
	defer func() {
		p.all, p.in, p.spare = "", bytes.Buffer{}, nil
		parsers.Put(p)
	}()
	p.all, p.in, p.index, p.spare = string(body), *bytes.NewBuffer(body), -1, nil
	p.dec.Reset(&p.in)
	if err := read(p); err != nil {
		return err
	}
	if _, err := p.dec.ReadToken(); err != io.EOF {
		return fail.New(fail.Invalid, "the body must be one JSON object with nothing behind it")
	}
	return nil
}

// fail names field, inside of the event that is being read, also in words.
func (p *parser) fail(field, format string, args ...any) error {
	name := p.name(field)
	return fail.Field(name, "%s %s", name, fmt.Sprintf(format, args...))
}

func (p *parser) name(field string) string {
	if p.index < 0 {
		return field
	}
	if field == "" {
		return "events[" + strconv.Itoa(p.index) + "]"
	}
	return "events[" + strconv.Itoa(p.index) + "]." + field
}

// broken translates an error of the JSON reader. The reader's own words quote the input, which may
// be personal data.
func (p *parser) broken(field string, err error) error {
	what := "is not valid JSON"
	switch syntax, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "has a member that comes twice"
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		what = "ends too early"
	case ok && strings.Contains(syntax.Err.Error(), "UTF-8"):
		what = "is not valid UTF-8"
	case ok && strings.Contains(syntax.Err.Error(), "depth"):
		what = "is nested too deeply"
	}
	if field == "" && p.index < 0 {
		return fail.New(fail.Invalid, "the body %s (near byte %d)", what, p.dec.InputOffset())
	}
	return p.fail(field, "%s (near byte %d)", what, p.dec.InputOffset())
}

// object calls member for each member of the object that comes next. null is an absent object:
// present is false.
func (p *parser) object(field string, member func(name string) error) (present bool, err error) {
	switch p.dec.PeekKind() {
	case '{':
	case 'n':
		return false, p.skip(field)
	default:
		return false, p.mismatch(field, "an object")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return false, p.broken(field, err)
	}
	for p.dec.PeekKind() == '"' {
		name, err := p.take(field)
		if err != nil {
			return true, err
		}
		if err := member(name); err != nil {
			return true, err
		}
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return true, p.broken(field, err)
	}
	return true, nil
}

// array calls element for each element of the array that comes next.
func (p *parser) array(field string, element func(i int) error) error {
	switch p.dec.PeekKind() {
	case '[':
	case 'n':
		return p.skip(field)
	default:
		return p.mismatch(field, "a list")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return p.broken(field, err)
	}
	for i := 0; ; i++ {
		switch p.dec.PeekKind() {
		case ']', 0:
			if _, err := p.dec.ReadToken(); err != nil {
				return p.broken(field, err)
			}
			return nil
		}
		if err := element(i); err != nil {
			return err
		}
	}
}

// mismatch tells apart what is broken and what is of the wrong type.
func (p *parser) mismatch(field, want string) error {
	if p.dec.PeekKind() == 0 {
		_, err := p.dec.ReadToken()
		return p.broken(field, err)
	}
	if field == "" && p.index < 0 {
		return fail.New(fail.Invalid, "the body must be %s", want)
	}
	return p.fail(field, "must be %s", want)
}

// take reads a JSON string of any length.
func (p *parser) take(field string) (string, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return "", p.broken(field, err)
	}
	if bytes.IndexByte(v, '\\') < 0 {
		end := int(p.dec.InputOffset())
		return p.all[end-len(v)+1 : end-1], nil
	}
	plain, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", p.broken(field, err)
	}
	if bytes.IndexByte(plain, 0) >= 0 {
		return "", p.fail(field, "must not hold a NUL character")
	}
	return string(plain), nil
}

// text reads a string of at most limit bytes. null is the empty string.
func (p *parser) text(field string, limit int) (string, error) {
	switch p.dec.PeekKind() {
	case '"':
	case 'n':
		return "", p.skip(field)
	default:
		return "", p.mismatch(field, "text")
	}
	s, err := p.take(field)
	if err == nil && len(s) > limit {
		err = p.fail(field, "must not be longer than %d bytes", limit)
	}
	return s, err
}

// number reads a number as it is written. null is the empty string.
func (p *parser) number(field string) (string, error) {
	switch p.dec.PeekKind() {
	case '0':
	case 'n':
		return "", p.skip(field)
	default:
		return "", p.mismatch(field, "a number")
	}
	v, err := p.dec.ReadValue()
	if err != nil {
		return "", p.broken(field, err)
	}
	if len(v) > 64 {
		return "", p.fail(field, "must not have more than 64 digits")
	}
	end := int(p.dec.InputOffset())
	return p.all[end-len(v) : end], nil
}

// size reads a screen measure: a number from 0 to 65,535. Fractions are cut.
func (p *parser) size(field string) (int, error) {
	s, err := p.number(field)
	if err != nil || s == "" {
		return 0, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 65535 {
		return 0, p.fail(field, "must be a number from 0 to 65535")
	}
	return int(f), nil
}

// boolean reads true or false. null is false.
func (p *parser) boolean(field string) (bool, error) {
	switch k := p.dec.PeekKind(); k {
	case 't', 'f':
		return k == 't', p.skip(field)
	case 'n':
		return false, p.skip(field)
	default:
		return false, p.mismatch(field, "true or false")
	}
}

// skip reads over a value that is not wanted.
func (p *parser) skip(field string) error {
	if err := p.dec.SkipValue(); err != nil {
		return p.broken(field, err)
	}
	return nil
}

// id reads a UUID in its 36 character form, other than the one that is all zeros.
func (p *parser) id(field string) (uuid.UUID, error) {
	s, err := p.text(field, maxText)
	if err != nil {
		return uuid.UUID{}, err
	}
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u == (uuid.UUID{}) {
		return uuid.UUID{}, p.fail(field, "must be a UUID such as 6f1c2f0a-3b7e-4c55-9c1d-0a4b7f6f2f11")
	}
	return u, nil
}

// time reads an RFC 3339 time.
func (p *parser) time(field string) (time.Time, error) {
	s, err := p.text(field, maxText)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || !encodable(t) {
		return time.Time{}, p.fail(field, "must be a time such as 2026-11-22T10:15:00.000Z")
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

// url reads an absolute address.
func (p *parser) url(field string) (string, error) {
	s, err := p.text(field, maxURL)
	if err != nil || s == "" {
		return s, err
	}
	if _, ok := parseAddress(s); !ok {
		return "", p.fail(field, "must be an absolute address such as https://example.com/path")
	}
	return s, nil
}

// eventName reads the name of an event and normalises it.
func (p *parser) eventName(field string) (string, error) {
	s, err := p.text(field, maxText)
	if err != nil {
		return "", err
	}
	name, why := normalName(s)
	if why != "" {
		return "", p.fail(field, "%s", why)
	}
	return name, nil
}

// attrs reads attributes or traits: scalars, or objects of dataType and value.
func (p *parser) attrs(field string) (m map[string]Attr, err error) {
	_, err = p.object(field, func(name string) error {
		name = strings.TrimSpace(name)
		if name == "" || len(name) > maxName || strings.ContainsFunc(name, isControl) {
			return p.fail(field, "has a name that is empty, longer than %d bytes or not printable", maxName)
		}
		a, err := p.attr(field)
		if err != nil || a.Type == "" {
			return err
		}
		if _, twice := m[name]; !twice && len(m) == MaxAttributes {
			return p.fail(field, "must not have more than %d entries", MaxAttributes)
		}
		if m == nil {
			m = p.spare.take()
		}
		m[name] = a
		return nil
	})
	return m, err
}

// spareMaps are empty maps that were used before.
type spareMaps struct{ maps []map[string]Attr }

// maxSpare is how many maps are kept. Maps don't shrink, so large ones are not.
const maxSpare = 32

func (s *spareMaps) take() map[string]Attr {
	if s == nil || len(s.maps) == 0 {
		return make(map[string]Attr, 8)
	}
	last := len(s.maps) - 1
	m := s.maps[last]
	s.maps = s.maps[:last]
	return m
}

func (s *spareMaps) give(m map[string]Attr) {
	if m != nil && len(m) <= 8 && len(s.maps) < maxSpare {
		clear(m)
		s.maps = append(s.maps, m)
	}
}

// attr reads one attribute. null gives an attribute without type.
func (p *parser) attr(field string) (a Attr, err error) {
	switch k := p.dec.PeekKind(); k {
	case '"':
		a.Type = TypeString
		a.Value, err = p.text(field, maxValue)
	case '0':
		a.Type = TypeNumber
		a.Value, err = p.number(field)
	case 't':
		return Attr{TypeBool, "true"}, p.skip(field)
	case 'f':
		return Attr{TypeBool, "false"}, p.skip(field)
	case 'n':
		return Attr{}, p.skip(field)
	case '{':
		return p.typedAttr(field)
	default:
		err = p.mismatch(field, "an object whose values are texts, numbers, true or false")
	}
	return a, err
}

// typedAttr reads {"dataType":…,"value":…}. A data type in letters and digits is kept as it is:
// clients read it back. Its spelling of the three usual types is made ours.
func (p *parser) typedAttr(field string) (a Attr, err error) {
	given, hasValue := "", false
	_, err = p.object(field, func(name string) (err error) {
		switch name {
		case "dataType":
			given, err = p.text(field, maxName)
		case "value":
			if p.dec.PeekKind() == '{' {
				return p.mismatch(field, "an object whose values are texts, numbers, true or false")
			}
			hasValue = true
			a, err = p.attr(field)
		default:
			err = p.skip(field)
		}
		return err
	})
	if err != nil || a.Type == "" {
		if err == nil && !hasValue {
			err = p.fail(field, "has an entry without value")
		}
		return a, err
	}
	switch strings.ToLower(given) {
	case "", "string", "text":
	case "number", "integer", "decimal", "double", "float", "long":
		if _, err := strconv.ParseFloat(a.Value, 64); err != nil || len(a.Value) > 64 {
			return a, p.fail(field, "has an entry of dataType number whose value is none")
		}
		a.Type = TypeNumber
	case "boolean", "bool":
		if a.Value = strings.ToLower(a.Value); a.Value != "true" && a.Value != "false" {
			return a, p.fail(field, "has an entry of dataType boolean whose value is neither true nor false")
		}
		a.Type = TypeBool
	default:
		if len(given) > 32 || strings.ContainsFunc(given, notIdentifier) {
			return a, p.fail(field, "has an entry with an unknown dataType")
		}
		a.Type = given
	}
	return a, nil
}
