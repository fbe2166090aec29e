package api

import (
	"net/http"

	"probity/internal/fail"
	"probity/internal/org"
	"probity/internal/withdrawn"
)

// withdrawnTable lists what an organisation says about data whose consent was taken back.
func withdrawnTable() []route {
	return []route{
		{"GET", "/probity/v1/consent/withdrawn-data", can(org.PermissionAdmin, org.PermissionConsent), 0, (*call).withdrawnData},
		{"PUT", "/probity/v1/consent/withdrawn-data", can(org.PermissionAdmin), 0, (*call).setWithdrawnData},
	}
}

func (c *call) withdrawnData() error {
	room, err := c.withdrawnRoom()
	if err != nil {
		return err
	}
	s, err := room.Policy(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, s)
}

func (c *call) setWithdrawnData() error {
	var body struct {
		Policy withdrawn.Policy `json:"policy"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	room, err := c.withdrawnRoom()
	if err != nil {
		return err
	}
	if err := room.SetPolicy(c.Context(), c.who.Tenant, body.Policy); err != nil {
		return err
	}
	return c.withdrawnData()
}

func (c *call) withdrawnRoom() (*withdrawn.Room, error) {
	if c.api.Withdrawn == nil {
		return nil, fail.New(fail.NotFound, "This installation keeps all data whose consent was taken back.")
	}
	return c.api.Withdrawn, nil
}
