package console

import (
	"net/http"

	"probity/internal/predict"
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
