package measure

import (
	"math"
	"slices"
)

// jack is a number, and what it is when each block of moves in turn is left out. These show
// how far chance moves it, whatever the noise is like (the jackknife: Efron, The Jackknife,
// the Bootstrap and Other Resampling Plans, 1982).
type jack struct {
	n    float64
	left []float64
}

// put sets the number, or what it is with one more block left out.
func (j *jack) put(out int, n float64) {
	if out == everything {
		j.n = n
		return
	}
	j.left = append(j.left, n)
}

// add adds a multiple of k to j. Both leave out the same blocks, so what moves both alike
// shows in the sum.
func (j *jack) add(k jack, times float64) {
	j.n += times * k.n
	if j.left == nil && k.left != nil {
		j.left = make([]float64, len(k.left))
	}
	for i, x := range k.left {
		j.left[i] += times * x
	}
}

// half returns half of the 95 % interval.
func (j jack) half() float64 {
	k := float64(len(j.left))
	if k < 2 {
		return math.Inf(1)
	}
	mean, rest := 0.0, 0.0
	for _, x := range j.left {
		mean += x / k
	}
	for _, x := range j.left {
		rest += (x - mean) * (x - mean)
	}
	return student95(len(j.left)-1) * math.Sqrt(rest*(k-1)/k)
}

// share is a growth by n connections.
type share struct{ grown, n float64 }

// wild is how many standard deviations off the median a growth is somebody else's. The
// median of the deviations gives the standard deviation, which a few wild ones do not move.
const wild = 4

// typical returns the growth for one connection, without wild shares. A count moves by whole
// slabs, so a share that is less than a slab off the median is never wild: to drop the rare
// ones of these would bend the mean. Nor is one between 0 and shareable, where some connections
// share an object that others have alone.
func typical(shares []share, slab, shareable float64) float64 {
	values := make([]float64, len(shares))
	for i, s := range shares {
		values[i] = s.grown / s.n
	}
	middle := median(values)
	off := make([]float64, len(values))
	for i, v := range values {
		off[i] = math.Abs(v - middle)
	}
	scale := wild * 1.4826 * median(off)
	grown, n := 0.0, 0.0
	for i, s := range shares {
		resolution := (slab + 0.5) / s.n
		if off[i] <= max(scale, resolution) || shareable > 0 && values[i] >= -resolution && values[i] <= shareable+resolution {
			grown += s.grown
			n += s.n
		}
	}
	return grown / n
}

// median returns the middle of values, NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// regress returns how much y grows with each column of x, by least squares without a
// constant; nil where the columns depend on one another.
func regress(x [][]float64, y []float64) []float64 {
	if len(x) == 0 || len(x[0]) == 0 {
		return nil
	}
	k := len(x[0])
	m, moment := matrix(k), make([]float64, k)
	for n, row := range x {
		for i := range row {
			moment[i] += row[i] * y[n]
			for j := range row {
				m[i][j] += row[i] * row[j]
			}
		}
	}
	inverse, ok := invert(m)
	if !ok {
		return nil
	}
	slopes := make([]float64, k)
	for i := range slopes {
		for j := range moment {
			slopes[i] += inverse[i][j] * moment[j]
		}
	}
	return slopes
}
func matrix(k int) [][]float64 {
	m := make([][]float64, k)
	for i := range m {
		m[i] = make([]float64, k)
	}
	return m
}

// invert inverts a symmetric positive matrix by Gauss and Jordan, with its columns
// scaled first. It returns false where the columns depend on one another.
func invert(m [][]float64) ([][]float64, bool) {
	k := len(m)
	scale := make([]float64, k)
	for i := range m {
		if m[i][i] <= 0 {
			return nil, false
		}
		scale[i] = 1 / math.Sqrt(m[i][i])
	}
	a, inv := matrix(k), matrix(k)
	for i := range m {
		for j := range m {
			a[i][j] = m[i][j] * scale[i] * scale[j]
		}
		inv[i][i] = 1
	}
	for c := range k {
		pivot := c
		for r := c + 1; r < k; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[pivot][c]) {
				pivot = r
			}
		}
		// 1 is a column that no other explains, 0 one that the others explain in full.
		if math.Abs(a[pivot][c]) < 1e-9 {
			return nil, false
		}
		a[c], a[pivot] = a[pivot], a[c]
		inv[c], inv[pivot] = inv[pivot], inv[c]
		by := a[c][c]
		for j := range k {
			a[c][j] /= by
			inv[c][j] /= by
		}
		for r := range k {
			if f := a[r][c]; r != c && f != 0 {
				for j := range k {
					a[r][j] -= f * a[c][j]
					inv[r][j] -= f * inv[c][j]
				}
			}
		}
	}
	for i := range k {
		for j := range k {
			inv[i][j] *= scale[i] * scale[j]
		}
	}
	return inv, true
}

// student95 returns the two-sided 95 % quantile of Student's t, by the Cornish-Fisher
// expansion of the normal quantile (Abramowitz and Stegun 26.7.5): within 1 % from 3
// degrees of freedom up.
func student95(freedom int) float64 {
	if freedom < 1 {
		return math.Inf(1)
	}
	exact := [...]float64{0, 12.706, 4.303, 3.182, 2.776, 2.571}
	if freedom < len(exact) {
		return exact[freedom]
	}
	const z = 1.959964
	v := float64(freedom)
	z3, z5, z7 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7)
	return z + (z3+z)/(4*v) + (5*z5+16*z3+3*z)/(96*v*v) + (3*z7+19*z5+17*z3-15*z)/(384*v*v*v)
}
