package notice

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// LintPage returns what is wrong with a rendered notice: the page that Render made, or a banner of an
// organisation's own that marks its controls as Render does. Controls carry data-layer (1 for what is
// shown first) and data-action (accept_all, reject_all, …), a purpose's switch data-purpose, and the
// words about withdrawal the id "withdraw". lang is the language that it was rendered in.
func LintPage(page []byte, purposes []Purpose, lang string) []Fault {
	root, err := html.Parse(bytes.NewReader(page))
	r := &reader{purposes: purposes}
	if err != nil {
		r.rule = Rule{ID: "page-broken", Severity: Refused, Source: "Art. 12(1) GDPR"}
		r.fault("page", "The page is not HTML.")
		return r.faults
	}
	p := &pageReader{reader: r, lang: lang}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			p.elements = append(p.elements, n)
		}
	}
	for _, rule := range Rules() {
		if r.rule = rule; rule.page != nil {
			rule.page(p)
		}
	}
	return r.faults
}

// pageReader is a reader of one rendered page. elements are in the order of the document.
type pageReader struct {
	*reader
	lang     string
	elements []*html.Node
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func value(n *html.Node, name string) string {
	v, _ := attr(n, name)
	return v
}

// control returns the element that performs an action on a layer, nil if there is none.
func (p *pageReader) control(layer, action string) *html.Node {
	for _, n := range p.elements {
		if value(n, "data-layer") == layer && value(n, "data-action") == action {
			return n
		}
	}
	return nil
}

// choices calls fn for each layer on which everything can be accepted. refusal is nil if nothing can be
// refused there.
func (p *pageReader) choices(fn func(layer string, acceptance, refusal *html.Node)) {
	var seen []string
	for _, n := range p.elements {
		layer := value(n, "data-layer")
		if value(n, "data-action") == "accept_all" && !slices.Contains(seen, layer) {
			seen = append(seen, layer)
			fn(layer, n, p.control(layer, "reject_all"))
		}
	}
}

func refusalMissing(p *pageReader) {
	p.choices(func(layer string, _, refusal *html.Node) {
		if refusal == nil {
			p.fault("page.layer."+layer, "Everything can be accepted on layer %s, and nothing refused.", layer)
		}
	})
	if p.control("1", "accept_all") == nil {
		p.fault("page.layer.1", "The first layer has no button that accepts. Whoever asks must take a yes as easily as a no.")
	}
}

func refusalNoButton(p *pageReader) {
	p.choices(func(layer string, _, refusal *html.Node) {
		if refusal != nil && refusal.Data != "button" {
			p.fault("page.layer."+layer, "What refuses on layer %s is no button.", layer)
		}
	})
}

// container returns what holds a control and its peers.
func container(n *html.Node) *html.Node {
	if n.Parent != nil && n.Parent.Data == "li" {
		return n.Parent.Parent
	}
	return n.Parent
}

func choicesUnequal(p *pageReader) {
	p.choices(func(layer string, acceptance, refusal *html.Node) {
		if refusal == nil {
			return
		}
		if container(acceptance) != container(refusal) {
			p.fault("page.layer."+layer, "What accepts and what refuses on layer %s do not stand side by side.", layer)
		}
		for _, name := range []string{"class", "style", "hidden", "disabled", "tabindex", "aria-hidden"} {
			a, hasA := attr(acceptance, name)
			b, hasB := attr(refusal, name)
			if a != b || hasA != hasB {
				p.fault("page.layer."+layer, "What accepts and what refuses on layer %s differ in %s.", layer, name)
			}
		}
	})
}

func preTicked(p *pageReader) {
	for _, n := range p.elements {
		_, checked := attr(n, "checked")
		_, selected := attr(n, "selected")
		if checked || selected || value(n, "aria-checked") == "true" || value(n, "aria-pressed") == "true" {
			p.fault("page", "Something is switched on before anybody has chosen.")
		}
	}
}

func interestSwitch(p *pageReader) {
	for _, n := range p.elements {
		id := value(n, "data-purpose")
		if n.Data != "input" && n.Data != "button" && value(n, "role") != "switch" || id == "" {
			continue
		}
		if slices.ContainsFunc(p.purposes, func(one Purpose) bool { return one.ID == id && one.Basis != Consent }) {
			p.fault("page", "The purpose %s does not rest on consent and has a switch all the same. Say what it rests on and how to object.", id)
		}
	}
}

func withdrawalAfter(p *pageReader) {
	for _, n := range p.elements {
		switch {
		case value(n, "id") == "withdraw":
			return
		case value(n, "data-action") != "":
			p.fault("page", "The right to withdraw is named after the choice, or not at all. It belongs before.")
			return
		}
	}
}

func pageOtherContent(p *pageReader) {
	for _, n := range p.elements {
		switch n.Data {
		case "img", "picture", "video", "audio", "svg", "canvas", "iframe", "object", "script", "form", "textarea", "select":
			p.fault("page", "The page holds more than the question: <%s>.", n.Data)
		case "input":
			if kind := value(n, "type"); kind != "checkbox" {
				p.fault("page", "The page asks for something else: an input of the type %q.", kind)
			}
		}
	}
}

func pageLanguage(p *pageReader) {
	for _, n := range p.elements {
		if lang, ok := attr(n, "lang"); n.Data == "html" && !ok || ok && !strings.EqualFold(lang, p.lang) {
			p.fault("page", "The page is to be in %s and says otherwise.", p.lang)
		}
	}
}
