package api

import (
	"net/http"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/org"
	"probity/internal/rights"
)

// recipientTable lists whom an organisation discloses data to, and how they are told (Art. 19).
func recipientTable() []route {
	return []route{
		{"GET", "/probity/v1/recipients", can(org.PermissionAdmin), 0, (*call).recipients},
		{"POST", "/probity/v1/recipients", can(org.PermissionAdmin), 0, (*call).addRecipient},
		{"PUT", "/probity/v1/recipients/{recipientId}", can(org.PermissionAdmin), 0, (*call).changeRecipient},
		{"DELETE", "/probity/v1/recipients/{recipientId}", can(org.PermissionAdmin), 0, (*call).dropRecipient},
		{"GET", "/probity/v1/requests/{requestId}/recipients", can(org.PermissionRights), 0, (*call).told},
		{"GET", "/probity/v1/requests/{requestId}/recipients/{recipientId}", can(org.PermissionHandle), 0, (*call).tellTask},
		{"POST", "/probity/v1/requests/{requestId}/recipients/{recipientId}/told", can(org.PermissionHandle), 0, settleTold(false)},
		{"POST", "/probity/v1/requests/{requestId}/recipients/{recipientId}/waiver", can(org.PermissionDecide), 0, settleTold(true)},
	}
}

// ownRecipient is a recipient with the secret that signs the calls to them.
type ownRecipient struct {
	ID uuid.UUID `json:"id"`
	rights.Recipient
	Secret   string       `json:"secret"`
	HasToken bool         `json:"has_token"`
	Made     genesys.Time `json:"created_at"`
}

// givenRecipient is a recipient as it is handed in, with what opens a processor's service.
type givenRecipient struct {
	rights.Recipient
	Token string `json:"token"`
}

func newOwnRecipient(p *rights.Recipient) ownRecipient {
	return ownRecipient{p.ID, *p, p.Secret, p.HasToken, genesys.Time(p.Made)}
}

func (c *call) recipients() error {
	list, err := c.api.Rights.Recipients(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	out := make([]ownRecipient, len(list))
	for i := range list {
		out[i] = newOwnRecipient(&list[i])
	}
	return c.reply(http.StatusOK, map[string]any{"recipients": out})
}

func (c *call) addRecipient() error {
	var body givenRecipient
	if err := c.decode(&body); err != nil {
		return err
	}
	body.Recipient.Token = body.Token
	made, err := c.api.Rights.AddRecipient(c.Context(), c.who.Tenant, body.Recipient)
	if err != nil {
		return err
	}
	return c.reply(http.StatusCreated, newOwnRecipient(made))
}

// changeRecipient replaces what is known of a recipient.
func (c *call) changeRecipient() error {
	recipient, err := c.pathID("recipientId")
	if err != nil {
		return err
	}
	var body givenRecipient
	if err := c.decode(&body); err != nil {
		return err
	}
	changed, err := c.api.Rights.ChangeRecipient(c.Context(), c.who.Tenant, recipient, func(p *rights.Recipient) {
		p.Name, p.Contact, p.Categories, p.Way, p.URL = body.Name, body.Contact, body.Categories, body.Way, body.URL
		p.Token = body.Token
	})
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, newOwnRecipient(changed))
}

func (c *call) dropRecipient() error {
	recipient, err := c.pathID("recipientId")
	if err != nil {
		return err
	}
	if err := c.api.Rights.DropRecipient(c.Context(), c.who.Tenant, recipient); err != nil {
		return err
	}
	return c.empty()
}

// told says what became of telling each recipient of a request.
func (c *call) told() error {
	q, err := c.findRequest()
	if err != nil {
		return err
	}
	list, err := c.api.Rights.Told(c.Context(), c.who.Tenant, q.ID)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"recipients": list})
}

// toldOf reads which recipient of which request a call is about.
func (c *call) toldOf() (request, recipient uuid.UUID, err error) {
	if request, err = c.pathID("requestId"); err != nil {
		return request, recipient, err
	}
	recipient, err = c.pathID("recipientId")
	return request, recipient, err
}

// tellTask hands out what staff must tell a recipient: whom the request was about.
func (c *call) tellTask() error {
	request, recipient, err := c.toldOf()
	if err != nil {
		return err
	}
	m, err := c.api.Rights.TellTaskMessage(c.Context(), c.who.Tenant, request, recipient)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, m)
}

// settleTold notes that staff told a recipient, or why nobody will.
func settleTold(waive bool) func(*call) error {
	return on("recipientId", func(c *call, recipient uuid.UUID, body *reasoned) error {
		request, err := c.pathID("requestId")
		if err != nil {
			return err
		}
		if err := c.api.Rights.SettleTold(c.Context(), c.who.Tenant, request, recipient, c.caller(), waive, body.Reason); err != nil {
			return err
		}
		return c.empty()
	})
}
