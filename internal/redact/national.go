package redact

import (
	"strings"
	"time"
)

// National identifiers, named as Presidio does where it knows them.
const (
	atSVNR   Type = "AT_SVNR"
	beNRN    Type = "BE_NATIONAL_NUMBER"
	bgEGN    Type = "BG_EGN"
	chAHV    Type = "CH_AHV"
	cyTIC    Type = "CY_TIC"
	czRC     Type = "CZ_BIRTH_NUMBER" // also of Slovakia
	deTax    Type = "DE_TAX_ID"
	deSVNR   Type = "DE_SOCIAL_SECURITY"
	dkCPR    Type = "DK_CPR"
	eeID     Type = "EE_PERSONAL_CODE"
	esNIF    Type = "ES_NIF"
	esNIE    Type = "ES_NIE"
	fiHETU   Type = "FI_PERSONAL_IDENTITY_CODE"
	frINSEE  Type = "FR_INSEE"
	grAFM    Type = "GR_AFM"
	grAMKA   Type = "GR_AMKA"
	hrOIB    Type = "HR_OIB"
	huTAJ    Type = "HU_TAJ"
	huTax    Type = "HU_TAX_ID"
	iePPSN   Type = "IE_PPSN"
	itFiscal Type = "IT_FISCAL_CODE"
	ltCode   Type = "LT_PERSONAL_CODE"
	luID     Type = "LU_NATIONAL_ID"
	lvCode   Type = "LV_PERSONAL_CODE"
	mtID     Type = "MT_ID_CARD"
	nlBSN    Type = "NL_BSN"
	noFNR    Type = "NO_FNR"
	plPESEL  Type = "PL_PESEL"
	plNIP    Type = "PL_NIP"
	ptNIF    Type = "PT_NIF"
	ptCC     Type = "PT_CITIZEN_CARD"
	roCNP    Type = "RO_CNP"
	seID     Type = "SE_PERSONAL_NUMBER"
	siEMSO   Type = "SI_EMSO"
	ukNHS    Type = "UK_NHS"
	ukNINO   Type = "UK_NINO"
)

// need says what must stand beside an identifier.
type need int

const (
	nothing need = iota // shape and check leave little doubt
	home                // a word, or that its language is the only one given
	telling             // a word about identifiers
)

// identifier is a national number of digits alone.
type identifier struct {
	t        Type
	digits   int
	shape    string // digits per group and marks, such as "6-4"; empty: any of the usual ones, or none
	language string // the language of the country, if it is one of the eight
	need     need
	word     string // its own name: where several fit, the one that is named before it wins
	check    func(d string) bool
}

// identifiers are tried in this order. It is by how much a number proves.
var identifiers = []identifier{
	{frINSEE, 15, "", "fr", nothing, "sécurité sociale insee nir securite", checkINSEE},
	{roCNP, 13, "", "", nothing, "cnp", checkCNP},
	{siEMSO, 13, "", "", nothing, "emšo emso", checkEMSO},
	{chAHV, 13, "3.4.4.2", "", nothing, "ahv avs", checkAHV},
	{luID, 13, "", "", nothing, "matricule", checkLU},
	{seID, 10, "6-4", "", nothing, "personnummer", checkSE},
	{seID, 12, "8-4", "", nothing, "personnummer", func(d string) bool { return checkSE(d[2:]) }},
	{seID, 12, "", "", telling, "personnummer", func(d string) bool { return checkSE(d[2:]) }},
	{czRC, 10, "6/4", "", nothing, "rodné", checkCZ},
	{czRC, 9, "6/3", "", nothing, "rodné", func(d string) bool { return validDate(1900+num(d[:2]), czMonth(num(d[2:4])), num(d[4:6])) }},
	{beNRN, 11, "2.2.2-3.2", "", nothing, "rijksregisternummer", checkBE},
	{beNRN, 11, "", "", telling, "rijksregisternummer nrn niss insz", checkBE},
	{lvCode, 11, "6-5", "", nothing, "personas", checkLV},
	{dkCPR, 10, "6-4", "", telling, "cpr", checkCPR},
	{dkCPR, 10, "", "", telling, "cpr", checkCPR},
	{plPESEL, 11, "", "pl", nothing, "pesel", checkPESEL},
	{noFNR, 11, "", "", telling, "fødselsnummer fnr", checkFNR},
	{grAMKA, 11, "", "", telling, "amka αμκα", checkAMKA},
	{eeID, 11, "", "", telling, "isikukood", checkBaltic},
	{ltCode, 11, "", "", telling, "asmens", checkBaltic},
	{deTax, 11, "", "de", home, "steuer-id steueridentifikationsnummer idnr", checkDETax},
	{deTax, 11, "2 3 3 3", "de", nothing, "steuer-id", checkDETax},
	{hrOIB, 11, "", "", telling, "oib", func(d string) bool { return mod1110(d) }},
	{ukNHS, 10, "", "en", telling, "nhs", checkNHS},
	{plNIP, 10, "3-3-2-2", "pl", nothing, "nip", checkNIP},
	{plNIP, 10, "", "pl", telling, "nip", checkNIP},
	{atSVNR, 10, "", "de", telling, "svnr sozialversicherungsnummer", checkSVNR},
	{bgEGN, 10, "", "", telling, "egn егн", checkEGN},
	{czRC, 10, "", "", telling, "rodné", checkCZ},
	{seID, 10, "", "", telling, "personnummer", checkSE},
	{huTax, 10, "", "", telling, "adóazonosító", checkHUTax},
	{nlBSN, 9, "", "nl", home, "bsn burgerservicenummer", checkBSN},
	{ptNIF, 9, "", "pt", home, "nif contribuinte", checkPTNIF},
	{huTAJ, 9, "", "", telling, "taj", checkTAJ},
	{grAFM, 9, "", "", telling, "afm αφμ", checkAFM},
}

// national takes a national number of digits, and returns its end, or 0.
func (s *scan) national(i int, c *cluster) int {
	if c.plus || c.open {
		return 0
	}
	if end := s.ssn(i, c); end > 0 {
		return end
	}
	var about meaning
	asked := false
	for n := c.n; n > 0; n-- {
		end := c.groups[n-1].end
		if !s.ends(end) {
			continue
		}
		d := c.digits(s.text, n)
		if len(d) < 9 || len(d) > 15 {
			continue
		}
		var best *identifier
		for k := range identifiers {
			id := &identifiers[k]
			if id.digits != len(d) || !id.fits(c.groups[:n], s.text) || !id.check(d) {
				continue
			}
			if !asked {
				about, asked = s.around(i, s.tokenBefore(i, end), aNational|aPhone|aOther|aCard|aBank|aMoney), true
			}
			if about != 0 && about != aNational || about == 0 && (id.need == telling || id.need == home && !s.only(id.language)) {
				continue
			}
			if best == nil || about == aNational && !s.named(i, best.word) && s.named(i, id.word) {
				best = id
			}
		}
		if best != nil {
			s.add(c.groups[0].start, end, best.t, claimNational)
			return end
		}
	}
	return 0
}

func (s *scan) only(language string) bool {
	return len(s.r.languages) == 1 && s.r.languages[0] == language
}

// named reports whether one of the words stands shortly before token i.
func (s *scan) named(i int, words string) bool {
	if i == 0 {
		return false
	}
	from := int(s.tokens[max(0, i-9)].start)
	near := strings.ToLower(s.text[from:s.tokens[i].start])
	for w := range strings.FieldsSeq(words) {
		if strings.Contains(near, w) {
			return true
		}
	}
	return false
}

// fits reports whether groups have the shape of the identifier.
func (id *identifier) fits(groups []group, text string) bool {
	if id.shape == "" {
		for _, g := range groups[1:] {
			if g.mark != " " && g.mark != "-" && g.mark != "." && g.mark != "\u00a0" {
				return false
			}
		}
		return len(groups) <= 7
	}
	at := 0
	for k, g := range groups {
		if k > 0 {
			if at >= len(id.shape) || g.mark != id.shape[at:at+1] {
				return false
			}
			at++
		}
		if at >= len(id.shape) || int(id.shape[at]-'0') != g.end-g.start {
			return false
		}
		at++
	}
	return at == len(id.shape)
}

// ssn takes a number of the US social security administration, or of the tax office for those who
// have none: 3-2-4. An area that was never given out (000, 666, 900 and above) is taken only if the
// words say what it is.
func (s *scan) ssn(i int, c *cluster) int {
	n := min(c.n, 3)
	d := c.digits(s.text, n)
	end := c.groups[n-1].end
	if c.n == 1 {
		if len(d) != 9 || !s.ends(end) || s.around(i, i, aSSN|aNational|aPhone|aOther|aCard|aBank|aMoney|aPassport|aLicence) != aSSN {
			return 0
		}
	} else {
		if n != 3 || len(d) != 9 || !s.ends(end) {
			return 0
		}
		g := c.groups
		if g[0].end-g[0].start != 3 || g[1].end-g[1].start != 2 || g[1].mark != g[2].mark {
			return 0
		}
		dash := g[1].mark == "-" || g[1].mark == "\u2011" || g[1].mark == "\u2013"
		about := s.around(i, s.tokenBefore(i, end), aSSN|aNational|aPhone|aOther|aCard|aBank|aMoney)
		impossible := d[:3] == "000" || d[:3] == "666" || d[0] == '9' && !itin(d) || d[3:5] == "00" || d[5:] == "0000"
		switch {
		case about == aSSN || about == aNational:
		case about != 0 || !dash || impossible:
			return 0
		}
	}
	t := usSSN
	if itin(d) {
		t = usITIN
	}
	s.add(c.groups[0].start, end, t, claimNational)
	return end
}

func itin(d string) bool {
	m := num(d[3:5])
	return d[0] == '9' && (50 <= m && m <= 65 || 70 <= m && m <= 88 || 90 <= m && m <= 92 || 94 <= m)
}

// mixture explains the mixture of letters and digits at token i and returns where the explanation
// ends, or 0.
func (s *scan) mixture(i int) int32 {
	if end := s.iban(i); end > 0 {
		return int32(end)
	}
	t := s.tokens[i]
	start := int(t.start)
	if s.joined(start - 1) {
		return 0
	}
	w := strings.ToUpper(s.of(t))
	if s.extensionOfPhone(i, w) {
		return 0
	}
	end := int(t.end)
	if !s.ends(end) && !(s.byteAt(end) == '-' || s.byteAt(end) == '+') {
		return 0
	}
	type found struct {
		t  Type
		ok bool
	}
	f := func() found {
		switch len(w) {
		case 16:
			return found{itFiscal, s.ends(end) && checkFiscalCode(w)}
		case 15:
			if (w[5:7] == "2A" || w[5:7] == "2B") && allDigits(w[:5]) && allDigits(w[7:]) {
				return found{frINSEE, checkINSEE(strings.Replace(strings.Replace(w, "2A", "19", 1), "2B", "18", 1))}
			}
		case 12:
			if checkDESocial(w) {
				return found{deSVNR, true}
			}
			if allDigits(w[:9]) && letter(w[9]) && letter(w[10]) && digit(w[11]) {
				return found{ptCC, checkCitizenCard(w)}
			}
		case 11:
			if allDigits(w[:6]) && letter(w[6]) && allDigits(w[7:10]) {
				return found{fiHETU, checkHETU(w)}
			}
		case 9:
			switch {
			case allDigits(w[:8]) && letter(w[8]):
				if nifLetter(num(w[:8])) == w[8] {
					return found{esNIF, true}
				}
				if checkCyprus(w) && s.around(i, i, aNational|aOther) == aNational {
					return found{cyTIC, true}
				}
				return found{iePPSN, false}
			case strings.IndexByte("XYZ", w[0]) >= 0 && allDigits(w[1:8]) && letter(w[8]):
				return found{esNIE, nifLetter(num(string('0'+w[0]-'X')+w[1:8])) == w[8]}
			case allDigits(w[:7]) && letter(w[7]) && letter(w[8]):
				return found{iePPSN, checkPPSN(w)}
			case letter(w[0]) && letter(w[1]) && allDigits(w[2:8]):
				return found{ukNINO, checkNINO(w)}
			}
		case 8:
			switch {
			case allDigits(w[:7]) && letter(w[7]) && checkPPSN(w):
				return found{iePPSN, s.around(i, i, aNational|aOther) == aNational}
			case allDigits(w[:7]) && strings.IndexByte("MGAPLHBZ", w[7]) >= 0:
				return found{mtID, s.around(i, i, aNational|aOther) == aNational && s.named(i, "malt identity id")}
			}
		}
		return found{}
	}()
	if !f.ok {
		return int32(s.documents(i))
	}
	if !s.ends(end) || s.around(i, i, aOther|aNational) == aOther {
		return 0
	}
	s.add(start, end, f.t, claimNational)
	return t.end
}

// extensionOfPhone reports whether a mixture such as x123 stands right after a number.
func (s *scan) extensionOfPhone(i int, w string) bool {
	return w[0] == 'X' && allDigits(w[1:]) && len(w) < 8 && i > 0 && s.tokens[i-1].kind == number
}

// letterFirst looks at a single letter that an identifier may begin with: X-1234567-L.
func (s *scan) letterFirst(i int) {
	start := int(s.tokens[i].start)
	if b := s.text[start]; b != 'X' && b != 'Y' && b != 'Z' || s.joined(start-1) {
		return
	}
	at := start + 1
	if m := s.byteAt(at); m == '-' || m == ' ' {
		at++
	}
	if at == start+1 || at+7 > len(s.text) || !allDigits(s.text[at:at+7]) {
		return
	}
	end := at + 7
	if m := s.byteAt(end); m == '-' || m == ' ' {
		end++
	}
	if b := s.byteAt(end); letter(b) && s.ends(end+1) && nifLetter(num(string('0'+s.text[start]-'X')+s.text[at:at+7])) == b&^0x20 {
		s.add(start, end+1, esNIE, claimNational)
	}
}

// suffixed takes identifiers of digits that end in a letter after a mark, or hold one: the number at
// token i is their first group.
func (s *scan) suffixed(i int) int {
	t := s.tokens[i]
	start, end := int(t.start), int(t.end)
	if s.joined(start - 1) {
		return 0
	}
	m := s.byteAt(end)
	switch n := end - start; {
	case n == 8 && (m == '-' || m == ' ') && letter(s.byteAt(end+1)) && s.ends(end+2):
		if nifLetter(num(s.text[start:end])) == s.text[end+1]&^0x20 && (m == '-' || s.text[end+1] < 'a') {
			s.add(start, end+2, esNIF, claimNational)
			return end + 2
		}
	case n == 2 && m == '.' && start+12 <= len(s.text) && s.text[start+6] == '.' && s.text[start+10] == '-': // 12.345.678-Z
		d := s.text[start:start+2] + s.text[start+3:start+6] + s.text[start+7:start+10]
		if allDigits(d) && nifLetter(num(d)) == s.text[start+11]&^0x20 && letter(s.text[start+11]) && s.ends(start+12) {
			s.add(start, start+12, esNIF, claimNational)
			return start + 12
		}
	case n == 6 && (m == '-' || m == '+') && end+5 <= len(s.text):
		w := strings.ToUpper(s.text[start : end+5])
		if allDigits(w[7:10]) && alnum(w[10]) && s.ends(end+5) && checkHETU(w) {
			s.add(start, end+5, fiHETU, claimNational)
			return end + 5
		}
	case n == 8 && m == ' ' && end+6 <= len(s.text): // 12345678 9 ZZ4
		w := strings.ReplaceAll(s.text[start:end+6], " ", "")
		if len(w) == 12 && s.text[end+2] == ' ' && s.ends(end+6) && checkCitizenCard(w) {
			s.add(start, end+6, ptCC, claimNational)
			return end + 6
		}
	case n == 1 && (s.text[start] == '1' || s.text[start] == '2') && m == ' ': // 1 85 05 2A 123 456 78
		at, w := start, make([]byte, 0, 16)
		for at < len(s.text) && at < start+24 && len(w) < 15 && (alnum(s.text[at]) || s.text[at] == ' ') {
			if s.text[at] != ' ' {
				w = append(w, s.text[at])
			}
			at++
		}
		if len(w) == 15 && s.ends(at) && checkINSEE(strings.Replace(strings.Replace(string(w), "2A", "19", 1), "2B", "18", 1)) {
			s.add(start, at, frINSEE, claimNational)
			return at
		}
	}
	return 0
}

// nino takes a British national insurance number that is written with blanks: AB 12 34 56 C.
func (s *scan) nino(i int) {
	start := int(s.tokens[i].start)
	if s.joined(start-1) || start+13 > len(s.text) && start+9 > len(s.text) {
		return
	}
	at, w := start, make([]byte, 0, 9)
	for at < len(s.text) && len(w) < 9 {
		b := s.text[at]
		if b == ' ' || b == '-' {
			if s.text[at-1] == b {
				return
			}
			at++
			continue
		}
		want := digit
		if n := len(w); n < 2 || n == 8 {
			want = func(b byte) bool { return 'A' <= b && b <= 'Z' }
		}
		if !want(b) {
			return
		}
		w = append(w, b)
		at++
	}
	if len(w) == 9 && s.ends(at) && checkNINO(string(w)) {
		s.add(start, at, ukNINO, claimNational)
	}
}

func num(d string) int {
	n := 0
	for _, c := range []byte(d) {
		n = n*10 + int(c-'0')
	}
	return n
}

func allDigits(d string) bool {
	for _, c := range []byte(d) {
		if !digit(c) {
			return false
		}
	}
	return d != ""
}

func validDate(year, month, day int) bool {
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// shortDate reports whether two-digit parts are a date in some century.
func shortDate(year, month, day int) bool {
	return validDate(2000+year, month, day) || validDate(1900+year, month, day)
}

// weighted is the sum of the first digits, each times its weight.
func weighted(d string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += w * int(d[i]-'0')
	}
	return sum
}
