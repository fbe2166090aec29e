package api

import (
	"net/http"
	"strconv"

	"probity/internal/audit"
	"probity/internal/downstream"
	"probity/internal/fail"
)

// auditEvents checks every stored event for a basis that was live at receipt. It reads the whole store.
func (c *call) auditEvents() error {
	report, err := audit.Events(c.Context(), c.api.Consent, c.api.Journey, c.who.Tenant)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, report)
}

// recordEvents lists the events that were received on the consent which a record gave or took back.
func (c *call) recordEvents() error {
	record, err := c.pathID("record")
	if err != nil {
		return err
	}
	size, err := c.queryInt("pageSize", 100, 1000)
	if err != nil {
		return err
	}
	from := 0
	if text := c.URL.Query().Get("after"); text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 {
			return fail.Field("after", "after is not a number that an earlier page gave as next")
		}
	}
	covered, err := audit.Record(c.Context(), c.api.Consent, c.api.Journey, c.who.Tenant, record, from, size)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, covered)
}

// toldDownstream lists the latest withdrawals that another system was told of, and how that went.
func (c *call) toldDownstream() error {
	size, err := c.queryInt("pageSize", 100, 1000)
	if err != nil {
		return err
	}
	list := []downstream.Told{}
	if c.api.Downstream != nil {
		if list, err = c.api.Downstream.List(c.Context(), c.who.Tenant, size); err != nil {
			return err
		}
	}
	return c.reply(http.StatusOK, map[string]any{"entities": list})
}
