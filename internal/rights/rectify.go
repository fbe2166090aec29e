package rights

import (
	"context"
	"fmt"
	"slices"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/store"
	"probity/internal/subject"
)

// stepRewrite writes the updated values over the existing ones: in the identities that people are
// found by, and in every store that holds copies. Each replacement term is counted, also one that
// matched nothing, so that the answer can say which records changed.
func (r *Room) stepRewrite(ctx context.Context, j *job) error {
	databases, err := r.rectifyDatabases(ctx, j)
	if err != nil {
		return r.keepOpen(ctx, j, err)
	}
	return r.step(ctx, j, stepVerify, Verifying, func(tx *store.Tx, j *job) (err error) {
		if j.work.Subjects, err = r.expand(ctx, tx, j.work.Subjects); err != nil {
			return err
		}
		if err := r.rewriteAll(ctx, tx, j); err != nil {
			return err
		}
		for _, d := range databases {
			j.report.add(d.Store, d.Did, d.Counts)
			j.report.Matched = j.report.Matched || len(d.Counts) > 0
		}
		if err := r.addStatement(ctx, tx, j); err != nil {
			return err
		}
		if err := r.noteErasure(ctx, tx, r.correctionOf(j)); err != nil {
			return err
		}
		tx.AfterCommit(func() { r.People.Forget(j.tenant, j.work.Subjects...) })
		return nil
	})
}

// rewriteAll carries out all terms and counts what each changed.
func (r *Room) rewriteAll(ctx context.Context, tx *store.Tx, j *job) error {
	changed := int64(0)
	for i, term := range j.content.Replacements {
		n, err := r.rewrite(ctx, tx, j, i, term)
		if err != nil {
			return err
		}
		changed += n
	}
	if changed == 0 && len(j.content.Replacements) > 0 {
		j.report.Decisions = append(j.report.Decisions, "None of the existing values is held about this person; nothing was changed.")
	}
	return nil
}

func (r *Room) rewrite(ctx context.Context, tx *store.Tx, j *job, i int, term ReplacementTerm) (changed int64, err error) {
	kind := termKinds[term.Type]
	what := fmt.Sprintf("term %d (%s)", i+1, term.Type)
	if kind != nameKind && kind != addressKind {
		n, err := r.People.Rename(ctx, tx, j.work.Subjects, kind, term.Existing, term.Updated)
		if fail.Is(err, fail.Invalid) {
			j.report.Decisions = append(j.report.Decisions, what+": a value is not of this kind; the term was not carried out.")
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("rectify identities: %w", err)
		}
		changed += int64(n)
		j.report.add("identities", "rewritten", []Count{{what, int64(n)}})
	}
	for _, s := range r.Stores {
		store, ok := s.(Rectifier)
		if !ok {
			continue
		}
		if kind == addressKind {
			continue
		}
		counts, err := store.Rectify(ctx, tx, j.work.Subjects, string(kind), term.Existing, term.Updated)
		if err != nil {
			return 0, fmt.Errorf("rectify %s: %w", s.Name(), err)
		}
		for i := range counts {
			changed += counts[i].N
			counts[i].What = what + ": " + counts[i].What
		}
		j.report.add(s.Name(), "rewritten", counts)
	}
	return changed, nil
}

// verifyRectified reads everything again: no existing value may lead to the person any more, and none
// may stand in a store, in what is held now or in the history.
func (r *Room) verifyRectified(ctx context.Context, j *job) error {
	var residue []Count
	for _, term := range j.content.Replacements {
		kind := termKinds[term.Type]
		if kind == nameKind || kind == addressKind || unchanged(kind, term) {
			continue
		}
		for _, s := range j.work.Subjects {
			holds, err := r.holds(ctx, j.tenant, s, kind, term.Existing)
			if err != nil {
				return err
			}
			if holds {
				residue = append(residue, Count{"identities with the old " + term.Type, 1})
			}
		}
	}
	// Whatever a second pass would still change was not changed by the first.
	again, err := r.rehearse(ctx, j.tenant, j.work.Subjects, slices.DeleteFunc(slices.Clone(j.content.Replacements), sameWord))
	if err != nil {
		return err
	}
	for _, s := range again.Stores {
		for _, c := range s.Counts {
			if c.N > 0 {
				residue = append(residue, Count{s.Store + ": " + c.What, c.N})
			}
		}
	}
	if len(residue) > 0 {
		j.report.Residue = residue
		j.step = stepRewrite // for whoever tries again
		return r.end(ctx, j, Failed, "after the rectification an old value was still found; see residue", nil, nil)
	}
	if err := r.keepCorrection(j); err != nil {
		return err
	}
	return r.step(ctx, j, stepRecord, Certifying, func(_ *store.Tx, j *job) error {
		j.report.Residue = nil // of an earlier try
		return nil
	})
}

func (r *Room) holds(ctx context.Context, t id.Tenant, s id.Subject, kind subject.Kind, value string) (bool, error) {
	want, err := subject.Normalise(kind, value)
	if err != nil {
		return false, nil
	}
	held, err := r.People.Identities(ctx, t, s)
	if fail.Is(err, fail.Gone) || fail.Is(err, fail.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, i := range held {
		if i.Kind == kind && i.Value == want {
			return true, nil
		}
	}
	return false, nil
}

// unchanged tells whether both values of a term are the same identity, differently written.
func unchanged(kind subject.Kind, term ReplacementTerm) bool {
	a, err := subject.Normalise(kind, term.Existing)
	if err != nil {
		return false
	}
	b, err := subject.Normalise(kind, term.Updated)
	return err == nil && a == b
}
