package predict

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
)

// shoppers is the Online Shoppers Purchasing Intention data as a design: counts, durations and rates
// by the logarithm, categories by one column each.
type shoppers struct {
	columns int
	x       []float64 // row by row
	y       []bool
	fold    []int
	held    int // the fold that is left out
}

func (s *shoppers) width() int { return s.columns }
func (s *shoppers) len() int   { return len(s.y) }
func (s *shoppers) example(i int, x []float64) (bool, float64) {
	copy(x, s.x[i*s.columns:(i+1)*s.columns])
	if s.fold[i] == s.held {
		return s.y[i], 0
	}
	return s.y[i], 1
}

func readCSV(t testing.TB, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func loadShoppers(t testing.TB) *shoppers {
	t.Helper()
	rows := readCSV(t, "testdata/online_shoppers_intention.csv.gz")
	const numeric, last = 10, 17
	categories := make([]map[string]int, last)
	columns := numeric
	for c := numeric; c < last; c++ {
		var values []string
		for _, r := range rows {
			values = append(values, r[c])
		}
		slices.Sort(values)
		categories[c] = map[string]int{}
		for _, v := range slices.Compact(values) {
			categories[c][v] = columns
			columns++
		}
	}
	s := &shoppers{columns: columns, x: make([]float64, columns*len(rows)), held: -1}
	for i, r := range rows {
		x := s.x[i*columns : (i+1)*columns]
		for c := range numeric {
			v, err := strconv.ParseFloat(r[c], 64)
			if err != nil {
				t.Fatal(err)
			}
			x[c] = logPlus1(max(v, 0))
		}
		for c := numeric; c < last; c++ {
			x[categories[c][r[c]]] = 1
		}
		s.y = append(s.y, r[last] == "TRUE")
	}
	s.fold = make([]int, len(rows))
	for _, r := range readCSV(t, "testdata/online_shoppers_folds.csv.gz") {
		row, err1 := strconv.Atoi(r[0])
		fold, err2 := strconv.Atoi(r[1])
		if err1 != nil || err2 != nil || (r[2] == "1") != s.y[row] {
			t.Fatalf("the folds don't belong to the data: %v", r)
		}
		s.fold[row] = fold
	}
	return s
}

func TestTheRegressionIsAsGoodAsPublishedOnOnlineShoppers(t *testing.T) {
	s := loadShoppers(t)
	x := make([]float64, s.columns)
	var sumAUC, sumLoss float64
	const folds = 10
	for fold := range folds {
		s.held = fold
		model := regress(s, measure(s, 2), penalty, nil, 2)
		var scores []float64
		var labels []bool
		total := 0.0
		for i := range s.y {
			if s.fold[i] != fold {
				continue
			}
			s.example(i, x)
			z := model.at(x)
			scores, labels = append(scores, z), append(labels, s.y[i])
			total += loss(z, s.y[i])
		}
		sumAUC += areaUnderCurve(scores, labels)
		sumLoss += total / float64(len(labels))
	}
	auc, logLoss := sumAUC/folds, sumLoss/folds
	t.Logf("AUC %.4f, log loss %.4f over %d folds", auc, logLoss, folds)
	if auc < 0.91 || logLoss > 0.26 {
		t.Errorf("AUC %.4f and log loss %.4f; want at least 0.91 and at most 0.26", auc, logLoss)
	}
}

// The whole procedure, from rows to calibrated scores of people it has not seen. The columns stand in
// for features: what matters is how well it learns.
func TestTheWholeProcedureDoesWellOnOnlineShoppers(t *testing.T) {
	var slots []int
	for f := range features {
		if features[f].scale == grows {
			slots = append(slots, f)
		}
	}
	var rows []row
	for i, r := range readCSV(t, "testdata/online_shoppers_intention.csv.gz") {
		v := Visit{Subject: testSubject(i), Session: uuid.UUID(testSubject(i)), Vectors: make([]Vector, 1)}
		for c := range 10 {
			x, err := strconv.ParseFloat(r[c], 64)
			if err != nil {
				t.Fatal(err)
			}
			v.Vectors[0][slots[c]] = coarse(x)
		}
		v.Vectors[0][slots[10]] = coarse(float64(slices.Index([]string{"Feb", "Mar", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}, r[10])))
		v.Vectors[0][fMobile] = yes(r[15] == "New_Visitor")
		v.Vectors[0][fSought] = yes(r[16] == "TRUE")
		if r[17] == "TRUE" {
			v.Achieved = map[uuid.UUID]int{purchase: 1}
		}
		rows = append(rows, newRow(&v))
	}
	m := train(t, rows, purchase, 2)
	t.Logf("stage %d, %d trees, share %.2f: %+v", m.stage, len(m.forest.trees), m.share, m.quality)
	if m.stage != StageForest || m.quality.AUC < 0.925 || m.quality.LogLoss > 0.235 {
		t.Errorf("stage %d, AUC %.4f, log loss %.4f; want stage 2, at least 0.925 and at most 0.235", m.stage, m.quality.AUC, m.quality.LogLoss)
	}
}
