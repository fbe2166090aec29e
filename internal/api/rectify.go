package api

import (
	"net/http"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/rights"
)

// rectifyTable lists what belongs to the correction of data beside the requests themselves.
func rectifyTable() []route {
	return []route{
		{"POST", "/probity/v1/rectifications/preview", can(org.PermissionRequest), 0, (*call).previewRectification},

		{"GET", "/api/v2/dataprivacy/maskingrules", can("dataprivacy:maskingrule:view"), 0, (*call).maskingRules},
		{"POST", "/api/v2/dataprivacy/maskingrules", can("dataprivacy:maskingrule:add"), 0, (*call).addMaskingRule},
		{"POST", "/api/v2/dataprivacy/maskingrules/validate", can("dataprivacy:maskingrule:execute"), 0, (*call).validateMaskingRule},
		{"GET", "/api/v2/dataprivacy/maskingrules/{ruleId}", can("dataprivacy:maskingrule:view"), 0, (*call).maskingRule},
		{"PATCH", "/api/v2/dataprivacy/maskingrules/{ruleId}", can("dataprivacy:maskingrule:edit"), 0, (*call).changeMaskingRule},
		{"DELETE", "/api/v2/dataprivacy/maskingrules/{ruleId}", can("dataprivacy:maskingrule:delete"), 0, (*call).dropMaskingRule},
	}
}

// previewRectification tells what a rectification would change. Nothing is changed or kept.
func (c *call) previewRectification() error {
	var body struct {
		Subject      *genesys.GDPRSubject      `json:"subject"`
		Replacements []genesys.ReplacementTerm `json:"replacements"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if body.Subject == nil {
		return fail.Field("subject", "a subject is needed")
	}
	wire := genesys.GDPRRequestBody{ReplacementTerms: body.Replacements, Subject: body.Subject}
	q, _ := wire.ToRequest()
	q.Type = rights.Rectification
	report, err := c.api.Rights.Preview(c.Context(), c.who.Tenant, q)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, report)
}
