package redact

import (
	"slices"
	"testing"
)

// found returns the pieces of a text that are of a type.
func found(r *Redactor, text string, t Type) (list []string) {
	for _, s := range r.Find(text) {
		if s.Type == t {
			list = append(list, text[s.Start:s.End])
		}
	}
	return list
}

func TestDatesAreDatesOfBirthOnlyWhereTheWordsSaySo(t *testing.T) {
	r := everything(t)
	for text, want := range map[string]string{
		"I was born on 22 May 1980 in Leeds.":                   "22 May 1980",
		"Date of birth: 05/22/1980":                             "05/22/1980",
		"DOB 1980-05-22":                                        "1980-05-22",
		"Please tell me your date of birth. It's 5/22/1980":     "5/22/1980",
		"Her birthday is May 22nd, 1980.":                       "May 22nd, 1980",
		"geboren am 3. März 1968":                               "3. März 1968",
		"Geburtsdatum: 03.03.1968":                              "03.03.1968",
		"née le 3 mars 1968 à Lyon":                             "3 mars 1968",
		"Fecha de nacimiento: 3 de marzo de 1968":               "3 de marzo de 1968",
		"nato il 3 marzo 1968":                                  "3 marzo 1968",
		"geboren op 3 maart 1968":                               "3 maart 1968",
		"urodzona 3 marca 1968 r.":                              "3 marca 1968",
		"nascido em 3 de março de 1968":                         "3 de março de 1968",
		"The order of 22 May 2026 arrived.":                     "",
		"Delivered 2026-05-22, paid 05/22/2026.":                "",
		"Her child was born; the invoice is dated 22 May 2026.": "",
	} {
		got := found(r, text, Birth)
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestPostalAddressesAreTakenAsAWhole(t *testing.T) {
	r := everything(t)
	for text, want := range map[string]string{
		"I live at 221 Baker Street, London NW1 6XE.":                     "221 Baker Street, London NW1 6XE",
		"Send it to 1600 Pennsylvania Ave., Washington, DC 20500, please": "1600 Pennsylvania Ave., Washington, DC 20500",
		"Ich wohne in der Lindenstraße 14a, 50674 Köln.":                  "Lindenstraße 14a, 50674 Köln",
		"Görlitzer Str. 76, 10997 Berlin":                                 "Görlitzer Str. 76, 10997 Berlin",
		"J'habite 12 bis rue de la Paix, 75002 Paris.":                    "12 bis rue de la Paix, 75002 Paris",
		"Vivo en Calle Mayor, 5, 28013 Madrid.":                           "Calle Mayor, 5, 28013 Madrid",
		"Abito in via Garibaldi 12, 20121 Milano.":                        "via Garibaldi 12, 20121 Milano",
		"Kerkstraat 8, 1017 GL Amsterdam":                                 "Kerkstraat 8, 1017 GL Amsterdam",
		"Mieszkam na ul. Długa 3/4, 00-238 Warszawa.":                     "ul. Długa 3/4, 00-238 Warszawa",
		"Moro na Rua Augusta 20, 1100-053 Lisboa.":                        "Rua Augusta 20, 1100-053 Lisboa",
		"The street was empty, and 12 people stood on the road.":          "",
		"Main Street is long.":                                            "",
	} {
		got := found(r, text, Location)
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestDocumentsAndCodesAreTakenOnlyAfterTheirNames(t *testing.T) {
	r := everything(t)
	for _, c := range []struct {
		text, value string
		t           Type
	}{
		{"My driver's license number is U6292878.", "U6292878", usDriver},
		{"Passport: C01234567", "C01234567", usPassport},
		{"the account number 12345678901", "12345678901", usBank},
		{"My zip code is 35350", "35350", PostalCode},
		{"The card expires 09/27.", "09/27", CardExpiry},
		{"gültig bis 09/2027", "09/2027", CardExpiry},
		{"mac 0123.4567.89ab up", "0123.4567.89ab", MAC},
		{"write to mary dot smith at example dot com", "mary dot smith at example dot com", Email},
		{"write to mary [at] example [dot] com", "mary [at] example [dot] com", Email},
		{"mary(at)example.com", "", Email},
		{"Look at the dot com boom.", "", Email},
		{"Chapter 09/27 of U6292878 and 35350", "", usDriver},
	} {
		got := found(r, c.text, c.t)
		if c.value == "" && len(got) > 0 || c.value != "" && !slices.Equal(got, []string{c.value}) {
			t.Errorf("%q: got %q of %v, want %q", c.text, got, r.Find(c.text), c.value)
		}
	}
}
