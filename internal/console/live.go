package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/journey"
)

// liveLimit is how many visitors the live page lists.
const liveLimit = 50

// row is a visitor who is on the site now.
type row struct {
	Subject   id.Subject
	ShortID   string
	Name      string // empty: not known
	Page      string
	Since     time.Time
	Heard     time.Time
	Events    int
	Device    string
	From      string
	Score     *scoreView // nil: this visitor is not predicted
	Segments  []string
	Offer     string
	Returning bool
}

// scoreView is the prediction of one outcome. Where it is not Shown, the base rate stands instead.
type scoreView struct {
	Outcome   string
	ID        uuid.UUID
	P         float64
	Max       float64
	Shown     bool
	BaseRate  float64
	Low, High float64
	Achieved  bool
}

func (k *call) rows() ([]row, error) {
	ctx := k.r.Context()
	visitors, err := k.Journey.Visitors(ctx, k.tenant(), liveLimit)
	if err != nil {
		return nil, err
	}
	plan, err := k.Journey.Plan(ctx, k.tenant())
	if err != nil {
		return nil, err
	}
	names := namesOf(plan)
	list := make([]row, 0, len(visitors))
	for _, v := range visitors {
		s := v.Session
		r := row{
			Subject: v.Subject, ShortID: s.ShortID(), Name: v.Name(), Page: pageOf(s), Since: s.Started, Heard: s.Heard(),
			Events: s.Events, Device: deviceOf(s), From: fromOf(s), Returning: v.Sessions > 1,
		}
		for _, g := range s.Segments {
			r.Segments = append(r.Segments, names.of(g.Segment))
		}
		if scores := scoresOf(s, names); len(scores) > 0 {
			r.Score = &scores[0]
		}
		if len(s.Actions) > 0 {
			// How an offer was answered stands with the offer, not in the session.
			offers, err := k.Journey.ActionsOf(ctx, k.tenant(), v.Subject)
			if err != nil {
				return nil, err
			}
			if len(offers) > 0 && offers[0].Session == s.ID {
				r.Offer = offerWords(offers[0].State, offers[0].Block)
			}
		}
		list = append(list, r)
	}
	return list, nil
}

func (k *call) live() error {
	rows, err := k.rows()
	if err != nil {
		return err
	}
	return k.show(http.StatusOK, "live", "Live", rows)
}

// liveRows is the part of the live page that changes.
func (k *call) liveRows() error {
	rows, err := k.rows()
	if err != nil {
		return err
	}
	return k.show(http.StatusOK, "live-rows", "Live", rows)
}

// liveStream tells the page that something happened, at most twice a second. What happened the page
// asks for itself, so nothing personal travels twice. A beat keeps proxies from closing the line.
func (k *call) liveStream() error {
	happened := make(chan struct{}, 1)
	cancel, err := k.Bus.Subscribe("live."+k.tenant().String(), func(string, []byte) {
		select {
		case happened <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer cancel()
	k.w.Header().Set("Content-Type", "text/event-stream")
	k.w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(k.w)
	send := func(text string) error {
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprint(k.w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	if send(": hello\n\n") != nil {
		return nil
	}
	beat := time.NewTicker(15 * time.Second)
	defer beat.Stop()
	pace := time.NewTicker(500 * time.Millisecond)
	defer pace.Stop()
	for {
		var err error
		select {
		case <-k.r.Context().Done():
			return nil
		case <-beat.C:
			err = send(": beat\n\n")
		case <-pace.C:
			select {
			case <-happened:
				err = send("event: changed\ndata: 1\n\n")
			default:
			}
		}
		if err != nil {
			return nil // the browser is gone
		}
	}
}

// names finds the display names of configured things.
type names map[uuid.UUID]string

func namesOf(p *journey.Plan) names {
	n := names{}
	for _, o := range p.Outcomes {
		n[o.ID] = o.Name
	}
	for _, s := range p.Segments {
		n[s.ID] = s.Name
	}
	for _, m := range p.ActionMaps {
		n[m.ID] = m.Name
	}
	return n
}

func (n names) of(u uuid.UUID) string {
	if s, ok := n[u]; ok {
		return s
	}
	return u.String()[:8]
}

func scoresOf(s *journey.Session, n names) []scoreView {
	var list []scoreView
	for _, sc := range s.Scores {
		list = append(list, scoreView{
			Outcome: n.of(sc.Outcome), ID: sc.Outcome, P: sc.Probability, Max: sc.Max, Shown: sc.Shown,
			BaseRate: sc.BaseRate, Low: sc.Low, High: sc.High, Achieved: s.HasAchieved(sc.Outcome),
		})
	}
	return list
}

func pageOf(s *journey.Session) string {
	if s.Last.Title != "" {
		return s.Last.Title
	}
	if s.Last.Path != "" {
		return s.Last.Path
	}
	return s.LastEvent.Name
}

func deviceOf(s *journey.Session) string {
	if s.Device.Category == "" {
		return "unknown"
	}
	if s.Browser.Family == "" {
		return s.Device.Category
	}
	return s.Device.Category + ", " + s.Browser.Family
}

func fromOf(s *journey.Session) string {
	switch {
	case s.Campaign != nil && s.Campaign.Name != "":
		return "campaign " + s.Campaign.Name
	case s.Referrer != nil && s.Referrer.Medium != "" && s.Referrer.Medium != "internal":
		return s.Referrer.Medium
	}
	return "direct"
}

// offerWords says what became of an offer and, if it was not made, why.
func offerWords(s journey.State, b journey.Block) string {
	switch b {
	case journey.BlockNone:
	case journey.BlockSchedule:
		return "not made: outside of its schedule"
	case journey.BlockPurpose:
		return "not made: the visitor did not agree to this kind of offer"
	case journey.BlockPage:
		return "not made: not on a page it is meant for"
	case journey.BlockExisting:
		return "not made: another offer was open"
	case journey.BlockTemplate:
		return "not made: its template is missing or inactive"
	case journey.BlockWithdrawn:
		return "taken back: consent was withdrawn"
	case journey.BlockEnded:
		return "not made: the visit ended first"
	default:
		return "not made: " + string(b)
	}
	return string(s)
}
