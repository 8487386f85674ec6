package measure

import (
	"errors"
	"math"
	"slices"
)

// line is a fit of y over several regressors and a constant: how much y grows with
// each of them while the others stay.
type line struct {
	slopes []float64
	// cov is the covariance of the slopes, row by row.
	cov [][]float64
	// freedom is the number of observations minus the number of fitted constants.
	freedom int
}

// errFewReadings: no line can be fitted through so few points, or through points in
// which the regressors move together.
var errFewReadings = errors.New("too few readings to fit a line")

// design is the regressors of a fit, one row for each reading.
type design struct{ rows [][]float64 }

// newDesign prepares fits over regressors.
func newDesign(rows [][]float64) (*design, error) {
	if len(rows) == 0 || len(rows) < len(rows[0])+3 {
		return nil, errFewReadings
	}
	d := &design{rows: rows}
	if _, _, ok := d.normal(ones(len(rows))); !ok {
		return nil, errFewReadings
	}
	return d, nil
}

func ones(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// normal returns the weighted mean of the rows and the inverse of their normal matrix.
func (d *design) normal(weights []float64) (means []float64, inverse [][]float64, ok bool) {
	k := len(d.rows[0])
	means = make([]float64, k)
	total := 0.0
	for i, r := range d.rows {
		total += weights[i]
		for j, x := range r {
			means[j] += weights[i] * x
		}
	}
	for j := range means {
		means[j] /= total
	}
	m := matrix(k)
	for n, r := range d.rows {
		for i := range r {
			for j := range r {
				m[i][j] += weights[n] * (r[i] - means[i]) * (r[j] - means[j])
			}
		}
	}
	inverse, ok = invert(m)
	return means, inverse, ok
}

const (
	// rounds is how often weights are adjusted until they settle.
	rounds = 5
	// tuning is the constant of Huber's weights: 95 % as good as least squares where the
	// noise is normal (Huber, Robust Statistics, 1981).
	tuning = 1.345
)

// fit fits y, one value for each row. Readings far off the line count less: a program
// that comes, allocates and goes would bend it.
func (d *design) fit(y []float64) line {
	weights := ones(len(y))
	l := line{}
	for range rounds {
		means, inverse, ok := d.normal(weights)
		if !ok {
			break
		}
		var residuals []float64
		l, residuals = d.solve(y, weights, means, inverse)
		scale := spread(residuals)
		if scale == 0 {
			break
		}
		for i, e := range residuals {
			weights[i] = min(1, tuning*scale/math.Abs(e))
		}
	}
	return l
}

func (d *design) solve(y, weights, means []float64, inverse [][]float64) (line, []float64) {
	k := len(means)
	mean, total := 0.0, 0.0
	for i, v := range y {
		mean += weights[i] * v
		total += weights[i]
	}
	mean /= total
	moment := make([]float64, k)
	for i, r := range d.rows {
		for j := range r {
			moment[j] += weights[i] * (r[j] - means[j]) * (y[i] - mean)
		}
	}
	l := line{slopes: make([]float64, k), cov: matrix(k), freedom: len(y) - k - 1}
	for i := range l.slopes {
		for j := range moment {
			l.slopes[i] += inverse[i][j] * moment[j]
		}
	}
	residuals := make([]float64, len(y))
	rest := 0.0
	for i, r := range d.rows {
		e := y[i] - mean
		for j := range r {
			e -= l.slopes[j] * (r[j] - means[j])
		}
		residuals[i] = e
		rest += weights[i] * e * e
	}
	variance := rest / float64(l.freedom) * inflation(residuals)
	for i := range l.cov {
		for j := range l.cov[i] {
			l.cov[i][j] = variance * inverse[i][j]
		}
	}
	return l, residuals
}

// inflation returns by how much residuals that hang together, such as those of a
// program that comes and stays a while, widen the variance, compared with independent
// ones. It uses the first-order autocorrelation.
func inflation(residuals []float64) float64 {
	own, next := 0.0, 0.0
	for i, e := range residuals {
		own += e * e
		if i > 0 {
			next += e * residuals[i-1]
		}
	}
	if own == 0 || next <= 0 {
		return 1
	}
	r := min(next/own, 0.95)
	return (1 + r) / (1 - r)
}

// spread returns the standard deviation of normal residuals by their median, which a
// few wild ones do not move.
func spread(residuals []float64) float64 {
	sizes := make([]float64, len(residuals))
	for i, e := range residuals {
		sizes[i] = math.Abs(e)
	}
	slices.Sort(sizes)
	return 1.4826 * sizes[len(sizes)/2]
}

// center returns the mean of values, a few of which may be wild, by Huber's weights,
// and half of its 95 % interval.
func center(values []float64) (mean, half float64) {
	weights := ones(len(values))
	total, rest := 0.0, 0.0
	for range rounds {
		mean, total, rest = 0, 0, 0
		for i, v := range values {
			mean += weights[i] * v
			total += weights[i]
		}
		mean /= total
		residuals := make([]float64, len(values))
		for i, v := range values {
			residuals[i] = v - mean
			rest += weights[i] * residuals[i] * residuals[i]
		}
		scale := spread(residuals)
		if scale == 0 {
			break
		}
		for i, e := range residuals {
			weights[i] = min(1, tuning*scale/math.Abs(e))
		}
	}
	n := float64(len(values))
	return mean, student95(len(values)-1) * math.Sqrt(rest/max(1, n-1)/n)
}

// add adds a multiple of m to l; the noise of m counts as independent.
func (l *line) add(m line, times float64) {
	if l.slopes == nil {
		l.slopes, l.cov, l.freedom = make([]float64, len(m.slopes)), matrix(len(m.slopes)), m.freedom
	}
	for i := range m.slopes {
		l.slopes[i] += times * m.slopes[i]
		for j := range m.cov[i] {
			l.cov[i][j] += times * times * m.cov[i][j]
		}
	}
}

// along returns the slope along a direction, the sum of the slopes times its weights,
// with half of its 95 % interval.
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
