package consent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// ReviewDue tells whether the declaration is in force although its assessment should have been looked at
// again.
func (d *Declared) ReviewDue(now time.Time) bool {
	return d.Ended.IsZero() && !d.Review.IsZero() && !now.Before(d.Review)
}

// Overdue returns the declarations in force whose review is due, the longest due first.
func (r *Room) Overdue(ctx context.Context, t id.Tenant) ([]Declared, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.clk.Now()
	var due []Declared
	for _, d := range s.declarations {
		if d.ReviewDue(now) {
			due = append(due, d)
		}
	}
	slices.SortStableFunc(due, func(a, b Declared) int { return a.Review.Compare(b.Review) })
	return due, nil
}

// Basing is one purpose that rests on a declaration in force.
type Basing struct {
	Declared
	Purpose string
	Told    bool // the newest notice names this basis for the purpose
}

// Basings returns what rests on declarations now, in the order of the purposes. The notice must tell of
// each (Art. 13(1)(c) and (d)); one that is not Told has to be published in a new version.
func (r *Room) Basings(ctx context.Context, t id.Tenant) ([]Basing, error) {
	s, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	now := r.clk.Now()
	var list []Basing
	for _, p := range s.purposes {
		for _, d := range s.declarations {
			if d.holds(p.ID, now) {
				list = append(list, Basing{Declared: d, Purpose: p.ID, Told: p.Basis == d.Basis})
			}
		}
	}
	return list, nil
}

// Warnings names what about declared bases wants somebody to act: reviews that are due, and bases that
// the newest notice does not tell of. Nothing in it is personal.
func (r *Room) Warnings(ctx context.Context, t id.Tenant) ([]string, error) {
	due, err := r.Overdue(ctx, t)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range due {
		out = append(out, fmt.Sprintf("The assessment of the %s for %s was to be reviewed by %s.", basisWords(d.Basis), strings.Join(d.Purposes, ", "), d.Review.Format(time.DateOnly)))
	}
	list, err := r.Basings(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if !b.Told {
			out = append(out, fmt.Sprintf("The notice in use does not say that %s rests on the %s. Give the purpose that basis in a new version (Art. 13(1)(c)).", b.Purpose, basisWords(b.Basis)))
		}
	}
	return out, nil
}

func basisWords(b notice.Basis) string {
	return "basis " + strings.ReplaceAll(string(b), "_", " ") + " (Art. " + b.Article() + ")"
}

// Objections returns how many references hold an objection to each of the purposes: the newest word of
// each of them about it, of whichever kind, is one.
func (r *Room) Objections(ctx context.Context, t id.Tenant, purposes ...string) (map[string]int64, error) {
	out := map[string]int64{}
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		clear(out)
		for _, p := range purposes {
			var n int64
			// Identifiers of purposes hold letters, digits and dashes, so none matches another's.
			if err := tx.QueryRow(ctx, `
				SELECT count(*) FROM consent_record a
				WHERE tenant_id = $1 AND kind IN ($2, $3) AND (',' || effects || ',') LIKE $4 AND NOT EXISTS (
					SELECT 1 FROM consent_record b
					WHERE b.tenant_id = a.tenant_id AND b.subject = a.subject AND b.ledger > a.ledger AND (',' || b.effects) LIKE $5)`,
				t, ledger.ConsentObjected, ledger.ConsentImported, "%,"+p+"="+string(Objected)+",%", "%,"+p+"=%").Scan(&n); err != nil {
				return err
			}
			out[p] = n
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "count objections")
	}
	return out, nil
}
