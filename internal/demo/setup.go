package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// threshold is the probability of purchase from which on the shop makes its offer.
const threshold = 0.35

// The history of the shop: enough people for a model that is one. Each came several times, as a visit
// of the past is known to be over when the next one begins.
const (
	pastPeople = 160
	pastVisits = 4 // of each
)

// assessment is why the history may be processed; it stands in the ledger.
const assessment = "These visits were simulated for the demonstration shop. No person made them, so nobody's interests are touched."

// Setup configures the demo through the public API, as a customer would: an outcome that is
// predicted, a content offer, an action map that makes it, and a history of past visits to learn
// from. It is idempotent: what is there by name is left as it is, and history is imported once.
func Setup(ctx context.Context, o Options) error {
	c := o.client()
	token, err := c.token(ctx, o.Client)
	if err != nil {
		return err
	}
	outcome, made, err := ensure(ctx, c, token, "outcomes", "displayName", "purchase", map[string]any{
		"displayName": "purchase", "isActive": true, "isPositive": true,
		"journey": map[string]any{"patterns": []any{map[string]any{
			"criteria":  []any{map[string]any{"key": "eventName", "values": []string{"order_completed"}, "operator": "equal", "shouldIgnoreCase": false}},
			"count":     1,
			"eventName": "order_completed", "streamType": "Web", "sessionType": "web",
		}}},
		"associatedValueField": map[string]any{"dataType": "Number", "name": "value"},
	})
	if err != nil {
		return err
	}
	if made {
		if err := c.call(ctx, http.MethodPost, "/api/v2/journey/outcomes/predictors", token, "", map[string]any{"outcome": map[string]any{"id": outcome}}, nil); err != nil {
			return err
		}
		if err := importHistory(ctx, c, token, o.Seed); err != nil {
			return err
		}
	}
	template, _, err := ensure(ctx, c, token, "actiontemplates", "name", "Free delivery", map[string]any{
		"name": "Free delivery", "mediaType": "contentOffer", "state": "Active",
		"contentOffer": map[string]any{
			"displayMode": "Modal", "layoutMode": "TextOnly", "title": "A little something",
			"headline": "Delivery is on us today", "body": "Your basket travels free of charge. There is no hurry: the offer stays with this visit.",
			"callToAction": map[string]any{"text": "To the basket", "url": c.base + "/demo/basket", "target": "Self"},
		},
	})
	if err != nil {
		return err
	}
	_, _, err = ensure(ctx, c, token, "actionmaps", "displayName", "Free delivery for those who are nearly there", map[string]any{
		"displayName": "Free delivery for those who are nearly there", "isActive": true, "weight": 2, "ignoreFrequencyCap": false,
		"startDate":           time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z"),
		"triggerWithSegments": []string{}, "pageUrlConditions": []any{},
		"triggerWithOutcomeProbabilityConditions": []any{map[string]any{"outcomeId": outcome, "maximumProbability": threshold}},
		"activation": map[string]any{"type": "immediate"},
		"action": map[string]any{
			"mediaType": "contentOffer", "isPacingEnabled": false, "actionTemplate": map[string]any{"id": template},
		},
	})
	return err
}

// ensure returns the id of the configuration object with that name, and makes it if there is none.
func ensure(ctx context.Context, c *client, token, kind, nameField, name string, body map[string]any) (id string, made bool, err error) {
	var list struct {
		Entities []map[string]any `json:"entities"`
	}
	if err := c.call(ctx, http.MethodGet, "/api/v2/journey/"+kind+"?pageSize=100", token, "", nil, &list); err != nil {
		return "", false, err
	}
	for _, e := range list.Entities {
		if e[nameField] == name {
			return fmt.Sprint(e["id"]), false, nil
		}
	}
	var got struct {
		ID string `json:"id"`
	}
	err = c.call(ctx, http.MethodPost, "/api/v2/journey/"+kind, token, "", body, &got)
	return got.ID, err == nil, err
}

// importHistory brings past visits of the same kinds of people in, spread over two weeks.
func importHistory(ctx context.Context, c *client, token string, seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 0x70617374))
	now := time.Now().UTC()
	var events []any
	send := func() error {
		if len(events) == 0 {
			return nil
		}
		var result struct {
			Accepted int   `json:"accepted"`
			Refused  []any `json:"refused"`
		}
		err := c.call(ctx, http.MethodPost, "/probity/v1/import", token, "", map[string]any{
			"deployment": c.deployment, "basis": "legitimate_interest", "assessment": assessment,
			"source":   uuid.NewSHA1(c.deployment, []byte("demo history")),
			"outcomes": []string{"order_completed"}, "events": events,
		}, &result)
		if err == nil && len(result.Refused) > 0 {
			err = fmt.Errorf("%d past events were refused, the first with %v", len(result.Refused), result.Refused[0])
		}
		events = events[:0]
		return err
	}
	seq := 0
	for i := range pastPeople {
		at := now.Add(-14 * 24 * time.Hour)
		for range pastVisits {
			at = at.Add(time.Hour + time.Duration(rnd.Int64N(int64(3*24*time.Hour))))
			for _, s := range newScript(rnd).steps {
				seq++
				e := map[string]any{
					"visitor": fmt.Sprintf("past-%d", i), "time": at.Format(time.RFC3339Nano), "seq": seq,
					"name": s.name, "page": c.base + "/demo/" + s.path, "title": s.title,
				}
				if s.attributes != nil {
					e["attributes"] = s.attributes
				}
				events = append(events, e)
				at = at.Add(s.pause)
			}
		}
		if len(events) > 500 {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}
