package notice_test

import (
	"slices"
	"testing"

	"probity/internal/notice"
)

func TestW13_WhatPeopleDidNotAgreeToIsMaterialAndOtherWordsAreNot(t *testing.T) {
	for name, c := range map[string]struct {
		material bool
		change   func(d *notice.Draft)
	}{
		"another controller":           {true, func(d *notice.Draft) { d.Facts.Controller = "Somebody Else Ltd" }},
		"a new recipient":              {true, func(d *notice.Draft) { d.Facts.Recipients = []string{"Ad Co"} }},
		"a new transfer":               {true, func(d *notice.Draft) { d.Facts.Transfers = []string{"Japan (adequacy decision)"} }},
		"data kept longer":             {true, func(d *notice.Draft) { d.Facts.RetentionMonths = 25 }},
		"data kept without an end":     {true, func(d *notice.Draft) { d.Facts.RetentionMonths = 0 }},
		"a new purpose":                {true, func(d *notice.Draft) { d.Purposes = append(d.Purposes, notice.Purpose{ID: "new"}) }},
		"another basis":                {true, func(d *notice.Draft) { d.Purposes[1].Basis = notice.Contract }},
		"profiling":                    {true, func(d *notice.Draft) { d.Purposes[1].Profiling = true }},
		"sharing":                      {true, func(d *notice.Draft) { d.Purposes[1].Sharing = true }},
		"a service behind the consent": {true, func(d *notice.Draft) { d.Purposes[1].NeededFor = []string{"checkout"} }},
		"more data":                    {true, func(d *notice.Draft) { d.Purposes[1].Categories = []string{"actions-on-pages", "health"} }},
		"a longer life on the device": {true, func(d *notice.Draft) {
			d.Purposes[0].Storage = []notice.StorageKey{{Name: "_actmu", Kind: "cookie", Days: 400}}
		}},
		"a shorter life on the device": {false, func(d *notice.Draft) {
			d.Purposes[0].Storage = []notice.StorageKey{{Name: "_actmu", Kind: "cookie", Days: 30}}
		}},
		"data kept for less long":       {false, func(d *notice.Draft) { d.Facts.RetentionMonths = 6 }},
		"another processor":             {false, func(d *notice.Draft) { d.Facts.Processors = []string{"Host Two"} }},
		"a purpose less":                {false, func(d *notice.Draft) { d.Purposes = d.Purposes[:6] }},
		"another order of the purposes": {false, func(d *notice.Draft) { slices.Reverse(d.Purposes) }},
		"a language less":               {false, func(d *notice.Draft) { delete(d.Texts, "de") }},
		"another title": {false, func(d *notice.Draft) {
			text := d.Texts["en"]
			text.Title = "May we?"
			d.Texts["en"] = text
		}},
		"another officer": {false, func(d *notice.Draft) { d.Facts.DPO = "officer@shop.example" }},
	} {
		_, was := good()
		_, is := good()
		c.change(&is)
		list := notice.Diff(was, is)
		if len(list) == 0 || notice.Material(list) != c.material {
			t.Errorf("%s: %+v", name, list)
		}
	}
	_, was := good()
	_, is := good()
	if list := notice.Diff(was, is); len(list) != 0 {
		t.Errorf("nothing changed, and yet: %+v", list)
	}
}

func TestASectionIsReadAsItIsWritten(t *testing.T) {
	for lang, text := range notice.DefaultTexts() {
		for _, s := range text.Sections {
			if got := notice.ParseSection(s.Write()); got.Heading != s.Heading || !slices.Equal(got.Paragraphs, s.Paragraphs) {
				t.Errorf("%s: %q became %q", lang, s.Write(), got.Write())
			}
		}
	}
}
