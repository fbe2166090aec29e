package api

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/org"
)

// limitPicture bounds a screenshot.
const limitPicture = 4 << 20

// noticeTable lists what editors and their tools call. What browsers of visitors call stands in table.
func noticeTable() []route {
	const plain = "the same bytes for everybody"
	return []route{
		{"GET", "/probity/v1/purposes", can(org.PermissionNotice), 0, (*call).listPurposes},
		{"GET", "/probity/v1/notices", can(org.PermissionNotice), 0, (*call).versions},
		{"POST", "/probity/v1/notices/lint", can(org.PermissionNotice), limitBatch, (*call).lintNotice},
		{"GET", "/probity/v1/notices/rules", can(org.PermissionNotice), 0, (*call).lintRules},
		{"GET", "/probity/v1/notices/draft", can(org.PermissionNotice), 0, (*call).draft},
		{"POST", "/probity/v1/notices/draft", can(org.PermissionNoticeEdit), 0, (*call).beginDraft},
		{"PUT", "/probity/v1/notices/draft", can(org.PermissionNoticeEdit), limitBatch, (*call).saveDraft},
		{"DELETE", "/probity/v1/notices/draft", can(org.PermissionNoticeEdit), 0, (*call).discardDraft},
		{"GET", "/probity/v1/notices/draft/lint", can(org.PermissionNotice), 0, (*call).lintDraft},
		{"GET", "/probity/v1/notices/draft/changes", can(org.PermissionNotice), 0, (*call).draftChanges},
		{"GET", "/probity/v1/notices/draft/preview", can(org.PermissionNotice), 0, (*call).previewDraft},
		{"POST", "/probity/v1/notices/draft/publish", can(org.PermissionNoticePublish), 0, (*call).publishDraft},
		{"GET", "/probity/v1/notices/{notice}/{version}", can(org.PermissionNotice), 0, (*call).version},
		{"GET", "/probity/v1/notices/{notice}/{version}/changes", can(org.PermissionNotice), 0, (*call).versionChanges},
		{"GET", "/probity/v1/notices/{notice}/{version}/screenshots", can(org.PermissionNotice), 0, (*call).screenshots},
		{"PUT", "/probity/v1/notices/{notice}/{version}/{lang}/screenshots/{viewport}", can(org.PermissionNoticePublish), limitPicture, (*call).saveScreenshot},
		{"GET", "/probity/v1/notices/{notice}/{version}/{lang}/screenshots/{viewport}", can(org.PermissionNotice), 0, (*call).screenshot},
		{"GET", "/probity/v1/notices/{notice}/{version}/{lang}/shown", public(plain), 0, (*call).shown},
		{"GET", "/probity/v1/notices/shown.js", public(plain), 0, (*call).shownScript},
	}
}

// decodeStrict is decode that refuses members nobody knows: a misspelt word in a notice must not
// vanish in silence.
func (c *call) decodeStrict(dst any) error {
	b, err := c.body()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, dst, json.RejectUnknownMembers(true)); err != nil {
		return malformed(err)
	}
	return nil
}

// noticeVersion reads the notice and the version from the path.
func (c *call) noticeVersion() (int, error) {
	version, err := strconv.Atoi(c.PathValue("version"))
	if err != nil || version < 1 || c.PathValue("notice") != notice.ID {
		return 0, fail.New(fail.NotFound, "There is no notice of that id and version.")
	}
	return version, nil
}

// revision reads which revision of the draft the caller saw, from If-Match.
func (c *call) revision() (int64, error) {
	tag := strings.Trim(strings.TrimPrefix(c.Header.Get("If-Match"), "W/"), `"`)
	n, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		return 0, fail.Field("If-Match", "Send the ETag of the draft that you saw as If-Match.")
	}
	return n, nil
}

func (c *call) writeDraft(status int, d *consent.Draft) error {
	c.w.Header().Set("ETag", `"`+strconv.FormatInt(d.Revision, 10)+`"`)
	return c.reply(status, d)
}

func (c *call) listPurposes() error {
	list, err := c.api.Consent.Purposes(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"purposes": list})
}

func (c *call) versions() error {
	list, err := c.api.Consent.Versions(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	type line struct {
		ID        string   `json:"id"`
		Version   int      `json:"version"`
		Published string   `json:"published"`
		Material  bool     `json:"material"`
		Override  string   `json:"override"`
		By        string   `json:"by"`
		Languages []string `json:"languages"`
	}
	out := []line{}
	for _, v := range list {
		out = append(out, line{notice.ID, v.Version, v.Published.Format("2006-01-02T15:04:05.000Z"), v.Material, v.Override, v.By, v.Draft.Languages()})
	}
	return c.reply(http.StatusOK, map[string]any{"versions": out})
}

func (c *call) version() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	v, err := c.api.Consent.Version(c.Context(), c.who.Tenant, n)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, v)
}

// versionChanges compares a version with another, the one before unless since says which.
func (c *call) versionChanges() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	since, err := c.queryInt("since", n-1, n)
	if err != nil {
		return err
	}
	is, err := c.api.Consent.Version(c.Context(), c.who.Tenant, n)
	if err != nil {
		return err
	}
	was := &consent.Version{}
	if since > 0 {
		if was, err = c.api.Consent.Version(c.Context(), c.who.Tenant, since); err != nil {
			return err
		}
	}
	return c.writeChanges(was.Draft, is.Draft)
}

func (c *call) writeChanges(was, is notice.Draft) error {
	list := notice.Diff(was, is)
	if list == nil {
		list = []notice.Change{}
	}
	return c.reply(http.StatusOK, map[string]any{"material": notice.Material(list), "changes": list})
}

func (c *call) draft() error {
	d, err := c.api.Consent.Draft(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.writeDraft(http.StatusOK, d)
}

func (c *call) beginDraft() error {
	var body struct {
		From      string   `json:"from"` // "published" or "builtin"; empty: published
		Languages []string `json:"languages"`
	}
	if err := c.decodeStrict(&body); err != nil {
		return err
	}
	if body.From != "" && body.From != "published" && body.From != "builtin" {
		return fail.Field("from", "A draft begins from published or from builtin.")
	}
	d, err := c.api.Consent.Begin(c.Context(), c.who.Tenant, consent.Beginning{Builtin: body.From == "builtin", Languages: body.Languages, By: c.who.UID.String()})
	if err != nil {
		return err
	}
	return c.writeDraft(http.StatusCreated, d)
}

func (c *call) saveDraft() error {
	var body notice.Draft
	if err := c.decodeStrict(&body); err != nil {
		return err
	}
	revision, err := c.revision()
	if err != nil {
		return err
	}
	d, err := c.api.Consent.SaveDraft(c.Context(), c.who.Tenant, revision, body, c.who.UID.String())
	if err != nil {
		return err
	}
	return c.writeDraft(http.StatusOK, d)
}

func (c *call) discardDraft() error {
	revision, err := c.revision()
	if err != nil {
		return err
	}
	if err := c.api.Consent.DiscardDraft(c.Context(), c.who.Tenant, revision); err != nil {
		return err
	}
	return c.empty()
}

func (c *call) publishDraft() error {
	var body struct {
		Material bool   `json:"material"`
		Override string `json:"override"`
	}
	if err := c.decodeStrict(&body); err != nil {
		return err
	}
	revision, err := c.revision()
	if err != nil {
		return err
	}
	version, err := c.api.Consent.PublishDraft(c.Context(), c.who.Tenant, consent.Publication{
		Revision: revision, Material: body.Material, Override: body.Override, By: c.who.UID.String(),
	})
	if err != nil {
		return err
	}
	v, err := c.api.Consent.Version(c.Context(), c.who.Tenant, version)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, v)
}

func (c *call) previewDraft() error {
	n, page, err := c.api.Consent.Preview(c.Context(), c.who.Tenant, c.URL.Query().Get("lang"))
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"notice": n, "artefact": string(page)})
}

func (c *call) lintDraft() error {
	d, err := c.api.Consent.Draft(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.writeFaults(d.Draft)
}

func (c *call) lintNotice() error {
	var body notice.Draft
	if err := c.decodeStrict(&body); err != nil {
		return err
	}
	return c.writeFaults(body)
}

func (c *call) writeFaults(d notice.Draft) error {
	faults, err := c.api.Consent.Lint(c.Context(), c.who.Tenant, d)
	if err != nil {
		return err
	}
	if faults == nil {
		faults = []notice.Fault{}
	}
	return c.reply(http.StatusOK, map[string]any{"publishable": len(notice.Blocking(faults)) == 0, "faults": faults})
}

func (c *call) lintRules() error {
	type line struct {
		ID       string          `json:"id"`
		Severity notice.Severity `json:"severity"`
		Source   string          `json:"source"`
		Checks   string          `json:"checks"`
		Pattern  string          `json:"pattern"`
	}
	out := []line{}
	for _, r := range notice.Rules() {
		out = append(out, line{r.ID, r.Severity, r.Source, r.Checks, r.Pattern})
	}
	return c.reply(http.StatusOK, map[string]any{"rules": out})
}

func (c *call) draftChanges() error {
	d, err := c.api.Consent.Draft(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	list, err := c.api.Consent.Versions(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	var was notice.Draft
	if len(list) > 0 {
		was = list[0].Draft
	}
	return c.writeChanges(was, d.Draft)
}

func (c *call) screenshots() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	list, err := c.api.Consent.Screenshots(c.Context(), c.who.Tenant, n)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"screenshots": list})
}

func (c *call) saveScreenshot() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	if c.Header.Get("Content-Type") != "image/png" {
		return errMediaType
	}
	picture, err := io.ReadAll(c.Body)
	if err != nil {
		return err
	}
	s, err := c.api.Consent.SaveScreenshot(c.Context(), c.who.Tenant, n, c.PathValue("lang"), c.PathValue("viewport"), picture)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, s)
}

func (c *call) screenshot() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	picture, err := c.api.Consent.Screenshot(c.Context(), c.who.Tenant, n, c.PathValue("lang"), c.PathValue("viewport"))
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "image/png")
	c.w.Header().Set("Cache-Control", "no-store")
	_, _ = c.w.Write(picture) // a caller that went away is no fault of ours
	return nil
}

// shown is a page on which the real banner shows a published notice; see notice.Shown.
func (c *call) shown() error {
	n, err := c.noticeVersion()
	if err != nil {
		return err
	}
	t, err := c.noticeTenant()
	if err != nil {
		return err
	}
	published, err := c.api.Consent.Published(c.Context(), t, n, c.PathValue("lang"))
	if err != nil {
		return err
	}
	// noticeTenant has read it: the theme is the deployment's if one is named, else the organisation's.
	site, _ := uuid.Parse(c.URL.Query().Get("deployment"))
	theme, _, err := c.api.Consent.Theme(c.Context(), t, site)
	if err != nil {
		return err
	}
	page, err := notice.Shown(*published, theme)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Security-Policy", notice.ShownPolicy+"; frame-ancestors 'none'")
	return c.cached(notice.MediaType, page, noticeSeconds)
}

func (c *call) shownScript() error {
	c.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.cached("text/javascript; charset=utf-8", notice.ShownScript(), 3600)
}
