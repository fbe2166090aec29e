package consent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Screenshot is a picture of a published notice, without its bytes (CNIL 2020-092 §48).
type Screenshot struct {
	Version  int       `json:"version"`
	Language string    `json:"language"`
	Viewport string    `json:"viewport"` // "m" or "d"
	SHA256   string    `json:"sha256"`
	Taken    time.Time `json:"taken"`
	Ledger   int64     `json:"ledger_entry"` // which holds the digest
}

// SaveScreenshot keeps a PNG of how one language of a version looked on a phone ("m") or a desktop
// ("d"), and logs its digest. The same picture again changes nothing.
//
// Errors: fail.NotFound if that was never published; fail.Invalid if it is no such picture;
// fail.Conflict if another picture was kept, which stays.
func (r *Room) SaveScreenshot(ctx context.Context, t id.Tenant, version int, lang, viewport string, picture []byte) (out *Screenshot, err error) {
	if viewport != "m" && viewport != "d" {
		return nil, fail.Field("viewport", `The viewport is neither "m" nor "d".`)
	}
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return nil, fail.New(fail.Invalid, "The picture is not a PNG.")
	}
	if phone := size.Width <= 600; phone != (viewport == "m") || size.Width < 240 || size.Height < 240 || size.Width > 4096 || size.Height > 8192 {
		return nil, fail.Field("viewport", "The picture is %d by %d pixels. One of a phone is 240 to 600 wide, one of a desktop more.", size.Width, size.Height)
	}
	if _, err := r.Artefact(ctx, t, notice.ID, version, lang); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(picture)
	err = r.db.Tenant(t).Write(ctx, func(tx *store.Tx) error {
		have, _, err := readScreenshot(ctx, tx, version, lang, viewport)
		if err == nil && have.SHA256 != hex.EncodeToString(sum[:]) {
			return fail.New(fail.Conflict, "There is another picture of that version already. It stays as it is.").WithCode("notice.screenshot.exists")
		}
		if err == nil || !fail.Is(err, fail.NotFound) {
			out = have
			return err
		}
		now := r.clk.Now().UTC().Truncate(time.Microsecond)
		out = &Screenshot{Version: version, Language: lang, Viewport: viewport, SHA256: hex.EncodeToString(sum[:]), Taken: now}
		payload, err := json.Marshal(map[string]any{
			"schema":            "probity/screenshot/1",
			"type":              ledger.NoticeScreenshot,
			"id":                notice.ID,
			"version":           version,
			"language":          lang,
			"viewport":          viewport,
			"screenshot_sha256": out.SHA256,
			"actor":             "controller",
			"server_time":       now.Format(timeFormat),
		})
		if err != nil {
			return err
		}
		if out.Ledger, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.NoticeScreenshot, Payload: payload}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO consent_screenshot (tenant_id, id, version, language, viewport, sha256, png, taken, ledger)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t, notice.ID, version, lang, viewport, sum[:], picture, now.UnixMicro(), out.Ledger)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "keep a screenshot")
	}
	return out, nil
}

// Screenshot returns a picture as it was kept; fail.NotFound if there is none.
func (r *Room) Screenshot(ctx context.Context, t id.Tenant, version int, lang, viewport string) (picture []byte, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		var s *Screenshot
		if s, picture, err = readScreenshot(ctx, tx, version, lang, viewport); err != nil {
			return err
		}
		if got := sha256.Sum256(picture); hex.EncodeToString(got[:]) != s.SHA256 {
			return fmt.Errorf("the stored screenshot of version %d (%s, %s) is not the one that was kept", version, lang, viewport)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err, "read a screenshot")
	}
	return picture, nil
}

func readScreenshot(ctx context.Context, tx *store.Tx, version int, lang, viewport string) (*Screenshot, []byte, error) {
	var sum, picture []byte
	s := &Screenshot{Version: version, Language: lang, Viewport: viewport}
	var taken int64
	err := tx.QueryRow(ctx, `
		SELECT sha256, png, taken, ledger FROM consent_screenshot
		WHERE tenant_id = $1 AND id = $2 AND version = $3 AND language = $4 AND viewport = $5`,
		tx.TenantID(), notice.ID, version, lang, viewport).Scan(&sum, &picture, &taken, &s.Ledger)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, fail.New(fail.NotFound, "There is no such screenshot.")
	}
	s.SHA256, s.Taken = hex.EncodeToString(sum), time.UnixMicro(taken).UTC()
	return s, picture, err
}

// Screenshots returns what pictures there are of a version, by language and viewport.
func (r *Room) Screenshots(ctx context.Context, t id.Tenant, version int) (out []Screenshot, err error) {
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		out = []Screenshot{}
		rows, err := tx.Query(ctx, `
			SELECT language, viewport, sha256, taken, ledger FROM consent_screenshot
			WHERE tenant_id = $1 AND id = $2 AND version = $3 ORDER BY language, viewport`, t, notice.ID, version)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			s := Screenshot{Version: version}
			var sum []byte
			var taken int64
			if err := rows.Scan(&s.Language, &s.Viewport, &sum, &taken, &s.Ledger); err != nil {
				return err
			}
			s.SHA256, s.Taken = hex.EncodeToString(sum), time.UnixMicro(taken).UTC()
			out = append(out, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "list screenshots")
	}
	return out, nil
}
