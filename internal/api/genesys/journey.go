package genesys

import (
	"strings"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/journey"
)

// Attribute is one attribute or trait.
type Attribute struct {
	DataType string `json:"dataType"`
	Value    string `json:"value"`
}

// Page is where an event happened. Breadcrumb stands in events and sessions, not in the answer to a
// web event.
type Page struct {
	URL         string   `json:"url"`
	Title       string   `json:"title"`
	Domain      string   `json:"domain"`
	Fragment    string   `json:"fragment,omitempty"`
	Hostname    string   `json:"hostname"`
	Keywords    string   `json:"keywords,omitempty"`
	Lang        string   `json:"lang,omitempty"`
	Pathname    string   `json:"pathname"`
	QueryString string   `json:"queryString,omitempty"`
	Breadcrumb  []string `json:"breadcrumb"`
}

// Referrer is where a visitor came from.
type Referrer struct {
	URL         string `json:"url"`
	Domain      string `json:"domain"`
	Hostname    string `json:"hostname"`
	Keywords    string `json:"keywords,omitempty"`
	Pathname    string `json:"pathname"`
	QueryString string `json:"queryString,omitempty"`
	Name        string `json:"name,omitempty"`
	Medium      string `json:"medium"`
}

// Campaign is the advertisement that led here.
type Campaign struct {
	Content string `json:"content,omitempty"`
	Medium  string `json:"medium,omitempty"`
	Name    string `json:"name,omitempty"`
	Source  string `json:"source,omitempty"`
	Term    string `json:"term,omitempty"`
	ClickID string `json:"clickId,omitempty"`
	Network string `json:"network,omitempty"`
}

// Browser is the visitor's browser, as far as it is kept.
type Browser struct {
	Family         string `json:"family"`
	Version        string `json:"version"`
	Lang           string `json:"lang,omitempty"`
	IsMobile       bool   `json:"isMobile"`
	FeaturesFlash  bool   `json:"featuresFlash"`
	FeaturesJava   bool   `json:"featuresJava"`
	FeaturesPDF    bool   `json:"featuresPdf"`
	FeaturesWebRTC bool   `json:"featuresWebrtc"`
}

// Device is the class of the visitor's machine.
type Device struct {
	Category      string `json:"category"`
	Type          string `json:"type"`
	IsMobile      bool   `json:"isMobile"`
	ScreenHeight  int    `json:"screenHeight,omitempty"`
	ScreenWidth   int    `json:"screenWidth,omitempty"`
	ScreenDensity int    `json:"screenDensity,omitempty"`
	OSFamily      string `json:"osFamily"`
	OSVersion     string `json:"osVersion"`
	Manufacturer  string `json:"manufacturer,omitempty"`
}

// Session is one visit.
type Session struct {
	ID                  string               `json:"id"`
	CustomerID          string               `json:"customerId,omitempty"`
	CustomerIDType      string               `json:"customerIdType,omitempty"`
	Type                string               `json:"type"`
	ShortID             string               `json:"shortId"`
	OutcomeAchievements []OutcomeAchievement `json:"outcomeAchievements"`
	SegmentAssignments  []SegmentAssignment  `json:"segmentAssignments"`
	Attributes          map[string]Attribute `json:"attributes"`
	AttributeLists      map[string]Attribute `json:"attributeLists"`
	Browser             *Browser             `json:"browser,omitempty"`
	Device              *Device              `json:"device,omitempty"`
	IPAddress           string               `json:"ipAddress,omitempty"`
	LastPage            *Page                `json:"lastPage,omitempty"`
	MktCampaign         *Campaign            `json:"mktCampaign,omitempty"`
	Referrer            *Referrer            `json:"referrer,omitempty"`
	SearchTerms         []string             `json:"searchTerms"`
	UserAgentString     string               `json:"userAgentString,omitempty"`
	DurationInSeconds   int                  `json:"durationInSeconds"`
	EventCount          int                  `json:"eventCount"`
	PageviewCount       int                  `json:"pageviewCount"`
	ScreenviewCount     int                  `json:"screenviewCount"`
	LastEvent           LastEvent            `json:"lastEvent"`
	Authenticated       bool                 `json:"authenticated"`
	DivisionIDs         []string             `json:"divisionIds"`
	SelfURI             string               `json:"selfUri"`
	CreatedDate         Time                 `json:"createdDate"`
	EndedDate           *Time                `json:"endedDate,omitempty"`
}

// OutcomeAchievement says when the session achieved an outcome.
type OutcomeAchievement struct {
	Outcome      EntityRef `json:"outcome"`
	AchievedDate Time      `json:"achievedDate"`
}

// SegmentAssignment says when the session came to belong to a segment.
type SegmentAssignment struct {
	Segment      EntityRef `json:"segment"`
	AssignedDate Time      `json:"assignedDate"`
}

// LastEvent names the latest event of a session.
type LastEvent struct {
	ID          string `json:"id"`
	EventName   string `json:"eventName"`
	CreatedDate Time   `json:"createdDate"`
}

// The types of events on the wire.
const (
	TypeOutcomeAchieved   = "com.genesys.journey.OutcomeAchievedEvent"
	TypeSegmentAssignment = "com.genesys.journey.SegmentAssignmentEvent"
	TypeWebAction         = "com.genesys.journey.WebActionEvent"
	TypeWeb               = "com.genesys.journey.WebEvent"
	TypeApp               = "com.genesys.journey.AppEvent"
)

// Event is one thing that happened in a session.
type Event struct {
	ID                     string                  `json:"id"`
	CorrelationID          string                  `json:"correlationId"`
	CustomerID             string                  `json:"customerId,omitempty"`
	CustomerIDType         string                  `json:"customerIdType,omitempty"`
	Session                EventSession            `json:"session"`
	EventType              string                  `json:"eventType"`
	WebEvent               *WebEvent               `json:"webEvent,omitempty"`
	OutcomeAchievedEvent   *OutcomeAchievedEvent   `json:"outcomeAchievedEvent,omitempty"`
	SegmentAssignmentEvent *SegmentAssignmentEvent `json:"segmentAssignmentEvent,omitempty"`
	CreatedDate            Time                    `json:"createdDate"`
}

// EventSession names the session of an event.
type EventSession struct {
	ID      string `json:"id"`
	SelfURI string `json:"selfUri"`
	Type    string `json:"type"`
}

// WebEvent is what a browser or server sent.
type WebEvent struct {
	EventName          string               `json:"eventName"`
	TotalEventCount    int                  `json:"totalEventCount"`
	TotalPageviewCount int                  `json:"totalPageviewCount"`
	Page               Page                 `json:"page"`
	UserAgentString    string               `json:"userAgentString"`
	Browser            Browser              `json:"browser"`
	Device             Device               `json:"device"`
	IPAddress          string               `json:"ipAddress,omitempty"`
	MktCampaign        *Campaign            `json:"mktCampaign,omitempty"`
	Referrer           *Referrer            `json:"referrer,omitempty"`
	Attributes         map[string]Attribute `json:"attributes"`
	Traits             map[string]Attribute `json:"traits"`
	SearchQuery        string               `json:"searchQuery,omitempty"`
	Authenticated      bool                 `json:"authenticated"`
}

// OutcomeAchievedEvent says that the session achieved an outcome.
type OutcomeAchievedEvent struct {
	Outcome OutcomeAchieved `json:"outcome"`
}

// OutcomeAchieved names the outcome.
type OutcomeAchieved struct {
	ID          string `json:"id"`
	SelfURI     string `json:"selfUri"`
	DisplayName string `json:"displayName"`
	Version     int    `json:"version"`
}

// SegmentAssignmentEvent says that the session came to belong to a segment.
type SegmentAssignmentEvent struct {
	Segment EntityRef `json:"segment"`
}

// EventListing is a page of events. Clients find the next page by the cursor in NextURI.
type EventListing struct {
	Entities    []Event `json:"entities"`
	NextURI     string  `json:"nextUri,omitempty"`
	SelfURI     string  `json:"selfUri"`
	PreviousURI string  `json:"previousUri,omitempty"`
}

// OutcomeScores are the latest predictions of a session.
type OutcomeScores struct {
	OutcomeScores []OutcomeScore `json:"outcomeScores"`
	ModifiedDate  *Time          `json:"modifiedDate,omitempty"`
}

// OutcomeScore is the latest prediction of one outcome.
type OutcomeScore struct {
	Outcome               EntityRef `json:"outcome"`
	SessionMaxProbability float64   `json:"sessionMaxProbability"`
	Probability           float64   `json:"probability"`
	Percentile            int       `json:"percentile"`
	SessionMaxPercentile  int       `json:"sessionMaxPercentile"`
	Quantile              float64   `json:"quantile"`
	SessionMaxQuantile    float64   `json:"sessionMaxQuantile"`
}

// WebEventResponse is the answer to a web event.
type WebEventResponse struct {
	CustomerID      string               `json:"customerId"`
	CustomerIDType  string               `json:"customerIdType"`
	EventName       string               `json:"eventName"`
	Page            Page                 `json:"page"`
	UserAgentString string               `json:"userAgentString"`
	Browser         Browser              `json:"browser"`
	Device          Device               `json:"device"`
	SearchQuery     string               `json:"searchQuery,omitempty"`
	MktCampaign     *Campaign            `json:"mktCampaign,omitempty"`
	Session         WebEventSession      `json:"session"`
	Referrer        *Referrer            `json:"referrer,omitempty"`
	Attributes      map[string]Attribute `json:"attributes"`
	Traits          map[string]Attribute `json:"traits"`
	Authenticated   bool                 `json:"authenticated"`
	ExternalID      string               `json:"externalId,omitempty"`
	CreatedDate     Time                 `json:"createdDate"`
}

// WebEventSession is the session that a web event went to. Without an ID it is not known yet.
type WebEventSession struct {
	ID                string    `json:"id,omitempty"`
	DurationInSeconds int       `json:"durationInSeconds"`
	EventCount        int       `json:"eventCount"`
	PageviewCount     int       `json:"pageviewCount"`
	Referrer          *Referrer `json:"referrer,omitempty"`
	SelfURI           string    `json:"selfUri,omitempty"`
	CreatedDate       Time      `json:"createdDate"`
}

// Ping is the answer to a ping.
type Ping struct {
	Actions                  []WebAction `json:"actions"`
	PollIntervalMilliseconds int         `json:"pollIntervalMilliseconds"`
}

// WebAction is an offer for a browser.
type WebAction struct {
	ID                     string                `json:"id"`
	MediaType              string                `json:"mediaType"`
	CustomerID             string                `json:"customerId"`
	CustomerIDType         string                `json:"customerIdType"`
	ActionMapID            string                `json:"actionMapId"`
	ActionMapVersion       int                   `json:"actionMapVersion"`
	SessionID              string                `json:"sessionId"`
	ContentOfferProperties *journey.ContentOffer `json:"contentOfferProperties,omitempty"`
}

// ActionEventRequest is what a browser reports about an offer.
type ActionEventRequest struct {
	SessionID    string `json:"sessionId"`
	ActionID     string `json:"actionId"`
	ActionState  string `json:"actionState"`
	ErrorCode    string `json:"errorCode"`
	ErrorMessage string `json:"errorMessage"`
}

// NewWebAction turns an offer into its shape.
func NewWebAction(o *journey.Offer, cookie string) WebAction {
	return WebAction{
		ID: o.ID.String(), MediaType: o.Media, CustomerID: cookie, CustomerIDType: "cookie",
		ActionMapID: o.Map.String(), ActionMapVersion: o.MapVersion, SessionID: o.Session.String(),
		ContentOfferProperties: o.Content,
	}
}

// NewSession turns a session into its shape. cookie is the value of the visitor's cookie, empty if
// it may not be told.
func NewSession(s *journey.Session, cookie string) Session {
	browser, device := newBrowser(s.Browser, s.Device.Mobile), newDevice(s.Device)
	out := Session{
		ID: s.ID.String(), Type: s.Type, ShortID: s.ShortID(), CustomerID: cookie,
		OutcomeAchievements: []OutcomeAchievement{}, SegmentAssignments: []SegmentAssignment{},
		Attributes: newAttributes(s.Attributes), AttributeLists: map[string]Attribute{},
		Browser: &browser, Device: &device, IPAddress: s.IP,
		MktCampaign: newCampaign(s.Campaign), Referrer: newReferrer(s.Referrer), SearchTerms: s.Search,
		UserAgentString:   userAgent(s.Browser, s.Device),
		DurationInSeconds: int(s.Duration().Seconds()), EventCount: s.Events, PageviewCount: s.PageViews,
		LastEvent:     LastEvent{s.LastEvent.ID.String(), s.LastEvent.Name, Time(s.LastEvent.At)},
		Authenticated: s.Authenticated, DivisionIDs: []string{}, SelfURI: sessionURI(s.ID), CreatedDate: Time(s.Started),
	}
	if out.SearchTerms == nil {
		out.SearchTerms = []string{}
	}
	if cookie != "" {
		out.CustomerIDType = "cookie"
	}
	if s.Last.URL != "" {
		page := newPage(s.Last)
		out.LastPage = &page
	}
	if !s.Ended.IsZero() {
		ended := Time(s.Ended)
		out.EndedDate = &ended
	}
	for _, a := range s.Achieved {
		out.OutcomeAchievements = append(out.OutcomeAchievements, OutcomeAchievement{outcomeRef(a.Outcome), Time(a.At)})
	}
	for _, a := range s.Segments {
		out.SegmentAssignments = append(out.SegmentAssignments, SegmentAssignment{segmentRef(a.Segment), Time(a.At)})
	}
	return out
}

// NewEvent turns an event of a session into its shape.
func NewEvent(ev *event.Event, s *journey.Session, cookie string) Event {
	e := newEvent(ev.ID.String(), TypeWeb, s, cookie, Time(ev.At))
	e.WebEvent = &WebEvent{
		EventName: ev.Name, TotalEventCount: s.Events, TotalPageviewCount: s.PageViews, Page: newPage(ev.Page),
		UserAgentString: userAgent(ev.Browser, ev.Device), Browser: newBrowser(ev.Browser, ev.Device.Mobile), Device: newDevice(ev.Device),
		IPAddress: ev.IP, MktCampaign: newCampaign(ev.Campaign), Referrer: newReferrer(ev.Referrer),
		Attributes: newAttributes(ev.Attributes), Traits: newAttributes(ev.Traits), SearchQuery: ev.Search, Authenticated: s.Authenticated,
	}
	return e
}

// NewOutcomeEvent tells of an achievement in the shape of an event.
func NewOutcomeEvent(a journey.Achievement, o *journey.Outcome, s *journey.Session, cookie string) Event {
	e := newEvent(derived(s.ID, a.Outcome), TypeOutcomeAchieved, s, cookie, Time(a.At))
	ref := OutcomeAchieved{ID: a.Outcome.String(), SelfURI: outcomeRef(a.Outcome).SelfURI}
	if o != nil {
		ref.DisplayName, ref.Version = o.Name, o.Version
	}
	e.OutcomeAchievedEvent = &OutcomeAchievedEvent{ref}
	return e
}

// NewSegmentEvent tells of an assignment in the shape of an event.
func NewSegmentEvent(a journey.Assignment, s *journey.Session, cookie string) Event {
	e := newEvent(derived(s.ID, a.Segment), TypeSegmentAssignment, s, cookie, Time(a.At))
	e.SegmentAssignmentEvent = &SegmentAssignmentEvent{segmentRef(a.Segment)}
	return e
}

func newEvent(eventID, eventType string, s *journey.Session, cookie string, at Time) Event {
	e := Event{
		ID: eventID, CorrelationID: eventID, CustomerID: cookie, EventType: eventType, CreatedDate: at,
		Session: EventSession{s.ID.String(), sessionURI(s.ID), s.Type},
	}
	if cookie != "" {
		e.CustomerIDType = "cookie"
	}
	return e
}

// derived names an event that is not stored as one: the same one always gets the same id.
func derived(session, about uuid.UUID) string {
	return uuid.NewSHA1(session, about[:]).String()
}

// NewOutcomeScores turns a session's predictions into their shape. What is no probability, because
// there is too little data, is left out.
func NewOutcomeScores(s *journey.Session) OutcomeScores {
	out := OutcomeScores{OutcomeScores: []OutcomeScore{}}
	for _, sc := range s.Scores {
		if !sc.Shown {
			continue
		}
		out.OutcomeScores = append(out.OutcomeScores, OutcomeScore{
			Outcome: outcomeRef(sc.Outcome), SessionMaxProbability: sc.Max, Probability: sc.Probability,
			Percentile: int(sc.Quantile * 100), SessionMaxPercentile: int(sc.MaxQuantile * 100),
			Quantile: sc.Quantile, SessionMaxQuantile: sc.MaxQuantile,
		})
		if at := Time(sc.At); out.ModifiedDate == nil || sc.At.After(asTime(*out.ModifiedDate)) {
			out.ModifiedDate = &at
		}
	}
	return out
}

// NewWebEventResponse answers a web event. s is the session it went to, nil while it is not known.
func NewWebEventResponse(ev *event.Event, cookie string, s *journey.Session) WebEventResponse {
	r := WebEventResponse{
		CustomerID: cookie, CustomerIDType: "cookie", EventName: ev.Name, Page: newPage(ev.Page),
		UserAgentString: userAgent(ev.Browser, ev.Device), Browser: newBrowser(ev.Browser, ev.Device.Mobile), Device: newDevice(ev.Device),
		SearchQuery: ev.Search, MktCampaign: newCampaign(ev.Campaign), Referrer: newReferrer(ev.Referrer),
		Attributes: newAttributes(ev.Attributes), Traits: newAttributes(ev.Traits), ExternalID: ev.ExternalID,
		Session: WebEventSession{CreatedDate: Time(ev.At)}, CreatedDate: Time(ev.At),
	}
	if s != nil {
		r.Authenticated = s.Authenticated
		r.Session = WebEventSession{
			ID: s.ID.String(), DurationInSeconds: int(s.Duration().Seconds()), EventCount: s.Events, PageviewCount: s.PageViews,
			Referrer: newReferrer(s.Referrer), SelfURI: sessionURI(s.ID), CreatedDate: Time(s.Started),
		}
	}
	return r
}

func sessionURI(s uuid.UUID) string { return "/api/v2/journey/sessions/" + s.String() }

func outcomeRef(o uuid.UUID) EntityRef {
	return EntityRef{ID: o.String(), SelfURI: "/api/v2/journey/outcomes/" + o.String()}
}

func segmentRef(s uuid.UUID) EntityRef {
	return EntityRef{ID: s.String(), SelfURI: "/api/v2/journey/segments/" + s.String()}
}

func newPage(p event.Page) Page {
	return Page{
		URL: p.URL, Title: p.Title, Domain: p.Domain, Fragment: p.Fragment, Hostname: p.Host, Keywords: p.Keywords,
		Lang: p.Lang, Pathname: p.Path, QueryString: p.Query, Breadcrumb: p.Breadcrumb(),
	}
}

func newReferrer(r *event.Referrer) *Referrer {
	if r == nil {
		return nil
	}
	return &Referrer{
		URL: r.URL, Domain: r.Domain, Hostname: r.Host, Keywords: r.Keywords, Pathname: r.Path, QueryString: r.Query,
		Name: r.Name, Medium: r.Medium,
	}
}

func newCampaign(c *event.Campaign) *Campaign {
	if c == nil {
		return nil
	}
	return &Campaign{Content: c.Content, Medium: c.Medium, Name: c.Name, Source: c.Source, Term: c.Term, ClickID: c.ClickID, Network: c.Network}
}

func newBrowser(b event.Browser, mobile bool) Browser {
	return Browser{Family: b.Family, Version: b.Version, Lang: b.Lang, IsMobile: mobile}
}

func newDevice(d event.Device) Device {
	return Device{
		Category: d.Category, Type: d.Type, IsMobile: d.Mobile, ScreenHeight: d.ScreenHeight, ScreenWidth: d.ScreenWidth,
		ScreenDensity: d.Density, OSFamily: d.OSFamily, OSVersion: d.OSVersion, Manufacturer: d.Manufacturer,
	}
}

func newAttributes(in map[string]event.Attr) map[string]Attribute {
	out := make(map[string]Attribute, len(in))
	for name, a := range in {
		out[name] = Attribute{DataType: a.Type, Value: a.Value}
	}
	return out
}

// userAgent says in words what is kept of the user agent: the string itself is never stored.
func userAgent(b event.Browser, d event.Device) string {
	parts := []string{}
	for _, p := range []string{b.Family, b.Version, d.OSFamily, d.OSVersion} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " ")
}
