package viewtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
)

// Loader is a load generator that opens nothing. It records the calls of Start and Set,
// and its Load returns Answer.
type Loader struct {
	mu     sync.Mutex
	calls  []string
	Answer *model.Load
	Err    error
	// hold keeps Set waiting until it is closed; nil lets Set return at once.
	hold chan struct{}
}

// Start records the plan, and returns Err.
func (f *Loader) Start(p model.LoadPlan) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("start %d %s %s rate %d active %g unread %d", p.Connections, p.Family, p.Watch, p.Rate, p.ActivePercent, p.UnreadBytes))
	return f.Err
}

// Set records n. After Block it waits.
func (f *Loader) Set(n int64) {
	f.mu.Lock()
	f.calls = append(f.calls, fmt.Sprintf("set %d", n))
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

// Load returns Answer.
func (f *Loader) Load() *model.Load {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "load")
	return f.Answer
}

// SetAnswer makes l what Load returns from now on.
func (f *Loader) SetAnswer(l *model.Load) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Answer = l
}

// Block makes every Set wait until release is called.
func (f *Loader) Block() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hold := make(chan struct{})
	f.hold = hold
	return func() { close(hold) }
}

// TakeCalls returns the recorded calls of Start and Set, and forgets them.
func (f *Loader) TakeCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.calls {
		if c != "load" {
			out = append(out, c)
		}
	}
	f.calls = nil
	return out
}

// RichWithLoad is Rich with the limits that a load can reach, and with a load, or nil for
// none.
func RichWithLoad(l *model.Load) *model.Snapshot {
	bucket := model.Layout{ShownAs: "eventpoll_epi", SlabBytes: maybe.Some[int64](4096), ObjsPerSlab: maybe.Some[int64](32)}
	s := model.New(&model.Sample{
		Time: Time, Load: l, Layouts: map[string]model.Layout{"tcp_bind_bucket": bucket, "tcp_bind2_bucket": bucket},
		OpenFiles: maybe.Some[int64](1_400), MaxFiles: maybe.Some[int64](2_466_177),
		LoadLimits: maybe.Some(model.LoadLimits{
			Resource: true, Nofile: maybe.Some[int64](20_000), PortLow: maybe.Some[int64](32_768), PortHigh: maybe.Some[int64](60_999),
			Backlog: maybe.Some[int64](4096), Tasks: maybe.Some[int64](140), MostTasks: maybe.Some[int64](32_768),
		}),
	})
	rich := Rich()
	s.Host, s.Epoll, s.ConnectionCost, s.Sources, s.Guest = rich.Host, rich.Epoll, rich.ConnectionCost, rich.Sources, rich.Guest
	s.Processes, s.Walls, s.Slab = rich.Processes, rich.Walls, rich.Slab
	return s
}

// The loads below are of 10 000 connections.

// LoadOpening is a load that has opened a third of its connections.
func LoadOpening() *model.Load {
	l := &model.Load{
		Plan: model.DefaultLoadPlan(), Time: Time.Add(time.Second), AboveBytes: maybe.Some[int64](27_900_000),
		Status: model.LoadStatus{
			Phase: model.LoadOpening, Wanted: 10_000, Open: 3_420, Have: model.LoadStages{Sockets: 3_600, Connects: 3_500, Accepts: 3_420, Watches: 3_420}, Peak: 3_420,
			OpenTook: 400 * time.Millisecond, PerSecond: 8_550, Left: 770 * time.Millisecond, Workers: []int{4711, 4712}, WorkerBytes: 18_900_000,
		},
		Found: &model.Measurement{Opening: model.Opening{Family: "tcp4", Watch: "et", Connections: 10_000, Opened: 3_420}, FolkloreBytes: 3379, ExpectedBytes: maybe.Some[int64](8122), Readings: 3},
	}
	for n := int64(1000); n <= 3000; n += 1000 {
		l.Points = append(l.Points, model.LoadPoint{Connections: n, Bytes: n * 8122})
	}
	return l
}

// LoadHolding is a load that is open and measured.
func LoadHolding() *model.Load {
	l := LoadOpening()
	l.Time = l.Time.Add(time.Second)
	l.Phase, l.Open, l.Peak, l.Left, l.OpenTook, l.PerSecond = model.LoadHolding, 10_000, 10_000, 0, 527*time.Millisecond, 18_975
	l.AboveBytes = maybe.Some[int64](81_220_000)
	l.Points = nil
	for n := int64(1000); n <= 10_000; n += 450 {
		l.Points = append(l.Points, model.LoadPoint{Connections: n, Bytes: n*8110 + (n*7919)%400_000})
	}
	part := func(cache string, objects, each float64) model.MeasuredPart {
		return model.MeasuredPart{Cache: cache, ShownAs: cache, Kind: model.PartKnown, Objects: objects, Bytes: objects * each, BytesPerObject: each}
	}
	l.Found = &model.Measurement{
		Opening:  model.Opening{Family: "tcp4", Watch: "et", Connections: 10_000, Opened: 10_000, OpenSeconds: 0.527, PerSecond: 18_975},
		Readings: 85, FolkloreBytes: 3379,
		BytesPerConnection: maybe.Some[int64](8110), CI95Bytes: maybe.Some[int64](20), BytesPerEnd: maybe.Some[int64](3829), EndCI95Bytes: maybe.Some[int64](12),
		BytesPerWatch: maybe.Some[int64](208), FittedWatch: maybe.Some[int64](208), WatchCI95Bytes: maybe.Some[int64](1), ExpectedBytes: maybe.Some[int64](8122),
		UnexplainedBytes: maybe.Some[int64](60), MemcgBytes: maybe.Some[int64](33), CgroupBytes: maybe.Some[int64](7890), CgroupCI95Bytes: maybe.Some[int64](23),
		Stages: []model.StageCost{
			{Stage: "socket", Bytes: 3829, CI95Bytes: 12}, {Stage: "connect", Bytes: 2777, CI95Bytes: 14}, {Stage: "accept", Bytes: 1308, CI95Bytes: 9}, {Stage: "epoll_ctl", Bytes: 196, CI95Bytes: 6},
		},
		Parts: []model.MeasuredPart{
			part("TCP", 2, 2521), part("sock_inode_cache", 2, 862), part("filp", 1.97, 195), part("dentry", 2.02, 195), part("tcp_bind_bucket + tcp_bind2_bucket", 1.98, 128),
			part("eventpoll_epi", 0.99, 128), part("eventpoll_pwq", 1, 64), part("lsm_inode_cache", 2, 32), part("lsm_file_cache", 2, 24), part("ep_head", 1, 16),
			{Cache: "kmalloc-192", ShownAs: "kmalloc-192", Kind: model.PartUnexplained, Objects: 0.31, Bytes: 60, BytesPerObject: 195},
		},
		LeavesOut:  []string{"proc_inode_cache: whoever looks into /proc/PID grows it"},
		Projection: []model.Projection{{Connections: 1_000_000, Bytes: 8_110_000_000}},
	}
	return l
}

// LoadStopped is a load that reached a limit, lost a worker, and had failed attempts.
func LoadStopped() *model.Load {
	l := LoadHolding()
	l.Open, l.Peak, l.StoppedBy, l.Reason = 8_200, 9_000, "file_max", "accept4: ENFILE: the host may open no more files (fs.file-max)"
	l.Failed, l.Failures = 12, map[string]int64{"ENFILE": 10, "ECONNREFUSED": 2}
	l.Lost, l.LastLoss = 800, "the client worker 4712: signal: killed"
	return l
}

// LoadDrained is a load whose connections are closed and whose memory came back.
func LoadDrained() *model.Load {
	l := LoadHolding()
	l.Time = l.Time.Add(time.Minute)
	l.Phase, l.Wanted, l.Open, l.Have, l.Workers, l.WorkerBytes = model.LoadDrained, 0, 0, model.LoadStages{}, nil, 0
	l.AboveBytes = maybe.Some[int64](257_000)
	l.Found.DrainedToBaseline, l.Found.LeftBytes, l.Found.DrainSeconds = maybe.Some(true), maybe.Some[int64](257_000), 0.41
	return l
}

// LoadDenied is a load that is open and cannot be measured, because eptop does not run as
// root.
func LoadDenied() *model.Load {
	l := LoadHolding()
	l.Points, l.AboveBytes = nil, maybe.Of[int64]{}
	l.Problem = "/proc/slabinfo is for root only: run as root to measure what connections cost"
	l.Found = &model.Measurement{Opening: model.Opening{Family: "tcp4", Watch: "et", Connections: 10_000, Opened: 10_000}, FolkloreBytes: 3379, ExpectedBytes: maybe.Some[int64](8122)}
	return l
}

// Expect fails the test unless these are the calls of Start and Set since the last
// TakeCalls or Expect.
func (f *Loader) Expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.TakeCalls()); diff != "" {
		t.Errorf("the loader was asked (-want +got):\n%s", diff)
	}
}
