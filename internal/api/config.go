package api

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"probity/internal/api/genesys"
	"probity/internal/fail"
	"probity/internal/id"
	"probity/internal/journey"
)

// Predictors says which outcomes are predicted. *predict.Room satisfies it.
type Predictors interface {
	// Enabled returns the outcomes that are predicted.
	Enabled(t id.Tenant) []uuid.UUID
	Enable(ctx context.Context, t id.Tenant, outcome uuid.UUID) error
	// Disable is fail.NotFound if the outcome is not predicted.
	Disable(ctx context.Context, t id.Tenant, outcome uuid.UUID) error
}

// maxPredictors is how many outcomes of an organisation can be predicted.
const maxPredictors = 10

// resource serves one kind of configuration: T is how the journey room has it, W how it is written
// on the wire.
type resource[T, W any] struct {
	path       string // such as "/api/v2/journey/outcomes"
	permission string // such as "journey:outcome"
	ids        string // query parameter with a list of ids; empty: none
	filters    []string
	list       func(ctx context.Context, t id.Tenant) ([]T, error)
	get        func(ctx context.Context, t id.Tenant, v uuid.UUID) (*T, error)
	create     func(ctx context.Context, t id.Tenant, v T) (*T, error)
	update     func(ctx context.Context, t id.Tenant, v T) (*T, error)
	remove     func(ctx context.Context, t id.Tenant, v uuid.UUID) error
	show       func(*T) W
	read       func(*W) (T, error)
	identify   func(*T, uuid.UUID)
}

func (rs resource[T, W]) routes() []route {
	one := rs.path + "/{id}"
	return []route{
		{"GET", rs.path, can(rs.permission + ":view"), 0, rs.listing},
		{"POST", rs.path, can(rs.permission + ":add"), limitBatch, rs.add},
		{"GET", one, can(rs.permission + ":view"), 0, rs.one},
		{"PATCH", one, can(rs.permission + ":edit"), limitBatch, rs.edit},
		{"DELETE", one, can(rs.permission + ":delete"), 0, rs.drop},
	}
}

func (a *API) configTable() []route {
	j := a.Journey
	return slices.Concat(
		resource[journey.Outcome, genesys.Outcome]{
			path: "/api/v2/journey/outcomes", permission: "journey:outcome", ids: "outcomeIds",
			list: j.Outcomes, get: j.Outcome, create: j.CreateOutcome, update: j.UpdateOutcome, remove: j.DeleteOutcome,
			show: genesys.NewOutcome, read: (*genesys.Outcome).To, identify: func(o *journey.Outcome, v uuid.UUID) { o.ID = v },
		}.routes(),
		resource[journey.Segment, genesys.Segment]{
			path: "/api/v2/journey/segments", permission: "journey:segment", ids: "segmentIds",
			list: j.Segments, get: j.Segment, create: j.CreateSegment, update: j.UpdateSegment, remove: j.DeleteSegment,
			show: genesys.NewSegment, read: (*genesys.Segment).To, identify: func(s *journey.Segment, v uuid.UUID) { s.ID = v },
		}.routes(),
		resource[journey.ActionMap, genesys.ActionMap]{
			path: "/api/v2/journey/actionmaps", permission: "journey:actionmap", ids: "actionMapIds",
			list: j.ActionMaps, get: j.ActionMap, create: j.CreateActionMap, update: j.UpdateActionMap, remove: j.DeleteActionMap,
			show: genesys.NewActionMap, read: (*genesys.ActionMap).To, identify: func(m *journey.ActionMap, v uuid.UUID) { m.ID = v },
		}.routes(),
		resource[journey.ActionTemplate, genesys.ActionTemplate]{
			path: "/api/v2/journey/actiontemplates", permission: "journey:actiontemplate", filters: []string{"mediaType", "state"},
			list: j.Templates, get: j.Template, create: j.CreateTemplate, update: j.UpdateTemplate, remove: j.DeleteTemplate,
			show: genesys.NewActionTemplate, read: (*genesys.ActionTemplate).To, identify: func(m *journey.ActionTemplate, v uuid.UUID) { m.ID = v },
		}.routes(),
		[]route{
			{"GET", "/api/v2/journey/outcomes/predictors", can("journey:outcomepredictor:view"), 0, (*call).predictors},
			{"POST", "/api/v2/journey/outcomes/predictors", can("journey:outcomepredictor:add"), 0, (*call).addPredictor},
			{"GET", "/api/v2/journey/outcomes/predictors/{id}", can("journey:outcomepredictor:view"), 0, (*call).predictor},
			{"DELETE", "/api/v2/journey/outcomes/predictors/{id}", can("journey:outcomepredictor:delete"), 0, (*call).dropPredictor},
		},
	)
}

func (rs resource[T, W]) one(c *call) error {
	v, err := c.pathID("id")
	if err != nil {
		return err
	}
	found, err := rs.get(c.Context(), c.who.Tenant, v)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, rs.show(found))
}

func (rs resource[T, W]) add(c *call) error {
	var body W
	if err := c.decodeLoose(&body); err != nil {
		return err
	}
	v, err := rs.read(&body)
	if err != nil {
		return err
	}
	made, err := rs.create(c.Context(), c.who.Tenant, v)
	if err != nil {
		return err
	}
	c.planChanged()
	return c.reply(http.StatusOK, rs.show(made))
}

// edit applies a JSON merge patch (RFC 7396) to what there is. A version in the patch must be the
// present one; without it there is no check.
func (rs resource[T, W]) edit(c *call) error {
	v, err := c.pathID("id")
	if err != nil {
		return err
	}
	patch, err := c.body()
	if err != nil {
		return err
	}
	var checked map[string]any
	if err := decode(patch, &checked); err != nil {
		return err
	}
	present, err := rs.get(c.Context(), c.who.Tenant, v)
	if err != nil {
		return err
	}
	text, err := stdjson.Marshal(rs.show(present))
	if err != nil {
		return err
	}
	merged, err := mergePatch(text, checked)
	if err != nil {
		return err
	}
	var body W
	if err := decodeStd(merged, &body); err != nil {
		return err
	}
	changed, err := rs.read(&body)
	if err != nil {
		return err
	}
	rs.identify(&changed, v)
	saved, err := rs.update(c.Context(), c.who.Tenant, changed)
	if err != nil {
		return err
	}
	c.planChanged()
	return c.reply(http.StatusOK, rs.show(saved))
}

func (rs resource[T, W]) drop(c *call) error {
	v, err := c.pathID("id")
	if err != nil {
		return err
	}
	if err := rs.remove(c.Context(), c.who.Tenant, v); err != nil {
		return err
	}
	c.planChanged()
	return c.empty()
}

// planChanged has the workers read the configuration anew. A lost word is made good by their own
// refresh.
func (c *call) planChanged() {
	if err := c.api.Bus.Publish("plan."+c.who.Tenant.String(), nil); err != nil {
		c.api.Logger.WarnContext(c.Context(), "workers could not be told of a changed configuration", "error", err)
	}
}

// listing filters, sorts and pages. There are at most some hundred of a kind, so it is done here.
func (rs resource[T, W]) listing(c *call) error {
	size, number, err := c.page(25)
	if err != nil {
		return err
	}
	all, err := rs.list(c.Context(), c.who.Tenant)
	if err != nil {
		return err
	}
	rows := make([]listed[W], 0, len(all))
	for i := range all {
		w := rs.show(&all[i])
		text, err := stdjson.Marshal(w)
		if err != nil {
			return err
		}
		row := listed[W]{shown: w}
		if err := stdjson.Unmarshal(text, &row.fields); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if rows, err = filter(c, rows, rs.ids, rs.filters); err != nil {
		return err
	}
	if err := order(rows, c.URL.Query().Get("sortBy")); err != nil {
		return err
	}
	query := c.URL.Query()
	total := len(rows)
	from := min((number-1)*size, total)
	page := rows[from:min(from+size, total)]
	entities := make([]W, len(page))
	for i := range page {
		entities[i] = page[i].shown
	}
	query.Del("queryValue") // what somebody typed does not belong into addresses that we make
	return c.reply(http.StatusOK, genesys.NewListing(entities, rs.path, query, size, number, total))
}

type listed[W any] struct {
	shown  W
	fields map[string]any
}

func filter[W any](c *call, rows []listed[W], ids string, filters []string) ([]listed[W], error) {
	keep := func(ok func(map[string]any) bool) {
		rows = slices.DeleteFunc(rows, func(r listed[W]) bool { return !ok(r.fields) })
	}
	if want := c.queryList(ids); ids != "" && len(want) > 0 {
		keep(func(f map[string]any) bool { return slices.Contains(want, fmt.Sprint(f["id"])) })
	}
	// false means no filter: some clients always send every flag.
	if active, err := c.queryBool("isActive", false); err != nil {
		return nil, err
	} else if active {
		keep(func(f map[string]any) bool { return f["isActive"] == true })
	}
	for _, name := range filters {
		if want := c.URL.Query().Get(name); want != "" {
			keep(func(f map[string]any) bool { return f[name] == want })
		}
	}
	if field, want := c.URL.Query().Get("filterField"), c.URL.Query().Get("filterValue"); field != "" || want != "" {
		if field == "" || want == "" {
			return nil, fail.Field("filterField", "filterField and filterValue are given together")
		}
		keep(func(f map[string]any) bool { return fmt.Sprint(dig(f, field)) == want })
	}
	fields, value := c.queryList("queryFields"), strings.ToLower(c.URL.Query().Get("queryValue"))
	if (len(fields) == 0) != (value == "") {
		return nil, fail.Field("queryFields", "queryFields and queryValue are given together")
	}
	if value != "" {
		keep(func(f map[string]any) bool {
			return slices.ContainsFunc(fields, func(name string) bool {
				v := dig(f, name)
				return v != nil && strings.Contains(strings.ToLower(fmt.Sprint(v)), value)
			})
		})
	}
	return rows, nil
}

// dig returns the value at a dotted path, or nil.
func dig(f map[string]any, path string) any {
	var v any = f
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// order sorts by the first-level properties of sortBy, each descending if it begins with a dash.
func order[W any](rows []listed[W], sortBy string) error {
	if sortBy == "" {
		return nil
	}
	keys := strings.Split(sortBy, ",")
	if len(keys) > 10 {
		return fail.Field("sortBy", "at most ten properties")
	}
	slices.SortStableFunc(rows, func(a, b listed[W]) int {
		for _, key := range keys {
			name, desc := strings.CutPrefix(strings.TrimSpace(key), "-")
			n := compare(a.fields[name], b.fields[name])
			if desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
	return nil
}

func compare(a, b any) int {
	x, okX := a.(float64)
	y, okY := b.(float64)
	if okX && okY {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(strings.ToLower(fmt.Sprint(a)), strings.ToLower(fmt.Sprint(b)))
}

// replaced are objects that a patch replaces as a whole: merging would keep a delay that the new
// activation does not have.
var replaced = map[string]bool{"activation": true}

// mergePatch applies a JSON merge patch. A version that the patch does not name is taken out, so
// that it is not checked.
func mergePatch(target []byte, patch map[string]any) ([]byte, error) {
	var t map[string]any
	if err := stdjson.Unmarshal(target, &t); err != nil {
		return nil, err
	}
	delete(t, "version")
	return stdjson.Marshal(merge(t, patch, true))
}

func merge(t map[string]any, patch map[string]any, top bool) map[string]any {
	for name, value := range patch {
		change, isObject := value.(map[string]any)
		present, wasObject := t[name].(map[string]any)
		switch {
		case value == nil:
			delete(t, name)
		case isObject && wasObject && !(top && replaced[name]):
			t[name] = merge(present, change, false)
		default:
			t[name] = value
		}
	}
	return t
}

// decodeLoose reads a JSON body with the rules of decode, and members whose values stay JSON.
func (c *call) decodeLoose(dst any) error {
	b, err := c.body()
	if err != nil {
		return err
	}
	var checked map[string]any
	if err := decode(b, &checked); err != nil {
		return err
	}
	return decodeStd(b, dst)
}

// decodeStd reads JSON that decode has found sound.
func decodeStd(b []byte, dst any) error {
	if err := stdjson.NewDecoder(bytes.NewReader(b)).Decode(dst); err != nil {
		e := fail.Wrap(fail.Invalid, err, "A field of the body has the wrong type.")
		if t, ok := err.(*stdjson.UnmarshalTypeError); ok {
			e.Field = safeField(t.Field)
			e.Message = "This field has the wrong type."
		}
		return e
	}
	return nil
}

func (c *call) predictors() error {
	list := c.api.Predictors.Enabled(c.who.Tenant)
	entities := make([]genesys.OutcomePredictor, len(list))
	for i, o := range list {
		entities[i] = genesys.NewOutcomePredictor(o)
	}
	return c.reply(http.StatusOK, map[string]any{"entities": entities})
}

func (c *call) addPredictor() error {
	var body genesys.OutcomePredictor
	if err := c.decode(&body); err != nil {
		return err
	}
	outcome, err := uuid.Parse(body.Outcome.ID)
	if err != nil {
		return fail.Field("outcome.id", "the id of an outcome is needed")
	}
	if _, err := c.api.Journey.Outcome(c.Context(), c.who.Tenant, outcome); err != nil {
		if fail.Is(err, fail.NotFound) {
			return fail.Field("outcome.id", "there is no such outcome")
		}
		return err
	}
	list := c.api.Predictors.Enabled(c.who.Tenant)
	if slices.Contains(list, outcome) {
		return fail.New(fail.Conflict, "this outcome is predicted already")
	}
	if len(list) >= maxPredictors {
		return fail.New(fail.Conflict, "at most %d outcomes can be predicted", maxPredictors).WithCode("limit.reached")
	}
	if err := c.api.Predictors.Enable(c.Context(), c.who.Tenant, outcome); err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewOutcomePredictor(outcome))
}

func (c *call) predictor() error {
	v, err := c.findPredictor()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, genesys.NewOutcomePredictor(v))
}

func (c *call) findPredictor() (uuid.UUID, error) {
	v, err := c.pathID("id")
	if err != nil {
		return v, err
	}
	if !slices.Contains(c.api.Predictors.Enabled(c.who.Tenant), v) {
		return v, fail.New(fail.NotFound, "there is no such predictor")
	}
	return v, nil
}

func (c *call) dropPredictor() error {
	v, err := c.findPredictor()
	if err != nil {
		return err
	}
	if err := c.api.Predictors.Disable(c.Context(), c.who.Tenant, v); err != nil {
		return err
	}
	return c.empty()
}
