package api

import (
	"net/http"

	"probity/internal/org"
	"probity/internal/rights"
)

// storesTable lists where Probity itself keeps what, and what becomes of it.
func storesTable() []route {
	return []route{{"GET", "/probity/v1/stores", can(org.PermissionRights, org.PermissionGDPR), 0, (*call).stores}}
}

// stores answers with the inventory: the same for every organisation.
func (c *call) stores() error {
	type store struct {
		rights.Place
		Days float64 `json:"expires_within_days,omitempty"`
	}
	list := []store{}
	for _, p := range rights.Inventory() {
		list = append(list, store{p, p.Within.Hours() / 24})
	}
	return c.reply(http.StatusOK, map[string]any{"stores": list})
}
