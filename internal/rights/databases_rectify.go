package rights

import (
	"context"
	"slices"

	"probity/internal/datamap"
	"probity/internal/id"
)

// Corrector is Databases that can be corrected too. *Connected satisfies it.
type Corrector interface {
	// Rectify writes new values over old ones where they are the person's alone, and reads them again. With
	// anything refused nothing is changed; the result tells what, beside the error. It is idempotent.
	Rectify(ctx context.Context, t id.Tenant, who []datamap.Identity, replace []datamap.Replacement) (*datamap.Rectified, error)
}

// Rectify implements Corrector. A kind that no dataset has a field of is left out.
func (c *Connected) Rectify(ctx context.Context, t id.Tenant, who []datamap.Identity, replace []datamap.Replacement) (*datamap.Rectified, error) {
	g := c.groups[t]
	replace = slices.DeleteFunc(slices.Clone(replace), func(r datamap.Replacement) bool { return !datamap.Holds(g.Datasets, r.Kind) })
	if len(replace) == 0 {
		return &datamap.Rectified{Verified: true}, nil
	}
	done, err := datamap.Rectify(ctx, &datamap.Correction{
		Request: datamap.Request{Datasets: g.Datasets, Connections: g.Write, Identities: who}, Replace: replace, MaxShare: g.MaxShare,
	})
	done.Close() // the single records are not asked for
	return done, err
}

// termCategories are the data categories that the types of replacement terms stand for in databases.
var termCategories = map[string]string{
	"NAME": "user.name", "ADDRESS": "user.contact.address", "PHONE": "user.contact.phone_number", "EMAIL": "user.contact.email", "EXTERNAL_ID": "user.unique_id",
}

// rectifyDatabases corrects the organisation's databases, before own stores forget the old identifiers. An
// error keeps the request open; what a database refused stands in the report then.
func (r *Room) rectifyDatabases(ctx context.Context, j *job) (report []StoreReport, err error) {
	c, ok := r.Databases.(Corrector)
	if !ok || !r.hasDatabases(j.tenant) {
		return nil, nil
	}
	own, err := r.ownIdentities(ctx, j.tenant, &j.content.Who, j.work.Subjects)
	if err != nil {
		return nil, err
	}
	ids := databaseIdentities(own)
	var replace []datamap.Replacement
	for _, term := range j.content.Replacements {
		if kind := termCategories[term.Type]; kind != "" && term.Existing != term.Updated {
			replace = append(replace, datamap.Replacement{Kind: kind, Old: term.Existing, New: term.Updated})
		}
	}
	if len(ids) == 0 || len(replace) == 0 {
		return nil, nil
	}
	done, err := c.Rectify(ctx, j.tenant, ids, replace)
	j.report.Residue = nil
	if done != nil {
		for _, f := range done.Refused {
			j.report.Residue = append(j.report.Residue, Count{"refused by " + f.Collection + "." + f.Field + ": " + f.Why, 1})
		}
	}
	if err != nil {
		return nil, err
	}
	counts := []Count{}
	for _, f := range done.Changed {
		counts = append(counts, Count{f.Collection + "." + f.Field, int64(f.Rows)})
	}
	if len(done.Skipped) > 0 {
		counts = append(counts, Count{"rows of others too, kept", int64(len(done.Skipped))})
	}
	return []StoreReport{{Store: "databases", Did: "rewritten", Counts: counts}}, nil
}
