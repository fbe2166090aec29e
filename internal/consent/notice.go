package consent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Publish makes the draft the next version of the default notice: renders one artefact per language,
// stores it with its digest and logs both. A published version is never changed. A purpose that the
// draft leaves out is closed from then on, whatever was consented to.
//
// Whether the version is material, so that earlier grants are suspended, follows from what changed, see
// notice.Diff; Draft.Material can only add to it.
//
// Errors: fail.Invalid naming what the draft lacks; see notice.Lint and notice.Draft.
func (r *Room) Publish(ctx context.Context, t id.Tenant, d notice.Draft) (version int, err error) {
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		version, err = r.publish(ctx, tx, d)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "publish a notice")
	}
	return version, nil
}

func (r *Room) publish(ctx context.Context, tx *store.Tx, d notice.Draft) (int, error) {
	if len(d.Texts) == 0 {
		return 0, fail.Field("texts", "The notice has no text in any language.")
	}
	set, err := r.readSettings(ctx, tx, r.clk.Now())
	if err != nil {
		return 0, err
	}
	renewed := d.Purposes != nil
	if !renewed {
		d.Purposes = set.purposes
	}
	if err := notice.CheckPurposes(d.Purposes); err != nil {
		return 0, err
	}
	p := &publication{draft: d, version: 1, at: r.clk.Now().UTC().Truncate(time.Microsecond), material: d.Material}
	if newest := set.current(notice.ID, ""); newest != nil {
		p.version = newest.Version + 1
		before, err := readVersion(ctx, tx, newest.Version)
		if err != nil {
			return 0, err
		}
		for _, c := range notice.Diff(before.Draft, d) {
			p.changed = append(p.changed, c.Field)
			p.material = p.material || c.Material
		}
	}
	for lang := range d.Texts {
		if err := p.render(lang); err != nil {
			return 0, err
		}
	}
	slices.SortFunc(p.pages, func(a, b rendered) int { return strings.Compare(a.Language, b.Language) })
	if err := r.lint(ctx, tx, set, p); err != nil {
		return 0, err
	}
	if renewed {
		if err := r.writePurposes(ctx, tx, d.Purposes); err != nil {
			return 0, err
		}
	}
	for _, page := range p.pages {
		if err := r.writeNotice(ctx, tx, p, page); err != nil {
			return 0, err
		}
	}
	t := tx.TenantID()
	tx.AfterCommit(func() {
		r.settings.Drop(t)
		r.gate.views.Clear()
	})
	return p.version, insertVersion(ctx, tx, p)
}

// publication is a version on its way into the store.
type publication struct {
	draft    notice.Draft
	version  int
	at       time.Time
	material bool
	changed  []string       // fields, since the version before
	faults   []notice.Fault // found by the linter
	pages    []rendered     // by language
}

type rendered struct {
	notice.Notice
	artefact []byte
}

func (p *publication) render(lang string) error {
	n, artefact, err := notice.Render(p.draft.Purposes, p.draft, p.version, lang)
	p.pages = append(p.pages, rendered{n, artefact})
	return err
}

// maxNamed is how many changed fields an entry of the ledger names.
const maxNamed = 50

// writeNotice stores one language of a version and logs it.
func (r *Room) writeNotice(ctx context.Context, tx *store.Tx, p *publication, page rendered) error {
	ids := make([]string, len(p.draft.Purposes))
	for i, one := range p.draft.Purposes {
		ids[i] = one.ID
	}
	entry := map[string]any{
		"schema":      "probity/notice/1",
		"type":        ledger.NoticePublished,
		"id":          page.ID,
		"version":     p.version,
		"language":    page.Language,
		"text_sha256": page.SHA256,
		"material":    p.material,
		"purposes":    ids,
		"server_time": p.at.Format(timeFormat),
	}
	if p.version > 1 {
		entry["changes"] = len(p.changed)
		entry["changed"] = p.changed[:min(len(p.changed), maxNamed)]
	}
	payload, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	index, err := r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.NoticePublished, Payload: payload})
	if err != nil {
		return err
	}
	body, err := json.Marshal(page.Notice)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(page.artefact)
	_, err = tx.Exec(ctx, `
		INSERT INTO consent_notice (tenant_id, id, version, language, body, artefact, sha256, material, published, ledger)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		tx.TenantID(), page.ID, p.version, page.Language, string(body), page.artefact, sum[:], p.material, p.at.UnixMicro(), index)
	return err
}

// Lint returns what is wrong with a draft: what the rules find in it, and where it contradicts a declared
// basis. Publishing looks at the rendered pages as well.
func (r *Room) Lint(ctx context.Context, t id.Tenant, d notice.Draft) ([]notice.Fault, error) {
	set, err := r.tenant(ctx, t)
	if err != nil {
		return nil, err
	}
	return set.lint(d, r.clk.Now()), nil
}

func (s *settings) lint(d notice.Draft, now time.Time) []notice.Fault {
	declared := map[string][]notice.Basis{}
	for i := range s.declarations {
		one := &s.declarations[i]
		for _, p := range d.Purposes {
			if one.holds(p.ID, now) && !slices.Contains(declared[p.ID], one.Basis) {
				declared[p.ID] = append(declared[p.ID], one.Basis)
			}
		}
	}
	faults := append(notice.Lint(d.Purposes, d), notice.LintBases(d.Purposes, declared)...)
	notice.WorstFirst(faults)
	return faults
}

// lint refuses a draft with faults, or logs the reason why it is published all the same. The very
// first version is the system's: it consists of the built-in words, which the tests of package notice
// hold to the same rules, and comes before anybody could say who the controller is. It is not looked at.
func (r *Room) lint(ctx context.Context, tx *store.Tx, set *settings, p *publication) error {
	if p.version == 1 && p.draft.By == "" {
		return nil
	}
	p.faults = set.lint(p.draft, p.at)
	for _, page := range p.pages {
		p.faults = append(p.faults, notice.LintPage(page.artefact, p.draft.Purposes, page.Language)...)
	}
	blocking := notice.Blocking(p.faults)
	p.faults = blocking
	reason := strings.TrimSpace(p.draft.Override)
	for _, f := range blocking {
		if f.Severity == notice.Refused || utf8.RuneCountInString(reason) < 20 {
			return fail.Field(f.Field, "%s", f.Message).WithCode("notice." + f.Rule)
		}
	}
	if len(blocking) == 0 {
		p.draft.Override = "" // there was nothing to override
		return nil
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/override/1",
		"type":        ledger.OverrideMade,
		"notice":      notice.ID,
		"version":     p.version,
		"faults":      blocking,
		"reason":      reason,
		"actor":       "controller",
		"server_time": p.at.Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.OverrideMade, Payload: payload})
	return err
}

// Artefact returns the exact bytes that were published; fail.NotFound if there is no such notice.
func (r *Room) Artefact(ctx context.Context, t id.Tenant, which string, version int, lang string) ([]byte, error) {
	if isScript(which) {
		return r.script(ctx, t, which, lang)
	}
	var artefact, sum []byte
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `
			SELECT artefact, sha256 FROM consent_notice
			WHERE tenant_id = $1 AND id = $2 AND version = $3 AND language = $4`,
			t, which, version, lang).Scan(&artefact, &sum)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no notice of that id, version and language.")
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a notice")
	}
	if got := sha256.Sum256(artefact); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("the stored notice %s version %d (%s) is not what was published", which, version, lang)
	}
	return artefact, nil
}
