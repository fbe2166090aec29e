package rights

import (
	"context"
	"encoding/json"

	"probity/internal/fail"
	"probity/internal/id"
)

// MaxBulk is how many requests one call may hand in.
const MaxBulk = 1000

// Item is one request of a bulk.
type Item struct {
	Request Request
	Opening Opening
}

// Done is what became of an item: a request, or the reason why there is none.
type Done struct {
	Request *Request
	Err     error
}

// Bulk opens many requests, each in a transaction of its own: what was stored survives a crash in the
// middle, and a wrong item keeps no other from being stored. With a key the call can be repeated: what
// it made before is returned, the rest is made.
//
// Errors: fail.Invalid for an empty or too long list, fail.Conflict for a key that was used for
// something else; all others stand with their item.
func (r *Room) Bulk(ctx context.Context, t id.Tenant, by Actor, key string, items []Item) ([]Done, error) {
	if len(items) == 0 || len(items) > MaxBulk {
		return nil, fail.Field("requests", "Hand in between 1 and %d requests at once.", MaxBulk)
	}
	done := make([]Done, len(items))
	for i, item := range items {
		item.Request.CreatedBy = by
		made, err := r.OpenOnce(ctx, t, by, key, i, item)
		if fail.Is(err, fail.Conflict) || ctx.Err() != nil {
			return nil, err
		}
		done[i] = Done{made, err}
	}
	return done, nil
}

// OpenOnce is Open, which makes only one request for each key and number of a caller. An empty key makes
// one each time.
func (r *Room) OpenOnce(ctx context.Context, t id.Tenant, by Actor, key string, number int, item Item) (*Request, error) {
	body, err := json.Marshal(map[string]any{
		"type": item.Request.Type, "who": item.Request.Who, "replacements": item.Request.Replacements, "channel": item.Request.Channel,
		"received": item.Request.ReceivedAt, "facts": item.Request.Facts, "statement": item.Request.Statement, "language": item.Request.Language, "deliver_to": item.Request.DeliverTo,
		"method": item.Opening.Method, "reason": item.Opening.Reason, "ask": item.Opening.Ask, "about": item.Opening.About, "told": item.Opening.Told,
	})
	if err != nil {
		return nil, err
	}
	if item.Opening.once, err = r.onceFor(ctx, t, by, key, number, body); err != nil {
		return nil, err
	}
	item.Request.CreatedBy = by
	return r.Open(ctx, t, item.Request, item.Opening)
}
