package predict

import (
	"crypto/sha256"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestARowGivesBackItsVisit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Visit{Vectors: rapid.SliceOfN(rapid.Custom(anyVector), 1, 10).Draw(t, "vectors")}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching("[a-e]"), 0, 4, rapid.ID).Draw(t, "outcomes") {
			if v.Achieved == nil {
				v.Achieved = map[uuid.UUID]int{}
			}
			v.Achieved[outcomeNamed(name)] = rapid.IntRange(0, 200).Draw(t, "at")
		}
		var achieved map[uuid.UUID]int
		trace, err := decodeBody(encodeBody(&v), func(o uuid.UUID, at int) {
			if achieved == nil {
				achieved = map[uuid.UUID]int{}
			}
			achieved[o] = at
		})
		if err != nil || !maps.Equal(achieved, v.Achieved) {
			t.Fatalf("%v, want %v (%v)", achieved, v.Achieved, err)
		}
		var back Trace
		if err := back.UnmarshalBinary(trace); err != nil || !slices.Equal(back.Vectors(), v.Vectors) {
			t.Fatalf("the vectors came back changed (%v)", err)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	for _, v := range simulate(5, 1) {
		f.Add(encodeBody(&v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeBody(b, func(uuid.UUID, int) {})
		_, terr := trainAll(newRowSet(testTenant, []row{{body: b}}), []watched{{outcome: purchase}}, 1)
		if err != nil && terr == nil {
			t.Fatal("a row that can't be read was learnt from")
		}
	})
}

func TestTheHashOfARowCoversAllOfIt(t *testing.T) {
	base := simulate(1, 1)[0]
	seen := map[[32]byte]string{newRow(&base).hash: "the visit itself"}
	for name, change := range map[string]func(v *Visit){
		"another subject":        func(v *Visit) { v.Subject[0]++ },
		"another session":        func(v *Visit) { v.Session[0]++ },
		"another feature":        func(v *Visit) { v.Vectors[0][fPageViews]++ },
		"one event less":         func(v *Visit) { v.Vectors = v.Vectors[1:] },
		"an outcome":             func(v *Visit) { v.Achieved = map[uuid.UUID]int{purchase: 1} },
		"another outcome":        func(v *Visit) { v.Achieved = map[uuid.UUID]int{neverDone: 1} },
		"the outcome at another": func(v *Visit) { v.Achieved = map[uuid.UUID]int{purchase: 2} },
	} {
		v := base
		v.Achieved = nil
		v.Vectors = slices.Clone(base.Vectors)
		change(&v)
		h := newRow(&v).hash
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the same hash as %s", name, other)
		}
		seen[h] = name
	}
}

func TestTheRootCommitsToTheSet(t *testing.T) {
	rows := rowsFor(simulate(20, 2))
	root := func(rows []row) [32]byte { return newRowSet(testTenant, slices.Clone(rows)).root() }
	all := root(rows)
	reversed := slices.Clone(rows)
	slices.Reverse(reversed)
	if root(reversed) != all {
		t.Error("another order has another root")
	}
	for i := range rows {
		if root(slices.Delete(slices.Clone(rows), i, i+1)) == all {
			t.Errorf("without row %d the root is the same", i)
		}
	}
	if root(nil) != sha256.Sum256(nil) {
		t.Error("the root of nothing is not the hash of nothing")
	}
}

func TestFoldsAreEven(t *testing.T) {
	var n [folds]int
	for i := range 10_000 {
		n[foldOf(testTenant, testSubject(i))]++
	}
	for f, k := range n {
		if k < 1_800 || k > 2_200 {
			t.Errorf("fold %d has %d of 10,000 people", f, k)
		}
	}
}

func TestTheBaseRateHasAnHonestInterval(t *testing.T) {
	// For these shapes the Beta distribution is a polynomial.
	for x := 0.05; x < 1; x += 0.05 {
		for _, c := range []struct{ a, b, want float64 }{
			{1, 1, x}, {2, 1, x * x}, {1, 3, 1 - math.Pow(1-x, 3)}, {2, 2, 3*x*x - 2*x*x*x},
			{0.5, 0.5, 2 / math.Pi * math.Asin(math.Sqrt(x))},
		} {
			if got := betaDistribution(x, c.a, c.b); math.Abs(got-c.want) > 1e-10 {
				t.Errorf("Beta(%v, %v) at %v is %v, want %v", c.a, c.b, x, got, c.want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := counts{visits: rapid.IntRange(1, 100_000).Draw(t, "visits")}
		n.conversions = rapid.IntRange(0, n.visits).Draw(t, "conversions")
		r := baseRate(n)
		if !(0 <= r.low && r.low <= r.share && r.share <= r.high && r.high <= 1) {
			t.Fatalf("%+v of %+v", r, n)
		}
		a, b := float64(n.conversions)+0.5, float64(n.visits-n.conversions)+0.5
		if got := betaDistribution(betaQuantile(0.975, a, b), a, b); math.Abs(got-0.975) > 1e-6 {
			t.Fatalf("the upper end lies at %v", got)
		}
	})
	if r := baseRate(counts{}); r.low != 0 || r.high != 1 || r.share != 0 {
		t.Errorf("of nothing: %+v", r)
	}
}

func TestTheHistogramTellsTheShareBelow(t *testing.T) {
	h := new(histogram)
	for i := range 100 {
		h.add(float64(i)/10-5, 16)
	}
	c := h.below()
	if got := c[binOf(0)]; math.Abs(got-0.5) > 0.02 {
		t.Errorf("half of them lie below 0, it says %v", got)
	}
	if c[binOf(-50)] != 0 || c[binOf(50)] != 1 {
		t.Error("the ends are wrong")
	}
	if new(histogram).below()[500] != 0 {
		t.Error("an empty histogram has something below")
	}
}
