package report

import (
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// TestMeasureText: each part stands beside what was expected, what differs has a sentence, and
// what is withheld has its reason and no number.
func TestMeasureText(t *testing.T) {
	measured := func() *model.Measurement {
		return &model.Measurement{
			Opening:            model.Opening{Family: "tcp4", Watch: "et", Connections: 10_000, Opened: 10_000},
			BytesPerConnection: maybe.Some[int64](7866), CI95Bytes: maybe.Some[int64](2), ExpectedBytes: maybe.Some[int64](8122),
			Parts: []model.MeasuredPart{
				{Cache: "TCP", ShownAs: "TCP", Kind: model.PartKnown, Objects: 2, Fitted: 1.996, CI95: 0.013, Bytes: 5042, BytesPerObject: 2521, ExpectedObjects: 2},
				{Cache: "tcp_bind_bucket", ShownAs: "tcp_bind_bucket", Kind: model.PartKnown, Fitted: 0.01, CI95: 0.02, BytesPerObject: 128, ExpectedObjects: 2},
			},
			Differences:       []string{"0.0 bind buckets a connection where 2 were expected"},
			DrainedToBaseline: maybe.Some(true), LeftBytes: maybe.Some[int64](1000), MayParkBytes: maybe.Some[int64](950_000),
		}
	}
	for _, c := range []struct {
		name      string
		change    func(*model.Measurement)
		want, not []string
		error     string
	}{
		{
			name: "measured", change: func(*model.Measurement) {},
			want: []string{"takes 7 866 B", "2.00 2.00 0.01 2.00 2521 TCP", "differs: 0.0 bind buckets a connection where 2 were expected", "the memory came back: 1.0 kB are left"},
		},
		{
			name: "withheld", change: func(m *model.Measurement) {
				m.BytesPerConnection, m.CI95Bytes, m.Doubt = maybe.Of[int64]{}, maybe.Of[int64]{}, "the CPUs may park 384 free objects of TCP"
			},
			want:  []string{"could not be measured: the CPUs may park 384 free objects of TCP; repeat it with more connections, -c 20000,"},
			not:   []string{"MEASURED", "7 866", "differs:"},
			error: "what a connection takes could not be measured: the CPUs may park 384 free objects of TCP; repeat it",
		},
		{
			name: "stopped", change: func(m *model.Measurement) {
				m.BytesPerConnection, m.Opened, m.StoppedBy, m.Reason, m.Doubt = maybe.Of[int64]{}, 3, "memory", "little is left", "3 of 10000 connections could be opened"
			},
			want: []string{"could not be measured: 3 of 10000", "stopped by available memory: little is left"}, not: []string{"repeat it"},
			error: "what a connection takes could not be measured: 3 of 10000 connections could be opened",
		},
		{
			name: "too few to see", change: func(m *model.Measurement) { m.DrainedToBaseline = maybe.Of[bool]{} },
			want: []string{"whether the memory came back cannot be seen: free objects that the CPUs keep count as used, up to 950.0 kB"}, not: []string{"came back:", "did not come back"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := measured()
			c.change(m)
			var out strings.Builder
			if err := MeasureText(&out, m); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(strings.Fields(out.String()), " ")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, &out)
				}
			}
			for _, not := range c.not {
				if strings.Contains(text, not) {
					t.Errorf("%q in\n%s", not, &out)
				}
			}
			if err := Unmeasured(m); (err == nil) != (c.error == "") || err != nil && !strings.HasPrefix(err.Error(), c.error) {
				t.Errorf("error %v, want %q", err, c.error)
			}
		})
	}
}

// TestNothingFits: what leaves no room is named, and nothing is said of what was not opened.
func TestNothingFits(t *testing.T) {
	wall := model.Wall{Name: model.WallLoopback, Scope: "lo is down", RaiseWith: "ip link set lo up"}
	f := model.Preflight{Fits: maybe.Some[int64](0), Walls: []model.Wall{wall}}
	var out strings.Builder
	if err := PreflightText(&out, model.DefaultLoadPlan(), f); err != nil {
		t.Fatal(err)
	}
	r := &model.LoadResult{
		Opening:   model.Opening{Family: "tcp4", Connections: 10_000},
		StoppedBy: model.WallLoopback, Reason: "lo is down", HeldSeconds: 9.5e-6, DrainSeconds: 1e-6, Preflight: f,
	}
	if err := LoadText(&out, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"none will fit", "(lo is down); raise it with: ip link set lo up", "none of 10 000 connections was opened over tcp4", "stopped by"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, not := range []string{"only 0", "0 of 0", "held for", "closed in", "0 of 10"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q in\n%s", not, out.String())
		}
	}
}
