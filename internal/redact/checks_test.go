package redact

import (
	"strings"
	"testing"
)

// Numbers that are published as examples, or were made by the rule of the country and checked by
// hand; each stands in a sentence of somebody who gives it away.
func TestNationalIdentifiersAreFoundAndWrongCheckDigitsAreNot(t *testing.T) {
	r := everything(t)
	for _, c := range []struct {
		sentence string
		value    string
		want     Type
	}{
		{"Meine Sozialversicherungsnummer (SVNR) ist %.", "1237 010180", atSVNR},
		{"Mijn rijksregisternummer is %.", "85.07.30-033.28", beNRN},
		{"ЕГН / EGN: %", "7523169263", bgEGN},
		{"Meine AHV-Nummer: %", "756.9217.0769.85", chAHV},
		{"rodné číslo %", "710319/2745", czRC},
		{"Meine Steuer-ID lautet %.", "86 095 742 719", deTax},
		{"Rentenversicherung: %", "15070649C103", deSVNR},
		{"CPR: %", "211062-5629", dkCPR},
		{"Minu isikukood on %.", "37605030299", eeID},
		{"Mi DNI es %.", "12345678Z", esNIF},
		{"NIE %", "X1234567L", esNIE},
		{"NIE %", "Z-1234567-R", esNIE},
		{"Henkilötunnus %", "131052-308T", fiHETU},
		{"numéro de sécurité sociale % et", "2 55 08 14 168 025 38", frINSEE},
		{"OIB %", "33392005961", hrOIB},
		{"My PPS number is %", "6433435F", iePPSN},
		{"il mio codice fiscale è %", "RSSMRA85T10A562S", itFiscal},
		{"asmens kodas %", "33309240064", ltCode},
		{"personas kods %", "161175-19997", lvCode},
		{"Mijn BSN is %", "111222333", nlBSN},
		{"Mój PESEL to %.", "44051401359", plPESEL},
		{"NIP %", "123-456-32-18", plNIP},
		{"O meu NIF é %.", "501964843", ptNIF},
		{"Cartão de cidadão %", "00000000 0 ZZ4", ptCC},
		{"CNP: %", "1800101221144", roCNP},
		{"Personnummer %", "811218-9876", seID},
		{"EMŠO %", "0101006500006", siEMSO},
		{"My NHS number is %", "943 476 5919", ukNHS},
		{"National Insurance: %", "AB 12 34 56 C", ukNINO},
		{"AFM: %", "094259216", grAFM},
		{"AMKA %", "01013099997", grAMKA},
		{"fødselsnummer (FNR) %", "15108695088", noFNR},
		{"my tax number (TIC) is %", "10259033P", cyTIC},
		{"Social Security Number %", "123-45-6789", usSSN},
		{"ITIN %", "912-70-1234", usITIN},
	} {
		text := strings.Replace(c.sentence, "%", c.value, 1)
		spans := r.Find(text)
		if len(spans) != 1 || spans[0].Type != c.want || text[spans[0].Start:spans[0].End] != c.value {
			t.Errorf("%q: got %+v, want %s", text, spans, c.want)
			continue
		}
		if c.want == dkCPR || c.want == ukNINO || c.want == usSSN || c.want == usITIN {
			continue // no check digit
		}
		// Another digit somewhere: the sum does not hold any more.
		for i := len(c.value) - 1; i >= 0; i-- {
			if !digit(c.value[i]) {
				continue
			}
			wrong := c.value[:i] + string('0'+(c.value[i]-'0'+1)%10) + c.value[i+1:]
			text := strings.Replace(c.sentence, "%", wrong, 1)
			for _, s := range r.Find(text) {
				if s.Type == c.want {
					t.Errorf("%q is taken for %s", text, s.Type)
				}
			}
			break
		}
	}
}

func TestAnIBANOfEveryShapeIsCheckedByLengthAndModulo(t *testing.T) {
	r := everything(t)
	for _, good := range []string{"DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "FR14 2004 1010 0505 0001 3M02 606", "NO93 8601 1117 947",
		"MT84MALT011000012345MTLCAST001S", "nl91abna0417164300", "PL61-1090-1014-0000-0712-1981-2874"} {
		text := "to " + good + ", soon"
		if s := r.Find(text); len(s) != 1 || s[0].Type != IBAN || text[s[0].Start:s[0].End] != good {
			t.Errorf("%q: %+v", text, s)
		}
	}
	for _, bad := range []string{"DE88370400440532013000", "DE8937040044053201300", "XX89370400440532013000"} {
		for _, s := range r.Find("to " + bad + ", soon") {
			if s.Type == IBAN {
				t.Errorf("%q is taken for an account", bad)
			}
		}
	}
}
