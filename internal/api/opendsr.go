package api

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/opendsr"
	"probity/internal/org"
)

// opendsrTable lists what controllers call who send requests as OpenDSR 2.0 has them.
func opendsrTable() []route {
	const (
		plain     = "the same bytes for everybody"
		signature = "the processor's signature is the credential"
	)
	return []route{
		{"GET", "/opendsr/v2/discovery", public(plain), 0, (*call).opendsrDiscovery},
		{"GET", "/opendsr/v2/certificate.pem", public(plain), 0, (*call).opendsrCertificate},
		{"POST", "/opendsr/v2/requests", can(org.PermissionRequest), 0, opendsrCall((*call).opendsrSubmit)},
		{"GET", "/opendsr/v2/requests/{subjectRequestId}", can(org.PermissionRights), 0, opendsrCall((*call).opendsrStatus)},
		{"GET", "/opendsr/v2/status/{subjectRequestId}", can(org.PermissionRights), 0, opendsrCall((*call).opendsrStatus)},
		{"POST", "/opendsr/v2/callbacks/{requestId}/{recipientId}", public(signature), 0, throttled((*call).opendsrCallback)},
		{"DELETE", "/opendsr/v2/requests/{subjectRequestId}", can(org.PermissionHandle), 0, opendsrCall((*call).opendsrCancel)},
	}
}

var errNoOpenDSR = fail.New(fail.NotFound, "OpenDSR is not spoken here: the operator gave no certificate.")

// opendsrCall writes what is wrong with a request as the specification has it.
func opendsrCall(h func(*call) error) func(*call) error {
	return func(c *call) error {
		if !c.api.OpenDSR.Enabled() {
			return errNoOpenDSR
		}
		err := h(c)
		if fail.Is(err, fail.Invalid) || fail.Is(err, fail.Conflict) {
			field := ""
			if e, ok := errors.AsType[*fail.Error](err); ok {
				field = e.Field
			}
			opendsr.Refuse(c.w, err.Error(), field)
			return nil
		}
		return err
	}
}

func (c *call) opendsrDiscovery() error {
	if !c.api.OpenDSR.Enabled() {
		return errNoOpenDSR
	}
	return c.api.OpenDSR.Write(c.w, http.StatusOK, c.api.OpenDSR.Discovery(c.base()+"/opendsr/v2/certificate.pem"))
}

func (c *call) opendsrCertificate() error {
	if !c.api.OpenDSR.Enabled() {
		return errNoOpenDSR
	}
	c.w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = c.w.Write(c.api.OpenDSR.Certificate())
	return nil
}

func (c *call) opendsrSubmit() error {
	body, err := c.body()
	if err != nil {
		return err
	}
	answer, err := c.api.OpenDSR.Submit(c.Context(), c.who.Tenant, c.who.UID, body)
	if err != nil {
		return err
	}
	return c.api.OpenDSR.Write(c.w, http.StatusCreated, answer)
}

func (c *call) opendsrStatus() error {
	subject, err := c.pathID("subjectRequestId")
	if err != nil {
		return err
	}
	answer, err := c.api.OpenDSR.Status(c.Context(), c.who.Tenant, c.who.UID, subject, func(request uuid.UUID) string {
		return c.base() + "/probity/v1/requests/" + request.String() + "/package"
	})
	if err != nil {
		return err
	}
	return c.api.OpenDSR.Write(c.w, http.StatusOK, answer)
}

func (c *call) opendsrCancel() error {
	subject, err := c.pathID("subjectRequestId")
	if err != nil {
		return err
	}
	answer, err := c.api.OpenDSR.Cancel(c.Context(), c.who.Tenant, c.who.UID, subject)
	if err != nil {
		return err
	}
	return c.api.OpenDSR.Write(c.w, http.StatusAccepted, answer)
}

// opendsrCallback takes what a processor tells of a request that it took over.
func (c *call) opendsrCallback() error {
	request, recipient, err := c.toldOf()
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	if err := c.api.Rights.HearProcessor(c.Context(), request, recipient, c.Header, body); err != nil {
		return err
	}
	return c.empty()
}
