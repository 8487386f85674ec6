package measure

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestFitFindsTheSlopes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var rows [][]float64
	var y []float64
	for i := range 60 {
		a, b, at := float64(i/2*100), float64((i+1)/2*100), float64(i)*0.05
		if i > 30 {
			at += 1
		}
		rows = append(rows, []float64{a, b, at})
		y = append(y, 7_000_000+2*a+0.5*b+300*at+rnd.NormFloat64()*5)
	}
	d, err := newDesign(rows)
	if err != nil {
		t.Fatal(err)
	}
	l := d.fit(y)
	for _, c := range []struct {
		weights []float64
		want    float64
	}{{[]float64{1, 0, 0}, 2}, {[]float64{0, 1, 0}, 0.5}, {[]float64{1, 1, 0}, 2.5}, {[]float64{0, 0, 1}, 300}} {
		got, half := l.along(c.weights...)
		if math.Abs(got-c.want) > 2*half {
			t.Errorf("along %v: %.3f ± %.3f, want %g", c.weights, got, half, c.want)
		}
	}
	// Both together are known more precisely than either.
	_, both := l.along(1, 1, 0)
	if _, one := l.along(1, 0, 0); both > one/3 {
		t.Errorf("± %.4f for both, ± %.4f for one", both, one)
	}
}

func TestIntervalHoldsTheTruth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const runs = 2000
	held := 0
	for range runs {
		var rows [][]float64
		var y []float64
		for i := range 12 {
			rows = append(rows, []float64{float64(i)})
			y = append(y, 3*float64(i)+rnd.NormFloat64())
		}
		d, err := newDesign(rows)
		if err != nil {
			t.Fatal(err)
		}
		if got, half := d.fit(y).along(1); math.Abs(got-3) <= half {
			held++
		}
	}
	// 95 %, and a little less because the weights are fitted too.
	if share := float64(held) / runs; share < 0.90 || share > 0.98 {
		t.Errorf("the interval held the truth in %.1f %% of %d runs", 100*share, runs)
	}
}

func TestFitShrugsAtBursts(t *testing.T) {
	var rows [][]float64
	var y []float64
	for i := range 80 {
		rows = append(rows, []float64{float64(i * 100)})
		v := 2 * float64(i*100)
		if i >= 60 && i < 70 {
			v += 3000 // another program came and went
		}
		y = append(y, v+float64(i%3))
	}
	d, err := newDesign(rows)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := d.fit(y).along(1); math.Abs(got-2) > 0.01 {
		t.Errorf("%.4f, want 2", got)
	}
}

func TestFitWithoutNoise(t *testing.T) {
	d, err := newDesign([][]float64{{0}, {1}, {2}, {3}, {4}})
	if err != nil {
		t.Fatal(err)
	}
	if got, half := d.fit([]float64{5, 5, 5, 5, 5}).along(1); got != 0 || half != 0 {
		t.Errorf("%g ± %g of a constant", got, half)
	}
	if got, _ := d.fit([]float64{5, 6, 7, 8, 9}).along(1); math.Abs(got-1) > 1e-12 {
		t.Errorf("%g", got)
	}
}

func TestNoDesign(t *testing.T) {
	for name, rows := range map[string][][]float64{
		"none":      nil,
		"few":       {{1}, {2}, {3}},
		"constant":  {{4}, {4}, {4}, {4}, {4}, {4}},
		"collinear": {{1, 2}, {2, 4}, {3, 6}, {4, 8}, {5, 10}, {6, 12}},
	} {
		if _, err := newDesign(rows); err == nil {
			t.Errorf("%s: a design", name)
		}
	}
}

// The table of Student's distribution, two-sided, 95 %.
func TestStudent95(t *testing.T) {
	for freedom, want := range map[int]float64{1: 12.706, 2: 4.303, 5: 2.571, 6: 2.447, 10: 2.228, 30: 2.042, 120: 1.980, 100000: 1.960} {
		if got := student95(freedom); math.Abs(got-want) > 0.005*want {
			t.Errorf("%d: %.3f, want %.3f", freedom, got, want)
		}
	}
	if !math.IsInf(student95(0), 1) {
		t.Error("no freedom gives an interval")
	}
}
