package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
)

func (k *call) editPurposes() error {
	return k.edit("purposes", "Purposes", func(d *consent.Draft, _ string) []group {
		var out []group
		for i, p := range d.Draft.Purposes {
			at := "purposes." + p.ID + "."
			var keys []string
			for _, s := range p.Storage {
				keys = append(keys, fmt.Sprintf("%s %s %d", s.Name, s.Kind, s.Days))
			}
			out = append(out, group{p.ID, p.Texts["en"].Title, []field{
				{Name: at + "place", Label: "Place", Kind: "number", Value: strconv.Itoa(i + 1)},
				{Name: at + "basis", Label: "Lawful basis", Help: "Another one than consent also needs a declaration with an assessment.", Kind: "choice", Value: string(p.Basis),
					Options: []string{string(notice.Consent), string(notice.Contract), string(notice.LegalObligation), string(notice.VitalInterests), string(notice.PublicTask), string(notice.LegitimateInterest)}},
				{Name: at + "profiling", Label: "Evaluates people (profiling)", Kind: "check", Value: on(p.Profiling)},
				{Name: at + "sharing", Label: "Shares data or advertises (Global Privacy Control refuses it)", Kind: "check", Value: on(p.Sharing)},
				{Name: at + "needed_for", Label: "Services given only with it", Help: "One a line. Best: none.", Kind: "area", Rows: 2, Value: lines(p.NeededFor)},
				{Name: at + "necessary", Label: "Those services can't be given without it", Kind: "check", Value: on(p.Necessary)},
				{Name: at + "why", Label: "Why they can't", Value: p.Why},
				{Name: at + "categories", Label: "Categories of data", Help: "One a line.", Kind: "area", Rows: 3, Value: lines(p.Categories)},
				{Name: at + "recipients", Label: "Recipients", Help: "One a line, each also among the facts.", Kind: "area", Rows: 2, Value: lines(p.Recipients)},
				{Name: at + "storage", Label: "Kept on the device", Help: "One a line: name, kind, days. Kinds: " + strings.Join(notice.StorageKinds(), ", ") + ".", Kind: "area", Rows: 2, Value: lines(keys)},
				{Name: at + "exemption", Label: "Why that needs no consent", Kind: "choice", Value: string(p.Exemption), Options: []string{"", string(notice.Transmission), string(notice.RequestedService)}},
				{Name: at + "remove", Label: "Take this purpose out", Kind: "check"},
			}})
		}
		return append(out, group{"Another purpose", "", []field{
			{Name: "new", Label: "Its id", Help: "Lower-case letters, digits and dashes. Then write its words in every language.", Value: ""},
		}})
	})
}

func (k *call) savePurposes() error {
	return k.save(func(d *notice.Draft) error {
		type placed struct {
			notice.Purpose
			place int
		}
		var list []placed
		for _, p := range d.Purposes {
			at := "purposes." + p.ID + "."
			if k.line(at+"remove") != "" {
				continue
			}
			place, err := k.number(at + "place")
			if err != nil {
				return err
			}
			p.Basis, p.Exemption, p.Why = notice.Basis(k.line(at+"basis")), notice.Exemption(k.line(at+"exemption")), k.line(at+"why")
			p.Profiling, p.Sharing, p.Necessary = k.line(at+"profiling") != "", k.line(at+"sharing") != "", k.line(at+"necessary") != ""
			p.NeededFor, p.Categories, p.Recipients = k.lines(at+"needed_for"), k.lines(at+"categories"), k.lines(at+"recipients")
			p.Storage = []notice.StorageKey{}
			for _, line := range k.lines(at + "storage") {
				parts := strings.Fields(line)
				if len(parts) != 3 {
					return fail.Field(at+"storage", "Each line of what %s keeps on the device holds a name, a kind and a number of days.", p.ID)
				}
				days, err := strconv.Atoi(parts[2])
				if err != nil {
					return fail.Field(at+"storage", "The life of what %s keeps on the device is a number of days.", p.ID)
				}
				p.Storage = append(p.Storage, notice.StorageKey{Name: parts[0], Kind: parts[1], Days: days})
			}
			list = append(list, placed{p, place})
		}
		slices.SortStableFunc(list, func(a, b placed) int { return a.place - b.place })
		d.Purposes = d.Purposes[:0]
		for _, p := range list {
			d.Purposes = append(d.Purposes, p.Purpose)
		}
		if one := k.line("new"); one != "" {
			d.Purposes = append(d.Purposes, notice.Purpose{
				ID: one, Basis: notice.Consent, NeededFor: []string{}, Categories: []string{}, Recipients: []string{}, Storage: []notice.StorageKey{}, Texts: map[string]notice.PurposeText{},
			})
		}
		return nil
	}, "/console/notices/draft/purposes")
}
