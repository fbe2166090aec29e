package consent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Format is a form in which a record is handed out.
type Format string

// The formats.
const (
	FormatReceipt    Format = "receipt"          // our own, which can be verified
	FormatISO        Format = "iso27560"         // consent record of ISO/IEC TS 27560:2023, as JSON-LD in DPV
	FormatISOReceipt Format = "iso27560-receipt" // consent receipt of the same
	FormatKantara    Format = "kantara"          // Kantara Consent Receipt 1.1.0
	FormatDPV        Format = "dpv"              // status of each purpose in the words of the Data Privacy Vocabulary
)

// Formats returns all of them, for error messages.
func Formats() []string {
	return []string{string(FormatReceipt), string(FormatISO), string(FormatISOReceipt), string(FormatKantara), string(FormatDPV)}
}

// unstated stands where a format asks for what the notice does not say.
const unstated = "not stated"

// Export returns a record of consent in a format, as a value to marshal. s says whose it must be; zero:
// anybody's of the organisation, for staff. base is the public URL of this installation.
//
// Errors: fail.Invalid for an unknown format, fail.NotFound if there is no such record, fail.Conflict
// if the format can't express it: Kantara's receipt knows consents that were given, and nothing else.
func (r *Room) Export(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID, f Format, base string) (any, error) {
	switch f {
	case FormatReceipt, FormatISO, FormatISOReceipt, FormatKantara, FormatDPV:
	default:
		return nil, fail.Field("format", "The format is not one of %s.", strings.Join(Formats(), ", "))
	}
	rec, err := r.find(ctx, t, s, record)
	if err != nil {
		return nil, err
	}
	receipt, err := r.receipt(ctx, t, rec)
	if err != nil || f == FormatReceipt {
		return receipt, err
	}
	x := &export{base: strings.TrimSuffix(base, "/"), key: receipt.VerifierKey}
	if err := json.Unmarshal(receipt.Entry, &x.entry); err != nil {
		return nil, fmt.Errorf("the ledger entry %d can't be read: %w", rec.Ledger, err)
	}
	if err := r.described(ctx, t, x); err != nil {
		return nil, err
	}
	switch f {
	case FormatISO:
		return x.record(), nil
	case FormatISOReceipt:
		return x.receipt(), nil
	case FormatDPV:
		return x.statuses(), nil
	}
	return x.kantara()
}

func (r *Room) find(ctx context.Context, t id.Tenant, s id.Subject, record uuid.UUID) (*Record, error) {
	var rec Record
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) (err error) {
		rec, err = scanRecord(tx.QueryRow(ctx, `SELECT `+recordColumns+` FROM consent_record WHERE tenant_id = $1 AND record = $2`, t, record))
		if errors.Is(err, sql.ErrNoRows) || err == nil && !s.IsZero() && rec.Subject != s {
			return fail.New(fail.NotFound, "There is no such record of consent.")
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a record of consent")
	}
	return &rec, nil
}

// described adds what the notice of the record says about controller and purposes. A purpose that no
// notice described is called by its id.
func (r *Room) described(ctx context.Context, t id.Tenant, x *export) error {
	var purposes []notice.Purpose
	if n := x.entry.Notice; n != nil {
		v, err := r.Version(ctx, t, n.Version)
		if err != nil && !fail.Is(err, fail.NotFound) {
			return err
		}
		if err == nil {
			x.facts, purposes = v.Draft.Facts, v.Draft.Purposes
		}
	}
	if purposes == nil {
		set, err := r.tenant(ctx, t)
		if err != nil {
			return err
		}
		purposes = set.purposes
	}
	x.purposes = map[string]notice.Purpose{}
	for _, p := range purposes {
		x.purposes[p.ID] = p
	}
	return nil
}

// export is one record on its way into a format of others.
type export struct {
	base     string
	key      string
	entry    entry
	facts    notice.Facts
	purposes map[string]notice.Purpose
}

func (x *export) language() string {
	if x.entry.Notice != nil {
		return x.entry.Notice.Language
	}
	return "en"
}

// text returns title and description of a purpose in the record's language.
func (x *export) text(purpose string) notice.PurposeText {
	text := x.purposes[purpose].Texts[x.language()]
	return notice.PurposeText{Title: cmp.Or(text.Title, purpose), Description: cmp.Or(text.Description, purpose)}
}

// data names the categories of personal data that a purpose needs.
func (x *export) data(purpose string) []string {
	if x.purposes[purpose].Profiling {
		return []string{"pages visited", "actions on the site", "estimates derived from them"}
	}
	switch purpose {
	case notice.Measure:
		return []string{"pages visited", "identifier of the browser"}
	case notice.Actions:
		return []string{"actions on the site", "identifier of the browser"}
	case notice.Identity:
		return []string{"e-mail address, phone or customer number", "identifier of the browser"}
	}
	return []string{"pages visited", "actions on the site"}
}

func (x *export) policy() string {
	if n := x.entry.Notice; n != nil {
		return fmt.Sprintf("%s/probity/v1/notices/%s/%d/%s", x.base, n.ID, n.Version, n.Language)
	}
	return x.base + "/privacy/"
}

func (x *export) withdrawal() string {
	if strings.HasPrefix(x.entry.Withdrawal, "/") {
		return x.base + x.entry.Withdrawal
	}
	return x.entry.Withdrawal
}

// validity returns how long the record is good for, as an ISO 8601 duration. One without an end, such
// as a withdrawal, is not asked again for as long as a choice is valid.
func (x *export) validity() string {
	days := int(Validity.Hours() / 24)
	from, err := time.Parse(time.RFC3339, x.entry.ServerTime)
	until, bad := time.Parse(time.RFC3339, x.entry.ValidUntil)
	if err == nil && bad == nil {
		days = int(until.Sub(from).Hours() / 24)
	}
	return fmt.Sprintf("P%dD", days)
}

// provenance says whether the record was made when the person chose.
func (x *export) provenance() string {
	if x.entry.Type == ledger.ConsentImported {
		return "assertion of the controller, not recorded first-hand"
	}
	return "recorded first-hand when the person chose"
}

// answer adds what the person said about a purpose: the status of a consent, in DPV's words, or that the
// right to object was exercised (Art. 21). An objection is against another basis, so it leaves no status
// of a consent: whether that was ever asked for, it does not tell.
func (x *export) answer(process map[string]any, p *entryPurpose) {
	if p.State != Objected {
		process["dpv:hasConsentStatus"] = "dpv:" + string(p.State)
		return
	}
	process["dpv:hasEntityInvolvement"] = "dpv:ObjectingToProcess"
	process["dpv:hasOrganisationalMeasure"] = []map[string]any{{
		"@type": "dpv:RightExerciseActivity", "dpv:hasRight": "eu-gdpr:A21", "dct:date": x.entry.ServerTime, "dpv:isImplementedByEntity": x.actor(),
	}}
}

// dpvContext names the vocabularies, as the DPV guide for ISO/IEC TS 27560 uses them, and says which
// texts are not words but names of something, and that the parties of a record are listed by theirs: else
// a program that reads the record as a graph would drop them or take them for words.
func dpvContext() map[string]any {
	out := map[string]any{
		"dpv":           "https://w3id.org/dpv#",
		"pd":            "https://w3id.org/dpv/pd#",
		"loc":           "https://w3id.org/dpv/loc#",
		"eu-gdpr":       "https://w3id.org/dpv/legal/eu/gdpr#",
		"dpv-27560":     "https://w3id.org/dpv/schema/dpv-27560#",
		"dct":           "http://purl.org/dc/terms/",
		"rdf":           "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
		"skos":          "http://www.w3.org/2004/02/skos/core#",
		"xsd":           "http://www.w3.org/2001/XMLSchema#",
		"dct:created":   map[string]any{"@type": "xsd:dateTime"},
		"dpv:hasEntity": map[string]any{"@id": "dpv:hasEntity", "@container": "@id"},
	}
	for _, term := range []string{
		"dct:conformsTo", "dct:creator", "dct:publisher", "dpv:hasApplicableLaw", "dpv:hasAutomation", "dpv:hasConsentStatus", "dpv:hasDataController",
		"dpv:hasDataSource", "dpv:hasEntityInvolvement", "dpv:hasJurisdiction", "dpv:hasLegalBasis", "dpv:hasLocation", "dpv:hasNecessity",
		"dpv:hasProcessing", "dpv:hasRecipient", "dpv:hasRight", "dpv:isImplementedByEntity",
	} {
		out[term] = map[string]any{"@id": term, "@type": "@id"}
	}
	return out
}

const (
	isoRecord  = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"
	isoReceipt = "https://w3id.org/dpv/schema/dpv-27560#receipt"
)

// record is the consent record of ISO/IEC TS 27560 with what the GDPR makes mandatory.
func (x *export) record() map[string]any {
	e := &x.entry
	return map[string]any{
		"@context":              dpvContext(),
		"@id":                   "urn:uuid:" + e.ID,
		"@type":                 "dpv:ConsentRecord",
		"dct:conformsTo":        isoRecord,
		"dct:identifier":        e.ID,
		"dpv:hasIdentifier":     e.ID,
		"dct:created":           e.ServerTime,
		"dct:creator":           "urn:uuid:" + e.Controller,
		"dct:language":          x.language(),
		"dct:provenance":        x.provenance(),
		"dpv:hasDataSubject":    x.person(),
		"dpv:hasNotice":         x.notices(),
		"dpv:hasJurisdiction":   x.place(e.Law),
		"dpv:hasApplicableLaw":  "eu-gdpr:GDPR",
		"dpv:hasEntity":         x.parties(),
		"dpv:hasProcess":        x.processes(),
		"dpv:hasRight":          []string{"eu-gdpr:A13", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A18", "eu-gdpr:A20", "eu-gdpr:A21", "eu-gdpr:A77", "eu-gdpr:A7-3"},
		"dpv:hasConsentControl": map[string]any{"@type": "dpv:WithdrawConsent", "@id": x.withdrawal()},
		"dpv:hasAuthority":      map[string]any{"@type": "dpv:Authority", "dpv:hasName": cmp.Or(x.facts.Authority, unstated)},
	}
}

func (x *export) person() map[string]any {
	// A refusal by somebody unknown names nobody; the record's own id stands for the occasion.
	who := cmp.Or(x.entry.Subject, x.entry.ID)
	return map[string]any{"@id": "urn:uuid:" + who, "@type": []string{"dpv:DataSubject"}, "dpv:hasIdentifier": who}
}

func (x *export) notices() []map[string]any {
	n := x.entry.Notice
	if n == nil {
		return []map[string]any{{"@type": "dpv:PrivacyNotice", "dpv:hasIdentifier": x.policy()}}
	}
	return []map[string]any{{
		"@type": []string{"dpv:ConsentNotice", "dpv:PrivacyNotice"}, "@id": x.policy(), "dpv:hasIdentifier": fmt.Sprintf("%s/%d/%s", n.ID, n.Version, n.Language),
		"dct:language": n.Language, "dct:hasVersion": n.Version, "dpv:hasHash": "sha256:" + n.TextSHA256,
	}}
}

// place names a country, or describes a place that is none.
func (x *export) place(code string) any {
	if len(code) == 2 {
		return "loc:" + code
	}
	return map[string]any{"@type": "dpv:Location", "skos:prefLabel": code}
}

func (x *export) parties() map[string]any {
	controller := map[string]any{
		"@type": []string{"dpv:DataController", "dpv:Recipient"}, "dpv:hasIdentifier": x.entry.Controller, "dpv:hasName": cmp.Or(x.facts.Controller, unstated),
		"dpv:hasAddress": cmp.Or(x.facts.Address, unstated), "dpv:hasContact": cmp.Or(x.facts.Contact, unstated),
	}
	if x.facts.DPO != "" {
		controller["dpv:hasDataProtectionOfficer"] = x.facts.DPO
	}
	if x.facts.Representative != "" {
		controller["dpv:hasRepresentative"] = x.facts.Representative
	}
	out := map[string]any{"urn:uuid:" + x.entry.Controller: controller}
	for i, name := range x.others() {
		role := "dpv:DataProcessor"
		if i >= len(x.facts.Processors) {
			role = "dpv:ThirdParty"
		}
		out[party(i)] = map[string]any{
			"@type": []string{role, "dpv:Recipient"}, "dpv:hasIdentifier": name, "dpv:hasName": name, "dpv:hasAddress": unstated, "dpv:hasContact": unstated,
		}
	}
	return out
}

// others are the names of those who receive data beside the controller, processors first.
func (x *export) others() []string {
	return slices.Concat(x.facts.Processors, x.facts.Recipients)
}

// party names one of them within the record: the notice knows nothing of it but what it is called.
func party(i int) string { return fmt.Sprintf("_:recipient%d", i+1) }

func (x *export) recipients() []string {
	out := []string{"urn:uuid:" + x.entry.Controller}
	for i := range x.others() {
		out = append(out, party(i))
	}
	return out
}

// processes holds one process for each purpose: what is done, and what the person said to it.
func (x *export) processes() []map[string]any {
	e := &x.entry
	out := make([]map[string]any, 0, len(e.Purposes))
	for _, p := range e.Purposes {
		text := x.text(p.ID)
		data := []map[string]any{}
		for _, d := range x.data(p.ID) {
			data = append(data, map[string]any{"@type": []string{"dpv:PersonalData"}, "skos:prefLabel": d, "dpv:hasNecessity": "dpv:Optional"})
		}
		process := map[string]any{
			"@type":                 "dpv:Process",
			"dct:identifier":        p.ID,
			"dpv:hasPurpose":        []map[string]any{{"@type": []string{"dpv:Purpose"}, "dct:identifier": p.ID, "skos:prefLabel": text.Title, "dct:description": text.Description}},
			"dpv:hasPersonalData":   data,
			"dpv:hasDataController": []string{"urn:uuid:" + e.Controller},
			"dpv:hasDataSource":     []string{"dpv:DataSubjectDataSource"},
			"dpv:hasProcessing":     []string{"dpv:Collect", "dpv:Store", "dpv:Use"},
			"dpv:hasRecipient":      x.recipients(),
			"dpv:hasStorageCondition": []map[string]any{
				{"@type": []string{"dpv:StorageLocation"}, "dpv:hasLocation": x.place(e.Storage)},
				{"@type": []string{"dpv:StorageDuration"}, "dpv:hasDuration": map[string]any{"@type": "dpv:TemporalDuration", "rdf:value": e.Retention}},
			},
			"dpv:hasLocation":           x.place(e.Storage),
			"dpv:hasJurisdiction":       x.place(e.Law),
			"dpv:hasLegalBasis":         []string{"eu-gdpr:A" + article(p.Basis), "dpv:ExpressedConsent"},
			"dct:date":                  e.ServerTime,
			"dct:valid":                 x.validity(),
			"dpv:isImplementedByEntity": x.actor(),
			"dpv:isIndicatedAtTime":     e.ServerTime,
			"dpv:hasIndicationMethod":   p.Source,
		}
		x.answer(process, &p)
		if p.Basis != notice.Consent.Article() || p.State == Objected {
			process["dpv:hasLegalBasis"] = []string{"eu-gdpr:A" + article(p.Basis)}
		}
		if x.purposes[p.ID].Profiling {
			process["dpv:hasProcessing"] = []string{"dpv:Collect", "dpv:Store", "dpv:Use", "dpv:Profiling"}
			process["dpv:hasAutomation"] = "dpv:FullyAutomated"
			process["dpv:hasAlgorithmicLogic"] = text.Description
		}
		if len(x.facts.Transfers) > 0 {
			process["dpv:hasRule"] = x.facts.Transfers
		}
		if services := x.purposes[p.ID].NeededFor; len(services) > 0 {
			process["dpv:hasService"] = services
		}
		out = append(out, process)
	}
	return out
}

// actor is who brought the record about.
func (x *export) actor() string {
	if x.entry.Actor == "data_subject" {
		return "urn:uuid:" + cmp.Or(x.entry.Subject, x.entry.ID)
	}
	return "urn:uuid:" + x.entry.Controller
}

// article spells "6(1)(a)" as DPV does: "6-1-a".
func article(s string) string {
	return strings.Trim(strings.NewReplacer("(", "-", ")", "").Replace(s), "-")
}

// receipt is the consent receipt of ISO/IEC TS 27560: an authoritative copy for the person.
func (x *export) receipt() map[string]any {
	record := x.record()
	context := record["@context"]
	delete(record, "@context")
	which := derived("iso27560", x.entry.ID)
	return map[string]any{
		"@context":                context,
		"@id":                     "urn:uuid:" + which,
		"@type":                   "dpv:ConsentReceipt",
		"dct:conformsTo":          isoReceipt,
		"dct:identifier":          which,
		"dct:created":             x.entry.ServerTime,
		"dct:publisher":           "urn:uuid:" + x.entry.Controller,
		"dpv:hasRecipient":        "dpv:DataSubject",
		"dpv:hasRecordOfActivity": record,
	}
}

// derived makes an id of version 4 from a record's, always the same one: formats ask for that version.
func derived(purpose, record string) string {
	sum := sha256.Sum256([]byte("probity/" + purpose + "/" + record))
	u := uuid.UUID(sum[:16])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

func (x *export) statuses() map[string]any {
	list := []map[string]any{}
	for _, p := range x.entry.Purposes {
		process := map[string]any{"dct:identifier": p.ID, "dpv:hasLegalBasis": "eu-gdpr:A" + article(p.Basis)}
		x.answer(process, &p)
		list = append(list, process)
	}
	kind := "dpv:ConsentRecord"
	if !slices.ContainsFunc(x.entry.Purposes, func(p entryPurpose) bool { return p.State != Objected }) {
		kind = "dpv:RightExerciseRecord"
	}
	return map[string]any{
		"@context": dpvContext(), "@id": "urn:uuid:" + x.entry.ID, "@type": kind, "dct:identifier": x.entry.ID,
		"dct:created": x.entry.ServerTime, "dct:provenance": x.provenance(), "dpv:hasDataSubject": x.person(), "dpv:hasProcess": list,
	}
}

// kantara is a Kantara Consent Receipt 1.1.0. It lists the purposes that were consented to.
func (x *export) kantara() (any, error) {
	e := &x.entry
	at, err := time.Parse(time.RFC3339, e.ServerTime)
	if err != nil {
		return nil, fmt.Errorf("the entry's time: %w", err)
	}
	var purposes []map[string]any
	for _, p := range e.Purposes {
		if p.State != Given {
			continue
		}
		shared := x.purposes[p.ID].Sharing && len(x.facts.Recipients) > 0
		one := map[string]any{
			"purpose": x.text(p.ID).Title, "purposeCategory": []string{kantaraCategory(p.ID)}, "consentType": "EXPLICIT", "piiCategory": x.data(p.ID),
			"primaryPurpose": false, "termination": x.withdrawal(), "thirdPartyDisclosure": shared,
		}
		if shared {
			one["thirdPartyName"] = strings.Join(x.facts.Recipients, "; ")
		}
		purposes = append(purposes, one)
	}
	if len(purposes) == 0 {
		return nil, fail.New(fail.Conflict, "A Kantara receipt can only say what was consented to, and this record gives none. Use the format %s.", FormatDPV).WithCode("consent.export.nothing")
	}
	email := unstated
	if strings.Contains(x.facts.Contact, "@") {
		email = x.facts.Contact
	}
	return map[string]any{
		"version":          "KI-CR-v1.1.0",
		"jurisdiction":     e.Law,
		"consentTimestamp": at.Unix(),
		"collectionMethod": e.Source + ", " + x.provenance(),
		"consentReceiptID": derived("kantara", e.ID),
		"publicKey":        x.key,
		"language":         x.language(),
		"piiPrincipalId":   e.Subject,
		"piiControllers": []map[string]any{{
			"piiController": cmp.Or(x.facts.Controller, unstated), "onBehalf": false, "contact": cmp.Or(x.facts.DPO, x.facts.Contact, unstated),
			"address": map[string]any{"streetAddress": cmp.Or(x.facts.Address, unstated)}, "email": email, "phone": unstated, "piiControllerUrl": x.base,
		}},
		"policyUrl": x.policy(),
		"services":  []map[string]any{{"service": "website " + e.Site, "purposes": purposes}},
		"sensitive": false,
		"spiCat":    []string{},
	}, nil
}

// kantaraCategory is the category of a purpose in the specification's appendix.
func kantaraCategory(purpose string) string {
	switch purpose {
	case notice.Measure, notice.Actions:
		return "Improve Performance"
	case notice.Identity, notice.Predict:
		return "Personalized Experience"
	case notice.Support:
		return "Contact Requested"
	}
	return "Marketing"
}
