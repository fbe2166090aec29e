package redact

import (
	"strconv"
	"strings"
)

// The rules of check digits, one function a kind of number. Each gets digits, and letters in capitals,
// without marks and with the length that the kind has.

// mod1110 is ISO 7064 MOD 11,10 over all digits.
func mod1110(d string) bool {
	p := 10
	for _, c := range []byte(d[:len(d)-1]) {
		s := (p + int(c-'0')) % 10
		if s == 0 {
			s = 10
		}
		p = s * 2 % 11
	}
	return (11-p)%10 == int(d[len(d)-1]-'0')
}

func checkINSEE(d string) bool {
	if len(d) != 15 || !allDigits(d) {
		return false
	}
	m := num(d[3:5])
	if d[0] != '1' && d[0] != '2' && d[0] != '7' && d[0] != '8' || m == 0 || m > 12 && m < 20 || m > 42 && m < 50 {
		return false
	}
	n := num(d[:13])
	// Corsica: 2A counts as 19 and 2B as 18, which is what replaces the letters here.
	return 97-n%97 == num(d[13:])
}

func checkCNP(d string) bool {
	if d[0] == '0' || !shortDate(num(d[1:3]), num(d[3:5]), num(d[5:7])) {
		return false
	}
	c := weighted(d, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
	if c == 10 {
		c = 1
	}
	return c == int(d[12]-'0')
}

func checkEMSO(d string) bool {
	year := num(d[4:7])
	if year > 100 && year < 850 || !validDate(1000+year+map[bool]int{true: 1000}[year <= 100], num(d[2:4]), num(d[:2])) {
		return false
	}
	c := 11 - weighted(d, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11
	return c%11%10 == int(d[12]-'0') && c != 10
}

func checkAHV(d string) bool {
	return strings.HasPrefix(d, "756") && (10-weighted(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3)%10)%10 == int(d[12]-'0')
}

func checkLU(d string) bool {
	year := num(d[:4])
	return year > 1880 && year < 2100 && validDate(year, num(d[4:6]), num(d[6:8])) && luhn(d[:12]) && verhoeff(d[:11]+d[12:])
}

// verhoeff checks the dihedral sum of all digits.
func verhoeff(d string) bool {
	c := 0
	for i := range len(d) {
		n := int(d[len(d)-1-i] - '0')
		for range i % 8 {
			n = verhoeffShift[n]
		}
		c = dihedral(c, n)
	}
	return c == 0
}

var verhoeffShift = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}

// dihedral multiplies in the group of the symmetries of a pentagon.
func dihedral(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b-5)%5
	case b < 5:
		return 5 + (a-5-b+5)%5
	}
	return (a - b + 5) % 5
}

func checkSE(d string) bool {
	day := num(d[4:6])
	if day > 60 {
		day -= 60 // a coordination number
	}
	return shortDate(num(d[:2]), num(d[2:4]), day) && luhn(d)
}

func czMonth(m int) int {
	switch {
	case m > 70:
		return m - 70
	case m > 50:
		return m - 50
	case m > 20:
		return m - 20
	}
	return m
}

func checkCZ(d string) bool {
	if !shortDate(num(d[:2]), czMonth(num(d[2:4])), num(d[4:6])) {
		return false
	}
	n := num(d)
	return n%11 == 0 || num(d[:9])%11 == 10 && d[9] == '0'
}

func checkBE(d string) bool {
	month := num(d[2:4])
	if month > 40 {
		month -= 40
	} else if month > 20 {
		month -= 20
	}
	if month > 12 || num(d[4:6]) > 31 {
		return false
	}
	n, c := num(d[:9]), num(d[9:])
	return n > 0 && (97-n%97 == c || 97-(2_000_000_000+n)%97 == c)
}

func checkLV(d string) bool {
	if d[0] == '3' && d[1] >= '2' {
		return true // given since 2017, without a date
	}
	return shortDate(num(d[4:6]), num(d[2:4]), num(d[:2])) && d[6] <= '2' &&
		(1101-weighted(d, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))%11%10 == int(d[10]-'0')
}

// checkCPR has the date alone: since 2007 numbers are given out that have no check digit.
func checkCPR(d string) bool { return shortDate(num(d[4:6]), num(d[2:4]), num(d[:2])) }

func checkPESEL(d string) bool {
	month := num(d[2:4])
	century := map[int]int{0: 1900, 20: 2000, 40: 2100, 60: 2200, 80: 1800}[month/20*20]
	return validDate(century+num(d[:2]), month%20, num(d[4:6])) &&
		(10-weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10 == int(d[10]-'0')
}

func checkFNR(d string) bool {
	day, month := num(d[:2]), num(d[2:4])
	if day > 40 {
		day -= 40
	}
	if month > 40 {
		month -= 40
	}
	a := (11 - weighted(d, 3, 7, 6, 1, 8, 9, 4, 5, 2)%11) % 11
	b := (11 - weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11
	return shortDate(num(d[4:6]), month, day) && a == int(d[9]-'0') && b == int(d[10]-'0')
}

func checkAMKA(d string) bool { return shortDate(num(d[4:6]), num(d[2:4]), num(d[:2])) && luhn(d) }

// checkBaltic is the rule of Estonia and Lithuania.
func checkBaltic(d string) bool {
	if d[0] < '1' || d[0] > '8' || !shortDate(num(d[1:3]), num(d[3:5]), num(d[5:7])) {
		return false
	}
	c := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if c == 10 {
		c = weighted(d, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11 % 10
	}
	return c == int(d[10]-'0')
}

// checkDETax has besides the check digit the rule that one of the first ten digits stands twice or
// three times and no other more than once.
func checkDETax(d string) bool {
	if d[0] == '0' || !mod1110(d) {
		return false
	}
	var count [10]int
	for _, c := range []byte(d[:10]) {
		count[c-'0']++
	}
	repeated := 0
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return repeated == 1
}

// checkDESocial is that of the German pension insurance: area, date of birth, letter, serial, check.
func checkDESocial(w string) bool {
	if !allDigits(w[:8]) || !letter(w[8]) || !allDigits(w[9:]) {
		return false
	}
	if day := num(w[2:4]); day < 1 || day > 31 || num(w[4:6]) < 1 || num(w[4:6]) > 12 {
		return false
	}
	l := int(w[8]-'A') + 1
	d := w[:8] + string(byte('0'+l/10)) + string(byte('0'+l%10)) + w[9:11]
	sum := 0
	for i, f := range [12]int{2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1} {
		n := f * int(d[i]-'0')
		sum += n/10 + n%10
	}
	return sum%10 == int(w[11]-'0')
}

func checkNHS(d string) bool {
	c := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return c != 10 && c%11 == int(d[9]-'0')
}

func checkNIP(d string) bool { return weighted(d, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == int(d[9]-'0') }

func checkSVNR(d string) bool {
	return d[0] != '0' && num(d[4:6]) >= 1 && num(d[4:6]) <= 31 && num(d[6:8]) >= 1 && num(d[6:8]) <= 15 &&
		weighted(d, 3, 7, 9, 0, 5, 8, 4, 2, 1, 6)%11 == int(d[3]-'0')
}

func checkEGN(d string) bool {
	month := num(d[2:4])
	if month > 40 {
		month -= 40
	} else if month > 20 {
		month -= 20
	}
	return shortDate(num(d[:2]), month, num(d[4:6])) && weighted(d, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10 == int(d[9]-'0')
}

func checkHUTax(d string) bool {
	return d[0] == '8' && weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9)%11 == int(d[9]-'0')
}

func checkBSN(d string) bool {
	sum := weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, -1)
	return sum%11 == 0 && num(d) > 0
}

func checkPTNIF(d string) bool {
	if strings.IndexByte("1235689", d[0]) < 0 {
		return false
	}
	c := 11 - weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)%11
	if c > 9 {
		c = 0
	}
	return c == int(d[8]-'0')
}

func checkTAJ(d string) bool { return weighted(d, 3, 7, 3, 7, 3, 7, 3, 7)%10 == int(d[8]-'0') }

func checkAFM(d string) bool {
	return num(d) > 0 && weighted(d, 256, 128, 64, 32, 16, 8, 4, 2)%11%10 == int(d[8]-'0')
}

// nifLetter returns the letter that Spain puts after a number.
func nifLetter(n int) byte { return "TRWAGMYFPDXBNJZSQVHLCKE"[n%23] }

// checkFiscalCode is the Italian codice fiscale. Digits may be letters where two people would have
// the same code.
func checkFiscalCode(w string) bool {
	for i, c := range []byte(w) {
		wantDigit := i == 6 || i == 7 || i == 9 || i == 10 || i == 12 || i == 13 || i == 14
		if wantDigit && !digit(c) && strings.IndexByte("LMNPQRSTUV", c) < 0 || !wantDigit && (c < 'A' || c > 'Z') {
			return false
		}
	}
	if strings.IndexByte("ABCDEHLMPRST", w[8]) < 0 {
		return false
	}
	odd := [26]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for i := range 15 {
		v := int(w[i] - '0')
		if !digit(w[i]) {
			v = int(w[i] - 'A')
		}
		if i%2 == 0 {
			v = odd[v]
		}
		sum += v
	}
	return byte('A'+sum%26) == w[15]
}

// checkPPSN is the Irish number: seven digits, a check letter, and since 2013 a second letter.
func checkPPSN(w string) bool {
	sum := weighted(w, 8, 7, 6, 5, 4, 3, 2)
	if len(w) == 9 && w[8] != 'W' {
		if w[8] < 'A' || w[8] > 'I' {
			return false
		}
		sum += 9 * int(w[8]-'A'+1)
	}
	return "WABCDEFGHIJKLMNOPQRSTUV"[sum%23] == w[7]
}

func checkNINO(w string) bool {
	return strings.IndexByte("DFIQUV", w[0]) < 0 && strings.IndexByte("DFIQUVO", w[1]) < 0 && letter(w[0]) && letter(w[1]) &&
		allDigits(w[2:8]) && w[8] >= 'A' && w[8] <= 'D' && !strings.Contains("BG GB KN NK NT TN ZZ", w[:2])
}

// checkHETU is the Finnish code: the date, a sign of the century, a serial number, a check letter.
// Without a sign the letter of a century stands there.
func checkHETU(w string) bool {
	if !allDigits(w[:6]) || strings.IndexByte("+-ABCDEFYXWVU", w[6]) < 0 || !allDigits(w[7:10]) || !shortDate(num(w[4:6]), num(w[2:4]), num(w[:2])) {
		return false
	}
	n, _ := strconv.Atoi(w[:6] + w[7:10])
	return "0123456789ABCDEFHJKLMNPRSTUVWXY"[n%31] == w[10]
}

// checkCitizenCard is the Portuguese card: a Luhn sum in which letters count from 10 on.
func checkCitizenCard(w string) bool {
	sum := 0
	for i := range 12 {
		c := w[11-i]
		v := 0
		switch {
		case digit(c):
			v = int(c - '0')
		case 'A' <= c && c <= 'Z':
			v = int(c-'A') + 10
		default:
			return false
		}
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0 && allDigits(w[:9]) && letter(w[9]) && letter(w[10])
}

func checkCyprus(w string) bool {
	odd := [10]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21}
	sum := 0
	for i := range 8 {
		v := int(w[i] - '0')
		if i%2 == 0 {
			v = odd[v]
		}
		sum += v
	}
	return byte('A'+sum%26) == w[8]
}
