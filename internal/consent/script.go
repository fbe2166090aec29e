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
	"html"
	"strings"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/store"
)

// A script is a text that was read to somebody, or printed, and is no published notice. Records name it
// as "script:" and its SHA-256 in hex, version 1.
const (
	scriptPrefix = "script:"
	maxScript    = 16 << 10 // bytes
)

func isScript(which string) bool { return strings.HasPrefix(which, scriptPrefix) }

// keepScript keeps a text for as long as there is a record that cites it, and returns its name. The
// first time it is an entry in the ledger.
func (r *Room) keepScript(ctx context.Context, tx *store.Tx, text, lang string) (which string, err error) {
	body := page(text, lang)
	sum := sha256.Sum256(body)
	which = scriptPrefix + hex.EncodeToString(sum[:])
	var n int
	err = tx.QueryRow(ctx, `SELECT count(*) FROM consent_script WHERE tenant_id = $1 AND sha256 = $2 AND language = $3`,
		tx.TenantID(), sum[:], lang).Scan(&n)
	if err != nil || n > 0 {
		return which, err
	}
	now := r.clk.Now().UTC()
	payload, err := json.Marshal(map[string]any{
		"schema": "probity/script/1", "type": ledger.ScriptKept, "id": which, "language": lang,
		"text_sha256": hex.EncodeToString(sum[:]), "actor": "controller", "server_time": now.Format(timeFormat),
	})
	if err != nil {
		return "", err
	}
	index, err := r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.ScriptKept, Payload: payload})
	if err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO consent_script (tenant_id, sha256, language, body, kept, ledger) VALUES ($1, $2, $3, $4, $5, $6)`,
		tx.TenantID(), sum[:], lang, body, now.UnixMicro(), index)
	return which, err
}

// page is the text as it is kept and enclosed in receipts, which enclose web pages.
func page(text, lang string) []byte {
	return fmt.Appendf(nil, "<!doctype html>\n<html lang=\"%s\">\n<meta charset=\"utf-8\">\n<title>Text</title>\n<pre>%s</pre>\n</html>\n",
		html.EscapeString(lang), html.EscapeString(text))
}

// script returns a kept text, byte for byte.
func (r *Room) script(ctx context.Context, t id.Tenant, which, lang string) ([]byte, error) {
	sum, err := hex.DecodeString(strings.TrimPrefix(which, scriptPrefix))
	missing := fail.New(fail.NotFound, "There is no notice of that id, version and language.")
	if err != nil {
		return nil, missing
	}
	var body []byte
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT body FROM consent_script WHERE tenant_id = $1 AND sha256 = $2 AND language = $3`,
			t, sum, lang).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			return missing
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err, "read a text")
	}
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("the stored text %s is not what was kept", which)
	}
	return body, nil
}
