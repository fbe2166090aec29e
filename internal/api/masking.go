package api

import (
	"net/http"
	"unicode/utf8"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/redact"
	"probity/internal/rights"
)

const maskingRulesPath = "/api/v2/dataprivacy/maskingrules"

func (c *call) maskingRules() error {
	size, number, err := c.page(25)
	if err != nil {
		return err
	}
	all, err := c.api.Rights.MaskingRules(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	page := []genesys.MaskingRule{}
	for i := (number - 1) * size; i < min(number*size, len(all)); i++ {
		page = append(page, genesys.NewMaskingRule(&all[i]))
	}
	return c.reply(http.StatusOK, genesys.NewListing(page, maskingRulesPath, nil, size, number, len(all)))
}

func (c *call) addMaskingRule() error {
	var body genesys.MaskingRule
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := body.Check(true); err != nil {
		return err
	}
	var m rights.MaskingRule
	body.Change(&m)
	made, err := c.api.Rights.AddMaskingRule(c.Context(), c.who.Tenant, m)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewMaskingRule(made))
}

func (c *call) maskingRule() error {
	rule, err := c.pathID("ruleId")
	if err != nil {
		return err
	}
	m, err := c.api.Rights.MaskingRule(c.Context(), c.who.Tenant, rule)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewMaskingRule(m))
}

func (c *call) changeMaskingRule() error {
	rule, err := c.pathID("ruleId")
	if err != nil {
		return err
	}
	var body genesys.MaskingRule
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := body.Check(false); err != nil {
		return err
	}
	m, err := c.api.Rights.ChangeMaskingRule(c.Context(), c.who.Tenant, rule, body.Change)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewMaskingRule(m))
}

func (c *call) dropMaskingRule() error {
	rule, err := c.pathID("ruleId")
	if err != nil {
		return err
	}
	if err := c.api.Rights.DropMaskingRule(c.Context(), c.who.Tenant, rule); err != nil {
		return err
	}
	return c.empty()
}

// maxTried is how many characters an expression is tried on.
const maxTried = 10_000

// validateMaskingRule tries an expression on a text. The text is kept nowhere.
func (c *call) validateMaskingRule() error {
	var body struct {
		Text       string `json:"text"`
		Definition string `json:"definition"`
		Substitute string `json:"substituteCharacter"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if body.Text == "" || utf8.RuneCountInString(body.Text) > maxTried {
		return fail.Field("text", "A text of at most %d characters is needed.", maxTried)
	}
	if body.Substitute == "" {
		body.Substitute = "*"
	}
	type answer struct {
		Valid   bool   `json:"valid"`
		Message string `json:"validationMessage,omitempty"`
		Masked  string `json:"maskedText,omitempty"`
	}
	rule, err := redact.NewRule(body.Definition, body.Substitute)
	if fail.Is(err, fail.Invalid) {
		return c.reply(http.StatusOK, answer{Message: err.Error()})
	}
	if err != nil {
		return err
	}
	masked, _ := rule.Mask(body.Text, nil)
	return c.reply(http.StatusOK, answer{Valid: true, Masked: masked})
}
