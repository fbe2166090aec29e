package verify

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Canonical returns the one spelling of a JSON text after RFC 8785: members sorted by the UTF-16
// code units of their names, no white space, the shortest escapes and numbers as ECMAScript writes
// them. Two texts with the same meaning have the same canonical bytes, so that they can be hashed.
//
// It is stricter than RFC 8785 where a reader could be misled: a name that occurs twice in one
// object, invalid UTF-8, an unpaired surrogate, nesting deeper than 64 levels, an integer outside
// ±(2^53−1) that would be written without an exponent, and anything after the value are errors.
func Canonical(text []byte) ([]byte, error) {
	v, err := parse(text)
	if err != nil {
		return nil, err
	}
	return v.append(make([]byte, 0, len(text))), nil
}

// append writes v canonically.
func (v *value) append(dst []byte) []byte {
	switch v.kind {
	case kindNull:
		return append(dst, "null"...)
	case kindBool:
		return strconv.AppendBool(dst, v.truth)
	case kindNumber:
		return appendNumber(dst, v.number)
	case kindString:
		return appendString(dst, v.text)
	case kindArray:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	default:
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, m.name)
			dst = append(dst, ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	}
}

// appendNumber writes f as ECMAScript's Number::toString does (ECMA-262 §6.1.6.1.20).
func appendNumber(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0') // also for -0
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go pads the exponent to two digits, ECMAScript doesn't.
	e := start + strings.IndexByte(string(dst[start:]), 'e')
	if digits := e + 2; len(dst)-digits == 2 && dst[digits] == '0' {
		dst = append(dst[:digits], dst[digits+1:]...)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// lessUTF16 orders names as RFC 8785 §3.2.3 wants: by UTF-16 code units. It differs from the order
// of the bytes only between characters outside the basic plane and those from U+E000 on.
func lessUTF16(a, b string) bool {
	for a != "" && b != "" {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra != rb {
			if (ra > 0xffff) == (rb > 0xffff) {
				return ra < rb
			}
			return lead(ra) < lead(rb)
		}
		a, b = a[na:], b[nb:]
	}
	return len(a) < len(b)
}

// lead returns the first UTF-16 code unit of r.
func lead(r rune) rune {
	if r <= 0xffff {
		return r
	}
	hi, _ := utf16.EncodeRune(r)
	return hi
}
