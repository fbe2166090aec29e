package genesys

import (
	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/rights"
)

// MaskingRule is a rule of the data privacy API. Members that are absent from a change stay as they are.
type MaskingRule struct {
	ID           *uuid.UUID `json:"id,omitempty"`
	Name         *string    `json:"name,omitempty"`
	Description  *string    `json:"description,omitempty"`
	Substitute   *string    `json:"substituteCharacter,omitempty"`
	Definition   *string    `json:"definition,omitempty"`
	Enabled      *bool      `json:"enabled,omitempty"`
	Type         *string    `json:"type,omitempty"`
	Direction    *string    `json:"direction,omitempty"`
	Integrations []string   `json:"integrations,omitempty"`
	Created      *Time      `json:"dateCreated,omitempty"`
	Modified     *Time      `json:"dateModified,omitempty"`
	SelfURI      string     `json:"selfUri,omitempty"`
}

// customRule is the only type of rule that can be made: the others are an installation's own.
const customRule = "Custom"

// NewMaskingRule shows a rule.
func NewMaskingRule(m *rights.MaskingRule) MaskingRule {
	kind, made, changed := customRule, Time(m.Made), Time(m.Changed)
	w := MaskingRule{
		ID: &m.ID, Name: &m.Name, Substitute: &m.Substitute, Definition: &m.Definition, Enabled: &m.Enabled, Type: &kind,
		Integrations: m.Integrations, Created: &made, Modified: &changed, SelfURI: "/api/v2/dataprivacy/maskingrules/" + m.ID.String(),
	}
	if m.Description != "" {
		w.Description = &m.Description
	}
	if m.Direction != "" {
		w.Direction = &m.Direction
	}
	return w
}

// Change writes the members that are there into the rule.
func (w *MaskingRule) Change(m *rights.MaskingRule) {
	for _, f := range []struct {
		from *string
		to   *string
	}{{w.Name, &m.Name}, {w.Description, &m.Description}, {w.Substitute, &m.Substitute}, {w.Definition, &m.Definition}, {w.Direction, &m.Direction}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if w.Enabled != nil {
		m.Enabled = *w.Enabled
	}
	if w.Integrations != nil {
		m.Integrations = w.Integrations
	}
}

// Check refuses a type that can't be made, and with whole the absence of what a new rule needs.
func (w *MaskingRule) Check(whole bool) error {
	if w.Type != nil && *w.Type != customRule {
		return fail.Field("type", "Only rules of the type Custom can be kept; what is found anyway needs none.")
	}
	if whole && w.Enabled == nil {
		return fail.Field("enabled", "Say whether the rule is enabled.")
	}
	if whole && w.Type == nil {
		return fail.Field("type", "The type of the rule is Custom.")
	}
	return nil
}
