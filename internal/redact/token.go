package redact

import (
	"unicode"
	"unicode/utf8"
)

// token is a word, a number, a mixture of both or one mark of a text.
type token struct {
	start, end int32
	kind       kind
	caps       caps
	gap        gap
	mark       byte // of an ASCII mark; 0 for others
	is         meaning
}

type kind uint8

const (
	word   kind = iota // letters only
	number             // digits only
	mixed              // letters and digits
	mark               // one character that is neither
)

type caps uint8

const (
	lower caps = iota // no capital, or one in the middle
	title             // the first letter alone is a capital
	upper             // at least two letters, all capitals
	camel             // the first letter and others
)

// gap is what stands before a token.
type gap uint8

const (
	none  gap = iota
	space     // blanks and tabs
	line      // a new line begins
	blank     // a new line after an empty one begins
)

// meaning is the set of things a word can stand for.
type meaning uint64

// dictionary maps the hash of a folded word to its meaning. Words are folded to lower case without
// accents, so that one entry serves every spelling. 64 bits keep a few thousand words apart.
type dictionary struct {
	hashes   []uint64
	meanings []meaning
}

const (
	hashStart = 14695981039346656037
	hashPrime = 1099511628211
)

func newTable(size int) dictionary {
	return dictionary{make([]uint64, size), make([]meaning, size)}
}

// put adds a meaning to a word.
func (d *dictionary) put(w string, m meaning) {
	h := uint64(hashStart)
	for _, c := range w {
		h = hashRune(h, c)
	}
	for i := slot(h, len(d.hashes)); ; i = (i + 1) & (len(d.hashes) - 1) {
		if d.hashes[i] == 0 || d.hashes[i] == h {
			d.hashes[i] = h
			d.meanings[i] |= m
			return
		}
	}
}

func (d *dictionary) get(h uint64) meaning {
	for i := slot(h, len(d.hashes)); ; i = (i + 1) & (len(d.hashes) - 1) {
		switch d.hashes[i] {
		case h:
			return d.meanings[i]
		case 0:
			return 0
		}
	}
}

func slot(h uint64, size int) int { return int((h ^ h>>29) & uint64(size-1)) }

func hashRune(h uint64, c rune) uint64 {
	if c < utf8.RuneSelf {
		b := byte(c)
		if 'A' <= b && b <= 'Z' {
			b |= 0x20
		}
		return (h ^ uint64(b)) * hashPrime
	}
	for _, b := range []byte(foldRune(c)) {
		h = (h ^ uint64(b)) * hashPrime
	}
	return h
}

// foldRune returns a letter in lower case without its accent. Letters that have no plain form keep
// theirs.
func foldRune(c rune) string {
	c = unicode.ToLower(c)
	switch c {
	case 'à', 'á', 'â', 'ã', 'å', 'ā', 'ă', 'ą':
		return "a"
	case 'ä':
		return "a"
	case 'æ':
		return "ae"
	case 'ç', 'ć', 'č', 'ċ', 'ĉ':
		return "c"
	case 'ď', 'đ', 'ð':
		return "d"
	case 'è', 'é', 'ê', 'ë', 'ē', 'ė', 'ę', 'ě':
		return "e"
	case 'ğ', 'ģ', 'ġ':
		return "g"
	case 'ì', 'í', 'î', 'ï', 'ī', 'į', 'ı':
		return "i"
	case 'ķ':
		return "k"
	case 'ł', 'ļ', 'ľ', 'ĺ':
		return "l"
	case 'ñ', 'ń', 'ň', 'ņ':
		return "n"
	case 'ò', 'ó', 'ô', 'õ', 'ö', 'ø', 'ō', 'ő':
		return "o"
	case 'œ':
		return "oe"
	case 'ř', 'ŕ':
		return "r"
	case 'ś', 'š', 'ş', 'ș':
		return "s"
	case 'ß':
		return "ss"
	case 'ť', 'ț', 'ţ':
		return "t"
	case 'ù', 'ú', 'û', 'ü', 'ū', 'ů', 'ű', 'ų':
		return "u"
	case 'ý', 'ÿ':
		return "y"
	case 'ź', 'ż', 'ž':
		return "z"
	}
	return string(c)
}

type class uint8

const (
	isMark class = iota
	isSpace
	isLine
	isDigit
	isLower
	isUpper
	isWide // not ASCII
)

func classes() (t [256]class) {
	for i := range t {
		switch b := byte(i); {
		case b == '\n':
			t[i] = isLine
		case b == ' ' || b == '\t' || b == '\r' || b == '\v' || b == '\f':
			t[i] = isSpace
		case '0' <= b && b <= '9':
			t[i] = isDigit
		case 'a' <= b && b <= 'z':
			t[i] = isLower
		case 'A' <= b && b <= 'Z':
			t[i] = isUpper
		case b >= utf8.RuneSelf:
			t[i] = isWide
		}
	}
	return t
}

var classOf = classes()

// tokens appends the tokens of a text to list.
func (d *dictionary) tokens(list []token, text string) []token {
	g := line // a text begins with a line
	lines := 0
	for i := 0; i < len(text); {
		b := text[i]
		switch classOf[b] {
		case isSpace:
			if g == none {
				g = space
			}
			i++
		case isLine:
			lines++
			g = line
			if lines > 1 {
				g = blank
			}
			i++
		case isMark:
			list = append(list, token{start: int32(i), end: int32(i + 1), kind: mark, gap: g, mark: b})
			g, lines = none, 0
			i++
		case isWide:
			c, n := utf8.DecodeRuneInString(text[i:])
			if c == '\u00a0' || c == '\u202f' || c == '\u2009' || c == '\u2007' || c == '\u3000' {
				if g == none {
					g = space
				}
				i += n
				continue
			}
			if !unicode.IsLetter(c) {
				m := byte(0)
				switch c {
				case '’', '‘':
					m = '\''
				case '–', '—', '‐', '‑':
					m = '-'
				case '“', '”', '„', '«', '»':
					m = '"'
				}
				list = append(list, token{start: int32(i), end: int32(i + n), kind: mark, gap: g, mark: m})
				g, lines = none, 0
				i += n
				continue
			}
			fallthrough
		default:
			t := d.run(text, i)
			t.gap = g
			list = append(list, t)
			g, lines = none, 0
			i = int(t.end)
		}
	}
	return list
}

// run returns the word, number or mixture that begins at i.
func (d *dictionary) run(text string, i int) token {
	t := token{start: int32(i)}
	h := uint64(hashStart)
	letters, digits, capitals, first := 0, 0, 0, false
loop:
	for i < len(text) {
		b := text[i]
		switch classOf[b] {
		case isLower:
			h = (h ^ uint64(b)) * hashPrime
			letters++
			i++
		case isUpper:
			h = (h ^ uint64(b|0x20)) * hashPrime
			first = first || letters == 0
			letters++
			capitals++
			i++
		case isDigit:
			h = (h ^ uint64(b)) * hashPrime
			digits++
			i++
		case isWide:
			c, n := utf8.DecodeRuneInString(text[i:])
			if !unicode.IsLetter(c) && !(letters > 0 && unicode.Is(unicode.Mn, c)) {
				break loop
			}
			h = hashRune(h, c)
			if unicode.IsUpper(c) {
				first = first || letters == 0
				capitals++
			}
			letters++
			i += n
		default:
			break loop
		}
	}
	t.end = int32(i)
	switch {
	case letters == 0:
		t.kind = number
		return t
	case digits > 0:
		t.kind = mixed
	default:
		t.is = d.get(h)
	}
	switch {
	case !first:
	case capitals == 1:
		t.caps = title
	case capitals == letters:
		t.caps = upper
	default:
		t.caps = camel
	}
	return t
}
