package view

import (
	"slices"
	"strconv"
	"time"
)

// HistoryLen is how many looks a history keeps: five minutes at one a second.
const HistoryLen = 300

// ChartRange is the range on which values are drawn: from the lowest to the
// highest, but never less than a hundredth of the lowest, so that noise stays
// small and what does not change lies flat.
func ChartRange(values []float64) (lo, hi float64) {
	if len(values) == 0 {
		return 0, 1
	}
	lo, hi = slices.Min(values), slices.Max(values)
	return lo, max(hi, lo*1.01)
}

// ChartPoints are values as a chart takes them, with the range of ChartRange.
func ChartPoints(values []int64) (points []float64, lo, hi float64) {
	points = make([]float64, len(values))
	for i, v := range values {
		points[i] = float64(v)
	}
	lo, hi = ChartRange(points)
	return points, lo, hi
}

// RoundDuration writes a stretch of time as a person would say it.
func RoundDuration(d time.Duration) string {
	if d < time.Minute {
		return strconv.Itoa(int(d.Seconds()+0.5)) + " s"
	}
	return strconv.Itoa(int(d.Minutes()+0.5)) + " min"
}
