package units

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1 000", 5491511: "5 491 511",
		-1: "-1", -1000: "-1 000", math.MaxInt64: "9 223 372 036 854 775 807",
		math.MinInt64: "-9 223 372 036 854 775 808",
	} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", -7: "-7", 999: "999", 1000: "1.0 k", 1049: "1.0 k", 9949: "9.9 k", 9951: "10 k", 57_400: "57 k", 999_499: "999 k", 999_500: "1.0 M",
		1_234_567: "1.2 M", 2_000_000_000: "2.0 G", -45_000: "-45 k", 1<<63 - 1: "9.2 E",
	} {
		if got := Short(n); got != want {
			t.Errorf("Short(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzCount(f *testing.F) {
	f.Add(int64(123456))
	f.Fuzz(func(t *testing.T, n int64) {
		got := string(AppendCount([]byte("x"), n))
		if flat := strings.ReplaceAll(got, " ", ""); flat != "x"+strconv.FormatInt(n, 10) {
			t.Errorf("AppendCount(%d) = %q", n, got)
		}
	})
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 208: "208 B", 999: "999 B", 1000: "1.0 kB", 3829: "3.8 kB",
		999949: "999.9 kB", 999950: "1.0 MB", 31_600_000: "31.6 MB", -208: "-208 B", math.MinInt64: "-9.2 EB",
		9_500_000_000: "9.5 GB", math.MaxInt64: "9.2 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 500: "500 ns", 41 * time.Microsecond: "41 µs", 2300 * time.Microsecond: "2.3 ms",
		1600 * time.Millisecond: "1.6 s", 30 * time.Millisecond: "30 ms", 12 * time.Second: "12 s",
		4 * time.Minute: "4.0 min", 3 * time.Hour: "3.0 h", 72 * time.Hour: "3.0 d", -time.Second: "-1.0 s", math.MinInt64: "-106752 d", math.MaxInt64: "106752 d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	if got := Percent(0.0277); got != "2.8 %" {
		t.Errorf("Percent = %q", got)
	}
}

// FuzzShort holds Bytes and Duration to their widths, whatever the number.
func FuzzShort(f *testing.F) {
	for _, n := range []int64{0, 999, 999_950, -1, math.MinInt64, math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if got := Bytes(n); len(got) > len("-999.9 MB") {
			t.Errorf("Bytes(%d) = %q", n, got)
		}
		if got := Duration(time.Duration(n)); len(got) > len("-106752 µs") {
			t.Errorf("Duration(%d) = %q", n, got)
		}
	})
}

func TestCounted(t *testing.T) {
	for n, want := range map[int64]string{0: "0 watches", 1: "1 watch", 1024: "1 024 watches"} {
		if got := Many(n, "watch"); got != want {
			t.Errorf("Many(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[string]string{"≥ 1": "≥ 1 process", "31+": "31+ processes", "?": "? processes"} {
		if got := Counted(n, "process"); got != want {
			t.Errorf("Counted(%q) = %q, want %q", n, got, want)
		}
	}
}

func TestBinary(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 512: "512 B", 1 << 20: "1 MiB", 512 << 20: "512 MiB", 1536 << 20: "1.5 GiB", 64 << 30: "64 GiB", 1 << 40: "1 TiB",
		math.MaxInt64: "8 EiB", -4 << 30: "-4 GiB",
	} {
		if got := Binary(n); got != want {
			t.Errorf("Binary(%d) = %q, want %q", n, got, want)
		}
	}
}
