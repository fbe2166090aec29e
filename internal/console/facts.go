package console

import (
	"strconv"

	"probity/internal/consent"
	"probity/internal/notice"
)

func (k *call) editFacts() error {
	return k.edit("facts", "Facts", func(d *consent.Draft, _ string) []group {
		f, s := d.Draft.Facts, d.Draft.Site
		number := func(n int) string {
			if n == 0 {
				return ""
			}
			return strconv.Itoa(n)
		}
		return []group{
			{"Who is responsible", "These stand in the notice in every language, as you write them.", []field{
				{Name: "facts.controller", Label: "Controller", Help: "Name of the organisation that decides why and how data is used.", Value: f.Controller},
				{Name: "facts.address", Label: "Address", Value: f.Address},
				{Name: "facts.contact", Label: "Contact for privacy", Help: "E-mail address or web page.", Value: f.Contact},
				{Name: "facts.dpo", Label: "Data protection officer", Help: "How to reach them, if there is one.", Value: f.DPO},
				{Name: "facts.representative", Label: "Representative in the Union", Help: "Only for a controller outside of it.", Value: f.Representative},
				{Name: "facts.authority", Label: "Supervisory authority", Value: f.Authority},
			}},
			{"Who else, where, how long", "", []field{
				{Name: "facts.processors", Label: "Processors", Help: "One a line. They act on the controller's instructions.", Kind: "area", Rows: 3, Value: lines(f.Processors)},
				{Name: "facts.recipients", Label: "Recipients", Help: "One a line. They use the data for purposes of their own.", Kind: "area", Rows: 3, Value: lines(f.Recipients)},
				{Name: "facts.transfers", Label: "Transfers to other countries", Help: "One a line, with the safeguard: Japan (adequacy decision).", Kind: "area", Rows: 3, Value: lines(f.Transfers)},
				{Name: "facts.retention_months", Label: "Months that records of visits are kept", Kind: "number", Value: number(f.RetentionMonths)},
				{Name: "facts.proof_years", Label: "Years that proofs are kept after their end", Kind: "number", Value: number(f.ProofYears)},
			}},
			{"The site", "Not shown. Tell the truth: the checks depend on it. Forms that ask for consent are stated through the API.", []field{
				{Name: "site.imbalance", Label: "An employer, a public body or the like asks", Kind: "check", Value: on(s.Imbalance)},
				{Name: "site.children", Label: "The service is offered directly to children", Kind: "check", Value: on(s.Children)},
				{Name: "site.min_age", Label: "Age below which a parent decides", Help: "13 to 16, as your country has it.", Kind: "number", Value: number(s.MinAge)},
				{Name: "site.wall", Label: "The site hides its content until a choice is made", Kind: "check", Value: on(s.Wall)},
			}},
		}
	})
}

func (k *call) saveFacts() error {
	return k.save(func(d *notice.Draft) (err error) {
		f := &d.Facts
		f.Controller, f.Address, f.Contact = k.line("facts.controller"), k.line("facts.address"), k.line("facts.contact")
		f.DPO, f.Representative, f.Authority = k.line("facts.dpo"), k.line("facts.representative"), k.line("facts.authority")
		f.Processors, f.Recipients, f.Transfers = k.lines("facts.processors"), k.lines("facts.recipients"), k.lines("facts.transfers")
		if f.RetentionMonths, err = k.number("facts.retention_months"); err != nil {
			return err
		}
		if f.ProofYears, err = k.number("facts.proof_years"); err != nil {
			return err
		}
		d.Site.Imbalance, d.Site.Children, d.Site.Wall = k.line("site.imbalance") != "", k.line("site.children") != "", k.line("site.wall") != ""
		d.Site.MinAge, err = k.number("site.min_age")
		return err
	}, "/console/notices/draft/facts")
}
