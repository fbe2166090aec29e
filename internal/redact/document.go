package redact

// Identifiers without a check digit: only the word before them tells what they are.
const (
	usSSN      Type = "US_SSN"
	usITIN     Type = "US_ITIN"
	usPassport Type = "US_PASSPORT"
	usDriver   Type = "US_DRIVER_LICENSE"
	usBank     Type = "US_BANK_NUMBER"
	idDocument Type = "ID_DOCUMENT" // a passport, licence or identity card of another country
)

// documents takes the number at token i as that of a passport, a driving licence or a bank account if
// the words right before say so, and returns its end, or 0.
func (s *scan) documents(i int) int {
	start := int(s.tokens[i].start)
	end, digits := start, 0
	for end < len(s.text) && (alnum(s.text[end]) && s.text[end] < 0x80 || s.text[end] == '-' && alnum(s.byteAt(end+1)) && end > start) {
		if digit(s.text[end]) {
			digits++
		}
		end++
	}
	n := end - start
	if digits < 4 || n < 5 || n > 20 || !s.ends(end) || s.joined(start-1) {
		return 0
	}
	switch s.around(i, i, aPassport|aLicence|aBank|aOther|aPhone|aCard|aNational) {
	case aPassport:
		if n > 12 {
			return 0
		}
		t := idDocument
		if s.american() && n == 9 {
			t = usPassport
		}
		s.add(start, end, t, claimNational)
	case aLicence:
		t := idDocument
		if s.american() {
			t = usDriver
		}
		s.add(start, end, t, claimNational)
	case aBank:
		if digits != n || n < 6 || n > 17 {
			return 0
		}
		s.add(start, end, usBank, claimNational)
	default:
		return 0
	}
	return end
}

// american reports whether English is the language in use, so that documents without a country are
// called by the American type.
func (s *scan) american() bool { return s.r.languages[0] == "en" }
