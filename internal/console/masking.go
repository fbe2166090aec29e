package console

import (
	"cmp"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/redact"
	"probity/internal/rights"
)

// Permissions for masking rules, as the Genesys Cloud API names them.
const (
	maskingView    = "dataprivacy:maskingrule:view"
	maskingAdd     = "dataprivacy:maskingrule:add"
	maskingEdit    = "dataprivacy:maskingrule:edit"
	maskingDelete  = "dataprivacy:maskingrule:delete"
	maskingExecute = "dataprivacy:maskingrule:execute"
)

// maxTried is how many characters a rule is tried on.
const maxTried = 10_000

// maskingPage lists the rules; a text can be tried on the same page.
type maskingPage struct {
	List                             []rights.MaskingRule
	MayAdd, MayEdit, MayDrop, MayTry bool

	Definition, Substitute, Text string
	Fields                       []field // of the trial
	Done                         bool
	Masked                       string
	Changed                      bool
}

func (k *call) masking() error { return k.maskingRules(http.StatusOK, &maskingPage{}, nil) }

func (k *call) maskingRules(status int, p *maskingPage, wrong error) (err error) {
	if p.List, err = k.Rights.MaskingRules(k.r.Context(), k.tenant()); err != nil {
		return err
	}
	can := k.staff.Can
	p.MayAdd, p.MayEdit, p.MayDrop, p.MayTry = can(maskingAdd), can(maskingEdit), can(maskingDelete), can(maskingExecute)
	p.Fields = []field{
		{Name: "text", Label: "Text", Help: "It is kept nowhere.", Kind: "area", Rows: 4, Value: p.Text},
		{Name: "definition", Label: "Expression", Help: "Of RE2. Empty: all rules that are in use.", Value: p.Definition},
		{Name: "substituteCharacter", Label: "Character instead", Value: cmp.Or(p.Substitute, "*")},
	}
	if wrong != nil {
		groups := []group{{Fields: p.Fields}}
		if !placeIn(groups, faultOf(wrong)) {
			return wrong
		}
	}
	return k.show(status, "masking", "Masking rules", p)
}

// tryMasking masks a text with one expression, or with all rules in use. Neither is kept, nor stands in an
// address.
func (k *call) tryMasking() error {
	p := &maskingPage{Text: k.text("text"), Definition: k.r.PostFormValue("definition"), Substitute: k.line("substituteCharacter")}
	if p.Text == "" || utf8.RuneCountInString(p.Text) > maxTried {
		return k.maskingRules(http.StatusBadRequest, p, fail.Field("text", "A text of at most %d characters is needed.", maxTried))
	}
	use := []rights.MaskingRule{{Definition: p.Definition, Substitute: cmp.Or(p.Substitute, "*"), Enabled: true}}
	if p.Definition == "" {
		all, err := k.Rights.MaskingRules(k.r.Context(), k.tenant())
		if err != nil {
			return err
		}
		use = all
	}
	p.Masked, p.Done = p.Text, true
	for _, m := range use {
		if !m.Enabled {
			continue
		}
		rule, err := redact.NewRule(m.Definition, m.Substitute)
		if fail.Is(err, fail.Invalid) {
			p.Done = false
			return k.maskingRules(http.StatusBadRequest, p, err)
		}
		if err != nil {
			return err
		}
		p.Masked, _ = rule.Mask(p.Masked, nil)
	}
	p.Changed = p.Masked != p.Text
	return k.maskingRules(http.StatusOK, p, nil)
}

// maskingWay adds a rule, or changes one.
func (k *call) maskingWay(m *rights.MaskingRule) *way {
	w := &way{
		path: "/console/masking/new", title: "Add a masking rule", verb: "Add",
		lead: "What it matches is masked in texts that copies hand out, beside addresses and numbers of others.",
	}
	was := &rights.MaskingRule{Substitute: "*", Enabled: true}
	if m != nil {
		was, w.path, w.title, w.verb = m, "/console/masking/"+m.ID.String(), "Change "+m.Name, "Save"
	}
	w.form = func(k *call) ([]group, error) {
		first := k.line("key") == ""
		value := func(name, before string) string {
			if first {
				return before
			}
			return strings.ReplaceAll(k.r.PostFormValue(name), "\r\n", "\n")
		}
		enabled := k.line("enabled")
		if first {
			enabled = on(was.Enabled)
		}
		direction := field{Name: "direction", Label: "Direction", Help: "Kept for other systems; copies mask either way.", Kind: "pick", Value: value("direction", was.Direction)}
		direction.Picks = picks(direction.Value, "", "both", "inbound", "inbound", "outbound", "outbound")
		return []group{{"The rule", "", []field{
			{Name: "name", Label: "Name", Value: value("name", was.Name)},
			{Name: "description", Label: "Description", Kind: "area", Rows: 2, Value: value("description", was.Description)},
			{Name: "definition", Label: "Expression", Help: "A regular expression of RE2, such as \\bC-\\d{6}\\b for customer numbers.", Value: value("definition", was.Definition)},
			{Name: "substituteCharacter", Label: "Character instead", Help: "One, for each character of a match.", Value: value("substituteCharacter", was.Substitute)},
			direction, {Name: "enabled", Label: "In use", Kind: "check", Value: enabled},
		}}}, nil
	}
	w.do = func(k *call) (string, error) {
		read := func(one *rights.MaskingRule) {
			one.Name, one.Description, one.Definition = k.line("name"), k.text("description"), k.r.PostFormValue("definition")
			one.Substitute, one.Direction, one.Enabled = k.line("substituteCharacter"), k.line("direction"), k.line("enabled") != ""
		}
		var err error
		if m != nil {
			_, err = k.Rights.ChangeMaskingRule(k.r.Context(), k.tenant(), m.ID, read)
		} else {
			var one rights.MaskingRule
			read(&one)
			_, err = k.Rights.AddMaskingRule(k.r.Context(), k.tenant(), one)
		}
		return "/console/masking", err
	}
	return w
}

// dropMaskingWay deletes a rule.
func (k *call) dropMaskingWay(m *rights.MaskingRule) *way {
	return &way{
		path: "/console/masking/" + m.ID.String() + "/delete", title: "Delete " + m.Name, verb: "Delete",
		lead: "Copies made from now on show what it masked. To stop it for a while, take it out of use instead.",
		form: func(*call) ([]group, error) { return nil, nil },
		do: func(k *call) (string, error) {
			return "/console/masking", k.Rights.DropMaskingRule(k.r.Context(), k.tenant(), m.ID)
		},
	}
}

// withRule makes a page of a way with the rule of the path.
func withRule(w func(*call, *rights.MaskingRule) *way, page func(func() *way) func(*call) error) func(*call) error {
	return func(k *call) error {
		rule, err := uuid.Parse(k.r.PathValue("rule"))
		if err != nil {
			return fail.New(fail.NotFound, "There is no such masking rule.")
		}
		m, err := k.Rights.MaskingRule(k.r.Context(), k.tenant(), rule)
		if err != nil {
			return err
		}
		return page(func() *way { return w(k, m) })(k)
	}
}

// newRule makes a page of the way that adds one.
func newRule(page func(func() *way) func(*call) error) func(*call) error {
	return func(k *call) error { return page(func() *way { return k.maskingWay(nil) })(k) }
}
