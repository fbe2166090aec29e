package consent

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/ledger"
	"probity/internal/notice"
	"probity/internal/store"
)

// Terms are what every entry says and no choice changes. Empty fields have a default.
type Terms struct {
	Jurisdiction string // whose law holds: a country code or "EU", the default
	Storage      string // where the data lies: a country code, or "self-hosted", the default
	Retention    string // how long what rests on a consent is kept, as an ISO 8601 duration; default: as long as a choice is valid
	PublicURL    string // how people reach this installation, without a slash at its end; empty: receipts name the path of their link alone
	Build        Build
}

// Build is the banner as this server hands it out.
type Build struct {
	Version string            // of the browser SDK
	Files   map[string][]byte // by name: banner.js and, for the layout, banner.css
}

// digest returns the SHA-256 of a file in hex, empty if the build has none of that name.
func (b Build) digest(name string) string {
	body, ok := b.Files[name]
	if !ok {
		return ""
	}
	return digest(body)
}

// Describe sets what all entries say from now on. Call it before the room is in use.
func (r *Room) Describe(s Terms) { r.terms = s }

// built is a build in one theme of an organisation.
type built struct {
	tenant id.Tenant
	layout string // SHA-256 in hex; empty: no theme
}

// layout returns the banner's style sheet in a theme, and its SHA-256 in hex; both empty if the build has none.
func (b Build) layout(theme notice.Theme) (sheet []byte, sum string) {
	base, ok := b.Files["banner.css"]
	if !ok {
		return nil, ""
	}
	sheet = theme.On(base)
	return sheet, digest(sheet)
}

// recordBuild keeps the files of the build, and logs their digests, before the first choice of an
// organisation that was made with them (CNIL 2020-092 §48: the code is pinned at a public time). The
// style sheet is the one in the theme that the entry cites.
func (r *Room) recordBuild(ctx context.Context, tx *store.Tx, theme notice.Theme) error {
	t := tx.TenantID()
	if len(r.terms.Build.Files) == 0 {
		return nil
	}
	this := built{tenant: t}
	contents := r.terms.Build.Files
	if theme.CSS() != "" {
		contents = maps.Clone(contents)
		contents["banner.css"], this.layout = r.terms.Build.layout(theme)
	}
	if _, done := r.builds.Load(this); done {
		return nil
	}
	type file struct {
		Name   string `json:"name"`
		SHA256 string `json:"sha256"`
	}
	var files []file
	news := false
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		body := contents[name]
		sum := sha256.Sum256(body)
		n, err := tx.Exec(ctx, `
			INSERT INTO consent_build (tenant_id, sha256, name, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, sha256) DO NOTHING`, t, sum[:], name, body)
		if err != nil {
			return err
		}
		news = news || n > 0
		files = append(files, file{name, hex.EncodeToString(sum[:])})
	}
	tx.AfterCommit(func() { r.builds.Store(this, true) })
	if !news {
		return nil
	}
	payload, err := json.Marshal(map[string]any{
		"schema":      "probity/build/1",
		"type":        ledger.BuildRecorded,
		"sdk_version": r.terms.Build.Version,
		"files":       files,
		"server_time": r.clk.Now().UTC().Format(timeFormat),
	})
	if err != nil {
		return err
	}
	_, err = r.ledger.Append(ctx, tx, ledger.Entry{Kind: ledger.BuildRecorded, Payload: payload})
	return err
}

// Build returns a file that drew a banner, by the SHA-256 in hex that an entry cites; fail.NotFound
// if no choice of the organisation was made with it.
func (r *Room) Build(ctx context.Context, t id.Tenant, sha string) (name string, body []byte, err error) {
	sum, err := hex.DecodeString(sha)
	if err != nil || len(sum) != sha256.Size {
		return "", nil, fail.New(fail.NotFound, "There is no such file of a banner.")
	}
	err = r.db.Tenant(t).Read(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT name, body FROM consent_build WHERE tenant_id = $1 AND sha256 = $2`, t, sum).Scan(&name, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return fail.New(fail.NotFound, "There is no such file of a banner.")
		}
		return err
	})
	if err != nil {
		return "", nil, unavailable(err, "read a file of a banner")
	}
	if digest(body) != sha {
		return "", nil, fmt.Errorf("the stored %s of a banner is not what was served", name)
	}
	return name, body, nil
}
