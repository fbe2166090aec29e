package api

import (
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/rights"
)

// databasesTable lists what can be asked about the organisation's other databases.
func databasesTable() []route {
	return []route{
		{"GET", "/probity/v1/databases", can(org.PermissionRights), 0, (*call).databases},
		{"GET", "/probity/v1/databases/checks", can(org.PermissionRights), 0, (*call).databaseChecks},
		{"PUT", "/probity/v1/databases/checks", can(org.PermissionAdmin), 0, (*call).checkDatabases},
		{"POST", "/probity/v1/databases/plan", can(org.PermissionRequest), 0, (*call).planDatabases},
		{"POST", "/probity/v1/requests/{requestId}/databases", can(org.PermissionRequest), 0, on("requestId", (*call).settleDatabases)},
		{"POST", "/probity/v1/requests/{requestId}/by-hand", can(org.PermissionHandle), 0, on("requestId", (*call).doneByHand)},
	}
}

// databases lists what is connected. Where it is, and with which account, is the operator's to know.
func (c *call) databases() error {
	return c.reply(http.StatusOK, map[string]any{"databases": c.api.Rights.ConnectedDatabases(c.who.Tenant)})
}

// ownCheck is how a database stood when it was tried.
type ownCheck struct {
	rights.DatabaseCheck
	At genesys.Time `json:"at"`
	OK bool         `json:"ok"` // requests can be carried out there
}

// databaseChecks tells how the databases stood when they were tried last.
func (c *call) databaseChecks() error {
	checks, err := c.api.Rights.DatabaseChecks(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	list := []ownCheck{}
	for _, key := range slices.Sorted(maps.Keys(checks)) {
		one := checks[key]
		list = append(list, ownCheck{one, genesys.Time(one.At), one.Well()})
	}
	return c.reply(http.StatusOK, map[string]any{"checks": list})
}

// checkDatabases tries the connections and tells how they stand.
func (c *call) checkDatabases() error {
	if err := c.api.Rights.CheckDatabases(c.Context(), c.who.Tenant); err != nil {
		return err
	}
	return c.databaseChecks()
}

// planDatabases tells what an erasure of the subject would do in the databases.
func (c *call) planDatabases() error {
	var body struct {
		Subject *genesys.GDPRSubject `json:"subject"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	if body.Subject == nil {
		return fail.Field("subject", "a subject is needed")
	}
	wire := genesys.GDPRRequestBody{Subject: body.Subject}
	q, _ := wire.ToRequest()
	plan, err := c.api.Rights.PlanDatabases(c.Context(), c.who.Tenant, q.Who)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, plan)
}

// settleDatabases lets fields stay that no strategy can mask, for a reason.
func (c *call) settleDatabases(request uuid.UUID, body *reasoned) error {
	if err := c.api.Rights.SettleDatabases(c.Context(), c.who.Tenant, request, c.caller(), body.Reason); err != nil {
		return err
	}
	return c.empty()
}

// handled says in which collection somebody did what nothing here can.
type handled struct {
	Collection string `json:"collection"`
	Reason     string `json:"reason"`
}

// doneByHand notes that a person's rows were restricted by hand, or freed.
func (c *call) doneByHand(request uuid.UUID, body *handled) error {
	if err := c.api.Rights.DoneByHand(c.Context(), c.who.Tenant, request, c.caller(), body.Collection, body.Reason); err != nil {
		return err
	}
	return c.empty()
}
