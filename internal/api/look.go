package api

import (
	"net/http"
	"slices"

	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/org"
)

// lookTable lists how a deployment meets its visitors.
func lookTable() []route {
	return []route{
		{"PUT", "/probity/v1/deployments/{deploymentId}/signals", can(org.PermissionAdmin), 0, (*call).setSignals},
		{"PUT", "/probity/v1/deployments/{deploymentId}/consent-mode", can(org.PermissionAdmin), 0, (*call).setConsentMode},
	}
}

// ownDeployment returns the deployment that the address names, if it is the caller's.
func (c *call) ownDeployment() (*org.Deployment, error) {
	v, err := c.pathID("deploymentId")
	if err != nil {
		return nil, err
	}
	d, err := c.api.Org.Deployment(c.Context(), v)
	if err != nil {
		return nil, err
	}
	if d.Tenant != c.who.Tenant {
		return nil, fail.New(fail.NotFound, "There is no such deployment.")
	}
	return d, nil
}

// setSignals says which signals of a browser count beside Global Privacy Control, which always does.
func (c *call) setSignals() error {
	var body struct {
		HonourDNT bool `json:"honour_dnt"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	d, err := c.ownDeployment()
	if err != nil {
		return err
	}
	changed := *d
	changed.HonourDNT = body.HonourDNT
	saved, err := c.api.Org.SaveDeployment(c.Context(), c.who.Tenant, changed)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]bool{"honour_dnt": saved.HonourDNT})
}

// setConsentMode says which purpose stands for each kind of consent that Google knows; no kinds: Google is told
// nothing. Only purposes that people can be asked for may stand for one.
func (c *call) setConsentMode() error {
	var body struct {
		Kinds map[string]string `json:"kinds"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	d, err := c.ownDeployment()
	if err != nil {
		return err
	}
	list, err := c.api.Consent.Purposes(c.Context(), d.Tenant)
	if err != nil {
		return err
	}
	for _, purpose := range body.Kinds {
		if !slices.ContainsFunc(list, func(p notice.Purpose) bool { return p.ID == purpose && p.Basis == notice.Consent }) {
			return fail.Field("kinds", "Each kind names one of your purposes that rest on consent.")
		}
	}
	changed := *d
	changed.ConsentMode = body.Kinds
	saved, err := c.api.Org.SaveDeployment(c.Context(), c.who.Tenant, changed)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]map[string]string{"kinds": saved.ConsentMode})
}
