package journey

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
)

var colorForm = regexp.MustCompile(`^#[a-fA-F\d]{6}$`)

// check completes defaults and refuses what can't work, naming the field as on the Genesys wire.
func (o *Outcome) check() error {
	if err := checkName("displayName", o.Name); err != nil {
		return err
	}
	if err := checkContext(o.Context); err != nil {
		return err
	}
	return checkJourney(o.Journey)
}

func (g *Segment) check() error {
	if err := checkName("displayName", g.Name); err != nil {
		return err
	}
	if g.Color == "" {
		g.Color = "#767676"
	}
	if !colorForm.MatchString(g.Color) {
		return fail.Field("color", "the color must have the form #rrggbb")
	}
	if g.Scope == "" {
		g.Scope = "Session"
	}
	if g.ExpirationDays != nil && *g.ExpirationDays < 0 {
		return fail.Field("assignmentExpirationDays", "the number of days can't be negative")
	}
	if err := checkContext(g.Context); err != nil {
		return err
	}
	return checkJourney(g.Journey)
}

func (m *ActionMap) check() error {
	if err := checkName("displayName", m.Name); err != nil {
		return err
	}
	if m.Weight == 0 {
		m.Weight = 2
	}
	if m.Weight < 1 || m.Weight > 3 {
		return fail.Field("weight", "the weight is 1 (low), 2 (medium) or 3 (high)")
	}
	if m.Activation.Type == "" {
		m.Activation.Type = ActivateNow
	}
	if !slices.Contains([]string{ActivateNow, ActivateDelay, ActivateVisit, ActivateSession}, m.Activation.Type) {
		return fail.Field("activation.type", "%q is not a time of activation", m.Activation.Type)
	}
	if m.Activation.Delay < 0 || m.Activation.Delay > 24*3600 {
		return fail.Field("activation.delayInSeconds", "the delay must be between 0 and 86400 seconds")
	}
	if m.Purpose == "" {
		m.Purpose = PurposeMarketing
	}
	if !slices.Contains([]string{MediaContent, MediaMessaging, MediaOpenAction, MediaFlow, MediaWebchat}, m.Action.Media) {
		return fail.Field("action.mediaType", "%q is not a media type", m.Action.Media)
	}
	if m.Action.Media == MediaContent && m.Action.Template == uuid.Nil {
		return fail.Field("action.actionTemplate.id", "a content offer needs an action template")
	}
	if m.Start != nil && m.End != nil && !m.End.After(*m.Start) {
		return fail.Field("endDate", "the end must be after the start")
	}
	for i, c := range m.Probabilities {
		field := fmt.Sprintf("triggerWithOutcomeProbabilityConditions[%d]", i)
		if c.Outcome == uuid.Nil {
			return fail.Field(field+".outcomeId", "the outcome is missing")
		}
		if !share(c.Reached) {
			return fail.Field(field+".maximumProbability", "a probability lies between 0 and 1")
		}
		if c.Below != nil && !share(*c.Below) {
			return fail.Field(field+".probability", "a probability lies between 0 and 1")
		}
	}
	for i, c := range m.Quantiles {
		field := fmt.Sprintf("triggerWithOutcomeQuantileConditions[%d]", i)
		if c.Outcome == uuid.Nil {
			return fail.Field(field+".outcomeId", "the outcome is missing")
		}
		if !share(c.Above) {
			return fail.Field(field+".maxQuantileThreshold", "a quantile lies between 0 and 1")
		}
		if c.Below != nil && !share(*c.Below) {
			return fail.Field(field+".fallbackQuantileThreshold", "a quantile lies between 0 and 1")
		}
	}
	for i := range m.Pages {
		c := Criterion{Key: "page.url", Operator: m.Pages[i].Operator, Values: m.Pages[i].Values}
		if err := checkCriterion(fmt.Sprintf("pageUrlConditions[%d]", i), &c, journeyKey); err != nil {
			return err
		}
		m.Pages[i].Operator = c.Operator
	}
	for i := range m.Events {
		c := &m.Events[i]
		if c.Key == "" && c.EventName != "" {
			continue
		}
		if err := checkCriterion(fmt.Sprintf("triggerWithEventConditions[%d]", i), &c.Criterion, journeyKey); err != nil {
			return err
		}
	}
	return nil
}

func (a *ActionTemplate) check() error {
	if err := checkName("name", a.Name); err != nil {
		return err
	}
	if a.State == "" {
		a.State = "Active"
	}
	if !slices.Contains([]string{"Active", "Inactive", "Deleted"}, a.State) {
		return fail.Field("state", "the state is Active, Inactive or Deleted")
	}
	if a.Media == "" {
		a.Media = MediaContent
	}
	if a.Media != MediaContent {
		return nil
	}
	c := a.Content
	if c == nil {
		return fail.Field("contentOffer", "a content offer needs its content")
	}
	if !slices.Contains([]string{"Modal", "Overlay", "Toast"}, c.DisplayMode) {
		return fail.Field("contentOffer.displayMode", "the display mode is Modal, Overlay or Toast")
	}
	if !slices.Contains([]string{"TextOnly", "ImageOnly", "LeftText", "RightText", "TopText", "BottomText"}, c.LayoutMode) {
		return fail.Field("contentOffer.layoutMode", "%q is not a layout mode", c.LayoutMode)
	}
	if c.ImageURL != "" && !webAddress(c.ImageURL) {
		return fail.Field("contentOffer.imageUrl", "the address must be a path or start with https:// or http://")
	}
	if c.CallToAction != nil && !webAddress(c.CallToAction.URL) {
		// Anything else, such as javascript:, would run in the page of our customer's customer.
		return fail.Field("contentOffer.callToAction.url", "the address must be a path or start with https:// or http://")
	}
	return nil
}

func webAddress(u string) bool {
	return strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "http://") ||
		strings.HasPrefix(u, "/") && !strings.HasPrefix(u, "//") && !strings.HasPrefix(u, `/\`)
}

func share(f float64) bool { return f >= 0 && f <= 1 }

func checkName(field, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return fail.Field(field, "the name is missing")
	case len(name) > 256:
		return fail.Field(field, "the name is longer than 256 bytes")
	}
	return nil
}

func checkContext(patterns []ContextPattern) error {
	for i := range patterns {
		for j := range patterns[i].Criteria {
			field := fmt.Sprintf("context.patterns[%d].criteria[%d]", i, j)
			if err := checkCriterion(field, &patterns[i].Criteria[j], contextKey); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkJourney(patterns []JourneyPattern) error {
	for i := range patterns {
		p := &patterns[i]
		field := fmt.Sprintf("journey.patterns[%d]", i)
		if p.Count == 0 {
			p.Count = 1
		}
		if p.Count < 0 || p.Count > 1000 {
			return fail.Field(field+".count", "the count must be between 1 and 1000")
		}
		if p.Stream != "" && p.Stream != "Web" && p.Stream != "App" {
			return fail.Field(field+".streamType", "the stream type is Web or App")
		}
		if p.SessionType != "" && p.SessionType != "web" && p.SessionType != "app" {
			return fail.Field(field+".sessionType", "the session type is web or app")
		}
		if len(p.Criteria) == 0 && p.EventName == "" {
			return fail.Field(field+".criteria", "the pattern says nothing about the event")
		}
		for j := range p.Criteria {
			if err := checkCriterion(fmt.Sprintf("%s.criteria[%d]", field, j), &p.Criteria[j], journeyKey); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkCriterion(field string, c *Criterion, allowed func(key string) bool) error {
	if !allowed(c.Key) {
		return fail.Field(field+".key", "%q can't be asked about here", c.Key)
	}
	if c.Operator == "" {
		c.Operator = Equal
	}
	if !c.Operator.Valid() {
		return fail.Field(field+".operator", "%q is not an operator", string(c.Operator))
	}
	if len(c.Values) == 0 || len(c.Values) > 100 {
		return fail.Field(field+".values", "between 1 and 100 values are needed")
	}
	return nil
}

func contextKey(key string) bool { return slices.Contains(ContextKeys(), key) }

func journeyKey(key string) bool {
	_, attribute := AttributeKey(key)
	return attribute || slices.Contains(JourneyKeys(), key)
}
