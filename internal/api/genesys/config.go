package genesys

import (
	"encoding/json"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/journey"
)

// Criterion compares one property with values. EntityType stands in context criteria only.
type Criterion struct {
	Key              string   `json:"key"`
	Values           []string `json:"values"`
	ShouldIgnoreCase bool     `json:"shouldIgnoreCase"`
	Operator         string   `json:"operator"`
	EntityType       string   `json:"entityType,omitempty"`
}

// ContextPattern says what must be true of the visit.
type ContextPattern struct {
	Criteria []Criterion `json:"criteria"`
}

// Context is a list of patterns about the visit.
type Context struct {
	Patterns []ContextPattern `json:"patterns"`
}

// JourneyPattern says what must have happened.
type JourneyPattern struct {
	Criteria    []Criterion `json:"criteria"`
	Count       int         `json:"count"`
	StreamType  string      `json:"streamType"`
	SessionType string      `json:"sessionType"`
	EventName   string      `json:"eventName,omitempty"`
}

// Journey is a list of patterns about what happened.
type Journey struct {
	Patterns []JourneyPattern `json:"patterns"`
}

// AssociatedValueField names the attribute that tells what an achievement was worth.
type AssociatedValueField struct {
	DataType string `json:"dataType"`
	Name     string `json:"name"`
}

// Outcome is an outcome, as sent and as answered.
type Outcome struct {
	ID                   string                `json:"id,omitempty"`
	IsActive             *bool                 `json:"isActive"`
	DisplayName          string                `json:"displayName"`
	Version              int                   `json:"version,omitempty"`
	Description          string                `json:"description,omitempty"`
	IsPositive           *bool                 `json:"isPositive"`
	Context              *Context              `json:"context"`
	Journey              *Journey              `json:"journey"`
	AssociatedValueField *AssociatedValueField `json:"associatedValueField,omitempty"`
	SelfURI              string                `json:"selfUri,omitempty"`
	CreatedDate          *Time                 `json:"createdDate,omitempty"`
	ModifiedDate         *Time                 `json:"modifiedDate,omitempty"`
}

// ExternalSegment is where a segment comes from.
type ExternalSegment struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Source string `json:"source"`
}

// Segment is a segment, as sent and as answered.
type Segment struct {
	ID                       string           `json:"id,omitempty"`
	IsActive                 *bool            `json:"isActive"`
	DisplayName              string           `json:"displayName"`
	Version                  int              `json:"version,omitempty"`
	Description              string           `json:"description,omitempty"`
	Color                    string           `json:"color,omitempty"`
	Scope                    string           `json:"scope,omitempty"`
	ShouldDisplayToAgent     *bool            `json:"shouldDisplayToAgent"`
	Context                  *Context         `json:"context"`
	Journey                  *Journey         `json:"journey"`
	ExternalSegment          *ExternalSegment `json:"externalSegment,omitempty"`
	AssignmentExpirationDays *int             `json:"assignmentExpirationDays,omitempty"`
	SelfURI                  string           `json:"selfUri,omitempty"`
	CreatedDate              *Time            `json:"createdDate,omitempty"`
	ModifiedDate             *Time            `json:"modifiedDate,omitempty"`
}

// EventCondition is a trigger by what the visitor does.
type EventCondition struct {
	Key         string   `json:"key"`
	Values      []string `json:"values"`
	Operator    string   `json:"operator"`
	StreamType  string   `json:"streamType"`
	SessionType string   `json:"sessionType"`
	EventName   string   `json:"eventName,omitempty"`
}

// ProbabilityCondition is a trigger by how likely an outcome is.
type ProbabilityCondition struct {
	OutcomeID          string   `json:"outcomeId"`
	MaximumProbability float64  `json:"maximumProbability"`
	Probability        *float64 `json:"probability,omitempty"`
}

// QuantileCondition is a trigger by the rank of that probability.
type QuantileCondition struct {
	OutcomeID                 string   `json:"outcomeId"`
	MaxQuantileThreshold      float64  `json:"maxQuantileThreshold"`
	FallbackQuantileThreshold *float64 `json:"fallbackQuantileThreshold,omitempty"`
}

// URLCondition says on which pages an offer may be made.
type URLCondition struct {
	Values   []string `json:"values"`
	Operator string   `json:"operator"`
}

// Activation says when an offer follows.
type Activation struct {
	Type           string `json:"type"`
	DelayInSeconds *int   `json:"delayInSeconds,omitempty"`
}

// TemplateRef points at an action template.
type TemplateRef struct {
	ID      string `json:"id,omitempty"`
	SelfURI string `json:"selfUri,omitempty"`
}

// Action says what is offered. The last four are passed on as they came.
type Action struct {
	ActionTemplate          *TemplateRef    `json:"actionTemplate,omitempty"`
	MediaType               string          `json:"mediaType"`
	ActionTargetID          string          `json:"actionTargetId,omitempty"`
	IsPacingEnabled         bool            `json:"isPacingEnabled"`
	Props                   json.RawMessage `json:"props,omitempty"`
	ArchitectFlowFields     json.RawMessage `json:"architectFlowFields,omitempty"`
	WebMessagingOfferFields json.RawMessage `json:"webMessagingOfferFields,omitempty"`
	OpenActionFields        json.RawMessage `json:"openActionFields,omitempty"`
}

// ActionMap is an action map, as sent and as answered.
type ActionMap struct {
	ID                                      string                 `json:"id,omitempty"`
	Version                                 int                    `json:"version,omitempty"`
	IsActive                                *bool                  `json:"isActive"`
	DisplayName                             string                 `json:"displayName"`
	TriggerWithSegments                     []string               `json:"triggerWithSegments"`
	TriggerWithEventConditions              []EventCondition       `json:"triggerWithEventConditions"`
	TriggerWithOutcomeProbabilityConditions []ProbabilityCondition `json:"triggerWithOutcomeProbabilityConditions"`
	TriggerWithOutcomeQuantileConditions    []QuantileCondition    `json:"triggerWithOutcomeQuantileConditions"`
	PageURLConditions                       []URLCondition         `json:"pageUrlConditions"`
	Activation                              *Activation            `json:"activation"`
	Weight                                  int                    `json:"weight"`
	Action                                  *Action                `json:"action"`
	IgnoreFrequencyCap                      bool                   `json:"ignoreFrequencyCap"`
	SelfURI                                 string                 `json:"selfUri,omitempty"`
	CreatedDate                             *Time                  `json:"createdDate,omitempty"`
	ModifiedDate                            *Time                  `json:"modifiedDate,omitempty"`
	StartDate                               *Time                  `json:"startDate,omitempty"`
	EndDate                                 *Time                  `json:"endDate,omitempty"`
}

// ActionTemplate is an action template, as sent and as answered.
type ActionTemplate struct {
	ID           string                `json:"id,omitempty"`
	Name         string                `json:"name"`
	Description  string                `json:"description,omitempty"`
	Version      int                   `json:"version,omitempty"`
	MediaType    string                `json:"mediaType"`
	State        string                `json:"state"`
	ContentOffer *journey.ContentOffer `json:"contentOffer,omitempty"`
	SelfURI      string                `json:"selfUri,omitempty"`
	CreatedDate  *Time                 `json:"createdDate,omitempty"`
	ModifiedDate *Time                 `json:"modifiedDate,omitempty"`
}

// OutcomePredictor says that an outcome is predicted.
type OutcomePredictor struct {
	ID      string    `json:"id,omitempty"`
	Outcome EntityRef `json:"outcome"`
	SelfURI string    `json:"selfUri,omitempty"`
}

// NewOutcome turns an outcome into its shape.
func NewOutcome(o *journey.Outcome) Outcome {
	created, modified := Time(o.Created), Time(o.Modified)
	out := Outcome{
		ID: o.ID.String(), IsActive: &o.Active, DisplayName: o.Name, Version: o.Version, Description: o.Description,
		IsPositive: &o.Positive, Context: newContext(o.Context), Journey: newJourney(o.Journey),
		SelfURI: "/api/v2/journey/outcomes/" + o.ID.String(), CreatedDate: &created, ModifiedDate: &modified,
	}
	if o.Value != nil {
		out.AssociatedValueField = &AssociatedValueField{DataType: o.Value.Type, Name: o.Value.Name}
	}
	return out
}

// To turns the shape into an outcome.
func (o *Outcome) To() (journey.Outcome, error) {
	out := journey.Outcome{
		Meta: journey.Meta{Version: o.Version}, Active: yes(o.IsActive), Name: o.DisplayName, Description: o.Description,
		Positive: yes(o.IsPositive), Context: o.Context.to(), Journey: o.Journey.to(),
	}
	if v := o.AssociatedValueField; v != nil {
		out.Value = &journey.ValueField{Name: v.Name, Type: v.DataType}
	}
	return out, nil
}

// NewSegment turns a segment into its shape.
func NewSegment(s *journey.Segment) Segment {
	created, modified := Time(s.Created), Time(s.Modified)
	out := Segment{
		ID: s.ID.String(), IsActive: &s.Active, DisplayName: s.Name, Version: s.Version, Description: s.Description, Color: s.Color,
		Scope: s.Scope, ShouldDisplayToAgent: &s.ShowToAgent, Context: newContext(s.Context), Journey: newJourney(s.Journey),
		AssignmentExpirationDays: s.ExpirationDays,
		SelfURI:                  "/api/v2/journey/segments/" + s.ID.String(), CreatedDate: &created, ModifiedDate: &modified,
	}
	if s.ExternalID != "" {
		out.ExternalSegment = &ExternalSegment{s.ExternalID, s.ExternalName, s.ExternalSource}
	}
	return out
}

// To turns the shape into a segment.
func (s *Segment) To() (journey.Segment, error) {
	out := journey.Segment{
		Meta: journey.Meta{Version: s.Version}, Active: yes(s.IsActive), Name: s.DisplayName, Description: s.Description, Color: s.Color,
		ShowToAgent: yes(s.ShouldDisplayToAgent), Context: s.Context.to(), Journey: s.Journey.to(), ExpirationDays: s.AssignmentExpirationDays,
	}
	if e := s.ExternalSegment; e != nil {
		out.ExternalID, out.ExternalName, out.ExternalSource = e.ID, e.Name, e.Source
	}
	return out, nil
}

// NewActionMap turns an action map into its shape.
func NewActionMap(m *journey.ActionMap) ActionMap {
	created, modified := Time(m.Created), Time(m.Modified)
	out := ActionMap{
		ID: m.ID.String(), Version: m.Version, IsActive: &m.Active, DisplayName: m.Name,
		TriggerWithSegments: []string{}, TriggerWithEventConditions: []EventCondition{},
		TriggerWithOutcomeProbabilityConditions: []ProbabilityCondition{}, TriggerWithOutcomeQuantileConditions: []QuantileCondition{},
		PageURLConditions: []URLCondition{}, Activation: &Activation{Type: m.Activation.Type}, Weight: m.Weight,
		Action: newAction(&m.Action), IgnoreFrequencyCap: m.IgnoreFrequencyCap,
		SelfURI: "/api/v2/journey/actionmaps/" + m.ID.String(), CreatedDate: &created, ModifiedDate: &modified,
	}
	if m.Activation.Type == journey.ActivateDelay {
		out.Activation.DelayInSeconds = &m.Activation.Delay
	}
	for _, s := range m.Segments {
		out.TriggerWithSegments = append(out.TriggerWithSegments, s.String())
	}
	for _, e := range m.Events {
		out.TriggerWithEventConditions = append(out.TriggerWithEventConditions, EventCondition{
			e.Key, e.Values, string(e.Operator), e.Stream, e.SessionType, e.EventName,
		})
	}
	for _, p := range m.Probabilities {
		out.TriggerWithOutcomeProbabilityConditions = append(out.TriggerWithOutcomeProbabilityConditions, ProbabilityCondition{p.Outcome.String(), p.Reached, p.Below})
	}
	for _, q := range m.Quantiles {
		out.TriggerWithOutcomeQuantileConditions = append(out.TriggerWithOutcomeQuantileConditions, QuantileCondition{q.Outcome.String(), q.Above, q.Below})
	}
	for _, p := range m.Pages {
		out.PageURLConditions = append(out.PageURLConditions, URLCondition{p.Values, string(p.Operator)})
	}
	if m.Start != nil {
		start := Time(*m.Start)
		out.StartDate = &start
	}
	if m.End != nil {
		end := Time(*m.End)
		out.EndDate = &end
	}
	return out
}

// To turns the shape into an action map.
func (m *ActionMap) To() (journey.ActionMap, error) {
	out := journey.ActionMap{
		Meta: journey.Meta{Version: m.Version}, Active: yes(m.IsActive), Name: m.DisplayName, Weight: m.Weight,
		IgnoreFrequencyCap: m.IgnoreFrequencyCap,
	}
	for _, s := range m.TriggerWithSegments {
		v, err := parse("triggerWithSegments", s)
		if err != nil {
			return out, err
		}
		out.Segments = append(out.Segments, v)
	}
	for _, e := range m.TriggerWithEventConditions {
		out.Events = append(out.Events, journey.EventCondition{
			Criterion: journey.Criterion{Key: e.Key, Operator: operator(e.Operator), Values: e.Values},
			Stream:    e.StreamType, SessionType: e.SessionType, EventName: e.EventName,
		})
	}
	for _, p := range m.TriggerWithOutcomeProbabilityConditions {
		v, err := parse("triggerWithOutcomeProbabilityConditions.outcomeId", p.OutcomeID)
		if err != nil {
			return out, err
		}
		out.Probabilities = append(out.Probabilities, journey.ProbabilityCondition{Outcome: v, Reached: p.MaximumProbability, Below: p.Probability})
	}
	for _, q := range m.TriggerWithOutcomeQuantileConditions {
		v, err := parse("triggerWithOutcomeQuantileConditions.outcomeId", q.OutcomeID)
		if err != nil {
			return out, err
		}
		out.Quantiles = append(out.Quantiles, journey.QuantileCondition{Outcome: v, Above: q.MaxQuantileThreshold, Below: q.FallbackQuantileThreshold})
	}
	for _, p := range m.PageURLConditions {
		out.Pages = append(out.Pages, journey.PageCondition{Operator: operator(p.Operator), Values: p.Values})
	}
	if a := m.Activation; a != nil {
		out.Activation.Type = a.Type
		if a.DelayInSeconds != nil && a.Type == journey.ActivateDelay {
			out.Activation.Delay = *a.DelayInSeconds
		}
	}
	if m.StartDate != nil {
		at := asTime(*m.StartDate)
		out.Start = &at
	}
	if m.EndDate != nil {
		at := asTime(*m.EndDate)
		out.End = &at
	}
	if m.Action == nil {
		return out, fail.Field("action", "an action is needed")
	}
	var err error
	out.Action, err = m.Action.to()
	return out, err
}

// passed is what an action holds for media types that the journey only passes on.
type passed struct {
	Props                   json.RawMessage `json:"props,omitempty"`
	ArchitectFlowFields     json.RawMessage `json:"architectFlowFields,omitempty"`
	WebMessagingOfferFields json.RawMessage `json:"webMessagingOfferFields,omitempty"`
	OpenActionFields        json.RawMessage `json:"openActionFields,omitempty"`
}

func newAction(a *journey.Action) *Action {
	out := &Action{MediaType: a.Media, ActionTargetID: a.Target, IsPacingEnabled: a.Pacing}
	if a.Template != uuid.Nil {
		out.ActionTemplate = &TemplateRef{ID: a.Template.String(), SelfURI: "/api/v2/journey/actiontemplates/" + a.Template.String()}
	}
	var p passed
	if len(a.Extra) > 0 && json.Unmarshal(a.Extra, &p) == nil {
		out.Props, out.ArchitectFlowFields, out.WebMessagingOfferFields, out.OpenActionFields = p.Props, p.ArchitectFlowFields, p.WebMessagingOfferFields, p.OpenActionFields
	}
	return out
}

func (a *Action) to() (journey.Action, error) {
	out := journey.Action{Media: a.MediaType, Target: a.ActionTargetID, Pacing: a.IsPacingEnabled}
	if a.ActionTemplate != nil && a.ActionTemplate.ID != "" {
		v, err := parse("action.actionTemplate.id", a.ActionTemplate.ID)
		if err != nil {
			return out, err
		}
		out.Template = v
	}
	p := passed{a.Props, a.ArchitectFlowFields, a.WebMessagingOfferFields, a.OpenActionFields}
	extra, err := json.Marshal(p)
	if err == nil && string(extra) != "{}" {
		out.Extra = extra
	}
	return out, err
}

// NewActionTemplate turns an action template into its shape.
func NewActionTemplate(a *journey.ActionTemplate) ActionTemplate {
	created, modified := Time(a.Created), Time(a.Modified)
	return ActionTemplate{
		ID: a.ID.String(), Name: a.Name, Description: a.Description, Version: a.Version, MediaType: a.Media, State: a.State,
		ContentOffer: a.Content, SelfURI: "/api/v2/journey/actiontemplates/" + a.ID.String(), CreatedDate: &created, ModifiedDate: &modified,
	}
}

// To turns the shape into an action template.
func (a *ActionTemplate) To() (journey.ActionTemplate, error) {
	return journey.ActionTemplate{
		Meta: journey.Meta{Version: a.Version}, Name: a.Name, Description: a.Description, Media: a.MediaType, State: a.State, Content: a.ContentOffer,
	}, nil
}

// NewOutcomePredictor says that an outcome is predicted. There is one predictor for an outcome, and
// it has the outcome's id.
func NewOutcomePredictor(outcome uuid.UUID) OutcomePredictor {
	return OutcomePredictor{ID: outcome.String(), Outcome: outcomeRef(outcome), SelfURI: "/api/v2/journey/outcomes/predictors/" + outcome.String()}
}

func newContext(patterns []journey.ContextPattern) *Context {
	out := &Context{Patterns: []ContextPattern{}}
	for _, p := range patterns {
		out.Patterns = append(out.Patterns, ContextPattern{newCriteria(p.Criteria, "visit")})
	}
	return out
}

func newJourney(patterns []journey.JourneyPattern) *Journey {
	out := &Journey{Patterns: []JourneyPattern{}}
	for _, p := range patterns {
		out.Patterns = append(out.Patterns, JourneyPattern{newCriteria(p.Criteria, ""), p.Count, p.Stream, p.SessionType, p.EventName})
	}
	return out
}

func newCriteria(list []journey.Criterion, entity string) []Criterion {
	out := []Criterion{}
	for _, c := range list {
		out = append(out, Criterion{c.Key, c.Values, c.IgnoreCase, string(c.Operator), entity})
	}
	return out
}

func (c *Context) to() []journey.ContextPattern {
	if c == nil {
		return nil
	}
	var out []journey.ContextPattern
	for _, p := range c.Patterns {
		out = append(out, journey.ContextPattern{Criteria: criteria(p.Criteria)})
	}
	return out
}

func (j *Journey) to() []journey.JourneyPattern {
	if j == nil {
		return nil
	}
	var out []journey.JourneyPattern
	for _, p := range j.Patterns {
		out = append(out, journey.JourneyPattern{Criteria: criteria(p.Criteria), Count: p.Count, Stream: p.StreamType, SessionType: p.SessionType, EventName: p.EventName})
	}
	return out
}

func criteria(list []Criterion) []journey.Criterion {
	out := []journey.Criterion{}
	for _, c := range list {
		out = append(out, journey.Criterion{Key: c.Key, Operator: operator(c.Operator), Values: c.Values, IgnoreCase: c.ShouldIgnoreCase})
	}
	return out
}

func operator(name string) journey.Operator {
	if name == "" {
		return journey.Equal
	}
	return journey.Operator(name)
}

func parse(field, text string) (uuid.UUID, error) {
	v, err := uuid.Parse(text)
	if err != nil {
		return v, fail.Field(field, "an id must be a UUID")
	}
	return v, nil
}

// yes reads a flag that is true unless it is said to be false.
func yes(b *bool) bool { return b == nil || *b }
