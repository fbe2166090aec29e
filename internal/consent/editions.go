package consent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// Edition is a published version of the notice without its words.
type Edition struct {
	Version   int
	Published time.Time
	Material  bool     // it suspended earlier grants
	Override  string   // why it was published in spite of the linter; empty: it found nothing
	Languages []string // sorted
	Pictures  int      // screenshots there are
}

// Wanted is how many screenshots there should be: one of a phone and one of a desktop for each language.
func (e *Edition) Wanted() int { return 2 * len(e.Languages) }

// Editions returns all published versions, newest first, without reading their words.
func (r *Room) Editions(ctx context.Context, t id.Tenant) (out []Edition, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		at := map[int]int{}
		err := each(ctx, tx, `
			SELECT version, published, material, reason FROM consent_version
			WHERE tenant_id = $1 AND id = $2 ORDER BY version DESC`, func(scan func(...any) error) error {
			var e Edition
			var published int64
			if err := scan(&e.Version, &published, &e.Material, &e.Override); err != nil {
				return err
			}
			e.Published = time.UnixMicro(published).UTC()
			at[e.Version] = len(out)
			out = append(out, e)
			return nil
		})
		if err != nil {
			return err
		}
		err = each(ctx, tx, `
			SELECT version, language FROM consent_notice
			WHERE tenant_id = $1 AND id = $2 ORDER BY version, language`, func(scan func(...any) error) error {
			var version int
			var lang string
			if err := scan(&version, &lang); err != nil {
				return err
			}
			if i, ok := at[version]; ok {
				out[i].Languages = append(out[i].Languages, lang)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return each(ctx, tx, `
			SELECT version, count(*) FROM consent_screenshot
			WHERE tenant_id = $1 AND id = $2 GROUP BY version`, func(scan func(...any) error) error {
			var version, n int
			if err := scan(&version, &n); err != nil {
				return err
			}
			if i, ok := at[version]; ok {
				out[i].Pictures = n
			}
			return nil
		})
	})
	if err != nil {
		return nil, unavailable(err, "list the versions of a notice")
	}
	return out, nil
}

// each calls fn for every row of a query about the notice.
func each(ctx context.Context, tx *store.Tx, query string, fn func(scan func(...any) error) error) error {
	rows, err := tx.Query(ctx, query, tx.TenantID(), notice.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// PersonHistory returns all records of the person that the subject belongs to, of every device, oldest
// first.
func (r *Room) PersonHistory(ctx context.Context, t id.Tenant, s id.Subject) (out []Record, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = nil
		members, err := r.subjects.Person(ctx, tx, s)
		if err != nil {
			return err
		}
		for _, m := range members {
			records, err := recordsOf(ctx, tx, m)
			if err != nil {
				return err
			}
			out = append(out, records...)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read the history of consent")
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Compare(a.Ledger, b.Ledger) })
	return out, nil
}
