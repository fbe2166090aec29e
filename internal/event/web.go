package event

import (
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"probity/internal/fail"
)

// WebRequest is a Genesys web event as it was sent. It still holds a raw address and a full user
// agent, and must not outlive the request.
type WebRequest struct {
	Cookie    uuid.UUID  // customerCookieId
	UserAgent string     // overrides the HTTP header; empty if absent
	Address   netip.Addr // overrides the peer; invalid if absent
	Event     Event      // name, time, page, search, attributes; not minimised, no identifiers
	HasDevice bool       // the sender described the device
	HasAgent  bool       // the sender described the browser
}

// DecodeWeb reads a Genesys WebEventRequest. Unknown members are ignored. Failures are fail.Invalid
// naming the field, or fail.TooLarge beyond MaxEventBytes.
func DecodeWeb(body []byte) (*WebRequest, error) {
	if len(body) > MaxEventBytes {
		return nil, tooLarge("an event", MaxEventBytes>>10)
	}
	w := new(WebRequest)
	if err := parse(body, w.read); err != nil {
		return nil, err
	}
	return w, nil
}

func tooLarge(what string, kib int) error {
	return fail.New(fail.TooLarge, "%s must not be larger than %d KiB", what, kib)
}

func (w *WebRequest) read(p *parser) error {
	e := &w.Event
	e.Origin = FromServer
	hasPage := false
	present, err := p.object("", func(name string) (err error) {
		switch name {
		case "customerCookieId":
			w.Cookie, err = p.id(name)
		case "eventName":
			e.Name, err = p.eventName(name)
		case "page":
			hasPage, err = w.readPage(p)
		case "userAgentString":
			w.UserAgent, err = p.text(name, maxText)
		case "browser":
			w.HasAgent, err = w.readBrowser(p)
		case "device":
			w.HasDevice, err = w.readDevice(p)
		case "searchQuery":
			e.Search, err = p.text(name, maxText)
		case "ipAddress":
			err = w.readAddress(p, name)
		case "referrerUrl":
			var u string
			if u, err = p.url(name); u != "" {
				e.Referrer = &Referrer{URL: u}
			}
		case "attributes":
			e.Attributes, err = p.attrs(name)
		case "traits":
			e.Traits, err = p.attrs(name)
		case "externalId":
			e.ExternalID, err = p.text(name, maxValue)
		case "createdDate":
			e.At, err = p.time(name)
		default:
			err = p.skip("")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !present:
		return fail.New(fail.Invalid, "the body must be an object")
	case w.Cookie == uuid.UUID{}:
		return p.fail("customerCookieId", "is required")
	case e.Name == "":
		return p.fail("eventName", "is required")
	case !hasPage:
		return p.fail("page", "is required")
	case e.At.IsZero():
		return p.fail("createdDate", "is required")
	}
	return nil
}

func (w *WebRequest) readPage(p *parser) (bool, error) {
	page := &w.Event.Page
	titled := false
	present, err := p.object("page", func(name string) (err error) {
		switch name {
		case "url":
			page.URL, err = p.url("page.url")
		case "title":
			titled = p.dec.PeekKind() != 'n'
			page.Title, err = p.text("page.title", maxText)
		case "keywords":
			page.Keywords, err = p.text("page.keywords", maxText)
		case "lang":
			page.Lang, err = p.text("page.lang", maxName)
		default:
			err = p.skip("page")
		}
		return err
	})
	switch {
	case err != nil || !present:
		return present, err
	case page.URL == "":
		return true, p.fail("page.url", "is required")
	case !titled:
		return true, p.fail("page.title", "is required")
	}
	return true, nil
}

func (w *WebRequest) readBrowser(p *parser) (bool, error) {
	b := &w.Event.Browser
	present, err := p.object("browser", func(name string) (err error) {
		switch name {
		case "family":
			b.Family, err = p.text("browser.family", maxName)
		case "version":
			b.Version, err = p.text("browser.version", maxName)
		case "lang":
			b.Lang, err = p.text("browser.lang", maxName)
		default:
			err = p.skip("browser")
		}
		return err
	})
	switch {
	case err != nil || !present:
		return present, err
	case b.Family == "":
		return true, p.fail("browser.family", "is required")
	case b.Version == "":
		return true, p.fail("browser.version", "is required")
	}
	return true, nil
}

func (w *WebRequest) readDevice(p *parser) (bool, error) {
	d := &w.Event.Device
	present, err := p.object("device", func(name string) (err error) {
		switch name {
		case "category":
			if d.Category, err = p.text("device.category", maxName); err == nil {
				switch d.Category {
				case "desktop", "mobile", "tablet", "other":
				default:
					err = p.fail("device.category", "must be desktop, mobile, tablet or other")
				}
			}
		case "type":
			d.Type, err = p.text("device.type", maxName)
		case "isMobile":
			d.Mobile, err = p.boolean("device.isMobile")
		case "screenHeight":
			d.ScreenHeight, err = p.size("device.screenHeight")
		case "screenWidth":
			d.ScreenWidth, err = p.size("device.screenWidth")
		case "screenDensity":
			d.Density, err = p.size("device.screenDensity")
		case "osFamily":
			d.OSFamily, err = p.text("device.osFamily", maxName)
		case "osVersion":
			d.OSVersion, err = p.text("device.osVersion", maxName)
		case "manufacturer":
			d.Manufacturer, err = p.text("device.manufacturer", maxName)
		default:
			err = p.skip("device")
		}
		return err
	})
	if err != nil || !present {
		return present, err
	}
	for _, f := range [...]struct{ field, value string }{
		{"device.category", d.Category}, {"device.type", d.Type},
		{"device.osFamily", d.OSFamily}, {"device.osVersion", d.OSVersion},
	} {
		if f.value == "" {
			return true, p.fail(f.field, "is required")
		}
	}
	return true, nil
}

func (w *WebRequest) readAddress(p *parser, field string) error {
	s, err := p.text(field, maxText)
	if s = strings.TrimSpace(s); err != nil || s == "" {
		return err
	}
	if w.Address, err = netip.ParseAddr(s); err != nil {
		return p.fail(field, "must be an IPv4 or IPv6 address")
	}
	return nil
}
