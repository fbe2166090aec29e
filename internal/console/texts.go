package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
)

func (k *call) editText() error {
	return k.edit("text", "Words", func(d *consent.Draft, lang string) []group {
		t := d.Draft.Texts[lang]
		at := "texts." + lang + "."
		out := []group{{"Before the choice", "", []field{
			{Name: at + "title", Label: "Title", Value: t.Title},
			{Name: at + "intro", Label: "Introduction", Help: "{controller} stands for the name of the controller.", Kind: "area", Rows: 4, Value: t.Intro},
			{Name: at + "withdraw_hint", Label: "How to withdraw", Help: "Quotes the control on every page.", Kind: "area", Rows: 3, Value: t.WithdrawHint},
			{Name: at + "unnamed", Label: "A controller without a name", Value: t.Unnamed},
			{Name: at + "purposes_head", Label: "Heading of the purposes", Value: t.PurposesHead},
			{Name: at + "buttons_head", Label: "Heading of the buttons", Value: t.ButtonsHead},
		}}}
		var purposes, labels, sections []field
		for _, p := range d.Draft.Purposes {
			name := "purposes." + p.ID + "." + lang
			purposes = append(purposes,
				field{Name: name + ".title", Label: p.ID + ": title", Value: p.Texts[lang].Title},
				field{Name: name + ".description", Label: p.ID + ": description", Kind: "area", Rows: 3, Value: p.Texts[lang].Description})
		}
		byName := t.Labels.ByName()
		for _, name := range notice.LabelNames() {
			labels = append(labels, field{Name: at + "labels." + name, Label: strings.ReplaceAll(name, "_", " "), Value: byName[name]})
		}
		for i, s := range append(slices.Clone(t.Sections), notice.Section{}) {
			label := fmt.Sprintf("Section %d", i+1)
			if i == len(t.Sections) {
				label = "One more section"
			}
			sections = append(sections, field{Name: at + "sections." + strconv.Itoa(i), Label: label, Kind: "area", Rows: 4 + 2*len(s.Paragraphs), Value: s.Write()})
		}
		out = append(out,
			group{"Purposes", "At most 160 characters to describe one.", purposes},
			group{"Controls and messages", "", labels},
			group{"The full notice", "The first line is the heading, each other line a paragraph. [dpo] before a paragraph shows it only if that fact is known, [no dpo] only if it is not.", sections})
		for i := range out {
			for j := range out[i].Fields {
				out[i].Fields[j].Lang = lang
			}
		}
		return out
	})
}

func (k *call) saveText() error {
	lang := k.line("lang")
	back := "/console/notices/draft/text?lang=" + url.QueryEscape(lang)
	return k.save(func(d *notice.Draft) error {
		switch k.line("do") {
		case "add":
			lang = k.line("add")
			text, ok := notice.DefaultTexts()[lang]
			if !ok {
				return fail.Field("add", "There are no built-in words in that language. Bring its text in through the API.")
			}
			d.Texts[lang] = text
			defaults := notice.DefaultPurposes()
			for i := range d.Purposes {
				for _, one := range defaults {
					if _, has := d.Purposes[i].Texts[lang]; one.ID == d.Purposes[i].ID && !has {
						d.Purposes[i].Texts[lang] = one.Texts[lang]
					}
				}
			}
			back = "/console/notices/draft/text?lang=" + url.QueryEscape(lang)
			return nil
		case "remove":
			delete(d.Texts, lang)
			back = "/console/notices/draft/text"
			return nil
		}
		t, ok := d.Texts[lang]
		if !ok {
			return fail.New(fail.NotFound, "The draft has no text in that language.")
		}
		at := "texts." + lang + "."
		t.Title, t.Intro, t.WithdrawHint = k.line(at+"title"), k.line(at+"intro"), k.line(at+"withdraw_hint")
		t.Unnamed, t.PurposesHead, t.ButtonsHead = k.line(at+"unnamed"), k.line(at+"purposes_head"), k.line(at+"buttons_head")
		for _, name := range notice.LabelNames() {
			t.Labels.Set(name, k.line(at+"labels."+name))
		}
		var sections []notice.Section
		for i := range len(t.Sections) + 1 {
			if s := notice.ParseSection(k.r.PostFormValue(at + "sections." + strconv.Itoa(i))); s.Heading != "" {
				sections = append(sections, s)
			}
		}
		t.Sections = sections
		d.Texts[lang] = t
		for i := range d.Purposes {
			name := "purposes." + d.Purposes[i].ID + "." + lang
			d.Purposes[i].Texts[lang] = notice.PurposeText{Title: k.line(name + ".title"), Description: k.line(name + ".description")}
		}
		return nil
	}, back)
}
