package view

import (
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
)

// TestGrowthIsNeverCut: it fits its column, whatever a process opens.
func TestGrowthIsNeverCut(t *testing.T) {
	for growth, want := range map[float64]string{0.4: "0", 12: "+12", -3: "−3", 1234: "+1 234", 16_500: "+16 k", -999_999: "", 5e6: ""} {
		got := growthCell(&model.Process{FDs: maybe.Some[int64](1), FDsPerMinute: maybe.Some(growth)}).Text
		if draw.Width(got) > 6 || want != "" && got != want {
			t.Errorf("%v is %q, want %q", growth, got, want)
		}
	}
}

// TestCommandText: the program without its directories, once.
func TestCommandText(t *testing.T) {
	for _, c := range []struct{ comm, line, want string }{
		{"nginx", "nginx: worker process", "nginx: worker process"}, {"node", "/usr/bin/node /srv/x.js --port 1", "node /srv/x.js --port 1"},
		{"gateway-with-a-", "/opt/gateway-with-a-long-name -v", "gateway-with-a-long-name -v"}, {"main", "/usr/bin/java -jar a.jar", "main  java -jar a.jar"},
		{"kept", "kept", "kept"},
	} {
		if got := CommandText(&model.Process{Comm: c.comm, Cmdline: maybe.Some(c.line)}); got != c.want {
			t.Errorf("%q %q is %q, want %q", c.comm, c.line, got, c.want)
		}
	}
	if got := CommandText(&model.Process{Comm: "a"}); got != "a" {
		t.Errorf("without a command line it is %q", got)
	}
}
