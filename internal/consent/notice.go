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
// Errors: fail.Invalid naming what the draft lacks; see notice.Lint and notice.Draft.
func (r *Room) Publish(ctx context.Context, t id.Tenant, d notice.Draft) (version int, err error) {
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		set, err := r.readSettings(ctx, tx, r.clk.Now())
		if err != nil {
			return err
		}
		version, err = r.publish(ctx, tx, set, d)
		return err
	})
	if err != nil {
		return 0, unavailable(err, "publish a notice")
	}
	return version, nil
}

func (r *Room) publish(ctx context.Context, tx *store.Tx, set *settings, d notice.Draft) (int, error) {
	if len(d.Texts) == 0 {
		return 0, fail.Field("texts", "The notice has no text in any language.")
	}
	purposes := set.purposes
	if d.Purposes != nil {
		purposes = d.Purposes
	}
	if err := notice.CheckPurposes(purposes); err != nil {
		return 0, err
	}
	if err := r.lint(ctx, tx, purposes, d); err != nil {
		return 0, err
	}
	if d.Purposes != nil {
		set.purposes = d.Purposes
		if err := r.writePurposes(ctx, tx, d.Purposes); err != nil {
			return 0, err
		}
	}
	version := 1
	if newest := set.current(notice.ID, ""); newest != nil {
		version = newest.Version + 1
	}
	t := tx.TenantID()
	now := r.clk.Now()
	languages := make([]string, 0, len(d.Texts))
	for lang := range d.Texts {
		languages = append(languages, lang)
	}
	slices.Sort(languages)
	for _, lang := range languages {
		n, artefact, err := notice.Render(set.purposes, d, version, lang)
		if err != nil {
			return 0, err
		}
		sum := sha256.Sum256(artefact)
		payload, err := json.Marshal(map[string]any{
			"schema":      "probity/notice/1",
			"type":        ledger.NoticePublished,
			"id":          n.ID,
			"version":     version,
			"language":    lang,
			"text_sha256": n.SHA256,
			"material":    d.Material,
			"purposes":    set.purposeIDs(),
			"server_time": now.UTC().Format(timeFormat),
		})
		if err != nil {
			return 0, err
		}
		index, err := r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.NoticePublished, Payload: payload})
		if err != nil {
			return 0, err
		}
		body, err := json.Marshal(n)
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO consent_notice (tenant_id, id, version, language, body, artefact, sha256, material, published, ledger)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			t, n.ID, version, lang, string(body), artefact, sum[:], d.Material, now.UnixMicro(), index); err != nil {
			return 0, err
		}
	}
	tx.AfterCommit(func() {
		r.settings.Drop(t)
		r.gate.views.Clear()
	})
	return version, nil
}

// lint refuses a draft with faults, or logs the reason why it is published all the same.
func (r *Room) lint(ctx context.Context, tx *store.Tx, purposes []notice.Purpose, d notice.Draft) error {
	faults := notice.Lint(purposes, d)
	if len(faults) == 0 {
		return nil
	}
	if utf8.RuneCountInString(strings.TrimSpace(d.Override)) < 20 {
		return fail.Field(faults[0].Field, "%s", faults[0].Message)
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/override/1",
		"type":        ledger.OverrideMade,
		"faults":      faults,
		"reason":      d.Override,
		"actor":       "controller",
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.OverrideMade, Payload: payload})
	return err
}

// Artefact returns the exact bytes that were published; fail.NotFound if there is no such notice.
func (r *Room) Artefact(ctx context.Context, t id.Tenant, which string, version int, lang string) ([]byte, error) {
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
