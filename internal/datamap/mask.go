package datamap

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The masking strategies. Requests may ask for those of Strategies; the others are what a constraint
// of the store may leave.
const (
	Null             = "null"              // NULL
	Redact           = "redact"            // a word that says what stood there, such as [email]
	Hash             = "hash"              // a digest, salted anew in each run
	HMAC             = "hmac"              // a keyed digest; the key ends with the run
	Delete           = "delete"            // the row goes
	Pseudonymise     = "pseudonymise"      // equal values get equal pseudonyms within a run
	Random           = "random"            // random characters
	Constant         = "constant"          // one value for all
	FormatPreserving = "format_preserving" // letters for letters, digits for digits
)

// Strategies are those that a request may ask for.
var Strategies = []string{Null, Redact, Hash, HMAC, Delete, Pseudonymise}

// masker makes masked values. Its keys are random and live as long as it does: nobody can make the
// values again.
type masker struct {
	key   []byte // 32 bytes
	drawn int    // random values made
}

// proposal is a value that could stand instead of the clear one.
type proposal struct {
	strategy string
	cell     cell
}

// digest returns n pseudo-random bytes that only this run can make from the value.
func (m *masker) digest(purpose, v string, n int) []byte {
	var out []byte
	for i := 0; len(out) < n; i++ {
		h := hmac.New(sha256.New, m.key)
		h.Write([]byte(purpose + "\x00" + strconv.Itoa(i) + "\x00" + v))
		out = h.Sum(out)
	}
	return out[:n]
}

// sign ends a text of hexadecimal digits so that masked recognises it: whoever was erased must not
// look like one more person.
func sign(body string, n int) string {
	if n < 8 {
		return body[:n]
	}
	k := 8
	if n < 16 {
		k = 4
		body = "x" + body
	}
	head := body[:n-k]
	sum := sha256.Sum256([]byte("masked\x00" + head))
	return head + hex.EncodeToString(sum[:])[:k]
}

var tokenForm = regexp.MustCompile(`^\[(?:card number|card expiry date|user info|phone|email|name|postal code|location|national id|personal info)(?:-[0-9a-f]*)?\]$`)

// masked tells whether a value is one that we made in the place of another.
func masked(v string) bool {
	if strings.HasPrefix(v, "[") {
		return tokenForm.MatchString(v)
	}
	if local, ok := strings.CutSuffix(v, "@masked.invalid"); ok {
		return local != ""
	}
	if len(v) == 36 && v[14] == '8' && v[8] == '-' {
		v = strings.ReplaceAll(v, "-", "")
		sum := sha256.Sum256([]byte("masked\x00" + v[:24]))
		return v[24:] == hex.EncodeToString(sum[:])[:8]
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n < 0 {
		return n < -maskedAbove && -n%signs == numberSign(-n/signs)
	}
	n := len(v)
	if n < 8 || n > 128 {
		return false
	}
	for i := range n {
		if c := v[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || i == 0 && n < 16 && c == 'x') {
			return false
		}
	}
	k := 8
	if n < 16 {
		k = 4
		if v[0] != 'x' {
			return false
		}
	}
	sum := sha256.Sum256([]byte("masked\x00" + v[:n-k]))
	return v[n-k:] == hex.EncodeToString(sum[:])[:k]
}

// Negative numbers that we made are larger than maskedAbove and end with a sign, one of signs.
const (
	maskedAbove = 10_000
	signs       = 1000
)

// numberSign is what the digits before the last three make of those.
func numberSign(head int64) int64 {
	sum := sha256.Sum256([]byte("masked\x00" + strconv.FormatInt(head, 10)))
	return int64(binary.BigEndian.Uint32(sum[:4]) % signs)
}

// token returns the word that stands for a value of the field, of Genesys' list.
func token(f *Field) string {
	all := strings.Join(f.Categories, " ") + " " + f.Name()
	for _, t := range []struct{ part, word string }{
		{"email", "email"}, {"phone", "phone"}, {"credit_card", "card number"}, {"card", "card number"}, {"national", "national id"}, {"government_id", "national id"}, {"ssn", "national id"},
		{"postal", "postal code"}, {"zip", "postal code"}, {"address", "location"}, {"location", "location"}, {"city", "location"},
		{"user.name", "name"}, {"name", "name"}, {"unique_id", "user info"}, {"account", "user info"},
	} {
		if strings.Contains(all, t.part) {
			return t.word
		}
	}
	return "personal info"
}

// propose returns the values that could stand instead of the clear one, the one asked for first, then
// the nearest. None equals the clear value. If the strategy only makes values, they are all.
func (m *masker) propose(f *Field, col *column, t *table, asked, only, clear string) []proposal {
	var out []proposal
	add := func(strategy, text string) {
		if text == clear || col.length > 0 && utf8.RuneCountInString(text) > col.length {
			return
		}
		out = append(out, proposal{strategy, cell{text: text}})
	}
	null := func() {
		if col.nullable {
			out = append(out, proposal{Null, cell{null: true}})
		}
	}
	limit := col.length
	if f.Length > 0 && (limit == 0 || f.Length < limit) {
		limit = f.Length
	}
	switch col.class {
	case text, citext, other, enum:
	default:
		limit = 0
	}
	one := func(strategy string) {
		switch strategy {
		case Null:
			null()
		case Constant:
			if f.Override != nil && f.Override.Strategy == Constant {
				add(Constant, f.Override.Value)
			}
		default:
			for _, v := range m.make(f, col, t, strategy, clear, limit) {
				add(strategy, v)
			}
		}
	}
	if only != "" {
		if one(only); len(out) > 0 {
			return out
		}
	}
	one(asked)
	order := []string{Redact, Pseudonymise, Random, FormatPreserving}
	switch {
	case asked == Null:
	case col.class == text || col.class == citext:
		// Something of the kind asked for is nearer than nothing.
	default:
		null()
	}
	fixed := func() {
		for _, v := range m.constants(f, col, t, clear) {
			if f.Length > 0 && utf8.RuneCountInString(v) > f.Length {
				continue
			}
			add(Constant, v)
		}
	}
	if col.class == other { // an address made at random could be somebody's
		fixed()
	}
	for _, s := range order {
		if s != asked {
			one(s)
		}
	}
	fixed()
	null()
	return dedupe(out)
}

func dedupe(list []proposal) []proposal {
	seen := map[cell]bool{}
	return slices.DeleteFunc(list, func(p proposal) bool {
		if seen[p.cell] {
			return true
		}
		seen[p.cell] = true
		return false
	})
}

// make returns values of one strategy for the column's type.
func (m *masker) make(f *Field, col *column, t *table, strategy, clear string, limit int) []string {
	// Equal columns give equal pseudonyms; what stands in columns of other types or lengths can't.
	purpose := strategy
	if strategy == Pseudonymise {
		purpose += "\x00" + strconv.Itoa(int(col.class)) + "\x00" + strconv.Itoa(limit)
	}
	raw := m.digest(purpose, clear, 64)
	if strategy == Random {
		m.drawn++
		raw = m.digest(Random+strconv.Itoa(m.drawn), clear, 64)
	}
	body := hex.EncodeToString(raw)
	switch col.class {
	case text, citext, other:
		if col.class == other && strategy != FormatPreserving {
			return nil
		}
		switch strategy {
		case Redact:
			word := token(f)
			plain := "[" + word + "]"
			long := "[" + word + "-" + body[:8] + "]"
			var list []string
			if !t.unique(f.Column()) {
				list = append(list, plain)
			}
			if limit == 0 || len(long) <= limit {
				return append(list, long)
			}
			if len(plain) > limit {
				// The word doesn't fit; what is left of it still says that something was taken out.
				list = nil
				if !t.unique(f.Column()) && limit > 0 {
					list = append(list, plain[:limit])
				}
			}
			return list
		case FormatPreserving:
			list := []string{}
			if strings.Contains(clear, "@") {
				mail := sign(body, 24) + "@masked.invalid"
				if limit == 0 || len(mail) <= limit {
					list = append(list, mail)
				} else if n := limit - len("@masked.invalid"); n > 0 {
					list = append(list, body[:n]+"@masked.invalid")
				}
			}
			return append(list, preserve(clear, raw), preserve(clear, m.digest("again", clear, 64)))
		}
		n := 64
		if limit > 0 && limit < n {
			n = limit
		}
		return []string{sign(body, n)}
	case integer:
		if strategy == Redact || strategy == FormatPreserving {
			return nil
		}
		return integers(f, col, raw)
	case decimal, float:
		if strategy == Redact || strategy == FormatPreserving {
			return nil
		}
		digits := 6
		if col.class == decimal && col.digits > 0 && col.digits-col.scale < digits {
			digits = max(col.digits-col.scale, 0)
		}
		n := binary.BigEndian.Uint64(raw) % uint64(math.Pow10(digits))
		v := strconv.FormatUint(n, 10)
		if col.scale > 0 {
			v += "." + strings.Repeat("0", col.scale-1) + "7"
		}
		return []string{v}
	case date, timestamp:
		if strategy != Pseudonymise && strategy != Random {
			return nil
		}
		day := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(binary.BigEndian.Uint32(raw)%25_000))
		if col.class == date {
			return []string{day.Format(time.DateOnly)}
		}
		if day.Year() < 1971 { // MySQL's TIMESTAMP begins with 1970
			day = day.AddDate(41, 0, 0)
		}
		return []string{day.Format(time.DateTime)}
	case uuidClass:
		if strategy == Redact || strategy == FormatPreserving {
			return nil
		}
		u := []byte(body[:32])
		u[12], u[16] = '8', '8'
		sum := sha256.Sum256([]byte("masked\x00" + string(u[:24])))
		copy(u[24:], hex.EncodeToString(sum[:])[:8])
		return []string{string(u[:8]) + "-" + string(u[8:12]) + "-" + string(u[12:16]) + "-" + string(u[16:20]) + "-" + string(u[20:])}
	case binaryClass:
		if strategy == Redact || strategy == FormatPreserving {
			return nil
		}
		n := 32
		if col.length > 0 && col.length < n {
			n = col.length
		}
		return []string{body[:2*n]}
	case jsonClass:
		return m.document(f, strategy, clear, body)
	case array:
		if strategy == Redact && (col.elem == text || col.elem == citext) {
			return []string{string(quoteAll([]string{"[" + token(f) + "]"}))}
		}
		if col.elem != text && col.elem != citext {
			return nil
		}
		var list []string
		if json.Unmarshal([]byte(clear), &list) != nil {
			return nil
		}
		for i := range list {
			list[i] = sign(hex.EncodeToString(m.digest(purpose, list[i], 64)), 64)
		}
		return []string{string(quoteAll(list))}
	}
	return nil
}

func quoteAll(list []string) []byte {
	raw, err := json.Marshal(list)
	if err != nil {
		return []byte("[]")
	}
	return raw
}

// integers returns numbers that fit. Where rows are found by the field, it is a negative one: that is
// no other person's number.
func integers(f *Field, col *column, raw []byte) []string {
	bits := col.bits
	if bits == 0 {
		bits = 32
	}
	most := uint64(1)<<(bits-1) - 1
	if bits <= 8 {
		most = 100
	}
	n := binary.BigEndian.Uint64(raw)%most + 1
	positive := strconv.FormatUint(n, 10)
	if f.Identity == "" && !f.linked {
		// The second stands in where the first happens to be the clear value.
		second := strconv.FormatUint(n%most+1, 10)
		if strings.HasPrefix(col.typ, "year") { // 99 would be read as 1999
			positive, second = strconv.FormatUint(1902+n, 10), strconv.FormatUint(1902+n%most+1, 10)
		}
		return []string{positive, second}
	}
	if bits < 32 {
		return nil // too few numbers to find one that is nobody's
	}
	positive = strconv.FormatUint(most/2+n/2, 10)
	if col.unsigned {
		return []string{positive}
	}
	head := int64(n%(most/signs-maskedAbove)) + maskedAbove
	return []string{strconv.FormatInt(-(head*signs + numberSign(head)), 10), positive}
}

// document masks a JSON column as a whole, if the field is one, or the values that the field names
// within it.
func (m *masker) document(f *Field, strategy, clear, body string) []string {
	if len(f.Path) > 1 {
		return nil // see within
	}
	switch strategy {
	case Redact:
		return []string{`"[` + token(f) + `]"`, `{}`, `[]`}
	case Hash, HMAC, Pseudonymise, Random:
		return []string{`"` + sign(body, 64) + `"`}
	}
	return []string{`{}`, `[]`}
}

// within masks the values at the field's path in a JSON document, and returns the document as text
// and what was done.
func (m *masker) within(f *Field, strategy, doc string) (string, string, error) {
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", "", err
	}
	used := strategy
	replace := func(x any) any {
		s, isText := x.(string)
		if n, ok := x.(json.Number); ok {
			s = n.String()
		}
		if x == nil {
			return nil
		}
		if isText && masked(s) {
			return x
		}
		limit := f.Length
		if limit == 0 || limit > 64 {
			limit = 64
		}
		switch {
		case strategy == Null:
			return nil
		case !isText:
			used = Null
			return nil
		case strategy == Redact:
			word := "[" + token(f) + "]"
			if len(word) > limit {
				word = word[:limit]
			}
			return word
		case strategy == Constant && f.Override != nil:
			return f.Override.Value
		case strategy == FormatPreserving:
			return preserve(s, m.digest(strategy, s, 64))
		}
		return sign(hex.EncodeToString(m.digest(strategy, s, 64)), limit)
	}
	v = change(v, f.Path[1:], replace)
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", "", err
	}
	return strings.TrimSpace(b.String()), used, nil
}

// change replaces every scalar at the path, through arrays, and every whole value that stands where a
// scalar should.
func change(v any, path []string, f func(any) any) any {
	if list, ok := v.([]any); ok {
		for i := range list {
			list[i] = change(list[i], path, f)
		}
		return list
	}
	if len(path) == 0 {
		return f(v)
	}
	if m, ok := v.(map[string]any); ok {
		if x, ok := m[path[0]]; ok {
			m[path[0]] = change(x, path[1:], f)
		}
	}
	return v
}

// constants returns values that say nothing about the person and that the column may accept.
func (m *masker) constants(f *Field, col *column, t *table, clear string) []string {
	if f.linked || f.Identity != "" || len(t.refers(f.Column())) > 0 {
		return nil // it could lead to another person
	}
	var out []string
	switch col.class {
	case text, citext:
		out = append(out, "", "x", "xx", "unknown", "0", "00000")
	case integer, decimal, float:
		out = append(out, "0", "1", "2")
	case date:
		out = append(out, "1970-01-02", "1970-01-03", "1900-01-01")
	case timestamp:
		out = append(out, "1970-01-02 00:00:00", "1970-01-03 00:00:00")
	case clocktime:
		out = append(out, "00:00:00", "00:00:01")
	case binaryClass:
		out = append(out, "", strings.Repeat("00", max(col.length, 1)))
	case jsonClass:
		out = append(out, "{}", "[]", `"[personal info]"`)
	case array:
		out = append(out, "[]")
	case boolean:
		return nil // the only other value says as much as the clear one
	case enum:
		// With two labels the other one says as much as the clear one.
		neutral := []string{"unknown", "other", "none", "n/a", "na", "unspecified", "not_specified", "redacted", "undisclosed", "x", "u"}
		for _, l := range col.labels {
			if slices.Contains(neutral, strings.ToLower(l)) {
				out = append(out, l)
			}
		}
		if len(col.labels) > 2 {
			rest := slices.Clone(col.labels)
			start := int(m.digest("enum", clear+t.name, 1)[0]) % len(rest)
			out = append(out, append(rest[start:], rest[:start]...)...)
		}
		return out
	case other:
		out = append(out, "0.0.0.0", "00:00:00:00:00:00", "0", "(0,0)", "empty", "{}", "")
	}
	return append(out, literals(t, f.Column(), col, clear)...)
}

var (
	quotedLiteral = regexp.MustCompile(`'((?:[^']|'')*)'`)
	numberLiteral = regexp.MustCompile(`-?\b\d+(?:\.\d+)?\b`)
)

// literals returns the values that CHECK constraints on the column mention, and their neighbours.
func literals(t *table, name string, col *column, clear string) []string {
	var out []string
	for _, c := range t.checks {
		if !slices.Contains(c.columns, name) {
			continue
		}
		for _, l := range quotedLiteral.FindAllStringSubmatch(c.expr, -1) {
			v := strings.ReplaceAll(l[1], "''", "'")
			out = append(out, v)
			if d, err := time.Parse(time.DateOnly, v); err == nil {
				out = append(out, d.AddDate(0, 0, 1).Format(time.DateOnly), d.AddDate(0, 0, -1).Format(time.DateOnly))
			}
			// A pattern of LIKE becomes a text that fits it.
			if strings.ContainsAny(v, "%_") {
				out = append(out, strings.NewReplacer("%", "x", "_", "x").Replace(v), strings.NewReplacer("%", "", "_", "x").Replace(v))
			}
		}
		if col.class == integer || col.class == decimal || col.class == float {
			for _, l := range numberLiteral.FindAllString(c.expr, -1) {
				out = append(out, l)
				if n, ok := new(big.Int).SetString(l, 10); ok {
					out = append(out, new(big.Int).Add(n, big.NewInt(1)).String(), new(big.Int).Sub(n, big.NewInt(1)).String())
				}
			}
		}
		if col.class == text {
			for _, l := range numberLiteral.FindAllString(c.expr, -1) {
				if n, err := strconv.Atoi(l); err == nil && n > 0 && n <= 200 {
					out = append(out, strings.Repeat("x", n), strings.Repeat("0", n))
				}
			}
		}
	}
	// Two values of a CHECK say as much as one.
	if col.class == text || col.class == enum {
		distinct := slices.Compact(slices.Sorted(slices.Values(out)))
		if len(distinct) == 2 && slices.Contains(distinct, clear) {
			return nil
		}
	}
	return out
}

// preserve replaces letters by letters and digits by digits; everything else stays.
func preserve(clear string, raw []byte) string {
	var b strings.Builder
	i := 0
	for _, r := range clear {
		x := raw[i%len(raw)] ^ byte(i/len(raw)*37)
		i++
		switch {
		case unicode.IsDigit(r):
			if i == 1 {
				b.WriteByte('1' + x%9)
			} else {
				b.WriteByte('0' + x%10)
			}
		case unicode.IsUpper(r):
			b.WriteByte('A' + x%26)
		case unicode.IsLetter(r):
			b.WriteByte('a' + x%26)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
