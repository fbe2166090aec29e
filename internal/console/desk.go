package console

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
	"probity/internal/predict"
	"probity/internal/rights"
)

type modelView struct {
	predict.Model
	Name    string
	Stage   string
	Enough  bool
	Missing int // conversions until a model is trained
}

// minConversions is from how many conversions on a model is trained.
const minConversions = 10

// outcomes shows what each prediction rests on.
func (k *call) outcomes() error {
	ctx := k.r.Context()
	plan, err := k.Journey.Plan(ctx, k.tenant())
	if err != nil {
		return err
	}
	models, err := k.Predict.Models(ctx, k.tenant())
	if err != nil {
		return err
	}
	n := namesOf(plan)
	var list []modelView
	for _, m := range models {
		v := modelView{Model: m, Name: n.of(m.Outcome), Enough: m.Stage > predict.StageBase, Missing: max(0, minConversions-m.Conversions)}
		switch m.Stage {
		case predict.StageBase:
			v.Stage = "base rate"
		case predict.StageRegression:
			v.Stage = "logistic regression"
		default:
			v.Stage = "boosted trees"
		}
		list = append(list, v)
	}
	return k.show(http.StatusOK, "outcomes", "Outcomes", list)
}

const requestsAPage = 50

func (k *call) requests() error {
	list, total, err := k.Rights.List(k.r.Context(), k.tenant(), 0, requestsAPage)
	if err != nil {
		return err
	}
	type view struct {
		*rights.Request
		Late, Open bool
		LastDay    time.Time
	}
	var views []view
	for _, q := range list {
		open := !q.State.Final()
		views = append(views, view{q, open && k.Clock.Now().After(q.DueAt), open, q.DueAt.Add(-time.Second)})
	}
	return k.show(http.StatusOK, "requests", "Requests", map[string]any{"List": views, "Total": total})
}

func (k *call) request() error {
	request, err := uuid.Parse(k.r.PathValue("request"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such request.")
	}
	q, err := k.Rights.Get(k.r.Context(), k.tenant(), request)
	if err != nil {
		return err
	}
	return k.show(http.StatusOK, "request", "Request", map[string]any{"Q": q, "LastDay": q.DueAt.Add(-time.Second)})
}

func (k *call) certificate() error {
	request, err := uuid.Parse(k.r.PathValue("request"))
	if err != nil {
		return fail.New(fail.NotFound, "There is no such request.")
	}
	data, err := k.Rights.Certificate(k.r.Context(), k.tenant(), request)
	if err != nil {
		return err
	}
	return k.attach("certificate-"+request.String()+".json", data)
}
