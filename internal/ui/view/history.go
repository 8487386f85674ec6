package view

import (
	"slices"
	"strconv"
	"time"
)

// ChartRange returns the range on which values are drawn: from the lowest to the highest,
// but at least a hundredth of the lowest, so that noise stays small and a constant is
// drawn flat.
func ChartRange(values []float64) (lo, hi float64) {
	if len(values) == 0 {
		return 0, 1
	}
	lo, hi = slices.Min(values), slices.Max(values)
	return lo, max(hi, lo*1.01)
}

// ChartPoints converts values for a chart, and returns their ChartRange.
func ChartPoints(values []int64) (points []float64, lo, hi float64) {
	points = make([]float64, len(values))
	for i, v := range values {
		points[i] = float64(v)
	}
	lo, hi = ChartRange(points)
	return points, lo, hi
}

// RoundDuration writes a duration in whole seconds, or in whole minutes from one on.
func RoundDuration(d time.Duration) string {
	if d < time.Minute {
		return strconv.Itoa(int(d.Seconds()+0.5)) + " s"
	}
	return strconv.Itoa(int(d.Minutes()+0.5)) + " min"
}
