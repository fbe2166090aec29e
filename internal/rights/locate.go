package rights

import (
	"context"
	"slices"

	"probity/internal/store"
)

// stepLocate finds the data subjects of the person and chooses the procedure.
func (r *Room) stepLocate(ctx context.Context, j *job) error {
	subjects, err := r.locate(ctx, j.tenant, &j.content.Who)
	if err != nil {
		return err
	}
	next, state := stepPackage, Packaging
	switch j.typ {
	case Erasure:
		next, state = stepSuppress, Erasing
	case Rectification:
		next, state = stepRewrite, Rewriting
	case Restriction, Objection:
		next, state = stepRestrict, Restricting
	case HumanReview:
		next, state = stepDecide, Deciding
	}
	advance := r.step
	if next == stepDecide {
		advance = r.park
	}
	return advance(ctx, j, next, state, func(tx *store.Tx, j *job) error {
		j.work.Subjects = subjects
		j.report.Found, j.report.Matched = len(subjects), len(subjects) > 0
		if j.typ == Erasure {
			return nil
		}
		for _, s := range subjects {
			if _, err := tx.Exec(ctx, `
				INSERT INTO rights_request_subject (tenant_id, request_id, subject) VALUES ($1, $2, $3)
				ON CONFLICT DO NOTHING`, j.tenant, j.id[:], s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p Report) clone() Report {
	p.Stores = slices.Clone(p.Stores)
	for i := range p.Stores {
		p.Stores[i].Counts = slices.Clone(p.Stores[i].Counts)
	}
	p.Models = slices.Clone(p.Models)
	if p.Databases != nil {
		d := *p.Databases
		d.Fields, d.Kept, d.Substituted = slices.Clone(d.Fields), slices.Clone(d.Kept), slices.Clone(d.Substituted)
		p.Databases = &d
	}
	p.Restricted = p.Restricted.clone()
	p.Kept = slices.Clone(p.Kept)
	p.Residue = slices.Clone(p.Residue)
	p.Expiring = slices.Clone(p.Expiring)
	p.Decisions = slices.Clone(p.Decisions)
	return p
}

// add counts what was done in a store. Counts of a repeated round are added to those before.
func (p *Report) add(name, did string, counts []Count) {
	at := slices.IndexFunc(p.Stores, func(s StoreReport) bool { return s.Store == name && s.Did == did })
	if at < 0 {
		p.Stores = append(p.Stores, StoreReport{Store: name, Did: did, Counts: []Count{}})
		at = len(p.Stores) - 1
	}
	s := &p.Stores[at]
	for _, c := range counts {
		i := slices.IndexFunc(s.Counts, func(o Count) bool { return o.What == c.What })
		if i < 0 {
			s.Counts = append(s.Counts, c)
			continue
		}
		s.Counts[i].N += c.N
	}
}
