package consent

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/store"
)

// Draft is the next version of the notice while it is being written. An organisation has at most one.
// Nobody who visits a site sees it, and no choice can cite it.
type Draft struct {
	Revision int64        `json:"revision"` // grows with each change; who saves names the one they saw
	Base     int          `json:"base"`     // the version it was begun from; 0: the built-in words
	By       string       `json:"by"`       // who changed it last
	Changed  time.Time    `json:"changed"`
	Draft    notice.Draft `json:"notice"`
}

// Beginning says what a draft starts as.
type Beginning struct {
	Builtin   bool     // the built-in words instead of the newest version
	Languages []string // of them only these; nil: all
	By        string   // the id of a staff member or client
}

// maxDraft bounds what is stored of a draft, in bytes.
const maxDraft = 1 << 20

// Begin makes the draft, from the newest version or from the built-in words. With the built-in words it
// keeps the facts and the purposes of the newest version.
//
// Errors: fail.Conflict with code notice.draft.exists if there is one; fail.Invalid naming a language
// that there is no text in.
func (r *Room) Begin(ctx context.Context, t id.Tenant, b Beginning) (out *Draft, err error) {
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if _, err := readDraft(ctx, tx); !fail.Is(err, fail.NotFound) {
			if err == nil {
				err = fail.New(fail.Conflict, "There is a draft already. Go on with it, or discard it first.").WithCode("notice.draft.exists")
			}
			return err
		}
		set, err := r.readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		d := notice.Draft{Purposes: notice.DefaultPurposes(), Texts: notice.DefaultTexts()}
		base := 0
		if newest := set.current(notice.ID, ""); newest != nil {
			v, err := readVersion(ctx, tx, newest.Version)
			if err != nil {
				return err
			}
			d.Facts, d.Site, d.Purposes = v.Draft.Facts, v.Draft.Site, v.Draft.Purposes
			if !b.Builtin {
				d.Texts, base = v.Draft.Texts, v.Version
			}
		}
		for i, lang := range b.Languages {
			if _, ok := d.Texts[lang]; !ok {
				return fail.Field("languages", "There is no text to begin with in the language number %d.", i+1)
			}
		}
		if b.Languages != nil {
			maps.DeleteFunc(d.Texts, func(lang string, _ notice.Text) bool { return !slices.Contains(b.Languages, lang) })
		}
		out, err = r.writeDraft(ctx, tx, &Draft{Base: base, By: b.By, Draft: d})
		return err
	})
	if err != nil {
		return nil, unavailable(err, "begin a draft")
	}
	return out, nil
}

// Draft returns the draft; fail.NotFound if there is none.
func (r *Room) Draft(ctx context.Context, t id.Tenant) (d *Draft, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		d, err = readDraft(ctx, tx)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a draft")
	}
	return d, nil
}

// SaveDraft replaces what the draft says. It may be as incomplete as it likes, but purposes must be
// told apart and languages must be tags.
//
// Errors: fail.Conflict with code notice.draft.changed if somebody else saved since that revision;
// fail.NotFound if there is no draft; fail.Invalid naming the field.
func (r *Room) SaveDraft(ctx context.Context, t id.Tenant, revision int64, d notice.Draft, by string) (out *Draft, err error) {
	if d.Purposes == nil {
		return nil, fail.Field("purposes", "The draft names no purposes.")
	}
	if err := notice.CheckPurposes(d.Purposes); err != nil {
		return nil, err
	}
	for lang := range d.Texts {
		if !notice.ValidLanguage(lang) {
			return nil, fail.Field("texts", "A language of the draft is not a tag such as en or pt-BR.")
		}
	}
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		old, err := checkedDraft(ctx, tx, revision)
		if err != nil {
			return err
		}
		out, err = r.writeDraft(ctx, tx, &Draft{Base: old.Base, By: by, Draft: d})
		return err
	})
	if err != nil {
		return nil, unavailable(err, "save a draft")
	}
	return out, nil
}

// DiscardDraft deletes the draft. Errors as of SaveDraft.
func (r *Room) DiscardDraft(ctx context.Context, t id.Tenant, revision int64) error {
	err := r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		if _, err := checkedDraft(ctx, tx, revision); err != nil {
			return err
		}
		return deleteDraft(ctx, tx)
	})
	if err != nil {
		return unavailable(err, "discard a draft")
	}
	return nil
}

// Publication says how a draft is published.
type Publication struct {
	Revision int64  // that was looked at
	Material bool   // suspend earlier grants although nothing material changed
	Override string // why it is published in spite of what the linter finds
	By       string // the id of a staff member or client
}

// PublishDraft publishes the draft and removes it, see Publish. Errors also as of SaveDraft.
func (r *Room) PublishDraft(ctx context.Context, t id.Tenant, p Publication) (version int, err error) {
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		d, err := checkedDraft(ctx, tx, p.Revision)
		if err != nil {
			return err
		}
		d.Draft.Material, d.Draft.Override, d.Draft.By = p.Material, p.Override, p.By
		if version, err = r.publish(ctx, tx, d.Draft); err != nil {
			return err
		}
		return deleteDraft(ctx, tx)
	})
	if err != nil {
		return 0, unavailable(err, "publish a draft")
	}
	return version, nil
}

// Preview returns what publishing the draft now would show in a language, byte for byte. Errors:
// fail.NotFound if there is no draft, or none in that language.
func (r *Room) Preview(ctx context.Context, t id.Tenant, lang string) (n notice.Notice, artefact []byte, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		d, err := readDraft(ctx, tx)
		if err != nil {
			return err
		}
		if _, ok := d.Draft.Texts[lang]; !ok {
			return fail.New(fail.NotFound, "The draft has no text in that language.")
		}
		set, err := r.readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		version := 1
		if newest := set.current(notice.ID, ""); newest != nil {
			version = newest.Version + 1
		}
		n, artefact, err = notice.Render(d.Draft.Purposes, d.Draft, version, lang)
		return err
	})
	if err != nil {
		return n, nil, unavailable(err, "preview a draft")
	}
	return n, artefact, nil
}

func readDraft(ctx context.Context, tx *store.Tx) (*Draft, error) {
	d := &Draft{}
	var body string
	var changed int64
	err := tx.QueryRow(ctx, `
		SELECT revision, base, body, author, changed FROM consent_draft
		WHERE tenant_id = $1 AND id = $2`, tx.TenantID(), notice.ID).Scan(&d.Revision, &d.Base, &body, &d.By, &changed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && body == "" {
		return nil, fail.New(fail.NotFound, "There is no draft of the notice. Begin one first.").WithCode("notice.draft.none")
	}
	if err != nil {
		return nil, err
	}
	d.Changed = time.UnixMicro(changed).UTC()
	return d, json.Unmarshal([]byte(body), &d.Draft)
}

func checkedDraft(ctx context.Context, tx *store.Tx, revision int64) (*Draft, error) {
	d, err := readDraft(ctx, tx)
	if err == nil && d.Revision != revision {
		return nil, fail.New(fail.Conflict, "Somebody else changed the draft meanwhile. Load it again and repeat your change.").WithCode("notice.draft.changed")
	}
	return d, err
}

// writeDraft stores a draft under the next revision.
func (r *Room) writeDraft(ctx context.Context, tx *store.Tx, d *Draft) (*Draft, error) {
	body, err := json.Marshal(d.Draft)
	if err != nil {
		return nil, err
	}
	if len(body) > maxDraft {
		return nil, fail.New(fail.TooLarge, "The draft is longer than %d bytes.", maxDraft)
	}
	d.Changed = r.clk.Now().UTC().Truncate(time.Microsecond)
	return d, tx.QueryRow(ctx, `
		INSERT INTO consent_draft (tenant_id, id, revision, base, body, author, changed)
		VALUES ($1, $2, 1, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, id) DO UPDATE
		SET revision = consent_draft.revision + 1, base = excluded.base, body = excluded.body, author = excluded.author, changed = excluded.changed
		RETURNING revision`,
		tx.TenantID(), notice.ID, d.Base, string(body), d.By, d.Changed.UnixMicro()).Scan(&d.Revision)
}

// deleteDraft empties the draft and keeps the count of revisions, so that one that was seen of a draft
// that is gone does not fit the next.
func deleteDraft(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE consent_draft SET body = '', author = '' WHERE tenant_id = $1 AND id = $2`, tx.TenantID(), notice.ID)
	return err
}
