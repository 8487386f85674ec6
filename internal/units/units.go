// Package units writes numbers the way people read them on screen and in
// text reports. Bytes are decimal (kB = 1000 B, as the eptop documentation
// counts), counts are grouped by spaces so that 5 491 511 can be read at
// a glance and no locale's comma is mistaken for a point.
package units

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes n in full with its thousands separated: 5 491 511.
func Count(n int64) string { return string(AppendCount(nil, n)) }

// AppendCount appends Count(n) to dst.
func AppendCount(dst []byte, n int64) []byte {
	start := len(dst)
	dst = strconv.AppendInt(dst, n, 10)
	digits := len(dst) - start
	if n < 0 {
		start++
		digits--
	}
	groups := (digits - 1) / 3
	if groups == 0 {
		return dst
	}
	for range groups {
		dst = append(dst, ' ')
	}
	for from, to := start+digits-1, len(dst)-1; from < to; {
		for range 3 {
			dst[to] = dst[from]
			from, to = from-1, to-1
		}
		dst[to] = ' '
		to--
	}
	return dst
}

// Many writes a number of things: 1 instance, 2 instances.
func Many(n int64, thing string) string { return Counted(Count(n), thing) }

// Counted writes a number, already written as n, of things: 1 watch, ≥ 1 watch, ?
// watches.
func Counted(n, thing string) string {
	switch {
	case strings.TrimLeft(n, "≥≤≈ ") == "1":
		return n + " " + thing
	case strings.HasSuffix(thing, "ch"), strings.HasSuffix(thing, "s"):
		return n + " " + thing + "es"
	}
	return n + " " + thing + "s"
}

// Short writes a count with two or three digits that matter: 809, 57 k, 1.2 M.
func Short(n int64) string {
	if n > -1000 && n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"k", "M", "G", "T", "P", "E"} {
		v /= 1000
		if math.Abs(v) < 999.5 { // else it would print as 1000
			break
		}
	}
	prec := 0
	if math.Abs(v) < 9.95 {
		prec = 1
	}
	return strconv.FormatFloat(v, 'f', prec, 64) + " " + unit
}

// Bytes writes n bytes in at most seven columns: 208 B, 3.8 kB, 31.6 MB, 9.5 GB.
func Bytes(n int64) string {
	if n < 0 {
		// The most negative number has no positive counterpart; a float does.
		return "-" + decimalBytes(-float64(n))
	}
	return decimalBytes(float64(n))
}

func decimalBytes(v float64) string {
	if v < 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " B"
	}
	unit := ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		v /= 1000
		// 999.95 would print as 1000.0: it belongs to the next unit.
		if v < 999.95 {
			break
		}
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
}

// Percent writes a share of 1 as a percentage with one decimal: 2.8 %.
func Percent(share float64) string {
	return strconv.FormatFloat(share*100, 'f', 1, 64) + " %"
}

// Duration writes d in at most six columns with two or three digits that
// matter: 41 µs, 2.3 ms, 1.6 s, 12 s, 4 min, 3 h.
func Duration(d time.Duration) string {
	one := func(v float64, unit string) string {
		prec := 0
		if v < 9.95 {
			prec = 1
		}
		return strconv.FormatFloat(v, 'f', prec, 64) + " " + unit
	}
	switch {
	case d == math.MinInt64:
		return Duration(d + 1)
	case d < 0:
		return "-" + Duration(-d)
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case d < time.Millisecond:
		return one(float64(d)/1e3, "µs")
	case d < time.Second:
		return one(float64(d)/1e6, "ms")
	case d < 100*time.Second:
		return one(d.Seconds(), "s")
	case d < 100*time.Minute:
		return one(d.Minutes(), "min")
	case d < 48*time.Hour:
		return one(d.Hours(), "h")
	}
	return one(d.Hours()/24, "d")
}

// Binary writes a size that is usually a power of two, such as a memory module's: 64
// GiB, 512 MiB, 1.5 GiB.
func Binary(n int64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if v < 1024 && v > -1024 {
			break
		}
		v, unit = v/1024, next
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + unit
}
