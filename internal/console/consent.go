package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/id"
	"probity/internal/notice"
	"probity/internal/org"
	"probity/internal/withdrawn"
)

// Answers counts how people answer the notices. *consent.Room satisfies it.
type Answers interface {
	Answers(ctx context.Context, t id.Tenant, q consent.Survey) (*consent.Answers, error)
	Editions(ctx context.Context, t id.Tenant) ([]consent.Edition, error)
	Expiring(ctx context.Context, t id.Tenant, until time.Time) (int64, error)
}

// Sites names deployments. *org.Room satisfies it.
type Sites interface {
	Deployments(ctx context.Context, t id.Tenant) ([]*org.Deployment, error)
}

// Withdrawn tells how many withdrawals have data that is still to be deleted, and since when.
// It also holds what the organisation wants to become of such data. *withdrawn.Room satisfies it; where
// data is kept, unread, there are none.
type Withdrawn interface {
	Open(ctx context.Context, t id.Tenant) (n int64, since time.Time, err error)
	Policy(ctx context.Context, t id.Tenant) (withdrawn.Setting, error)
	SetPolicy(ctx context.Context, t id.Tenant, p withdrawn.Policy) error
}

// soon is how far ahead the overview looks for consent that ends.
const soon = 30 * 24 * time.Hour

// patience is how long data of a withdrawal may still be there: what was on its way to the store when
// it was withdrawn is looked for again a minute later.
const patience = 5 * time.Minute

// matter is something that wants somebody's attention.
type matter struct {
	Tag, Words, Link, Go string // Tag is "bad" or "warn"
}

type overviewPage struct {
	Gone      withdrawn.Setting
	MaySet    bool
	Matters   []matter
	Today     []consent.Cell
	Reach     []consent.Reach
	Titles    map[string]string // of purposes
	Current   *consent.Edition  // nil: nothing is published
	Editions  int
	Expiring  consent.Count
	FewerThan int
	Audited   bool // the reader may see how the log stands
	Log       logSummary
}

type logSummary struct {
	Size int64
	Time time.Time // of the newest checkpoint; zero: none
}

// overview shows at a glance whether consent is as it should be.
func (k *call) overview() error {
	ctx, t := k.r.Context(), k.tenant()
	today := k.Clock.Now().UTC().Truncate(24 * time.Hour)
	answers, err := k.Answers.Answers(ctx, t, consent.Survey{From: today, To: today})
	if err != nil {
		return err
	}
	p := overviewPage{Today: answers.Cells, Reach: answers.Reach, FewerThan: consent.FewerThan}
	purposes, err := k.Consent.Purposes(ctx, t)
	if err != nil {
		return err
	}
	asShown(p.Today, purposes)
	if p.Titles, err = k.titles(); err != nil {
		return err
	}
	if err := k.attention(&p, today); err != nil {
		return err
	}
	ending, err := k.Answers.Expiring(ctx, t, k.Clock.Now().Add(soon))
	if err != nil {
		return err
	}
	p.Expiring = consent.CountOf(ending)
	if p.Gone, err = k.Withdrawn.Policy(ctx, t); err != nil {
		return err
	}
	p.MaySet = k.staff.Can(org.PermissionAdmin)
	return k.show(http.StatusOK, "consent", "Consent", p)
}

// setWithdrawn sets what becomes of data whose consent is taken back from now on.
func (k *call) setWithdrawn() error {
	if err := k.Withdrawn.SetPolicy(k.r.Context(), k.tenant(), withdrawn.Policy(k.line("policy"))); err != nil {
		return err
	}
	return k.goTo("/console/consent#gone")
}

// attention collects what wants somebody to act, the worst first.
func (k *call) attention(p *overviewPage, today time.Time) error {
	ctx, t := k.r.Context(), k.tenant()
	if p.Audited = k.staff.Can(org.PermissionAudit); p.Audited {
		health, err := k.Log.Health(ctx, t)
		if err != nil {
			return err
		}
		if c := health.Checkpoint; c != nil {
			p.Log = logSummary{c.Size, c.Time}
		}
		for _, alarm := range health.Alarms {
			p.Matters = append(p.Matters, matter{"bad", alarm, "/console/consent/ledger", "Ledger"})
		}
	}
	n, since, err := k.Withdrawn.Open(ctx, t)
	if err != nil {
		return err
	}
	if late := k.Clock.Now().Sub(since); n > 0 && late > patience {
		p.Matters = append(p.Matters, matter{Tag: "bad", Words: fmt.Sprintf("Data of %s is still to be deleted, the oldest since %s. The log of the server says why.", plural(n, "withdrawal", "withdrawals"), span(late))})
	}
	warnings, err := k.Ways.Warnings(ctx, t)
	if err != nil {
		return err
	}
	for _, words := range warnings {
		m := matter{Tag: "warn", Words: words}
		if k.staff.Can(org.PermissionDeclare, org.PermissionConsent) {
			m.Link, m.Go = "/console/consent/bases", "Other bases"
		}
		p.Matters = append(p.Matters, m)
	}
	month, err := k.Answers.Answers(ctx, t, consent.Survey{From: today.AddDate(0, 0, -29), To: today})
	if err != nil {
		return err
	}
	if steered := k.steered(month.Cells, p.Titles); steered != "" {
		p.Matters = append(p.Matters, matter{"warn", "Of the last 30 days' answers " + steered, "/console/consent/rates", "Opt-in rates"})
	}
	editions, err := k.Answers.Editions(ctx, t)
	if err != nil || len(editions) == 0 {
		return err
	}
	p.Editions, p.Current = len(editions), &editions[0]
	link := fmt.Sprintf("/console/notices/versions/%d", p.Current.Version)
	if p.Current.Override != "" {
		p.Matters = append(p.Matters, matter{"warn", "The notice in use was published in spite of what the checks found.", link, "Why"})
	}
	if missing := p.Current.Wanted() - p.Current.Pictures; missing > 0 {
		p.Matters = append(p.Matters, matter{"warn", fmt.Sprintf("The notice in use lacks %s, which would show an authority what people saw.", plural(int64(missing), "picture", "pictures")), link, "Pictures"})
	}
	return nil
}

// steered says of which purposes nearly everybody agreed to, empty if of none.
func (k *call) steered(cells []consent.Cell, titles map[string]string) string {
	var names []string
	for _, c := range cells {
		if c.Steers {
			names = append(names, "“"+titles[c.Purpose]+"”")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("more than %.0f %% agreed to %s. Where people are free to refuse, some do: look whether the notice steers them.", 100*consent.SteersShare, strings.Join(names, ", "))
}

// titles are what the purposes are called, by id.
func (k *call) titles() (map[string]string, error) {
	purposes, err := k.Consent.Purposes(k.r.Context(), k.tenant())
	titles := map[string]string{}
	for _, p := range purposes {
		titles[p.ID] = titleOf(&p)
	}
	return titles, err
}

func titleOf(p *notice.Purpose) string {
	if text, ok := p.Texts["en"]; ok && text.Title != "" {
		return text.Title
	}
	return p.ID
}

// siteNames are what the deployments are called, by id.
func (k *call) siteNames() (map[uuid.UUID]string, error) {
	list, err := k.Sites.Deployments(k.r.Context(), k.tenant())
	names := map[uuid.UUID]string{}
	for _, d := range list {
		names[d.ID] = d.Name
	}
	return names, err
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// consentWords are the functions of the templates about consent.
func consentWords() map[string]any {
	return map[string]any{
		"share":  share,
		"status": statusWords,
		"number": func(n int) string { return fmt.Sprintf("%d", n) },
	}
}

// share writes the part that agreed, or between which bounds it lies.
func share(c consent.Cell) string {
	switch {
	case c.Low == 0 && c.High == 1 || c.Answers.N == 0:
		return "–"
	case c.Low == c.High:
		return percent(c.Low)
	}
	return fmt.Sprintf("%.0f–%.0f %%", 100*c.Low, 100*c.High)
}
