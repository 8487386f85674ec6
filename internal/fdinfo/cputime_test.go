package fdinfo

import (
	"os"
	"testing"
	"time"
)

func TestParseCPUTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99 1 1\n": 2 * time.Second,
		"7 (a) S 1 7 7 0 -1 4194560 1 2 3 4 150\n":                           -1,
		"7 (a) S 1 7 7 0 -1 4194560 1 2 3 4 x 50 0\n":                        -1,
		"": -1,
	} {
		got, err := parseCPUTime([]byte(text))
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	f, err := NewFS("/proc")
	if err != nil {
		t.Fatal(err)
	}
	first, ok := f.CPUTime(os.Getpid()).Get()
	if !ok {
		t.Fatal("the own CPU time is not known")
	}
	for range 1_000_000 {
		if now := f.CPUTime(os.Getpid()); now.Value >= first+50*time.Millisecond {
			return
		}
	}
	t.Error("a million reads of the CPU time took none of it")
}
