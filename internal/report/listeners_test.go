package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// TestFullQueuesAreShown: however few sockets a listener has, and those of the processes
// that were asked for before the rest.
func TestFullQueuesAreShown(t *testing.T) {
	s := snapshot()
	s.Sockets = &model.Sockets{TCP: model.TCPTotals{MemBytes: maybe.Some[int64](99)}, TCPMem: maybe.Some(model.TCPMem{Low: 10, Pressure: 50, High: 100}), TCPMemState: model.TCPMemPressure}
	add := func(name string, full bool, pid int) {
		q := model.AcceptQueue{Waiting: maybe.Some[int64](3), Backlog: maybe.Some[int64](8), State: model.QueueWaiting}
		g := model.SocketGroup{Name: name, Kind: "tcp", Sockets: 1000, PIDs: []int{pid}, Queues: []model.AcceptQueue{q, q}, QueueState: model.QueueWaiting}
		if full {
			g.Sockets, g.QueueState = 1, model.QueueFull
			g.Queues[0] = model.AcceptQueue{Waiting: maybe.Some[int64](9), Backlog: maybe.Some[int64](8), State: model.QueueFull}
		}
		s.Sockets.ByPort = append(s.Sockets.ByPort, g)
	}
	for i := range 20 {
		add(fmt.Sprintf("other:%d", i), false, 900)
	}
	add("mine", false, s.Processes[0].PID)
	for i := range 12 {
		add(fmt.Sprintf("full:%d", i), true, 900)
	}
	write := func(details bool) string {
		var b strings.Builder
		if err := Text(&b, s, details, Lists{}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	all := write(false)
	if n := strings.Count(all, "FULL (1 of 2 queues)"); n != 12 || strings.Contains(all, "mine tcp") || !strings.Contains(all, "and 21 more") {
		t.Errorf("%d full queues in\n%s", n, all)
	}
	if !strings.Contains(all, "PRESSURE, the kernel shrinks buffers") {
		t.Errorf("no remark on tcp_mem in\n%s", all)
	}
	s.Sockets.ByPort = s.Sockets.ByPort[:25]
	if asked := write(true); !strings.Contains(asked, "mine tcp") || strings.Index(asked, "mine tcp") > strings.Index(asked, "other:0") || strings.Index(asked, "full:3") > strings.Index(asked, "mine tcp") {
		t.Errorf("the listener of the process is not before others:\n%s", asked)
	}
}
