package consent_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"probity/internal/consent"
	"probity/internal/notice"
	"probity/internal/store/storetest"
)

// graph is a JSON-LD file as a program of the semantic web sees it: for each thing, what is said of it by
// the full names of the properties. It knows as much of JSON-LD 1.1 as the exports use: prefixes, types of
// values, maps by id, and things within things.
type graph struct {
	context map[string]any
	things  map[string]map[string][]valueOf
	faults  []string // what such a program would drop or take for something else
	blank   int
}

// valueOf is a name of something, or a text with its type.
type valueOf struct {
	name bool
	text string
}

const dpv = "https://w3id.org/dpv#"

var compactName = regexp.MustCompile(`^[a-z][a-z0-9-]*:[A-Za-z0-9-]+$`)

func graphOf(m map[string]any) *graph {
	g := &graph{things: map[string]map[string][]valueOf{}}
	g.context, _ = m["@context"].(map[string]any)
	g.thing(m, "")
	return g
}

func (g *graph) fault(format string, args ...any) {
	g.faults = append(g.faults, fmt.Sprintf(format, args...))
}

// full returns the absolute form of a name.
func (g *graph) full(name string) string {
	prefix, rest, ok := strings.Cut(name, ":")
	if !ok || strings.ContainsAny(name, " \"<>{}|^`\\") {
		g.fault("%q is no name", name)
		return name
	}
	if base, known := g.context[prefix].(string); known {
		return base + rest
	}
	if !slices.Contains([]string{"https", "http", "urn", "_"}, prefix) {
		g.fault("no context says what %q in %q is", prefix, name)
	}
	return name
}

func (g *graph) thing(m map[string]any, id string) string {
	if own, ok := m["@id"].(string); ok && id == "" {
		id = g.full(own)
	}
	if id == "" {
		g.blank++
		id = fmt.Sprintf("_:b%d", g.blank)
	}
	if g.things[id] == nil {
		g.things[id] = map[string][]valueOf{}
	}
	for key, v := range m {
		if key == "@context" || key == "@id" {
			continue
		}
		term, _ := g.context[key].(map[string]any)
		if key == "@type" {
			term = map[string]any{"@type": "@id"}
		}
		property := key
		if key != "@type" {
			property = g.full(key)
		}
		if term["@container"] == "@id" {
			for name, one := range v.(map[string]any) {
				g.things[id][property] = append(g.things[id][property], valueOf{true, g.thing(one.(map[string]any), g.full(name))})
			}
			continue
		}
		values, many := v.([]any)
		if !many {
			values = []any{v}
		}
		for _, one := range values {
			g.things[id][property] = append(g.things[id][property], g.value(key, one, term["@type"] == "@id"))
		}
	}
	return id
}

func (g *graph) value(key string, v any, names bool) valueOf {
	switch v := v.(type) {
	case map[string]any:
		return valueOf{true, g.thing(v, "")}
	case string:
		if names {
			return valueOf{true, g.full(v)}
		}
		if prefix, _, _ := strings.Cut(v, ":"); compactName.MatchString(v) && g.context[prefix] != nil {
			g.fault("%s: %q would be read as words, not as a name", key, v)
		}
		return valueOf{false, v}
	case nil, []any:
		g.fault("%s holds %v", key, v)
	}
	return valueOf{false, fmt.Sprint(v)}
}

// rule is what a thing of a class must have: at least that many values of a property, at most so many if
// there is a limit, each a name or a text, and if it is a name that is described here, of that class.
type rule struct {
	class, property string
	least, most     int // most 0: any number
	name            bool
	of              string // class; empty: any
	in              string // what the name must start with; empty: anything
}

// The rules for a consent record. There are no published SHACL shapes for DPV's profile of ISO/IEC TS
// 27560, so they are written after its guide: cardinality, kind and class, which is what shapes say.
var recordRules = []rule{
	{"ConsentRecord", "http://purl.org/dc/terms/conformsTo", 1, 1, true, "", "https://w3id.org/dpv/schema/dpv-27560#"},
	{"ConsentRecord", dpv + "hasIdentifier", 1, 1, false, "", ""},
	{"ConsentRecord", "http://purl.org/dc/terms/created", 1, 1, false, "", ""},
	{"ConsentRecord", "http://purl.org/dc/terms/creator", 1, 1, true, "DataController", ""},
	{"ConsentRecord", "http://purl.org/dc/terms/language", 1, 1, false, "", ""},
	{"ConsentRecord", dpv + "hasDataSubject", 1, 1, true, "DataSubject", ""},
	{"ConsentRecord", dpv + "hasNotice", 1, 0, true, "PrivacyNotice", ""},
	{"ConsentRecord", dpv + "hasJurisdiction", 1, 0, true, "", ""},
	{"ConsentRecord", dpv + "hasApplicableLaw", 1, 0, true, "", "https://w3id.org/dpv/legal/eu/gdpr#"},
	{"ConsentRecord", dpv + "hasEntity", 1, 0, true, "Recipient", ""},
	{"ConsentRecord", dpv + "hasProcess", 1, 0, true, "Process", ""},
	{"ConsentRecord", dpv + "hasRight", 1, 0, true, "", "https://w3id.org/dpv/legal/eu/gdpr#A"},
	{"ConsentRecord", dpv + "hasConsentControl", 1, 1, true, "WithdrawConsent", ""},
	{"ConsentRecord", dpv + "hasAuthority", 1, 0, true, "Authority", ""},
	{"DataSubject", dpv + "hasIdentifier", 1, 1, false, "", ""},
	{"PrivacyNotice", dpv + "hasIdentifier", 1, 1, false, "", ""},
	{"PrivacyNotice", "http://purl.org/dc/terms/language", 1, 1, false, "", ""},
	{"Authority", dpv + "hasName", 1, 1, false, "", ""},
	{"Location", "http://www.w3.org/2004/02/skos/core#prefLabel", 1, 1, false, "", ""},
	{"Recipient", dpv + "hasIdentifier", 1, 1, false, "", ""},
	{"Recipient", dpv + "hasName", 1, 1, false, "", ""},
	{"Recipient", dpv + "hasAddress", 1, 0, false, "", ""},
	{"Recipient", dpv + "hasContact", 1, 0, false, "", ""},
	{"Process", dpv + "hasPurpose", 1, 0, true, "Purpose", ""},
	{"Process", dpv + "hasPersonalData", 1, 0, true, "PersonalData", ""},
	{"Process", dpv + "hasProcessing", 1, 0, true, "", dpv},
	{"Process", dpv + "hasDataController", 1, 0, true, "DataController", ""},
	{"Process", dpv + "hasDataSource", 1, 0, true, "", dpv},
	{"Process", dpv + "hasStorageCondition", 2, 2, true, "", ""},
	{"Process", dpv + "hasRecipient", 1, 0, true, "Recipient", ""},
	{"Process", dpv + "hasLegalBasis", 1, 0, true, "", "https://w3id.org/dpv"},
	{"Process", dpv + "hasConsentStatus", 1, 1, true, "", dpv + "Consent"},
	{"Process", dpv + "isImplementedByEntity", 1, 1, true, "", "urn:uuid:"},
	{"Process", dpv + "isIndicatedAtTime", 1, 1, false, "", ""},
	{"Process", dpv + "hasLocation", 1, 0, true, "", ""},
	{"Process", dpv + "hasJurisdiction", 1, 0, true, "", ""},
	{"Purpose", "http://www.w3.org/2004/02/skos/core#prefLabel", 1, 1, false, "", ""},
	{"PersonalData", "http://www.w3.org/2004/02/skos/core#prefLabel", 1, 1, false, "", ""},
	{"PersonalData", dpv + "hasNecessity", 1, 1, true, "", dpv},
	{"StorageLocation", dpv + "hasLocation", 1, 1, true, "", ""},
	{"StorageDuration", dpv + "hasDuration", 1, 1, true, "TemporalDuration", ""},
	{"TemporalDuration", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value", 1, 1, false, "", ""},
}

func (g *graph) is(thing, class string) bool {
	return slices.Contains(g.things[thing]["@type"], valueOf{true, dpv + class})
}

// breaks returns which rules the graph breaks, sorted.
func (g *graph) breaks(rules []rule) []string {
	out := slices.Clone(g.faults)
	for _, r := range rules {
		for thing, said := range g.things {
			if !g.is(thing, r.class) {
				continue
			}
			values := said[r.property]
			if len(values) < r.least || r.most > 0 && len(values) > r.most {
				out = append(out, fmt.Sprintf("a %s has %d of %s", r.class, len(values), r.property))
			}
			for _, v := range values {
				if v.name != r.name || !strings.HasPrefix(v.text, r.in) || v.text == "" || r.of != "" && !g.is(v.text, r.of) {
					out = append(out, fmt.Sprintf("%s of a %s is %q", r.property, r.class, v.text))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestL6_ARecordIsAGraphInWhichEveryNameMeansSomething(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	facts := notice.Facts{Controller: "Example Shop Ltd", Address: "1 High Street, Dublin", Contact: "privacy@example.org",
		Processors: []string{"Example Hosting GmbH", "Mail & Co"}, Recipients: []string{"Example Ads Inc"}, Authority: "Data Protection Commission"}
	version, err := w.Publish(t.Context(), w.tenant, notice.Draft{Facts: facts, Purposes: notice.DefaultPurposes(), Texts: notice.DefaultTexts()})
	if err != nil {
		t.Fatal(err)
	}
	c := w.choice(t, nil, notice.Measure, notice.Predict)
	c.Nonce = w.nonceFor(t, version)
	given, err := w.Choose(t.Context(), w.tenant, c)
	if err != nil {
		t.Fatal(err)
	}
	withdrawn := w.withdraw(t, *given.Visitor)
	for _, storage := range []string{"", "DE"} {
		w.Describe(consent.Terms{Storage: storage})
		for name, out := range map[string]*consent.Outcome{"a grant": given, "a withdrawal": withdrawn} {
			for _, f := range []consent.Format{consent.FormatISO, consent.FormatISOReceipt} {
				g := graphOf(w.export(t, out.RecordID, f))
				if broken := g.breaks(recordRules); len(broken) > 0 {
					t.Errorf("%s as %s: %q", name, f, broken)
				}
				found := map[string]int{}
				for thing := range g.things {
					for _, class := range []string{"ConsentRecord", "Process", "Recipient", "DataProcessor", "ThirdParty", "Purpose", "StorageLocation", "TemporalDuration"} {
						if g.is(thing, class) {
							found[class]++
						}
					}
				}
				n := len(notice.DefaultPurposes())
				if want := map[string]int{"ConsentRecord": 1, "Process": n, "Recipient": 4, "DataProcessor": 2, "ThirdParty": 1, "Purpose": n, "StorageLocation": n, "TemporalDuration": n}; !maps.Equal(found, want) {
					t.Errorf("%s as %s holds %v, want %v", name, f, found, want)
				}
			}
			if g := graphOf(w.export(t, out.RecordID, consent.FormatDPV)); len(g.faults) > 0 {
				t.Errorf("%s in DPV's words: %q", name, g.faults)
			}
		}
	}

	// Whatever is taken away or misspelt is found: each member of each thing, one at a time.
	whole, err := json.Marshal(w.export(t, given.RecordID, consent.FormatISO))
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for _, r := range recordRules {
		needed[r.property] = true
	}
	tried := 0
	for number := 0; ; number++ {
		var m map[string]any
		if err := json.Unmarshal(whole, &m); err != nil {
			t.Fatal(err)
		}
		full := graphOf(m)
		left := number
		where := damage(m, &left)
		if where == "" {
			break
		}
		if key := where[strings.LastIndexByte(where, '/')+1:]; !needed[full.full(key)] || strings.HasPrefix(where, "/@context") {
			continue
		}
		tried++
		if len(graphOf(m).breaks(recordRules)) == 0 {
			t.Errorf("without %s the record passes", where)
		}
	}
	if tried < 100 {
		t.Errorf("only %d members were taken away", tried)
	}
}

// damage takes away the n-th member of an object and all it holds, and returns its path; empty if there
// are not so many.
func damage(v any, n *int) string {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if *n == 0 {
				delete(v, key)
				*n--
				return "/" + key
			}
			*n--
			if path := damage(v[key], n); path != "" {
				return "/" + key + path
			}
		}
	case []any:
		for _, one := range v {
			if path := damage(one, n); path != "" {
				return path
			}
		}
	}
	return ""
}
