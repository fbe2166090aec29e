package api

import (
	"net/http"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/org"
)

// themeTable lists how the banner looks: on one deployment, or on all of an organisation's that have no
// theme of their own.
func themeTable() []route {
	return []route{
		{"GET", "/probity/v1/theme", can(org.PermissionNotice), 0, (*call).theme},
		{"PUT", "/probity/v1/theme", can(org.PermissionNoticePublish), 0, (*call).setTheme},
		{"DELETE", "/probity/v1/theme", can(org.PermissionNoticePublish), 0, (*call).dropTheme},
		{"GET", "/probity/v1/deployments/{deploymentId}/theme", can(org.PermissionNotice), 0, (*call).theme},
		{"PUT", "/probity/v1/deployments/{deploymentId}/theme", can(org.PermissionNoticePublish), 0, (*call).setTheme},
		{"DELETE", "/probity/v1/deployments/{deploymentId}/theme", can(org.PermissionNoticePublish), 0, (*call).dropTheme},
	}
}

// themed returns whose theme a call is about: the caller's deployment that the address names, else the
// zero id, which stands for the organisation.
func (c *call) themed() (uuid.UUID, error) {
	if c.PathValue("deploymentId") == "" {
		return uuid.Nil, nil
	}
	d, err := c.ownDeployment()
	if err != nil {
		return uuid.Nil, err
	}
	return d.ID, nil
}

func (c *call) theme() error {
	which, err := c.themed()
	if err != nil {
		return err
	}
	return c.replyTheme(which)
}

func (c *call) replyTheme(which uuid.UUID) error {
	theme, own, err := c.api.Consent.Theme(c.Context(), c.who.Tenant, which)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, struct {
		Theme notice.Theme `json:"theme"`
		Own   bool         `json:"own"` // false: the organisation's, or ours
	}{theme, own})
}

// setTheme refuses members that a theme does not have: who sends a colour for one button alone must hear
// that there is no such thing.
func (c *call) setTheme() error {
	which, err := c.themed()
	if err != nil {
		return err
	}
	var theme notice.Theme
	if err := c.decodeStrict(&theme); err != nil {
		return err
	}
	if err := c.api.Consent.SetTheme(c.Context(), c.who.Tenant, which, &theme); err != nil {
		return err
	}
	return c.replyTheme(which)
}

func (c *call) dropTheme() error {
	which, err := c.themed()
	if err != nil {
		return err
	}
	if err := c.api.Consent.SetTheme(c.Context(), c.who.Tenant, which, nil); err != nil {
		return err
	}
	return c.empty()
}

// layoutFile is the banner's style sheet, which a theme changes.
const layoutFile = "banner.css"

// layout serves the banner's style sheet in the theme of the deployment that the address names. It may be
// kept no longer than a notice, so that a new theme reaches visitors soon. The zero id, which pages of our own use
// that show a notice, has no theme.
func (c *call) layout(deployment string) error {
	which, err := uuid.Parse(deployment)
	if err != nil {
		return fail.New(fail.NotFound, "There is no such deployment.")
	}
	var theme notice.Theme
	if which != uuid.Nil {
		d, err := c.api.Org.Deployment(c.Context(), which)
		if err != nil {
			return err
		}
		if theme, _, err = c.api.Consent.Theme(c.Context(), d.Tenant, d.ID); err != nil {
			return err
		}
	}
	return c.sdkFile(layoutFile, noticeSeconds, func(body []byte) ([]byte, error) { return theme.On(body), nil })
}
