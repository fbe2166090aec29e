package rights_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"probity/internal/id"
	"probity/internal/predict"
	"probity/internal/rights"
	"probity/internal/store"
	"probity/internal/store/storetest"
)

func TestModelsForgetWhoIsErased(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	ctx := t.Context()
	room := predict.New(h.db, h.clk, func(context.Context, id.Tenant, id.Subject, string) bool { return true }, predict.Options{Keys: h.keys, Workers: 1})
	if err := room.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	outcome := id.New()
	if err := room.Enable(ctx, h.t, outcome); err != nil {
		t.Fatal(err)
	}
	visit := func(s id.Subject) {
		t.Helper()
		err := h.db.Tenant(h.t).Write(ctx, func(tx *store.Tx) error {
			return room.RecordVisit(ctx, tx, predict.Visit{
				Session: id.New(), Subject: s, Closed: h.clk.Now(), Vectors: []predict.Vector{{1, 1}, {2, 2}},
				Achieved: map[uuid.UUID]int{outcome: 1}, Ground: 3,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, other := h.newPerson(t), h.newPerson(t)
	visit(p.subject)
	visit(other.subject)
	if _, err := room.Train(ctx, h.t); err != nil {
		t.Fatal(err)
	}
	lessons := rights.Lessons(room)
	d := h.deps
	d.Stores, d.Models = append(d.Stores[:len(d.Stores):len(d.Stores)], lessons), lessons
	h.Room = rights.New(d)

	held, err := h.Held(ctx, h.t, p.subject)
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, s := range held {
		shown = shown || s.File == "predict/visits" && len(s.Data.([]predict.Record)) == 1
	}
	if !shown {
		t.Error("the person is not shown what was learnt from")
	}

	q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{p.subject}}})
	if q.State != rights.Verified {
		t.Fatalf("the request is %s: %s %+v", q.State, q.Problem, q.Report)
	}
	if c := find(t, q.Report, "predict"); c.Counts[0].N != 1 {
		t.Errorf("the report says %+v", c)
	}
	if len(q.Report.Models) != 1 || q.Report.Models[0].RowsBefore != 2 || q.Report.Models[0].RowsAfter != 1 || q.Report.Models[0].OldModel == q.Report.Models[0].NewModel {
		t.Errorf("the models were not trained anew: %+v", q.Report.Models)
	}
	if err := room.Verify(ctx, h.t); err != nil {
		t.Errorf("the model is not what its rows give: %v", err)
	}
	t.Run("nobody's model is touched by the erasure of somebody it never saw", func(t *testing.T) {
		stranger := h.newPerson(t)
		q := h.carryOut(t, rights.Request{Type: rights.Erasure, Who: rights.Who{Subjects: []id.Subject{stranger.subject}}})
		if q.State != rights.Verified || len(q.Report.Models) != 0 {
			t.Errorf("the request is %s with models %+v", q.State, q.Report.Models)
		}
	})
}
