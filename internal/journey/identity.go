package journey

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"probity/internal/event"
)

// The kinds of identity that events bring, as the subject room names them.
const (
	KindEmail      = "email"
	KindPhone      = "phone"
	KindExternalID = "external_id"
)

// TraitNames returns the names of the traits that are kept with the visitor, besides the ones that
// identify. Others are dropped: nobody has said what they would be needed for.
func TraitNames() []string {
	return []string{"givenName", "familyName", "displayName", "gender", "companyName", "jobTitle"}
}

const maxTrait = 256 // bytes

// learn takes what the event tells about the person.
func (v *Visitor) learn(fx *Effects, ev *event.Event) {
	if len(ev.Traits) == 0 && ev.ExternalID == "" {
		return
	}
	identify := func(kind, value string) {
		value = strings.TrimSpace(value)
		if value == "" || len(value) > maxTrait {
			return
		}
		if fx.Identify == nil {
			fx.Identify = make(map[string]string)
		}
		fx.Identify[kind] = value
		if s := v.Session; s != nil {
			s.Authenticated = true
		}
	}
	identify(KindEmail, ev.Traits["email"].Value)
	for _, name := range []string{"otherPhone", "workPhone", "homePhone", "cellPhone", "phone"} {
		identify(KindPhone, ev.Traits[name].Value) // the last one that is there wins
	}
	identify(KindExternalID, ev.Traits["externalId"].Value)
	identify(KindExternalID, ev.ExternalID)
	for name, a := range ev.Traits {
		value := strings.TrimSpace(a.Value)
		if !slices.Contains(TraitNames(), name) || value == "" || len(value) > maxTrait || v.Traits[name] == value {
			continue
		}
		if v.Traits == nil {
			v.Traits = make(map[string]string)
		}
		v.Traits[name] = value
		if fx.Traits == nil {
			fx.Traits = make(map[string]string)
		}
		fx.Traits[name] = value
	}
}

// Name returns what to call the visitor: the display name, else given and family name, else "".
func (v *Visitor) Name() string { return displayName(v.Traits) }

func number(text string) *float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil
	}
	return &f
}
