package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/event"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/subject"
)

// deployment finds the deployment of a call from a browser and checks the page it comes from. A
// call without an Origin header comes from no page: a server, or the same origin.
func (c *call) deployment(deployment uuid.UUID) (*org.Deployment, error) {
	d, err := c.api.Org.Deployment(c.Context(), deployment)
	if err != nil {
		return nil, err
	}
	origin := c.Header.Get("Origin")
	if origin == "" {
		return d, nil
	}
	c.w.Header().Add("Vary", "Origin")
	if !d.Allows(origin) && !c.sameOrigin(origin) {
		return nil, fail.New(fail.Forbidden, "This deployment does not allow calls from this origin.").WithCode("origin.foreign")
	}
	c.w.Header().Set("Access-Control-Allow-Origin", origin)
	c.w.Header().Set("Access-Control-Expose-Headers", correlationHeader+", Retry-After")
	return d, nil
}

// sameOrigin tells whether the page was served by this server, as the privacy centre is.
func (c *call) sameOrigin(origin string) bool { return origin == c.base() }

// pathDeployment is deployment for the id in the path.
func (c *call) pathDeployment() (*org.Deployment, error) {
	v, err := c.pathID("deploymentId")
	if err != nil {
		return nil, err
	}
	return c.deployment(v)
}

// cached answers with bytes that everybody gets, and lets anybody keep them for some seconds.
func (c *call) cached(mediaType string, body []byte, seconds int) error {
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h := c.w.Header()
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(seconds))
	h.Set("ETag", tag)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Del("Vary")
	if strings.Contains(c.Header.Get("If-None-Match"), tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(body)
	return nil
}

func (c *call) cachedJSON(v any, seconds int) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return c.cached("application/json", b.Bytes(), seconds)
}

// sdkSeconds is how long a file of the browser SDK may be kept.
const sdkSeconds = 3600

// sdkFile answers with one file of the browser SDK, after fill if it is not nil, for browsers to keep for
// some seconds.
func (c *call) sdkFile(name string, seconds int, fill func(body []byte) ([]byte, error)) error {
	missing := fail.New(fail.NotFound, "There is no such file.")
	if c.api.SDK == nil {
		return missing
	}
	body, err := fs.ReadFile(c.api.SDK, "dist/"+name)
	if err != nil {
		return missing
	}
	if fill != nil {
		if body, err = fill(body); err != nil {
			return err
		}
	}
	c.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.cached(mime.TypeByExtension(path.Ext(name)), body, seconds)
}

// sdk serves a file of the browser SDK by its name.
func (c *call) sdk() error {
	name := c.PathValue("file")
	if name == gateFile {
		return c.gate()
	}
	if d := c.URL.Query().Get("deployment"); d != "" && name == layoutFile {
		return c.layout(d)
	}
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return fail.New(fail.NotFound, "There is no such file.")
	}
	return c.sdkFile(name, sdkSeconds, nil)
}

// The numbers that the browser works with.
const (
	sessionIdleSeconds = 20 * 60
	noticeSeconds      = 60 // how long a notice may be kept: a new version must reach visitors soon
)

// deploymentConfig says what the browser must know before anybody has chosen anything. It holds
// nothing about the visitor.
func (c *call) deploymentConfig() error {
	v, err := c.pathID("deploymentId")
	if err != nil {
		return err
	}
	d, err := c.api.Org.Deployment(c.Context(), v)
	if err != nil {
		return err
	}
	list, err := c.api.Consent.Purposes(c.Context(), d.Tenant)
	if err != nil {
		return err
	}
	n, err := c.api.Consent.Notice(c.Context(), d.Tenant, c.language())
	if err != nil {
		return err
	}
	languages, err := c.api.Consent.Languages(c.Context(), d.Tenant)
	if err != nil {
		return err
	}
	type purpose struct {
		ID          string `json:"id"`
		Title       string `json:"title"`
		Description string `json:"description"`
		Basis       string `json:"basis"`
	}
	type notice struct {
		ID      string `json:"id"`
		Version int    `json:"version"`
	}
	policy := event.DefaultPolicy()
	out := struct {
		Deployment uuid.UUID `json:"deployment"`
		Purposes   []purpose `json:"purposes"`
		Notice     notice    `json:"notice"`
		Languages  []string  `json:"languages"`
		Idle       int       `json:"session_idle_seconds"`
		ChoiceDays int       `json:"choice_days"`
		QueryKeys  []string  `json:"query_keys"`
		SearchKeys []string  `json:"search_keys"`
		PrivacyURL string    `json:"privacy_url"`
		HonourDNT  bool      `json:"honour_dnt"`
		Withdraw   string    `json:"withdraw_all"` // the label of the control that takes everything back
		Blocked    string    `json:"blocked"`      // in place of a frame that waits
		Allow      string    `json:"allow"`        // the label of the control that grants its purpose
		Still      string    `json:"still"`        // what is said where scripts of other tools outlive a withdrawal
		Reload     string    `json:"reload"`       // the label of the control that loads the page anew then
		Language   string    `json:"language"`     // of these words

		ConsentMode map[string]string `json:"consent_mode,omitempty"` // Google's kinds of consent, and the purposes that stand for them
	}{
		Deployment: d.ID, Purposes: []purpose{}, Notice: notice{n.ID, n.Version}, Languages: languages,
		Idle: sessionIdleSeconds, ChoiceDays: int(consent.Validity.Hours() / 24),
		QueryKeys: policy.QueryKeys, SearchKeys: policy.SearchKeys, PrivacyURL: c.api.Options.PrivacyURL,
		HonourDNT: d.HonourDNT, Withdraw: n.Labels.WithdrawAll,
		Blocked: n.Labels.Blocked, Allow: n.Labels.Allow, Still: n.Labels.Still, Reload: n.Labels.Reload, Language: n.Language,
		ConsentMode: d.ConsentMode,
	}
	for _, p := range list {
		text := p.Texts[n.Language]
		out.Purposes = append(out.Purposes, purpose{p.ID, text.Title, text.Description, string(p.Basis)})
	}
	return c.cachedJSON(out, noticeSeconds)
}

// language returns the language that the query asks for, without its region; empty for none.
func (c *call) language() string {
	lang, _, _ := strings.Cut(strings.ToLower(c.URL.Query().Get("lang")), "-")
	return lang
}

func (c *call) notice() error {
	v, err := c.pathID("deploymentId")
	if err != nil {
		return err
	}
	d, err := c.api.Org.Deployment(c.Context(), v)
	if err != nil {
		return err
	}
	n, err := c.api.Consent.Notice(c.Context(), d.Tenant, c.language())
	if err != nil {
		return err
	}
	dnt := n.Labels.DNT
	n.Labels = n.Labels.ForBanner()
	if d.HonourDNT {
		// Only where the signal counts is there something to say about it.
		n.Labels.DNT = dnt
	}
	var age *notice.AgeWords
	gated, err := c.api.Consent.AgeGate(c.Context(), d.Tenant, d.ID)
	if err != nil {
		return err
	}
	if gated {
		words := n.Age()
		age = &words
	}
	return c.cachedJSON(struct {
		*notice.Notice
		Age *notice.AgeWords `json:"age,omitempty"` // where an age has to be asked for
	}{n, age}, noticeSeconds)
}

// artefact is the notice as it was published, byte for byte, for ever: what a receipt cites. It is
// the default organisation's unless a deployment is named.
func (c *call) artefact() error {
	version, err := strconv.Atoi(c.PathValue("version"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no notice of that id, version and language.")
	}
	t, err := c.noticeTenant()
	if err != nil {
		return err
	}
	page, err := c.api.Consent.Artefact(c.Context(), t, c.PathValue("notice"), version, c.PathValue("lang"))
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	return c.cached("text/html; charset=utf-8", page, 86400)
}

func (c *call) noticeTenant() (id.Tenant, error) {
	text := c.URL.Query().Get("deployment")
	if text == "" {
		return c.api.Org.Default(c.Context())
	}
	v, err := uuid.Parse(text)
	if err != nil {
		return id.Tenant{}, fail.New(fail.NotFound, "There is no such deployment.")
	}
	d, err := c.api.Org.Deployment(c.Context(), v)
	if err != nil {
		return id.Tenant{}, err
	}
	return d.Tenant, nil
}

// visitor finds the data subject of a cookie. Errors: ConsentRequired if nobody with it has ever
// agreed to anything, or has been erased.
func (c *call) visitor(t id.Tenant, cookie uuid.UUID) (id.Subject, error) {
	s, known, err := c.api.Subjects.Lookup(c.Context(), t, subject.Cookie, cookie.String())
	if err != nil {
		return s, err
	}
	if !known {
		return s, fail.New(fail.ConsentRequired, "Nothing is known of this visitor.").WithCode("consent.required")
	}
	return s, nil
}
