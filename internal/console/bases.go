package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity/internal/consent"
	"probity/internal/fail"
	"probity/internal/notice"
	"probity/internal/org"
)

// basisView is a declaration as the page shows it.
type basisView struct {
	consent.Declared
	Basis, Names, Where, Objections string
	Due                             bool
	Points                          []fact
}

var basisNames = map[notice.Basis]string{
	notice.Contract: "Contract", notice.LegalObligation: "Legal obligation", notice.VitalInterests: "Vital interests",
	notice.PublicTask: "Public task", notice.LegitimateInterest: "Legitimate interest",
}

// bases shows what rests on another basis than consent, in force first, newest first.
func (k *call) bases() error {
	if !k.staff.Can(org.PermissionDeclare, org.PermissionConsent) {
		return fail.New(fail.Forbidden, "Your account lacks the permission %s.", org.PermissionConsent)
	}
	ctx, t := k.r.Context(), k.tenant()
	all, err := k.Ways.Declarations(ctx, t)
	if err != nil {
		return err
	}
	titles, err := k.titles()
	if err != nil {
		return err
	}
	sites, err := k.siteNames()
	if err != nil {
		return err
	}
	var purposes []string
	for _, d := range all {
		purposes = append(purposes, d.Purposes...)
	}
	slices.Sort(purposes)
	objections, err := k.Ways.Objections(ctx, t, slices.Compact(purposes)...)
	if err != nil {
		return err
	}
	warnings, err := k.Ways.Warnings(ctx, t)
	if err != nil {
		return err
	}
	var list []basisView
	for _, d := range slices.Backward(all) {
		v := basisView{Declared: d, Basis: basisNames[d.Basis] + ", Art. " + d.Basis.Article(), Where: "every website", Due: d.ReviewDue(k.Clock.Now())}
		if d.Deployment != uuid.Nil {
			v.Where = cmp.Or(sites[d.Deployment], d.Deployment.String())
		}
		var names, counts []string
		for _, p := range d.Purposes {
			names = append(names, nameOf(titles, p))
			counts = append(counts, nameOf(titles, p)+": "+consent.CountOf(objections[p]).String())
		}
		v.Names, v.Objections = strings.Join(names, "; "), strings.Join(counts, "; ")
		v.Points = pointsOf(&d)
		list = append(list, v)
	}
	slices.SortStableFunc(list, func(a, b basisView) int {
		switch {
		case a.Ended.IsZero() == b.Ended.IsZero():
			return 0
		case a.Ended.IsZero():
			return -1
		}
		return 1
	})
	return k.show(http.StatusOK, "bases", "Other bases", map[string]any{"List": list, "Warnings": warnings, "MayDeclare": k.staff.Can(org.PermissionDeclare)})
}

func pointsOf(d *consent.Declared) []fact {
	if d.Detail == nil {
		return []fact{{"Assessment", d.Assessment}}
	}
	var out []fact
	for _, f := range assessmentFields(d.Detail) {
		if f.Value != "" && f.Name != "assessment.review" {
			out = append(out, fact{f.Label, f.Value})
		}
	}
	return out
}

// assessmentFields are the points of an assessment, under the names that errors give them.
func assessmentFields(a *consent.Assessment) []field {
	review := ""
	if !a.Review.IsZero() {
		review = a.Review.Format(time.DateOnly)
	}
	area := func(name, label, help, value string) field {
		return field{Name: "assessment." + name, Label: label, Help: help, Kind: "area", Rows: 3, Value: value}
	}
	return []field{
		area("interest", "Interest", "Legitimate interest: whose it is, and which.", a.Interest),
		area("law", "Law or clause", "Contract: the clause. Legal obligation and public task: the act and section.", a.Law),
		area("necessity", "Necessity", "Why nothing milder serves it.", a.Necessity),
		area("balancing", "Balancing", "Why the person's interests do not override it.", a.Balancing),
		area("safeguards", "Safeguards", "What protects the person.", a.Safeguards),
		{Name: "assessment.reviewer", Label: "Reviewed by", Help: "A function, such as data protection officer; no name.", Value: a.Reviewer},
		{Name: "assessment.review", Label: "Next review", Help: "Within three years.", Kind: "date", Value: review},
	}
}

func (k *call) newBasis() error { return k.showForm(http.StatusOK, basisWay(nil), nil) }

// editBasis shows a declaration to be replaced: what is in the ledger is not changed.
func (k *call) editBasis() error {
	d, err := k.declared(k.r.PathValue("basis"))
	if err != nil {
		return err
	}
	return k.showForm(http.StatusOK, basisWay(d), nil)
}

func (k *call) declared(record string) (*consent.Declared, error) {
	all, err := k.Ways.Declarations(k.r.Context(), k.tenant())
	for _, d := range all {
		if d.Record.String() == record {
			return &d, err
		}
	}
	return nil, cmp.Or(err, error(fail.New(fail.NotFound, "There is no such declaration.")))
}

// basisWay declares a basis, in place of another one if that is given.
func basisWay(old *consent.Declared) *way {
	w := &way{path: "/console/consent/bases", title: "Declare a basis", verb: "Declare it", lead: "It goes into the ledger. It never overrides what a person refused, withdrew or objected to."}
	if old != nil {
		w.title, w.verb = "Review a declared basis", "Replace it"
		w.lead = "The old declaration ends as the new one begins. Both stay in the ledger, and events go on citing the one that was in force."
	}
	w.form = func(k *call) ([]group, error) { return k.basisForm(old) }
	w.do = func(k *call) (string, error) { return k.declareNow() }
	return w
}

func (k *call) basisForm(old *consent.Declared) ([]group, error) {
	asked := k.r.Method != http.MethodGet
	a, basis := consent.Assessment{}, k.line("basis")
	replaces := k.line("replaces")
	if old != nil && !asked {
		if old.Detail != nil {
			a = *old.Detail
		}
		basis, replaces = string(old.Basis), old.Record.String()
		a.Review = time.Time{} // a review sets the next one
	}
	points := assessmentFields(&a)
	if asked {
		for i := range points {
			points[i].Value = k.line(points[i].Name)
		}
	}
	boxes, err := k.ticks(func(p string) bool { return old != nil && slices.Contains(old.Purposes, p) })
	if err != nil {
		return nil, err
	}
	where, err := k.deployments("deployment", false)
	if err != nil {
		return nil, err
	}
	if old != nil && !asked && old.Deployment != uuid.Nil {
		for i := range where.Picks {
			where.Picks[i].Chosen = where.Picks[i].Value == old.Deployment.String()
		}
	}
	which := field{Name: "basis", Label: "Lawful basis", Kind: "pick", Value: basis}
	for _, b := range []notice.Basis{notice.LegitimateInterest, notice.Contract, notice.LegalObligation, notice.PublicTask, notice.VitalInterests} {
		which.Picks = append(which.Picks, picks(basis, string(b), fmt.Sprintf("%s, Art. %s", basisNames[b], b.Article()))...)
	}
	fields := []field{which, where}
	if replaces != "" {
		fields = append(fields, field{Name: "replaces", Label: "In place of", Kind: "pick", Value: replaces, Picks: picks(replaces, replaces, "declaration "+replaces)})
	}
	return []group{{"The basis", "", fields}, {"Purposes", "", boxes}, {"Assessment", "Nothing personal.", points}}, nil
}

func (k *call) declareBasis() error {
	var old *consent.Declared
	if record := k.line("replaces"); record != "" {
		var err error
		if old, err = k.declared(record); err != nil {
			return err
		}
	}
	return do(func() *way { return basisWay(old) })(k)
}

func (k *call) declareNow() (string, error) {
	if k.line("key") == "" {
		return "", fail.New(fail.Invalid, "The page that was sent is not whole. Open it again.")
	}
	purposes, _, err := k.ticked()
	if err != nil {
		return "", err
	}
	d := consent.Declaration{Basis: k.line("basis"), Purposes: purposes, By: k.actor(), Key: "console:" + k.line("key")}
	if d.Deployment, err = k.deployment(); err != nil {
		return "", err
	}
	if text := k.line("replaces"); text != "" {
		if d.Replaces, err = uuid.Parse(text); err != nil {
			return "", fail.Field("replaces", "There is no such declaration.")
		}
	}
	of := func(name string) string { return k.line("assessment." + name) }
	a := consent.Assessment{
		Interest: of("interest"), Necessity: of("necessity"), Balancing: of("balancing"), Safeguards: of("safeguards"), Law: of("law"), Reviewer: of("reviewer"),
	}
	if a.Review, err = time.Parse(time.DateOnly, of("review")); err != nil {
		return "", fail.Field("assessment.review", "Say on which day it is looked at again, such as 2027-11-22.")
	}
	_, err = k.Ways.DeclareAssessed(k.r.Context(), k.tenant(), d, a)
	return "/console/consent/bases", err
}

func (k *call) endBasis() error {
	if err := k.Ways.EndDeclaration(k.r.Context(), k.tenant(), k.r.PathValue("basis"), k.actor()); err != nil {
		return err
	}
	return k.goTo("/console/consent/bases")
}
