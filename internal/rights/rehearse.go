package rights

import (
	"context"
	"errors"
	"strings"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
)

// errRehearsed ends a transaction that was only tried.
var errRehearsed = errors.New("only tried")

// Preview tells what a rectification would change, term by term and store by store, and changes
// nothing: everything is done in a transaction that is taken back. It makes no request, no key and no
// entry in the ledger.
//
// Errors: fail.Invalid and the field, as Request.Validate.
func (r *Room) Preview(ctx context.Context, t id.Tenant, q Request) (*Report, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	if q.Type != Rectification {
		return nil, fail.Field("type", "only a rectification can be previewed here")
	}
	subjects, err := r.locate(ctx, t, &q.Who)
	if err != nil {
		return nil, err
	}
	p, err := r.rehearse(ctx, t, subjects, q.Replacements)
	if err != nil {
		return nil, err
	}
	for i := range p.Stores {
		p.Stores[i].Did = "would be rewritten"
	}
	return p, nil
}

// rehearse carries the terms out in a transaction that is taken back, and reports what they changed.
func (r *Room) rehearse(ctx context.Context, t id.Tenant, subjects []id.Subject, terms []ReplacementTerm) (*Report, error) {
	var done *Report
	err := r.DB.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		j := &job{tenant: t, typ: Rectification, content: content{Replacements: terms}}
		j.report.Stores = []StoreReport{}
		var err error
		if j.work.Subjects, err = r.expand(ctx, tx, subjects); err != nil {
			return err
		}
		j.report.Found, j.report.Matched = len(j.work.Subjects), len(j.work.Subjects) > 0
		if err := r.rewriteAll(ctx, tx, j); err != nil {
			return err
		}
		done = &j.report
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		return nil, err
	}
	return done, nil
}

// chained tells whether a term would find what another one has just written.
func chained(terms []ReplacementTerm) bool {
	for i, a := range terms {
		for k, b := range terms {
			if i != k && a.Type == b.Type && alike(a.Updated, b.Existing) && !sameWord(a) && !sameWord(b) {
				return true
			}
		}
	}
	return false
}

// sameWord tells whether a term changes no more than how a value is written: the stores find values
// without regard to case, so they would find it again.
func sameWord(t ReplacementTerm) bool { return alike(t.Existing, t.Updated) }

func alike(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }
