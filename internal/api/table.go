package api

import "probity/internal/org"

// table lists everything that can be called, and who may. Permissions are named as in the Genesys
// Cloud API where it has them.
func (a *API) table() []route {
	const (
		site   = "called by browsers of visitors; the deployment, its allowed origins and the consent gate decide"
		own    = "the visitor's random id is the credential"
		plain  = "the same bytes for everybody"
		signin = "the client's id and secret stand in the request"
		link   = "the link is signed and expires"
	)
	return append(append(append(append(append(append(append(a.configTable(), noticeTable()...), waysTable(site)...), lookTable()...), themeTable()...), databasesTable()...), storesTable()...), []route{
		{"POST", "/oauth/token", public(signin), limitSmall, (*call).token},
		{"GET", "/api/v2/tokens/me", anyToken(), 0, (*call).tokenInfo},
		{"DELETE", "/api/v2/tokens/me", anyToken(), 0, (*call).endToken},
		{"GET", "/api/v2/organizations/me", anyToken(), 0, (*call).organisation},
		{"GET", "/api/v2/authorization/products", anyToken(), 0, (*call).products},
		{"GET", "/api/v2/users/me", anyToken(), 0, (*call).me},

		{"POST", "/api/v2/gdpr/requests", can(org.PermissionGDPRAdd), 0, (*call).addGDPRRequest},
		{"GET", "/api/v2/gdpr/requests", can(org.PermissionGDPR), 0, (*call).listGDPRRequests},
		{"GET", "/api/v2/gdpr/requests/{requestId}", can(org.PermissionGDPR), 0, (*call).gdprRequest},
		{"GET", "/api/v2/gdpr/subjects", can(org.PermissionSubject), 0, (*call).gdprSubjects},
		// Genesys asks for a token only. Who has been shown the address could read requests; a token
		// without that permission must not open a file with everything about a person in it.
		{"GET", "/api/v2/downloads/{downloadId}", can(org.PermissionGDPR), 0, (*call).download},
		{"GET", "/platform/api/v2/downloads/{downloadId}", can(org.PermissionGDPR), 0, (*call).download},
		{"GET", "/probity/v1/downloads/{downloadId}", public(link), 0, (*call).signedDownload},

		{"POST", "/api/v2/journey/deployments/{deploymentId}/webevents", public(site), limitSmall, (*call).webEvent},
		{"POST", "/api/v2/journey/deployments/{deploymentId}/actionevent", public(site), 0, throttled((*call).actionEvent)},
		{"GET", "/api/v2/journey/deployments/{deploymentId}/customers/{customerCookieId}/ping", public(site), 0, (*call).ping},
		{"GET", "/api/v2/journey/sessions/{sessionId}", can(org.PermissionSession, "externalContacts:session:view"), 0, (*call).session},
		{"GET", "/api/v2/journey/sessions/{sessionId}/events", can(org.PermissionEvents), 0, (*call).sessionEvents},
		{"GET", "/api/v2/journey/sessions/{sessionId}/outcomescores", can(org.PermissionScores), 0, (*call).outcomeScores},

		{"GET", "/journey/sdk/js/web/v1/ac.js", public(plain), 0, (*call).gate},
		{"GET", "/probity/sdk/v1/{file}", public(plain), 0, (*call).sdk},
		{"GET", "/probity/v1/deployments/{deploymentId}/config", public(plain), 0, (*call).deploymentConfig},
		{"GET", "/probity/v1/deployments/{deploymentId}/notice", public(plain), 0, (*call).notice},
		{"GET", "/probity/v1/notices/{notice}/{version}/{lang}", public(plain), 0, (*call).artefact},
		{"POST", "/probity/v1/deployments/{deploymentId}/events", public(site), limitBatch, (*call).events},
		{"POST", "/probity/v1/deployments/{deploymentId}/live", public(site), 0, throttled((*call).stream)},
		{"POST", "/probity/v1/consent/served", public(site), 0, throttled((*call).served)},
		{"POST", "/probity/v1/consent/choices", public(site), 0, throttled((*call).choose)},
		{"POST", "/probity/v1/consent/withdraw", public(own), 0, throttled((*call).withdraw)},
		{"POST", "/probity/v1/consent/object", public(own), 0, throttled((*call).object)},
		{"POST", "/probity/v1/consent/state", public(own), 0, throttled((*call).consentState)},
		{"POST", "/probity/v1/consent/receipt", public(own), 0, throttled((*call).receipt)},
		{"POST", "/probity/v1/import", can(org.PermissionImport), limitBatch, (*call).importEvents},

		{"GET", "/probity/v1/requests/{requestId}/package", can(org.PermissionRights), 0, (*call).requestPackage},
		{"GET", "/probity/v1/requests/{requestId}/certificate", can(org.PermissionRights), 0, (*call).certificate},
		{"GET", "/probity/v1/consent/audit/events", can(org.PermissionAudit), 0, (*call).auditEvents},
		{"GET", "/probity/v1/consent/records/{record}/events", can(org.PermissionConsent), 0, (*call).recordEvents},
		{"GET", "/probity/v1/consent/downstream", can(org.PermissionConsent), 0, (*call).toldDownstream},
		{"GET", "/probity/v1/ledger/checkpoint", can(org.PermissionAudit), 0, (*call).checkpoint},

		{"GET", "/.well-known/gpc.json", public(plain), 0, (*call).gpc},
		{"GET", "/.well-known/security.txt", public(plain), 0, (*call).securityText},
		{"GET", "/healthz", public("says nothing but that the process answers"), 0, (*call).health},
		{"GET", "/readyz", public("says nothing but whether the engines answer"), 0, (*call).ready},
		{"GET", "/metrics", public("checked in the handler: this machine, or a token with " + org.PermissionMetrics), 0, (*call).metrics},
	}...)
}
