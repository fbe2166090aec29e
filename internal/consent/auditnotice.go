package consent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// printed is a stored notice as far as the ledger vouches for it.
type printed struct {
	id, language string
	version      int
	digest       []byte // as stored
	actual       [sha256.Size]byte
	body         notice.Notice // what the banner shows
	intact       bool          // every word of it stands in the page
	material     bool
	published    time.Time
	ledger       int64
}

// auditNotices compares every published notice with its entry in the ledger, so that an edit in the
// database is found: of the page, of what the banner shows, or of when it was published.
func (r *Room) auditNotices(ctx context.Context, t id.Tenant) error {
	var list []printed
	err := r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, `
			SELECT id, version, language, body, artefact, sha256, material, published, ledger FROM consent_notice
			WHERE tenant_id = $1 ORDER BY ledger`, t)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p printed
			var body string
			var artefact []byte
			var at int64
			if err := rows.Scan(&p.id, &p.version, &p.language, &body, &artefact, &p.digest, &p.material, &at, &p.ledger); err != nil {
				return err
			}
			p.actual, p.published = sha256.Sum256(artefact), time.UnixMicro(at).UTC()
			_ = json.Unmarshal([]byte(body), &p.body) // what can't be read fits no entry
			p.intact = intact(&p.body, artefact, p.digest)
			list = append(list, p)
		}
		return rows.Err()
	})
	if err != nil {
		return unavailable(err, "read the notices")
	}
	for i := range list {
		if err := r.compareNotice(ctx, t, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) compareNotice(ctx context.Context, t id.Tenant, p *printed) error {
	bad := func(format string, args ...any) error {
		return &Mismatch{p.ledger, fmt.Sprintf("notice %s, version %d, %s: ", p.id, p.version, p.language) + fmt.Sprintf(format, args...)}
	}
	receipt, err := r.ledger.Receipt(ctx, t, p.ledger, func([]byte) ([]byte, error) {
		return nil, fail.New(fail.Conflict, "The entry is not one of a notice.")
	})
	switch {
	case fail.Is(err, fail.Unavailable):
		return err
	case err != nil:
		return bad("%v", err)
	}
	leaf, _, err := receipt.Check(receipt.VerifierKey)
	if err != nil {
		return bad("%v", err)
	}
	var e struct {
		ID         string `json:"id"`
		Version    int    `json:"version"`
		Language   string `json:"language"`
		SHA256     string `json:"text_sha256"`
		Material   bool   `json:"material"`
		ServerTime string `json:"server_time"`
	}
	if err := json.Unmarshal(receipt.Entry, &e); err != nil || leaf.Kind != ledger.NoticePublished {
		return bad("the entry is not one of a notice")
	}
	switch {
	case e.ID != p.id || e.Version != p.version || e.Language != p.language:
		return bad("another notice was logged")
	case e.SHA256 != hex.EncodeToString(p.actual[:]) || e.SHA256 != hex.EncodeToString(p.digest):
		return bad("the page is not the one that was published")
	case e.SHA256 != p.body.SHA256 || p.body.Version != p.version || p.body.Language != p.language || !p.intact:
		return bad("what the banner shows is not what was published")
	case e.Material != p.material:
		return bad("whether grants under earlier versions count was changed")
	case e.ServerTime != p.published.Format(timeFormat):
		return bad("it was published at %s", e.ServerTime)
	}
	return nil
}
