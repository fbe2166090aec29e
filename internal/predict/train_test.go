package predict

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"probity/internal/id"
)

// outcomeNamed returns a fixed identifier.
func outcomeNamed(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

var (
	testTenant = id.Tenant(outcomeNamed("tenant"))
	purchase   = outcomeNamed("purchase")
	neverDone  = outcomeNamed("never done")
)

// testSubject returns the i-th of a fixed list of subjects.
func testSubject(i int) id.Subject {
	var s id.Subject
	binary.BigEndian.PutUint64(s[8:], uint64(i)+1)
	s[6] = 0x40
	return s
}

// simulate returns n visits of n/2 people to a shop. Who puts something into the cart is much more
// likely to buy.
func simulate(n int, seed uint64) []Visit {
	random := rand.New(rand.NewPCG(seed, 7))
	visits := make([]Visit, n)
	for i := range visits {
		v := &visits[i]
		v.Subject = testSubject(random.IntN(n/2 + 1))
		binary.BigEndian.PutUint64(v.Session[:], random.Uint64())
		binary.BigEndian.PutUint64(v.Session[8:], uint64(i))
		var p Progress
		p.Begin(random.IntN(4))
		p.Mobile = random.IntN(2) == 0
		for e := range 1 + random.IntN(12) {
			p.Events++
			p.PageViews++
			p.ActiveSeconds += float64(random.IntN(60))
			if random.IntN(3) == 0 {
				p.ProductViews++
				p.PriceSeen += float64(random.IntN(100))
			}
			if random.IntN(12) == 0 {
				p.CartAdds++
			}
			var vec Vector
			p.Vector(&vec)
			v.Vectors = append(v.Vectors, vec)
			chance := 0.002
			if p.CartAdds > 0 {
				chance = 0.15
			}
			if random.Float64() < chance {
				v.Achieved = map[uuid.UUID]int{purchase: e}
				break
			}
		}
	}
	return visits
}

func rowsFor(visits []Visit) []row {
	rows := make([]row, len(visits))
	for i := range visits {
		rows[i] = newRow(&visits[i])
	}
	return rows
}

func train(t testing.TB, rows []row, outcome uuid.UUID, workers int) *model {
	t.Helper()
	models, err := trainAll(newRowSet(testTenant, slices.Clone(rows)), []watched{{outcome: outcome}}, workers)
	if err != nil {
		t.Fatal(err)
	}
	return models[0]
}

func TestAModelIsAFunctionOfTheSetOfItsRows(t *testing.T) {
	rows := rowsFor(simulate(400, 1))
	model := train(t, rows, purchase, 1)
	if model.stage != StageRegression {
		t.Fatalf("the data is meant to be enough for a regression, and is for stage %d", model.stage)
	}
	want := model.encode()
	rapid.Check(t, func(rt *rapid.T) {
		shuffled := rapid.Permutation(rows).Draw(rt, "rows")
		workers := rapid.IntRange(1, 5).Draw(rt, "workers")
		if rapid.Bool().Draw(rt, "some rows twice") {
			shuffled = append(shuffled, shuffled[:50]...)
		}
		if got := train(t, shuffled, purchase, workers).encode(); !bytes.Equal(got, want) {
			rt.Fatalf("another order or %d workers gave other bytes", workers)
		}
	})
}

func TestAForestIsAFunctionOfTheSetOfItsRowsToo(t *testing.T) {
	rows := rowsFor(simulate(1500, 3))
	model := train(t, rows, purchase, 1)
	if model.stage != StageForest {
		t.Fatalf("the data is meant to be enough for a forest, and is for stage %d", model.stage)
	}
	random := rand.New(rand.NewPCG(4, 4))
	for workers := 1; workers <= 4; workers++ {
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if got := train(t, rows, purchase, workers); got.hash() != model.hash() {
			t.Errorf("another order and %d workers gave another forest", workers)
		}
	}
	gone := rows[0].subject
	left := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.subject == gone })
	if train(t, left, purchase, 2).hash() == model.hash() {
		t.Error("without one person the forest is the same")
	}
}

func TestForgettingIsTheSameAsNeverHavingSeen(t *testing.T) {
	visits := simulate(200, 2)
	all := rowsFor(visits)
	full := train(t, all, purchase, 2)
	rapid.Check(t, func(rt *rapid.T) {
		gone := map[id.Subject]bool{}
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(visits)-1), 1, 20, rapid.ID).Draw(rt, "visits whose people go") {
			gone[visits[i].Subject] = true
		}
		var left []row // what is left after deletion, in the order of the store
		for _, r := range all {
			if !gone[r.subject] {
				left = append(left, r)
			}
		}
		erased := train(t, left, purchase, 1)
		var never []Visit // a shop that these people never came to, seen backwards
		for i := len(visits) - 1; i >= 0; i-- {
			if !gone[visits[i].Subject] {
				never = append(never, visits[i])
			}
		}
		if seen := train(t, rowsFor(never), purchase, 2); seen.hash() != erased.hash() {
			rt.Fatal("the model after erasure is not the one that never saw them")
		}
		if erased.hash() == full.hash() {
			rt.Fatal("erasing people left the model as it was")
		}
	})
}

func TestTheModelHasTheseBytes(t *testing.T) {
	// Recorded once. A change means that models already attested can't be verified any more: then
	// the name of the procedure must change too.
	const want = "53e35885394e959c350b82614a7a056537d63ad5a23dcaa0628f615ad08b3e7a"
	hash := train(t, rowsFor(simulate(1500, 3)), purchase, 2).hash()
	if got := hex.EncodeToString(hash[:]); got != want {
		t.Errorf("the model's hash is %s, want %s", got, want)
	}
}

func TestAModelGrowsThroughItsStages(t *testing.T) {
	visits := simulate(2000, 4)
	rows := rowsFor(visits)
	conversions := func(n int) int {
		c := 0
		for _, v := range visits[:n] {
			if _, ok := v.Achieved[purchase]; ok {
				c++
			}
		}
		return c
	}
	few := 0
	for conversions(few) < minConversions-1 {
		few++
	}
	if m := train(t, rows[:few], purchase, 2); m.stage != StageBase || m.conversions != minConversions-1 {
		t.Errorf("with %d conversions it is at stage %d", m.conversions, m.stage)
	}
	if m := train(t, rows[:400], purchase, 2); m.stage != StageRegression {
		t.Errorf("with %d conversions it is at stage %d", m.conversions, m.stage)
	}
	m := train(t, rows, purchase, 2)
	if m.stage != StageForest {
		t.Fatalf("with %d conversions it is at stage %d", m.conversions, m.stage)
	}
	if m.visits != 2000 || m.conversions != conversions(2000) {
		t.Errorf("it counted %d visits and %d conversions", m.visits, m.conversions)
	}
	if m.quality.AUC < 0.62 || m.quality.Skill() < 0.03 {
		t.Errorf("it learnt little: %+v", m.quality)
	}
	none := train(t, rows, neverDone, 2)
	if none.stage != StageBase || none.conversions != 0 {
		t.Errorf("an outcome that nobody achieved is at stage %d with %d conversions", none.stage, none.conversions)
	}
}

func TestAModelThatLearntNothingIsNotAdmitted(t *testing.T) {
	admitted := 0
	for seed := range uint64(10) {
		visits := simulate(400, 10+seed)
		random := rand.New(rand.NewPCG(seed, 9))
		for i := range visits {
			visits[i].Achieved = nil
			if random.IntN(8) == 0 { // whatever was done
				visits[i].Achieved = map[uuid.UUID]int{purchase: len(visits[i].Vectors)}
			}
		}
		if train(t, rowsFor(visits), purchase, 2).stage != StageBase {
			admitted++
		}
	}
	if admitted > 2 {
		t.Errorf("%d of 10 models of pure noise were admitted", admitted)
	}
}

func TestScoresAreCalibratedAndRanked(t *testing.T) {
	p := newPredictor(train(t, rowsFor(simulate(4000, 5)), purchase, 2))
	type bucket struct{ sum, hits, n float64 }
	var buckets [4]bucket
	for _, v := range simulate(4000, 6) {
		at, ok := v.Achieved[purchase]
		for i := range v.Vectors {
			if ok && i >= at {
				break
			}
			s := p.score(&v.Vectors[i])
			if !s.Shown || s.Probability <= 0 || s.Probability >= 1 || s.Quantile < 0 || s.Quantile > 1 {
				t.Fatalf("a score is out of range: %+v", s)
			}
			b := &buckets[min(3, int(s.Probability*10))]
			b.n++
			b.sum += s.Probability
			if ok {
				b.hits++
			}
		}
	}
	for i, b := range buckets {
		if b.n < 200 {
			continue
		}
		if said, was := b.sum/b.n, b.hits/b.n; math.Abs(said-was) > 0.05 {
			t.Errorf("in range %d it said %.3f on average and %.3f came true (%.0f events)", i, said, was, b.n)
		}
	}
	var calm, keen Vector
	calm[fEvents], calm[fPageViews] = 3, 3
	keen = calm
	keen[fCartAdds], keen[fCartOpen], keen[fProductViews] = 2, 1, 2
	a, b := p.score(&calm), p.score(&keen)
	if !(b.Probability > a.Probability) || !(b.Quantile >= a.Quantile) || b.Quantile < 0.5 {
		t.Errorf("a full cart scores %.3f (quantile %.2f), an empty one %.3f (%.2f)", b.Probability, b.Quantile, a.Probability, a.Quantile)
	}
}

func TestPrefixesAtOrAfterTheAchievementAreNotLearntFrom(t *testing.T) {
	visits := []Visit{
		{Subject: testSubject(1), Session: outcomeNamed("a"), Vectors: make([]Vector, 5), Achieved: map[uuid.UUID]int{purchase: 2}},
		{Subject: testSubject(2), Session: outcomeNamed("b"), Vectors: make([]Vector, 3)},
		{Subject: testSubject(3), Session: outcomeNamed("c"), Vectors: make([]Vector, 4), Achieved: map[uuid.UUID]int{purchase: 0}},
		{Subject: testSubject(4), Session: outcomeNamed("d"), Vectors: make([]Vector, 100), Achieved: map[uuid.UUID]int{purchase: 90}},
	}
	for i := range visits {
		for e := range visits[i].Vectors {
			visits[i].Vectors[e][fEvents] = float32(e + 1)
		}
	}
	e, n, err := newExamples(newRowSet(testTenant, rowsFor(visits)), newScaledValues(), purchase, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n.visits != 4 || n.conversions != 3 {
		t.Errorf("counted %+v", n)
	}
	got := map[int]bool{} // number of prefixes to label
	var x [NumFeatures]float64
	for i, v := range e.visits {
		got[int(v.to-v.from)] = v.positive
		sum := 0.0
		for k := v.from; k < v.to; k++ {
			positive, w := e.example(int(k), x[:])
			if positive != v.positive {
				t.Errorf("visit %d: a prefix has another label than its visit", i)
			}
			sum += w
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Errorf("visit %d weighs %v, want 1", i, sum)
		}
	}
	want := map[int]bool{2: true, 3: false, MaxVectors: true}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for k, positive := range want {
		if p, ok := got[k]; !ok || p != positive {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestALargeSetIsSampledByEachRowsOwnPlace(t *testing.T) {
	positive, negative := sampling(counts{visits: 100_000, conversions: 2_000})
	if !positive.all || negative.all {
		t.Fatalf("sampling takes %+v and %+v", positive, negative)
	}
	random := rand.New(rand.NewPCG(1, 1))
	taken := 0
	for range 98_000 {
		var h [32]byte
		binary.BigEndian.PutUint64(h[:], random.Uint64())
		if negative.includes(&h) {
			taken++
		}
	}
	if want := maxVisits - 2_000; taken < want-300 || taken > want+300 {
		t.Errorf("%d of 98,000 were taken, want about %d", taken, want)
	}
	if total := float64(taken) * float64(negative.weight); math.Abs(total-98_000) > 4_000 {
		t.Errorf("they stand for %.0f, want about 98,000", total)
	}
	if p, n := sampling(counts{visits: 500, conversions: 20}); !p.all || !n.all {
		t.Error("a small set is sampled")
	}
	if p, _ := sampling(counts{visits: 50_000, conversions: 30_000}); p.all {
		t.Error("more positives than half of the limit are all taken")
	}
}

func TestAStoredModelScoresAsTheTrainedOne(t *testing.T) {
	few, many := rowsFor(simulate(400, 8)), rowsFor(simulate(1500, 3))
	for stage, m := range []*model{train(t, few, neverDone, 2), train(t, few, purchase, 2), train(t, many, purchase, 2)} {
		if m.stage != stage {
			t.Fatalf("the model is at stage %d, want %d", m.stage, stage)
		}
		stored, err := decodeModel(m.encode())
		if err != nil {
			t.Fatal(err)
		}
		a, b := newPredictor(m), newPredictor(stored)
		for _, v := range simulate(20, 9) {
			for i := range v.Vectors {
				if x, y := a.score(&v.Vectors[i]), b.score(&v.Vectors[i]); x != y {
					t.Fatalf("stored %+v, trained %+v", y, x)
				}
			}
		}
	}
}

// smallModel returns a model of any stage that learnt nothing from anybody.
func smallModel(stage int) *model {
	m := &model{outcome: purchase, stage: stage, calibration: identity, maxima: new(histogram)}
	m.maxima.add(-2, 160)
	m.regression = regression{linear: linear{coef: make([]float64, NumFeatures)}, mean: make([]float64, NumFeatures)}
	m.forest = forest{bias: -1, trees: []tree{{
		{feature: fCartAdds, threshold: compact(1), left: 1, right: 2},
		{feature: leaf, value: -0.5}, {feature: leaf, value: 0.5},
	}}}
	m.share = 0.5
	return m
}

func FuzzDecodeModel(f *testing.F) {
	for stage := range 3 {
		f.Add(smallModel(stage).encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeModel(b)
		if err != nil {
			return
		}
		newPredictor(m).score(&Vector{})
		if again, err := decodeModel(m.encode()); err != nil || again.hash() != m.hash() {
			t.Fatalf("what was read can't be written and read again: %v", err)
		}
	})
}

func TestAnExplanationAddsUpToTheScore(t *testing.T) {
	p := newPredictor(train(t, rowsFor(simulate(1500, 3)), purchase, 2))
	if p.model.stage != StageForest {
		t.Fatal("the explanation is meant to be of a forest")
	}
	for _, v := range simulate(50, 13) {
		for i := range v.Vectors {
			base, _ := p.estimator.explain(&v.Vectors[i])
			sum := p.model.calibration.at(base)
			for _, c := range p.explain(&v.Vectors[i]) {
				sum += c.LogOdds
				if c.Words == "" || Describe(c.Feature) == "" {
					t.Fatalf("a part has no words: %+v", c)
				}
			}
			if got := p.score(&v.Vectors[i]).Probability; math.Abs(got-sigmoid(sum)) > 1e-6 {
				t.Fatalf("the parts add up to %v, the score is %v", sigmoid(sum), got)
			}
		}
	}
	var v Vector
	v[fEvents], v[fPageViews], v[fCartAdds], v[fCartOpen] = 5, 5, 1, 1
	words := p.explain(&v)[0].Words
	if want := "additions to the cart: raises the estimate from "; !bytes.Contains([]byte(words), []byte(want)) &&
		!bytes.Contains([]byte(words), []byte("something is in the cart: raises")) {
		t.Errorf("the strongest part reads %q", words)
	}
}

func BenchmarkScore(b *testing.B) {
	p := newPredictor(train(b, rowsFor(simulate(6000, 12)), purchase, 2))
	if p.model.stage != StageForest {
		b.Fatal("the benchmark is meant to score with a forest")
	}
	visits := simulate(100, 13)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v := &visits[i%len(visits)]
		p.score(&v.Vectors[i%len(v.Vectors)])
	}
}

func BenchmarkTrain(b *testing.B) {
	rows := rowsFor(simulate(20_000, 12))
	for b.Loop() {
		train(b, rows, purchase, 2)
	}
}
