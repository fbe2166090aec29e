package collect

import (
	"probity/internal/event"
)

// agent is the class of a User-Agent header.
type agent struct {
	browser event.Browser
	device  event.Device
}

// maxAgent is the longest header that is looked at. Browsers send about 150 bytes.
const maxAgent = 512

// agent returns the class of a header. Classes are remembered, because a few hundred headers make
// up nearly all traffic.
func (c *Collector) agent(header string) agent {
	if len(header) > maxAgent {
		header = header[:maxAgent]
	}
	if a, ok := c.agents.Get(header); ok {
		return a
	}
	var a agent
	a.browser, a.device = event.ClassifyUA(header)
	c.agents.Put(header, a, c.agents.Epoch())
	return a
}

// describe sets browser and device of an event, keeping what only the page knew.
func (a *agent) describe(e *event.Event) {
	lang, w, h := e.Browser.Lang, e.Device.ScreenWidth, e.Device.ScreenHeight
	e.Browser, e.Device = a.browser, a.device
	e.Browser.Lang, e.Device.ScreenWidth, e.Device.ScreenHeight = lang, w, h
}

// describe fills in what a web event did not say itself. The User-Agent header and the peer of a
// server say nothing about the visitor; those of a browser do.
func (c *Collector) describe(w *event.WebRequest, req Request) {
	ua := w.UserAgent
	if ua == "" && req.Origin != "" {
		ua = req.UserAgent
	}
	if ua != "" {
		a := c.agent(ua)
		if !w.HasAgent {
			w.Event.Browser = a.browser
		}
		if !w.HasDevice {
			w.Event.Device = a.device
		}
	}
	address := w.Address
	if !address.IsValid() && req.Origin != "" {
		address = req.Peer
	}
	w.Event.IP = event.TruncateIP(address)
}
