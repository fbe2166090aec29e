package console

import (
	"cmp"
	"net/http"
	"strings"

	"probity/internal/fail"
	"probity/internal/rights"
)

// recipientView is a recipient with how far they are.
type recipientView struct {
	rights.Recipient
	rights.Telling
}

// recipients lists whom the organisation discloses data to.
func (k *call) recipients() error {
	ctx, t := k.r.Context(), k.tenant()
	list, err := k.Rights.Recipients(ctx, t)
	if err != nil {
		return err
	}
	told, err := k.Rights.Tellings(ctx, t)
	if err != nil {
		return err
	}
	var views []recipientView
	for _, p := range list {
		views = append(views, recipientView{p, told[p.ID]})
	}
	return k.show(http.StatusOK, "recipients", "Recipients", views)
}

// recipientWay adds a recipient, or changes one.
func (k *call) recipientWay(p *rights.Recipient) *way {
	w := &way{
		path: "/console/recipients/new", title: "Add a recipient", verb: "Add",
		lead: "Whoever receives data of yours hears of every erasure, correction and restriction from now on (Art. 19 GDPR).",
	}
	if p != nil {
		w.path, w.title, w.verb = "/console/recipients/"+p.ID.String(), "Change "+p.Name, "Save"
		w.lead = "What is on its way to them goes to the new address."
	}
	was := cmp.Or(p, &rights.Recipient{Way: rights.ByLetter})
	w.form = func(k *call) ([]group, error) {
		value := func(name, before string) string {
			if k.line("key") == "" {
				return before
			}
			return strings.TrimSpace(strings.ReplaceAll(k.r.PostFormValue(name), "\r\n", "\n"))
		}
		how := field{Name: "way", Label: "How they are told", Kind: "pick", Value: value("way", was.Way)}
		how.Picks = picks(how.Value, rights.ByLetter, "a task for staff: by letter, phone or otherwise", rights.ByWebhook, "a signed call (webhook)", rights.ByOpenDSR, "OpenDSR 2.0, for erasures")
		groups := []group{
			{"Who", "", []field{
				{Name: "name", Label: "Name", Value: value("name", was.Name)},
				{Name: "contact", Label: "How they are reached", Value: value("contact", was.Contact)},
				{Name: "categories", Label: "What they receive", Help: "One category of data a line, such as: delivery address.", Kind: "area", Rows: 3, Value: value("categories", lines(was.Categories))},
			}},
			{"How they hear", "", []field{how, {Name: "url", Label: "Address", Help: "https, of the webhook or the OpenDSR service. Empty for letters.", Value: value("url", was.URL)}}},
		}
		return groups, nil
	}
	w.do = func(k *call) (string, error) {
		read := func(one *rights.Recipient) {
			one.Name, one.Contact, one.Categories, one.Way, one.URL = k.line("name"), k.line("contact"), k.lines("categories"), k.line("way"), k.line("url")
		}
		var err error
		if p != nil {
			_, err = k.Rights.ChangeRecipient(k.r.Context(), k.tenant(), p.ID, read)
		} else {
			var one rights.Recipient
			read(&one)
			_, err = k.Rights.AddRecipient(k.r.Context(), k.tenant(), one)
		}
		return "/console/recipients", err
	}
	return w
}

// retireWay ends that a recipient is told.
func (k *call) retireWay(p *rights.Recipient) *way {
	return &way{
		path: "/console/recipients/" + p.ID.String() + "/retire", title: "Retire " + p.Name, verb: "Retire",
		lead: "They are told nothing more, also not what is on its way to them. What they were told stays with the requests.",
		form: func(*call) ([]group, error) { return nil, nil },
		do: func(k *call) (string, error) {
			return "/console/recipients", k.Rights.DropRecipient(k.r.Context(), k.tenant(), p.ID)
		},
	}
}

// recipientOf returns the recipient of the path.
func (k *call) recipientOf() (*rights.Recipient, error) {
	list, err := k.Rights.Recipients(k.r.Context(), k.tenant())
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID.String() == k.r.PathValue("recipient") {
			return &list[i], nil
		}
	}
	return nil, fail.New(fail.NotFound, "There is no such recipient.")
}

// withRecipient makes a page of a way with the recipient of the path.
func withRecipient(w func(*call, *rights.Recipient) *way, page func(func() *way) func(*call) error) func(*call) error {
	return func(k *call) error {
		p, err := k.recipientOf()
		if err != nil {
			return err
		}
		return page(func() *way { return w(k, p) })(k)
	}
}

// newRecipient makes a page of the way that adds one.
func newRecipient(page func(func() *way) func(*call) error) func(*call) error {
	return func(k *call) error { return page(func() *way { return k.recipientWay(nil) })(k) }
}
