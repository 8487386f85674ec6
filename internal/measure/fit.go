package measure

import (
	"errors"
	"math"
)

// line is a least-squares fit of y over several regressors and a constant: how much y
// grows with each of them while the others stay.
type line struct {
	slopes []float64
	// cov is the covariance of the slopes, row by row.
	cov [][]float64
	// freedom is the number of observations less that of the fitted constants.
	freedom int
}

// errFewReadings: no line can be fitted through so few points, or points that do not
// tell the regressors apart.
var errFewReadings = errors.New("too few readings to fit a line")

// design is the part of a fit that does not depend on y: with it hundreds of caches
// are fitted over the same readings.
type design struct {
	rows    [][]float64 // centred
	means   []float64
	inverse [][]float64 // of rows' rows
}

// newDesign prepares fits over regressors, one row for each observation.
func newDesign(rows [][]float64) (*design, error) {
	if len(rows) == 0 || len(rows) < len(rows[0])+3 {
		return nil, errFewReadings
	}
	k := len(rows[0])
	d := &design{means: make([]float64, k)}
	for _, r := range rows {
		for j, x := range r {
			d.means[j] += x / float64(len(rows))
		}
	}
	normal := matrix(k)
	for _, r := range rows {
		c := make([]float64, k)
		for j := range c {
			c[j] = r[j] - d.means[j]
		}
		for i := range c {
			for j := range c {
				normal[i][j] += c[i] * c[j]
			}
		}
		d.rows = append(d.rows, c)
	}
	var ok bool
	if d.inverse, ok = invert(normal); !ok {
		return nil, errFewReadings
	}
	return d, nil
}

// fit fits y, one value for each row.
func (d *design) fit(y []float64) line {
	k, n := len(d.means), len(d.rows)
	mean := 0.0
	for _, v := range y {
		mean += v / float64(n)
	}
	moment := make([]float64, k)
	for i, r := range d.rows {
		for j := range r {
			moment[j] += r[j] * (y[i] - mean)
		}
	}
	l := line{slopes: make([]float64, k), cov: matrix(k), freedom: n - k - 1}
	for i := range l.slopes {
		for j := range moment {
			l.slopes[i] += d.inverse[i][j] * moment[j]
		}
	}
	rest := 0.0
	for i, r := range d.rows {
		e := y[i] - mean
		for j := range r {
			e -= l.slopes[j] * r[j]
		}
		rest += e * e
	}
	variance := rest / float64(l.freedom)
	for i := range l.cov {
		for j := range l.cov[i] {
			l.cov[i][j] = variance * d.inverse[i][j]
		}
	}
	return l
}

// along is the slope along a direction, the sum of the slopes times its weights, with
// half of its 95 % interval.
func (l line) along(weights ...float64) (slope, half float64) {
	variance := 0.0
	for i, w := range weights {
		slope += w * l.slopes[i]
		for j, v := range weights {
			variance += w * v * l.cov[i][j]
		}
	}
	return slope, student95(l.freedom) * math.Sqrt(max(0, variance))
}

func matrix(k int) [][]float64 {
	m := make([][]float64, k)
	for i := range m {
		m[i] = make([]float64, k)
	}
	return m
}

// invert inverts a symmetric positive matrix by Gauss and Jordan, its columns scaled
// first; false where its columns depend on one another.
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
		// 1 is a column that no other explains, 0 one that others explain in full.
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

// student95 is the two-sided 95 % quantile of Student's t, by the Cornish-Fisher
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
