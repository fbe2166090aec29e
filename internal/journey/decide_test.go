package journey

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/event"
	"probity/internal/fail"
)

func TestOfferByProbability(t *testing.T) {
	plan := shopPlan()

	t.Run("is made once, when the probability is reached", func(t *testing.T) {
		v := NewVisitor(device)
		fx := apply(t, v, plan, everything(), view(0), view(1), view(2), view(3))
		if len(fx.Offers) != 0 {
			t.Fatalf("made at %v", v.Session.Scores[0].Probability)
		}
		fx = apply(t, v, plan, everything(), view(4))
		if len(fx.Offers) != 1 || fx.Offers[0].State != Qualified || fx.Offers[0].Map != offerA || fx.Offers[0].MapVersion != 3 {
			t.Fatalf("offers %+v", fx.Offers)
		}
		o := fx.Offers[0]
		if o.Content == nil || o.Outcome != bought || o.Reached != 0.5 || o.Purpose != PurposeMarketing || o.Session != v.Session.ID {
			t.Errorf("offer %+v", o)
		}
		if fx = apply(t, v, plan, everything(), view(5), view(6)); len(fx.Offers) != 0 {
			t.Error("made twice in a session")
		}
	})

	t.Run("counts the highest probability of the session, and with Below the present one too", func(t *testing.T) {
		p := shopPlan()
		low := 0.3
		p.ActionMaps[0].Probabilities[0].Below = &low
		course := []float64{0.6, 0.5, 0.31, 0.3}
		env := everything()
		env.Score = func(uuid.UUID, Features) (Score, bool) {
			s := Score{Probability: course[0], Shown: true}
			course = course[1:]
			return s, true
		}
		p.Outcomes = p.Outcomes[:1]
		v := NewVisitor(device)
		if fx := apply(t, v, p, env, view(0), view(1), view(2)); len(fx.Offers) != 0 {
			t.Fatal("made while the probability was still above the lower mark")
		}
		if fx := apply(t, v, p, env, view(3)); len(fx.Offers) != 1 {
			t.Fatal("not made when it had cooled")
		}
	})

	t.Run("is never made by what may not be shown as a probability", func(t *testing.T) {
		env := everything()
		env.Score = func(uuid.UUID, Features) (Score, bool) { return Score{Probability: 0.9, BaseRate: 0.9}, true }
		v := NewVisitor(device)
		fx := apply(t, v, plan, env, view(0), view(1))
		if len(fx.Offers) != 0 || len(fx.Scores) == 0 || v.Session.Scores[0].Max != 0 {
			t.Errorf("offers %+v, scores %+v", fx.Offers, v.Session.Scores)
		}
	})

	t.Run("is not made for an outcome that is achieved", func(t *testing.T) {
		env := everything()
		env.Score = func(uuid.UUID, Features) (Score, bool) { return Score{Probability: 0.4, Shown: true}, true }
		v := NewVisitor(device)
		apply(t, v, plan, env, view(0), at(1, "order_completed"))
		env.Score = func(uuid.UUID, Features) (Score, bool) { return Score{Probability: 0.9, Shown: true}, true }
		if fx := apply(t, v, plan, env, view(2)); len(fx.Offers) != 0 {
			t.Errorf("offers %+v", fx.Offers)
		}
	})
}

func TestNothingIsScoredWithoutThePurpose(t *testing.T) {
	plan := shopPlan()
	v := NewVisitor(device)
	fx := apply(t, v, plan, world(PurposeMarketing), view(0), view(1))
	if len(fx.Scores) != 0 || v.features != nil || v.Session.Observed != -1 {
		t.Fatal("scored without a lawful basis")
	}
	fx = apply(t, v, plan, everything(), view(2), view(3))
	if len(fx.Scores) != 2 || v.Session.Observed != 2 || fx.Scores[1].Probability != 0.2 {
		t.Fatalf("after the grant: observed from %d, scores %+v", v.Session.Observed, fx.Scores)
	}
	apply(t, v, plan, world(PurposeMarketing), view(4))
	if len(v.Session.Scores) != 0 || v.features != nil || v.Session.Observed != -1 {
		t.Error("scores or counters outlived the withdrawal")
	}
}

func TestBlockedOffersSayWhy(t *testing.T) {
	hot := func() *Visitor {
		v := NewVisitor(device)
		apply(t, v, shopPlan(), everything(), view(0), view(1), view(2), view(3))
		return v
	}
	later, earlier := noon.Add(time.Hour), noon
	for _, c := range []struct {
		name   string
		change func(p *Plan, v *Visitor, e *Env)
		want   Block
	}{
		{"without a lawful basis for the purpose", func(_ *Plan, _ *Visitor, e *Env) { *e = world(PurposePredict) }, BlockPurpose},
		{"on another page", func(p *Plan, _ *Visitor, _ *Env) {
			p.ActionMaps[0].Pages = []PageCondition{{Operator: ContainsAny, Values: []string{"/help"}}}
		}, BlockPage},
		{"while another offer is open", func(_ *Plan, v *Visitor, _ *Env) {
			v.Pending = Pending{Action: uuid.UUID{1}, Map: offerB, Made: noon}
		}, BlockExisting},
		{"before the map's start", func(p *Plan, _ *Visitor, _ *Env) { p.ActionMaps[0].Start = &later }, BlockSchedule},
		{"after the map's end", func(p *Plan, _ *Visitor, _ *Env) { p.ActionMaps[0].End = &earlier }, BlockSchedule},
		{"without its template", func(p *Plan, _ *Visitor, _ *Env) { p.ActionMaps[0].Action.Template = uuid.UUID{9} }, BlockTemplate},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, plan, env := hot(), shopPlan(), everything()
			c.change(plan, v, &env)
			fx := apply(t, v, plan, env, view(4))
			if len(fx.Offers) != 1 || fx.Offers[0].State != Blocked || fx.Offers[0].Block != c.want || !fx.Offers[0].Made.IsZero() {
				t.Fatalf("offers %+v, want one blocked by %s", fx.Offers, c.want)
			}
			if fx = apply(t, v, plan, env, view(5)); len(fx.Offers) != 0 {
				t.Errorf("the same reason was reported again: %+v", fx.Offers)
			}
			first := v.Session.Actions[0].Action
			if fx = apply(t, v, shopPlan(), Env{
				Allow: everything().Allow, Features: everything().Features, Score: everything().Score,
				Finished: func(uuid.UUID) bool { return true },
			}, view(6)); len(fx.Offers) != 1 || fx.Offers[0].State != Qualified || fx.Offers[0].ID != first {
				t.Errorf("when nothing stood in the way any more: %+v", fx.Offers)
			}
		})
	}
}

func TestOneOfferAtATime(t *testing.T) {
	plan := shopPlan()
	plan.ActionMaps[1].Pages = nil
	v := NewVisitor(device)
	fromSearch := func(ev *event.Event) { ev.Referrer = &event.Referrer{URL: "https://find.example", Medium: "search"} }
	fx := apply(t, v, plan, everything(), at(0, event.PageViewed, fromSearch), view(1), view(2), view(3), view(4))
	if len(fx.Offers) != 2 || fx.Offers[0].Map != offerB || fx.Offers[0].State != Qualified || fx.Offers[1].Block != BlockExisting {
		t.Fatalf("offers %+v", fx.Offers)
	}
	env := everything()
	env.Finished = func(a uuid.UUID) bool { return a == fx.Offers[0].ID }
	fx = apply(t, v, plan, env, view(5))
	if len(fx.Offers) != 1 || fx.Offers[0].Map != offerA || fx.Offers[0].State != Qualified {
		t.Fatalf("after the first had ended: %+v", fx.Offers)
	}
}

func TestTriggersByEvents(t *testing.T) {
	plan := shopPlan()
	m := &plan.ActionMaps[0]
	m.Probabilities = nil
	m.Events = []EventCondition{
		{Criterion: Criterion{Key: "attributes.step.value", Operator: Equal, Values: []string{"2"}}, Stream: "Web", SessionType: "web", EventName: "form_step"},
		{EventName: "form_abandoned"},
	}
	v := NewVisitor(device)
	fx := apply(t, v, plan, everything(), at(0, "form_abandoned"), at(1, "form_step", attribute("step", "1")), at(2, "form_step", attribute("step", "2")))
	if len(fx.Offers) != 0 {
		t.Fatalf("too early: %+v", fx.Offers)
	}
	if fx = apply(t, restore(t, v), plan, everything(), at(3, "form_abandoned")); len(fx.Offers) != 1 {
		t.Fatal("not made after both conditions")
	}
}

func TestDelayedOffer(t *testing.T) {
	plan := shopPlan()
	plan.ActionMaps[0].Activation = Activation{Type: ActivateDelay, Delay: 90}
	v := NewVisitor(device)
	fx := apply(t, v, plan, everything(), view(0), view(1), view(2), view(3), view(4))
	if len(fx.Offers) != 1 || fx.Offers[0].State != Waiting {
		t.Fatalf("offers %+v", fx.Offers)
	}
	due := noon.Add(4*time.Minute + 90*time.Second)
	if wake := v.Wake(plan); !wake.Equal(due) {
		t.Fatalf("wants to be woken at %v", wake)
	}
	if fx = v.Tick(plan, due.Add(-1), everything()); len(fx.Offers) != 0 {
		t.Fatal("made too early")
	}
	v = restore(t, v)
	if fx = v.Tick(plan, due, everything()); len(fx.Offers) != 1 || fx.Offers[0].State != Qualified {
		t.Fatalf("not made in time: %+v", fx.Offers)
	}

	v = NewVisitor(device)
	plan.ActionMaps[0].Activation.Delay = 3600
	apply(t, v, plan, everything(), view(0), view(1), view(2), view(3), view(4))
	fx = v.Tick(plan, noon.Add(24*time.Minute), everything())
	if len(fx.Offers) != 1 || fx.Offers[0].Block != BlockEnded || len(fx.Ended) != 1 {
		t.Errorf("when the session ended first: %+v", fx.Offers)
	}
}

func TestWithdrawalTakesOffersBack(t *testing.T) {
	plan := shopPlan()
	v := NewVisitor(device)
	made := apply(t, v, plan, everything(), view(0), view(1), view(2), view(3), view(4)).Offers[0]
	if fx := v.Withdraw(plan, []string{"support"}); len(fx.Offers) != 0 || len(v.Session.Scores) == 0 {
		t.Fatal("another purpose took something back")
	}
	fx := v.Withdraw(plan, []string{PurposeMarketing, PurposePredict})
	if len(fx.Offers) != 1 || fx.Offers[0].ID != made.ID || fx.Offers[0].Block != BlockWithdrawn {
		t.Fatalf("offers %+v", fx.Offers)
	}
	if len(v.Session.Scores) != 0 || v.features != nil || v.Pending.Action != uuid.Nil {
		t.Error("scores or the pending offer outlived the withdrawal")
	}
	if fx = v.Withdraw(plan, []string{PurposeMarketing}); len(fx.Offers) != 0 {
		t.Error("taken back twice")
	}
}

// Whatever was concluded goes with any purpose that one of the events was received for, and with no other.
func TestT4_AWithdrawalTakesBackWhatItsEventsHadLedTo(t *testing.T) {
	search := func(ev *event.Event) { ev.Page.Path = "/help" }
	for name, c := range map[string]struct {
		purposes         []string
		concluded, score bool // are there still segments and progress, and scores?
	}{
		"support":     {[]string{"support"}, true, true},
		"predictions": {[]string{PurposePredict}, true, false},
		"page views":  {[]string{purposeMeasure}, false, false},
		"actions":     {[]string{purposeActions}, false, false},
	} {
		plan := shopPlan()
		v := NewVisitor(device)
		apply(t, v, plan, world(PurposePredict), view(0), at(1, "article_read", search))
		v.Session.Segments = append(v.Session.Segments, Assignment{Segment: loyal})
		if len(v.Session.steps) == 0 || len(v.Session.Scores) == 0 || v.features == nil {
			t.Fatalf("the events led to nothing: %+v", v.Session)
		}
		v.Withdraw(plan, c.purposes)
		if kept := len(v.Session.Segments) > 0; kept != c.concluded {
			t.Errorf("%s: segments kept: %v", name, kept)
		}
		if kept := len(v.Session.steps) > 0; kept != c.concluded {
			t.Errorf("%s: progress kept: %v", name, kept)
		}
		if kept := len(v.Session.Scores) > 0 || v.features != nil; kept != c.score {
			t.Errorf("%s: scores kept: %v", name, kept)
		}
	}
}

func TestTransition(t *testing.T) {
	for _, c := range []struct {
		name     string
		media    string
		from, to State
		want     fail.Kind
		ok       bool
	}{
		{"shown", MediaContent, Qualified, Offered, 0, true},
		{"accepted after it was shown", MediaContent, Offered, Accepted, 0, true},
		{"rejected", MediaContent, Offered, Rejected, 0, true},
		{"ignored", MediaContent, Offered, Ignored, 0, true},
		{"timed out", MediaMessaging, Offered, TimedOut, 0, true},
		{"could not be shown", MediaContent, Qualified, Errored, 0, true},
		{"reported twice", MediaContent, Rejected, Rejected, 0, true},
		{"a chat starts", MediaMessaging, Accepted, Started, 0, true},
		{"accepted without being shown", MediaContent, Qualified, Accepted, fail.Conflict, false},
		{"accepted after it was rejected", MediaContent, Rejected, Accepted, fail.Conflict, false},
		{"a content offer ends when it is accepted", MediaContent, Accepted, Completed, fail.Conflict, false},
		{"shown again", MediaContent, Accepted, Offered, fail.Conflict, false},
		{"a state that does not exist", MediaContent, Offered, "eaten", fail.Invalid, false},
		{"blocked is not for clients", MediaContent, Offered, Blocked, fail.Invalid, false},
		{"waiting is not for clients", MediaContent, Offered, Waiting, fail.Invalid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Transition(c.media, c.from, c.to)
			if (err == nil) != c.ok || err != nil && fail.KindOf(err) != c.want {
				t.Errorf("from %s to %s: %v", c.from, c.to, err)
			}
		})
	}
}
