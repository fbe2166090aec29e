package consent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func (w *world) export(t testing.TB, record uuid.UUID, f consent.Format) map[string]any {
	t.Helper()
	v, err := w.Export(t.Context(), w.tenant, id.Subject{}, record, f, "https://probity.example.org/")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// shape is what a member of an exported file must be.
type shape func(v any) bool

func text(v any) bool    { s, ok := v.(string); return ok && s != "" }
func flagged(v any) bool { _, ok := v.(bool); return ok }
func object(v any) bool  { m, ok := v.(map[string]any); return ok && len(m) > 0 }
func filled(v any) bool  { l, ok := v.([]any); return ok && len(l) > 0 }
func list(v any) bool    { _, ok := v.([]any); return ok }
func moment(v any) bool  { s, _ := v.(string); _, err := time.Parse(time.RFC3339, s); return err == nil }
func number(v any) bool  { n, ok := v.(float64); return ok && n == float64(int64(n)) && n > 0 }
func duration(v any) bool {
	s, _ := v.(string)
	return regexp.MustCompile(`^P\d+[YMWD]$`).MatchString(s)
}
func ident(v any) bool { s, _ := v.(string); _, err := uuid.Parse(s); return err == nil }
func version4(v any) bool {
	s, _ := v.(string)
	u, err := uuid.Parse(s)
	return err == nil && u.Version() == 4 && u.Variant() == uuid.RFC4122
}
func placed(v any) bool {
	m, _ := v.(map[string]any)
	return text(v) || m["@type"] == "dpv:Location" && text(m["skos:prefLabel"])
}
func one(of ...string) shape {
	return func(v any) bool { s, _ := v.(string); return slices.Contains(of, s) }
}

// lacks returns the members of an object that are missing or not of their shape.
func lacks(v any, where string, shapes map[string]shape) (out []string) {
	m, _ := v.(map[string]any)
	for name, fits := range shapes {
		if !fits(m[name]) {
			out = append(out, where+"."+name)
		}
	}
	return out
}

// The terms of DPV 2 for the state of a consent.
var dpvStatuses = []string{"dpv:ConsentGiven", "dpv:RenewedConsentGiven", "dpv:ConsentUnknown", "dpv:ConsentRequested", "dpv:ConsentRequestDeferred",
	"dpv:ConsentRefused", "dpv:ConsentWithdrawn", "dpv:ConsentRevoked", "dpv:ConsentExpired", "dpv:ConsentInvalidated"}

// checkAnswer returns what a process lacks of what the person said: the status of a consent, or the right
// that was exercised, and never both.
func checkAnswer(process any) []string {
	m, _ := process.(map[string]any)
	if m["dpv:hasEntityInvolvement"] == nil {
		return lacks(m, "process", map[string]shape{"dpv:hasConsentStatus": one(dpvStatuses...)})
	}
	out := lacks(m, "process", map[string]shape{"dpv:hasEntityInvolvement": one("dpv:ObjectingToProcess"), "dpv:hasOrganisationalMeasure": filled})
	if m["dpv:hasConsentStatus"] != nil {
		out = append(out, "an objection with the status of a consent")
	}
	measures, _ := m["dpv:hasOrganisationalMeasure"].([]any)
	for _, exercised := range measures {
		out = append(out, lacks(exercised, "right", map[string]shape{
			"@type": one("dpv:RightExerciseActivity"), "dpv:hasRight": one("eu-gdpr:A21"), "dct:date": moment, "dpv:isImplementedByEntity": text,
		})...)
	}
	return out
}

// checkISO returns what a consent record lacks of what ISO/IEC TS 27560 and the GDPR make mandatory.
func checkISO(m map[string]any) []string {
	out := lacks(m, "record", map[string]shape{
		"dct:conformsTo": one("https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"), // schema version
		"dct:identifier": ident, "dpv:hasDataSubject": object, "dpv:hasNotice": filled, "dct:language": text,
		"dpv:hasJurisdiction": text, "dpv:hasEntity": object, "dpv:hasProcess": filled, "dpv:hasConsentControl": object,
		"@type": one("dpv:ConsentRecord"), "dct:created": moment, "dpv:hasRight": filled, "dpv:hasAuthority": object, "dpv:hasApplicableLaw": text,
	})
	out = append(out, lacks(m["dpv:hasDataSubject"], "pii_principal", map[string]shape{"dpv:hasIdentifier": ident})...)
	out = append(out, lacks(m["dpv:hasConsentControl"], "withdrawal", map[string]shape{"@type": one("dpv:WithdrawConsent"), "@id": text})...)
	entities, _ := m["dpv:hasEntity"].(map[string]any)
	for name, e := range entities {
		out = append(out, lacks(e, name, map[string]shape{"dpv:hasIdentifier": text, "dpv:hasName": text, "dpv:hasAddress": text, "dpv:hasContact": text, "@type": filled})...)
	}
	processes, _ := m["dpv:hasProcess"].([]any)
	for _, p := range processes {
		out = append(out, lacks(p, "process", map[string]shape{
			"dpv:hasPurpose": filled, "dpv:hasPersonalData": filled, "dpv:hasDataController": filled, "dpv:hasStorageCondition": filled,
			"dpv:hasRecipient": filled, "dpv:hasLegalBasis": filled, "dpv:hasProcessing": filled, "dpv:hasDataSource": filled, "dpv:hasLocation": placed,
			"dct:date": moment, "dct:valid": duration, "dpv:isImplementedByEntity": text,
		})...)
		out = append(out, checkAnswer(p)...)
		process := p.(map[string]any)
		conditions := process["dpv:hasStorageCondition"].([]any)
		if len(conditions) != 2 {
			return append(out, "storage")
		}
		out = append(out, lacks(conditions[0], "storage", map[string]shape{"dpv:hasLocation": placed})...)
		out = append(out, lacks(conditions[1].(map[string]any)["dpv:hasDuration"], "storage", map[string]shape{"rdf:value": duration, "@type": one("dpv:TemporalDuration")})...)
		for _, c := range process["dpv:hasDataController"].([]any) {
			if entities[c.(string)] == nil {
				out = append(out, "controller without a party")
			}
		}
	}
	context, _ := m["@context"].(map[string]any)
	for name := range m {
		if prefix, _, ok := strings.Cut(name, ":"); ok && context[prefix] == nil {
			out = append(out, "no context for "+prefix)
		}
	}
	return out
}

// checkKantara returns what a receipt lacks of what Kantara's specification 1.1.0 makes mandatory.
func checkKantara(m map[string]any) []string {
	out := lacks(m, "receipt", map[string]shape{
		"version": one("KI-CR-v1.1.0"), "jurisdiction": text, "consentTimestamp": number, "collectionMethod": text, "consentReceiptID": version4,
		"language": text, "piiPrincipalId": text, "piiControllers": filled, "policyUrl": text, "services": filled, "sensitive": flagged, "spiCat": list, "publicKey": text,
	})
	for _, c := range m["piiControllers"].([]any) {
		out = append(out, lacks(c, "controller", map[string]shape{"piiController": text, "contact": text, "address": object, "email": text, "phone": text})...)
	}
	for _, s := range m["services"].([]any) {
		out = append(out, lacks(s, "service", map[string]shape{"service": text, "purposes": filled})...)
		for _, p := range s.(map[string]any)["purposes"].([]any) {
			out = append(out, lacks(p, "purpose", map[string]shape{
				"purpose": text, "purposeCategory": filled, "consentType": one("EXPLICIT", "IMPLICIT"), "piiCategory": filled,
				"primaryPurpose": flagged, "termination": text, "thirdPartyDisclosure": flagged,
			})...)
		}
	}
	return out
}

func TestL6_AnExportHasEveryMandatoryFieldOfItsStandard(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Describe(consent.Terms{Jurisdiction: "DE", Storage: "DE", Retention: "P90D", Build: build})
		facts := notice.Facts{Controller: "Example Shop Ltd", Address: "1 High Street, Dublin", Contact: "privacy@example.org", DPO: "dpo@example.org",
			Processors: []string{"Example Hosting GmbH"}, Recipients: []string{"Example Ads Inc"}, Transfers: []string{"United States (adequacy decision)"}, Authority: "Data Protection Commission"}
		version, err := w.Publish(t.Context(), w.tenant, notice.Draft{Facts: facts, Texts: notice.DefaultTexts()})
		if err != nil {
			t.Fatal(err)
		}
		c := w.choice(t, nil, notice.Measure, notice.Predict)
		if c.Nonce, err = w.Nonce(t.Context(), w.tenant, consent.NonceFor{Deployment: site, NoticeID: notice.ID, Version: version, Language: "en"}); err != nil {
			t.Fatal(err)
		}
		given, err := w.Choose(t.Context(), w.tenant, c)
		if err != nil {
			t.Fatal(err)
		}
		withdrawn := w.withdraw(t, *given.Visitor)
		for name, record := range map[string]uuid.UUID{"given": given.RecordID, "withdrawn": withdrawn.RecordID} {
			iso := w.export(t, record, consent.FormatISO)
			if missing := checkISO(iso); len(missing) > 0 {
				t.Errorf("%s: the record lacks %q", name, missing)
			}
			receipt := w.export(t, record, consent.FormatISOReceipt)
			if missing := lacks(receipt, "receipt", map[string]shape{"dct:identifier": version4, "dct:conformsTo": text, "dpv:hasRecordOfActivity": object}); len(missing) > 0 {
				t.Errorf("%s: the receipt lacks %q", name, missing)
			}
			for _, p := range w.export(t, record, consent.FormatDPV)["dpv:hasProcess"].([]any) {
				if missing := append(lacks(p, "process", map[string]shape{"dct:identifier": text}), checkAnswer(p)...); len(missing) > 0 {
					t.Errorf("%s: the statuses lack %q", name, missing)
				}
			}
			golden(t, w, name+".iso27560.json", iso, record, given)
		}
		kantara := w.export(t, given.RecordID, consent.FormatKantara)
		if missing := checkKantara(kantara); len(missing) > 0 {
			t.Errorf("the Kantara receipt lacks %q", missing)
		}
		golden(t, w, "given.kantara.json", kantara, given.RecordID, given)
		if again := w.export(t, given.RecordID, consent.FormatKantara); again["consentReceiptID"] != kantara["consentReceiptID"] {
			t.Error("the receipt's id changes from one export to the next")
		}
		if _, err := w.Export(t.Context(), w.tenant, id.Subject{}, withdrawn.RecordID, consent.FormatKantara, ""); !fail.Is(err, fail.Conflict) {
			t.Errorf("a withdrawal as a Kantara receipt: %v", err)
		}
	})
}

// An objection is against another basis than consent: the person did not refuse what was never asked.
func TestL6_AnObjectionIsExportedAsARightExercisedAndNotAsARefusedConsent(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	given := w.choose(t, nil, notice.Measure)
	objected, err := w.ObjectFrom(t.Context(), w.tenant, consent.Withdrawal{Subject: given.Subject, Purposes: []string{notice.Support}, UI: consent.UI{Component: "form", Action: "save"}})
	if err != nil {
		t.Fatal(err)
	}
	iso, dpv := w.export(t, objected.RecordID, consent.FormatISO), w.export(t, objected.RecordID, consent.FormatDPV)
	if missing := checkISO(iso); len(missing) > 0 {
		t.Errorf("the record lacks %q", missing)
	}
	if dpv["@type"] != "dpv:RightExerciseRecord" {
		t.Errorf("the record is a %v", dpv["@type"])
	}
	for name, m := range map[string]map[string]any{"iso": iso, "dpv": dpv} {
		list, _ := m["dpv:hasProcess"].([]any)
		if len(list) != 1 {
			t.Fatalf("%s: %v", name, list)
		}
		process := list[0].(map[string]any)
		if missing := checkAnswer(process); len(missing) > 0 || process["dpv:hasEntityInvolvement"] != "dpv:ObjectingToProcess" {
			t.Errorf("%s: %v, lacks %q", name, process, missing)
		}
		if b, err := json.Marshal(process); err != nil || strings.Contains(string(b), "Consent") {
			t.Errorf("%s speaks of consent: %s", name, b)
		}
	}
	if _, err := w.Export(t.Context(), w.tenant, id.Subject{}, objected.RecordID, consent.FormatKantara, ""); !fail.Is(err, fail.Conflict) {
		t.Errorf("an objection as a Kantara receipt: %v", err)
	}
}

// The validator itself must find what is missing, or its silence means nothing.
func TestL6_TheValidatorMissesNothingThatIsTakenOut(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	for _, c := range []struct {
		format consent.Format
		check  func(map[string]any) []string
		fields []string
	}{
		{consent.FormatISO, checkISO, []string{"dct:conformsTo", "dct:identifier", "dpv:hasDataSubject", "dpv:hasNotice", "dct:language", "dpv:hasJurisdiction", "dpv:hasEntity", "dpv:hasConsentControl"}},
		{consent.FormatKantara, checkKantara, []string{"version", "jurisdiction", "consentTimestamp", "collectionMethod", "consentReceiptID", "language", "piiPrincipalId", "policyUrl", "sensitive", "spiCat"}},
	} {
		for _, field := range c.fields {
			m := w.export(t, out.RecordID, c.format)
			if missing := c.check(m); len(missing) > 0 {
				t.Fatalf("%s lacks %q", c.format, missing)
			}
			delete(m, field)
			if len(c.check(m)) == 0 {
				t.Errorf("%s without %s passes", c.format, field)
			}
		}
	}
}

func TestAnExportIsForItsOwnerAndInAKnownFormat(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	out := w.choose(t, nil, notice.Measure)
	if _, err := w.Export(t.Context(), w.tenant, out.Subject, out.RecordID, consent.FormatISO, ""); err != nil {
		t.Error(err)
	}
	if _, err := w.Export(t.Context(), w.tenant, id.NewSubject(), out.RecordID, consent.FormatISO, ""); !fail.Is(err, fail.NotFound) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := w.Export(t.Context(), w.tenant, id.Subject{}, uuid.New(), consent.FormatISO, ""); !fail.Is(err, fail.NotFound) {
		t.Errorf("an unknown record: %v", err)
	}
	if _, err := w.Export(t.Context(), w.tenant, id.Subject{}, out.RecordID, "xml", ""); !fail.Is(err, fail.Invalid) {
		t.Errorf("an unknown format: %v", err)
	}
}

// golden compares an export with a file, with the random references of this run replaced.
func golden(t *testing.T, w *world, name string, v map[string]any, record uuid.UUID, given *consent.Outcome) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.ledger.VerifierKey(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	replace := []string{record.String(), "RECORD", given.Subject.String(), "SUBJECT", key, "KEY", w.tenant.String(), "CONTROLLER"}
	if r, ok := v["consentReceiptID"].(string); ok {
		replace = append(replace, r, "RECEIPT")
	}
	text := strings.NewReplacer(replace...).Replace(string(got)) + "\n"
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("the export is not %s; if that is meant, run the tests with -update\n%s", path, text)
	}
}
