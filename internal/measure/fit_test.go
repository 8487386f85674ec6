package measure

import (
	"math"
	"math/rand/v2"
	"testing"
)

// jackOf returns the mean of shares with each in turn left out.
func jackOf(shares []share, slab float64) jack {
	j := jack{n: typical(shares, slab, 0)}
	for i := range shares {
		rest := append(append([]share{}, shares[:i]...), shares[i+1:]...)
		j.left = append(j.left, typical(rest, slab, 0))
	}
	return j
}

// The noise is what slabs make of it: 1000 connections take 76 or 77 slabs of 13 objects, and
// other programs add or take some objects now and then.
func TestIntervalHoldsTheTruth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const runs, each, perSlab = 2000, 1000, 13
	for name, others := range map[string]func() float64{
		"alone":    func() float64 { return 0 },
		"a little": func() float64 { return rnd.NormFloat64() * 20 },
		"bursts": func() float64 {
			if rnd.IntN(16) == 0 {
				return 3000
			}
			return rnd.NormFloat64()
		},
	} {
		held := 0
		for range runs {
			free, total := rnd.IntN(perSlab), 0
			var shares []share
			for range cycles {
				total += each
				slabs := 0
				for free < each {
					free += perSlab
					slabs++
				}
				free -= each
				shares = append(shares, share{float64(slabs*perSlab) + others(), each})
			}
			if j := jackOf(shares, perSlab); math.Abs(j.n-1) <= j.half()+perSlab/float64(total) {
				held++
			}
		}
		if of := float64(held) / runs; of < 0.93 {
			t.Errorf("%s: the interval held the truth in %.1f %% of %d runs", name, 100*of, runs)
		}
	}
}

func TestTypical(t *testing.T) {
	shares := func(grown ...float64) (out []share) {
		for _, g := range grown {
			out = append(out, share{g, 100})
		}
		return out
	}
	for name, c := range map[string]struct {
		shares                []share
		slab, want, shareable float64
	}{
		"even":        {shares(100, 100, 100, 100), 1, 1, 0},
		"a burst":     {shares(100, 101, 99, 100, 7000), 1, 1, 0},
		"slabs":       {shares(96, 96, 96, 112), 16, 1, 0},
		"great slabs": {shares(0, 0, 0, 0, 256, 0, 256, 256), 256, 0.96, 0},
		"shrunk":      {shares(100, 100, 100, -400, 100), 13, 1, 0},
		"shared":      {shares(200, 200, 200, 0, 0, 0, 0, 0, -900), 1, 0.75, 2},
		"not shared":  {shares(200, 200, 200, 0, 0, 0, 0, 0, -900), 1, 0, 0},
	} {
		if got := typical(c.shares, c.slab, c.shareable); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %g, want %g", name, got, c.want)
		}
	}
	if got := typical(nil, 1, 0); !math.IsNaN(got) {
		t.Error("of nothing:", got)
	}
}

func TestJack(t *testing.T) {
	if j := (jack{n: 5, left: []float64{5}}); !math.IsInf(j.half(), 1) {
		t.Error("one block gives an interval:", j.half())
	}
	// The jackknife of a mean is the interval of Student.
	j := jackOf([]share{{1, 1}, {2, 1}, {3, 1}, {4, 1}}, 100)
	if want := 3.182 * math.Sqrt(5./3/4); math.Abs(j.n-2.5) > 1e-9 || math.Abs(j.half()-want) > 1e-3 {
		t.Errorf("%g ± %g, want 2.5 ± %g", j.n, j.half(), want)
	}
	// What one gains and the other loses is sure in the sum.
	k := jackOf([]share{{4, 1}, {3, 1}, {2, 1}, {1, 1}}, 100)
	j.add(k, 1)
	if math.Abs(j.n-5) > 1e-9 || j.half() > 1e-9 {
		t.Errorf("%g ± %g, want 5 ± 0", j.n, j.half())
	}
}

func TestRegress(t *testing.T) {
	x := [][]float64{{1, 0}, {0, 1}, {1, 1}, {2, 1}, {3, 5}}
	var y []float64
	for _, row := range x {
		y = append(y, 7*row[0]-2*row[1])
	}
	got := regress(x, y)
	if len(got) != 2 || math.Abs(got[0]-7) > 1e-9 || math.Abs(got[1]+2) > 1e-9 {
		t.Error(got)
	}
	for name, x := range map[string][][]float64{"none": nil, "no column": {{}, {}}, "constant": {{0}, {0}}, "dependent": {{1, 2}, {2, 4}, {3, 6}}} {
		if got := regress(x, make([]float64, len(x))); got != nil {
			t.Errorf("%s: %v", name, got)
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
