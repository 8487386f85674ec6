package model

import (
	"time"

	"github.com/eptop/eptop/internal/loadgen"
	"github.com/eptop/eptop/internal/maybe"
)

// The generator's own words, for front ends.
type (
	LoadFamily = loadgen.Family
	LoadWatch  = loadgen.Watch
	LoadPhase  = loadgen.Phase
	LoadStages = loadgen.Stages
	LoadStatus = loadgen.Status
	WallName   = loadgen.Wall
)

// The phases of a load. Holding: all that was wanted is open, or no more can be.
const (
	LoadOpening  = loadgen.Opening
	LoadHolding  = loadgen.Holding
	LoadDraining = loadgen.Draining
	LoadDrained  = loadgen.Drained
)

// LoadFamilies and LoadWatches are the choices there are.
func LoadFamilies() []LoadFamily { return loadgen.Families() }

// LoadWatches are the ways to watch a server end.
func LoadWatches() []LoadWatch { return loadgen.Watches() }

// LoadPlan is what the load generator is to open.
type LoadPlan struct {
	Connections int64 `json:"connections"`
	loadgen.Config
}

// DefaultLoadPlan is ten thousand edge-triggered connections over IPv4.
func DefaultLoadPlan() LoadPlan {
	return LoadPlan{Connections: 10_000, Config: loadgen.Config{
		Family: loadgen.TCP4, Watch: loadgen.WatchET, BeatsPerSecond: 1, Floor: loadgen.DefaultFloor,
	}}
}

// Check says what of the plan makes no sense.
func (p LoadPlan) Check() error {
	if err := loadgen.CheckConnections(p.Connections); err != nil {
		return err
	}
	return p.Config.Check()
}

// Load is eptop's load generator at one moment, and what it has shown so far of
// what a connection costs.
type Load struct {
	Plan LoadPlan `json:"plan"`
	// Time is when it was looked at.
	Time time.Time `json:"time"`
	loadgen.Status
	// Points are kernel memory over open connections, the oldest first: memory of
	// the caches that a connection is made of, above what they held before. Most of
	// the points of a long run are left out.
	Points []LoadPoint `json:"points,omitempty"`
	// AboveBytes is the same memory now: after draining it shows what came back.
	AboveBytes maybe.Of[int64] `json:"above_baseline_bytes,omitzero"`
	// Found is what the points tell up to now.
	Found *Measurement `json:"found,omitempty"`
	// Problem says why nothing is measured; connections are opened all the same.
	Problem string `json:"problem,omitempty"`
}

// LoadPoint is one reading.
type LoadPoint struct {
	Connections int64 `json:"connections"`
	Bytes       int64 `json:"bytes"`
}

// Opening is what was to be opened, on which kernel, and how that went: the part that
// the results of `eptop load` and `eptop measure` share.
type Opening struct {
	Kernel string `json:"kernel,omitempty"`
	Family string `json:"family"`
	Watch  string `json:"watch"`

	// Connections were wanted; Opened were open together at most. Failed counts
	// attempts, Lost the connections that ended with a worker or were ended by others.
	Connections int64 `json:"connections"`
	Opened      int64 `json:"opened"`
	Failed      int64 `json:"failed"`
	Lost        int64 `json:"lost"`
	// Failures are the attempts that failed by the error's name, LastLoss is how the
	// last connections or the last worker ended that nobody had asked to.
	Failures    map[string]int64 `json:"failures,omitempty"`
	LastLoss    string           `json:"last_loss,omitempty"`
	OpenSeconds float64          `json:"open_seconds"`
	PerSecond   float64          `json:"per_second"`
}

// NewOpening describes how a plan was opened. opened is the load when the opening had
// ended: its pace is that of the opening alone. last is the load now: what fails or is
// lost later counts too.
func NewOpening(plan LoadPlan, kernel string, opened, last LoadStatus) Opening {
	return Opening{
		Kernel: kernel, Family: string(plan.Family), Watch: string(plan.Watch),
		Connections: plan.Connections, Opened: max(opened.Peak, last.Peak), Failed: last.Failed, Lost: last.Lost,
		Failures: last.Failures, LastLoss: last.LastLoss, OpenSeconds: opened.OpenTook.Seconds(), PerSecond: opened.PerSecond,
	}
}

// MeasureSchema names the shape of a Measurement's JSON.
const MeasureSchema = "eptop.measure/1"

// Measurement is what the experiment has found: the JSON of `eptop measure`. A
// connection is a loopback pair with both ends on this host, the server's watched.
// Bytes are of slab memory, an object's share of its slab's waste counted.
type Measurement struct {
	Schema string `json:"schema"`
	Opening

	// BytesPerConnection is found from Readings readings, CI95Bytes half of its
	// 95 % interval. It adds up the Parts that a connection is known to be made of;
	// absent before there are enough readings.
	BytesPerConnection maybe.Of[int64] `json:"bytes_per_connection,omitzero"`
	CI95Bytes          maybe.Of[int64] `json:"ci95_bytes,omitzero"`
	// BytesPerEnd is the client's end alone, BytesPerWatch a watch alone; absent
	// where the stages were not measured alone. All three count whole objects where the
	// readings leave no doubt of them; FittedWatch is a watch as it was counted.
	BytesPerEnd       maybe.Of[int64] `json:"bytes_per_end,omitzero"`
	EndCI95Bytes      maybe.Of[int64] `json:"end_ci95_bytes,omitzero"`
	BytesPerWatch     maybe.Of[int64] `json:"bytes_per_watch,omitzero"`
	FittedWatch       maybe.Of[int64] `json:"bytes_per_watch_fitted,omitzero"`
	WatchCI95Bytes    maybe.Of[int64] `json:"watch_ci95_bytes,omitzero"`
	FolkloreBytes     int64           `json:"folklore_bytes_per_end"`
	ExpectedBytes     maybe.Of[int64] `json:"expected_bytes_per_connection,omitzero"`
	ExpectedWatch     maybe.Of[int64] `json:"expected_bytes_per_watch,omitzero"`
	ExpectedEnd       maybe.Of[int64] `json:"expected_bytes_per_end,omitzero"`
	Readings          int             `json:"readings"`
	WarmUpConnections int64           `json:"warm_up_connections"`

	// Differences says, part by part, where the connections are not made of what was expected.
	Differences []string `json:"differences,omitempty"`

	// Doubt says why there is no BytesPerConnection.
	Doubt string `json:"doubt,omitempty"`

	// UnexplainedBytes is what else grew with the connections, and MemcgBytes the
	// vectors in which the memory cgroup notes who is charged for each object of a
	// slab, an estimate; BufferBytes are slab objects of bytes left unread. None of
	// them is in BytesPerConnection.
	UnexplainedBytes maybe.Of[int64] `json:"unexplained_bytes,omitzero"`
	MemcgBytes       maybe.Of[int64] `json:"memcg_bytes,omitzero"`
	BufferBytes      maybe.Of[int64] `json:"buffer_bytes,omitzero"`
	// CgroupBytes is the growth of the kernel memory that eptop's own cgroup is
	// charged: a cross-check that knows no caches, but leaves out slab waste.
	CgroupBytes     maybe.Of[int64] `json:"cgroup_bytes_per_connection,omitzero"`
	CgroupCI95Bytes maybe.Of[int64] `json:"cgroup_ci95_bytes,omitzero"`

	Stages []StageCost    `json:"stages,omitempty"`
	Parts  []MeasuredPart `json:"parts,omitempty"`
	// LeavesOut says which caches were not counted, and why.
	LeavesOut []string `json:"leaves_out,omitempty"`

	// DrainedToBaseline: the memory came back once all was closed; absent before, and where
	// the connections took less than MayParkBytes.
	DrainedToBaseline maybe.Of[bool] `json:"drained_to_baseline,omitzero"`
	// LeftBytes is what did not, in caches that a connection is made of. MayParkBytes is what
	// the CPUs may keep of freed objects, on slabs and in sheaves, where it counts as used.
	LeftBytes    maybe.Of[int64] `json:"left_bytes,omitzero"`
	MayParkBytes maybe.Of[int64] `json:"may_park_bytes,omitzero"`
	DrainSeconds float64         `json:"drain_seconds,omitempty"`

	WorkerRSSBytes int64 `json:"worker_rss_bytes"`
	Workers        int   `json:"workers"`
	// StoppedBy names the wall that ended the opening early, Reason in a sentence.
	StoppedBy  WallName     `json:"stopped_by"`
	Reason     string       `json:"stopped_reason,omitempty"`
	Projection []Projection `json:"projection,omitempty"`
}

// StageCost is what one system call of each connection allocates.
type StageCost struct {
	Stage     string `json:"stage"`
	Bytes     int64  `json:"bytes"`
	CI95Bytes int64  `json:"ci95_bytes"`
}

// MeasuredPart is a cache that grew with the connections.
type MeasuredPart struct {
	// Cache is the true name, or several with + between them where SLUB merged them
	// and the same stage makes them; ShownAs is what slabinfo calls it.
	Cache   string `json:"cache"`
	ShownAs string `json:"shown_as"`
	// Kind: known parts make up BytesPerConnection, the others are beside.
	Kind PartKind `json:"kind"`
	// Objects is a whole number at each stage where the count leaves no doubt of it. Fitted is
	// what was counted, CI95 half of its 95 % interval. Bytes is of Objects, CI95Bytes its
	// interval: 0 where the objects are whole.
	Objects   float64 `json:"objects_per_connection"`
	Fitted    float64 `json:"objects_per_connection_fitted"`
	CI95      float64 `json:"objects_ci95"`
	Bytes     float64 `json:"bytes_per_connection"`
	CI95Bytes float64 `json:"bytes_ci95"`
	// ExpectedObjects and ExpectedBytes are what a known part was expected to be, Difference
	// says in a sentence how it is not.
	ExpectedObjects float64 `json:"expected_objects_per_connection,omitempty"`
	ExpectedBytes   float64 `json:"expected_bytes_per_connection,omitempty"`
	Difference      string  `json:"difference,omitempty"`
	// BytesPerObject is what an object takes with its share of the slab's waste.
	BytesPerObject float64 `json:"bytes_per_object"`
	// ByStage are the objects of each stage: socket, connect, accept, epoll_ctl.
	ByStage []float64 `json:"objects_by_stage,omitempty"`
}

// PartKind says how far a part is understood.
type PartKind string

// The kinds.
const (
	PartKnown       PartKind = "known"
	PartMemcg       PartKind = "memcg"
	PartBuffer      PartKind = "buffer"
	PartUnexplained PartKind = "unexplained"
)

// Projection is what so many connections would take, workers not counted.
type Projection struct {
	Connections int64 `json:"connections"`
	Bytes       int64 `json:"bytes"`
}

// LoadSchema names the shape of a LoadResult's JSON.
const LoadSchema = "eptop.load/1"

// LoadResult is what became of a load: the JSON of `eptop load`.
type LoadResult struct {
	Schema string `json:"schema"`
	Opening
	// OpenAtEnd are those that were open when the closing began.
	OpenAtEnd int64 `json:"open_at_end"`
	// HeldSeconds is from the last opening to the first closing.
	HeldSeconds  float64 `json:"held_seconds"`
	DrainSeconds float64 `json:"drain_seconds"`
	// StoppedBy names the wall that ended the opening early, Reason in a sentence.
	StoppedBy WallName `json:"stopped_by"`
	Reason    string   `json:"stopped_reason,omitempty"`
	Workers   int      `json:"workers"`
	// WorkerRSSBytes counts the text that workers share in each of them.
	WorkerRSSBytes int64     `json:"worker_rss_bytes"`
	Echoes         int64     `json:"echoes"`
	UnreadBytes    int64     `json:"unread_bytes"`
	Preflight      Preflight `json:"preflight"`
}
