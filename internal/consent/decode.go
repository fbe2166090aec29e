package consent

import (
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/id"
)

// MaxBody is the largest request body, in bytes, that the decoders accept.
const MaxBody = 16 << 10

type wireUI struct {
	Component string `json:"component"`
	Action    string `json:"action"`
	DwellMS   int    `json:"dwell_ms"`
	Trusted   bool   `json:"trusted"`
	Viewport  string `json:"viewport"`
}

// DecodeChoice reads the body of a request to record a choice:
//
//	{"deployment":uuid,"nonce":string,"visitor":uuid|null,"purposes":{id:bool,…},
//	 "ui":{"component","action","dwell_ms","trusted","viewport"},"client_time":RFC 3339,"look":string?}
//
// It is strict: unknown members, duplicate names, wrong types, invalid UTF-8 and bodies above
// MaxBody are refused with fail.Invalid or fail.TooLarge, naming the field. Whether the purposes are
// the organisation's is for Choose to tell. Signals of the request are for the caller to set.
func DecodeChoice(body []byte) (Choice, error) {
	var w struct {
		Deployment string           `json:"deployment"`
		Nonce      string           `json:"nonce"`
		Visitor    *string          `json:"visitor"`
		Purposes   map[string]*bool `json:"purposes"`
		UI         *wireUI          `json:"ui"`
		ClientTime string           `json:"client_time"`
		Look       *string          `json:"look"`
	}
	if err := decode(body, &w); err != nil {
		return Choice{}, err
	}
	c := Choice{Look: w.Look}
	var err error
	if c.Deployment, err = parseID("deployment", w.Deployment); err != nil {
		return Choice{}, err
	}
	if w.Nonce == "" {
		return Choice{}, fail.Field("nonce", "The nonce is missing.")
	}
	c.Nonce = w.Nonce
	if w.Visitor != nil {
		v, err := parseID("visitor", *w.Visitor)
		if err != nil {
			return Choice{}, err
		}
		c.Visitor = &v
	}
	if len(w.Purposes) == 0 {
		return Choice{}, fail.Field("purposes", "The choice names no purpose.")
	}
	c.Purposes = make(map[string]bool, len(w.Purposes))
	for p, yes := range w.Purposes {
		if yes == nil {
			return Choice{}, fail.Field("purposes", "A purpose is neither true nor false.")
		}
		c.Purposes[p] = *yes
	}
	if w.UI == nil {
		return Choice{}, fail.Field("ui", "The choice does not say how it was made.")
	}
	c.UI = UI(*w.UI)
	if err := c.UI.check("banner", "preferences", "placeholder", "form"); err != nil {
		return Choice{}, err
	}
	c.ClientTime, err = parseTime(w.ClientTime)
	return c, err
}

// DecodeWithdrawal reads the body of a request to take consent back:
//
//	{"deployment":uuid,"visitor":uuid,"purposes":[id,…]?,"ui":{…},"client_time":RFC 3339}
//
// It is as strict as DecodeChoice.
func DecodeWithdrawal(body []byte) (Withdrawal, error) {
	var v struct {
		Deployment string    `json:"deployment"`
		Visitor    string    `json:"visitor"`
		Purposes   *[]string `json:"purposes"`
		UI         *wireUI   `json:"ui"`
		ClientTime string    `json:"client_time"`
	}
	if err := decode(body, &v); err != nil {
		return Withdrawal{}, err
	}
	var w Withdrawal
	var err error
	if w.Deployment, err = parseID("deployment", v.Deployment); err != nil {
		return Withdrawal{}, err
	}
	if w.Visitor, err = parseID("visitor", v.Visitor); err != nil {
		return Withdrawal{}, err
	}
	if v.Purposes != nil {
		if len(*v.Purposes) == 0 {
			return Withdrawal{}, fail.Field("purposes", "The list of purposes is empty. Leave it out to take back all.")
		}
		w.Purposes = *v.Purposes
	}
	if v.UI == nil {
		return Withdrawal{}, fail.Field("ui", "The withdrawal does not say how it was made.")
	}
	w.UI = UI(*v.UI)
	if err := w.UI.check("banner", "preferences", "link", "form"); err != nil {
		return Withdrawal{}, err
	}
	w.ClientTime, err = parseTime(v.ClientTime)
	return w, err
}

// decode reads strict JSON into dst and turns the error into one that names the field.
func decode(body []byte, dst any) error {
	if len(body) > MaxBody {
		return fail.New(fail.TooLarge, "The request is larger than %d bytes.", MaxBody)
	}
	err := json.Unmarshal(body, dst, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		field := path(e.JSONPointer)
		if errors.Is(e.Err, json.ErrUnknownName) {
			return fail.New(fail.Invalid, "The request has a member that is not known here.")
		}
		return fail.Field(field, "The member %q has the wrong type.", field)
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(e.Err, jsontext.ErrDuplicateName) {
		return fail.New(fail.Invalid, "A member occurs twice in the request.")
	}
	return fail.New(fail.Invalid, "The request is not valid JSON.")
}

// path turns a JSON pointer into the dotted form of fail.Error.Field. Only the names of our own
// members are kept: a purpose's name is the caller's text.
func path(p jsontext.Pointer) string {
	var parts []string
	for token := range p.Tokens() {
		parts = append(parts, token)
		if token == "purposes" {
			break
		}
	}
	return strings.Join(parts, ".")
}

func parseID(field, s string) (uuid.UUID, error) {
	if s == "" {
		return uuid.UUID{}, fail.Field(field, "The %s is missing.", field)
	}
	v, err := id.ParseSubject(s)
	if err != nil {
		return uuid.UUID{}, fail.Field(field, "The %s is not a UUID.", field)
	}
	return uuid.UUID(v), nil
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, fail.Field("client_time", "The client_time is missing.")
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, fail.Field("client_time", "The client_time is not a time of the form 2006-01-02T15:04:05Z.")
	}
	return t.UTC(), nil
}
