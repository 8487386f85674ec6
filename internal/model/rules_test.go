package model

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/sock"
	"github.com/eptop/eptop/internal/zone"
)

// tcpSocket is an open socket of 127.0.0.1:80 to a peer that its inode numbers.
func tcpSocket(ino uint32, state sock.State, unread, unsent uint32) sock.Socket {
	return sock.Socket{
		Kind: sock.TCP4, State: state, Body: sock.BodyFull, Ino: ino, HasQueues: true, RecvQueue: unread, SendQueue: unsent,
		Local: netip.MustParseAddrPort("127.0.0.1:80"), Remote: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(ino)),
		HasMem: true, Mem: sock.MemInfo{RcvBuf: 100_000, RmemAlloc: unread},
	}
}

func listening(ino, waiting, backlog, drops uint32) sock.Socket {
	return sock.Socket{
		Kind: sock.TCP4, State: sock.StateListen, Body: sock.BodyFull, Ino: ino, HasQueues: true, HasBacklog: true, RecvQueue: waiting, SendQueue: backlog,
		Local: netip.MustParseAddrPort("0.0.0.0:80"), Remote: netip.MustParseAddrPort("0.0.0.0:0"), HasMem: true, Mem: sock.MemInfo{Drops: drops},
	}
}

// ruleCase is a machine that changes from look to look, and what one rule says of it.
type ruleCase struct {
	name, rule string
	looks      int
	every      time.Duration // a second where it is 0
	fill       func(n int, s *Sample)
	// found says at which looks, counted from 0, there is a finding; unjudged says so of
	// looks from the one on at which every further look would be enough.
	from, until int // until is the first look without it; 0 is never
	unjudged    bool
	check       func(t *testing.T, f *Finding)
}

const never = 1 << 30

// server gives the Sample a process with one epoll on fd 4 and sockets.
func ruleServer(s *Sample, watches []epoll.Watch, table ...sock.Socket) {
	var files []epoll.FD
	for _, so := range table {
		if so.Ino != 0 {
			files = append(files, epoll.FD{Num: int32(10 + len(files)), Kind: epoll.KindSocket, Ino: uint64(so.Ino)})
		}
	}
	s.Processes = []ProcessSample{{PID: 70, Comm: "server", Files: maybe.Some(files), FDs: maybe.Some(int64(len(files)))}}
	s.Instances = []InstanceSample{{Holders: []epoll.Holder{{PID: 70, FD: 4}}, SharingKnown: true, List: watches}}
	s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: tableOf(table...)}}
}

func watch(tfd int32, ino uint64, mask epoll.Mask, facts epoll.Facts) epoll.Watch {
	w := socketWatch(tfd, ino, epoll.Current)
	w.Mask, w.Facts = mask|epoll.Err|epoll.Hup, facts
	return w
}

func burning(s *Sample, n int, share float64) {
	s.Processes[0].CPU = maybe.Some(time.Duration(float64(n) * share * float64(time.Second)))
}

func ruleCases() []ruleCase {
	closing := func(count int) func(int, *Sample) {
		return func(n int, s *Sample) {
			var all []sock.Socket
			for i := range count {
				all = append(all, tcpSocket(uint32(1000+i), sock.StateCloseWait, 1, 0))
			}
			ruleServer(s, nil, all...)
		}
	}
	at := func(pid int, epfd, fd int) func(*testing.T, *Finding) {
		return func(t *testing.T, f *Finding) {
			if f.PID != pid || epfd >= 0 && f.EpollFD != maybe.Some(epfd) || fd >= 0 && f.FD != maybe.Some(fd) {
				t.Errorf("it is at %+v", f)
			}
		}
	}
	severe := func(want Severity) func(*testing.T, *Finding) {
		return func(t *testing.T, f *Finding) {
			if f.Severity != want {
				t.Errorf("it is %s, want %s: %+v", f.Severity, want, f)
			}
		}
	}
	spin := func(state sock.State, mask epoll.Mask, unsent uint32, cpu float64, facts epoll.Facts) func(int, *Sample) {
		return func(n int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, mask, facts)}, tcpSocket(1000, state, 0, unsent))
			burning(s, n, cpu)
		}
	}
	pending := func(mask epoll.Mask, facts epoll.Facts, bytes func(n int) uint32) func(int, *Sample) {
		return func(n int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, mask, facts)}, tcpSocket(1000, sock.StateEstablished, bytes(n), 0))
			burning(s, n, 0.01)
			if facts != 0 {
				s.Instances[0].Kernel = maybe.Some(InstanceKernel{Waiting: true})
			}
		}
	}
	same := func(int) uint32 { return 4000 }
	files := func(used func(n int) int64) func(int, *Sample) {
		return func(n int, s *Sample) {
			s.Processes = []ProcessSample{{PID: 70, Comm: "server", FDs: maybe.Some(used(n)), Nofile: maybe.Some[int64](100)}}
		}
	}
	return []ruleCase{
		{name: "forgotten", rule: "close-wait", looks: 6, from: 2, fill: closing(20), check: func(t *testing.T, f *Finding) {
			severe(SeverityWarn)(t, f)
			at(70, -1, 10)(t, f)
			if f.Count != 20 || !strings.Contains(f.Text, "no epoll") {
				t.Errorf("%+v", f)
			}
		}},
		{name: "a few", rule: "close-wait", looks: 4, from: 2, fill: closing(3), check: severe(SeverityInfo)},
		{name: "closed in time", rule: "close-wait", looks: 8, from: never, fill: func(n int, s *Sample) {
			var all []sock.Socket
			for i := range 20 {
				all = append(all, tcpSocket(uint32(1000+100*(n/2)+i), sock.StateCloseWait, 1, 0))
			}
			ruleServer(s, nil, all...)
		}},
		{name: "ends", rule: "close-wait", looks: 8, from: 2, until: 6, fill: func(n int, s *Sample) {
			if n < 5 {
				closing(20)(n, s)
			} else {
				ruleServer(s, nil, tcpSocket(1, sock.StateEstablished, 0, 0))
			}
		}},
		{name: "no sockets", rule: "close-wait", looks: 4, from: never, unjudged: true, fill: func(_ int, s *Sample) {
			s.Sources = []Source{{Name: "sock_diag", State: Denied}}
		}},

		{name: "full", rule: "accept-queue-full", looks: 8, from: 1, until: 6, fill: func(n int, s *Sample) {
			waiting := []uint32{9, 9, 8, 8, 8, 3, 3, 3}[n] // 8 of 8 is near, and 3 is not
			ruleServer(s, nil, listening(1000, waiting, 8, 0))
			s.NetworkLimits.MostBacklog = maybe.Some[int64](4096)
		}, check: func(t *testing.T, f *Finding) {
			at(70, -1, -1)(t, f)
			if f.Socket != "0.0.0.0:80" || !strings.Contains(f.Evidence, "listen(2)") || f.Severity != SeverityCritical {
				t.Errorf("%+v", f)
			}
		}},
		{name: "never full", rule: "accept-queue-full", looks: 4, from: never, fill: func(_ int, s *Sample) { ruleServer(s, nil, listening(1000, 8, 8, 0)) }},
		{name: "one burst", rule: "accept-queue-full", looks: 4, from: never, fill: func(n int, s *Sample) { ruleServer(s, nil, listening(1000, uint32(9*(n%2)), 8, 0)) }},

		{name: "drops", rule: "accept-overflow", looks: 80, from: 1, until: 61, fill: func(n int, s *Sample) {
			ruleServer(s, nil, listening(1000, 0, 8, uint32(min(n, 1)*7)))
		}},
		{name: "old drops", rule: "accept-overflow", looks: 5, from: never, fill: func(_ int, s *Sample) { ruleServer(s, nil, listening(1000, 0, 8, 700)) }},

		{name: "leak", rule: "epoll-leak", looks: 5, from: 2, fill: func(n int, s *Sample) { manyEpolls(s, 10+2*n) }, check: at(70, -1, -1)},
		{name: "as many", rule: "epoll-leak", looks: 5, from: never, fill: func(_ int, s *Sample) { manyEpolls(s, 100) }},
		{name: "up and down", rule: "epoll-leak", looks: 20, from: never, fill: func(n int, s *Sample) { manyEpolls(s, 50+n%2) }},

		{name: "leak", rule: "fd-leak", looks: 40, from: 30, fill: func(n int, s *Sample) { filesOpen(s, 10+2*n, 0) }},
		{name: "connections", rule: "fd-leak", looks: 60, from: never, fill: func(n int, s *Sample) { filesOpen(s, 10, 10*n) }},

		{name: "near and far", rule: "nofile", looks: 9, from: 1, until: 6, fill: files(func(n int) int64 { return []int64{50, 93, 93, 87, 87, 50, 50, 50, 50}[n] }), check: severe(SeverityWarn)},
		{name: "full", rule: "nofile", looks: 2, from: 0, fill: files(func(int) int64 { return 99 }), check: severe(SeverityCritical)},
		{name: "not near", rule: "nofile", looks: 3, from: never, fill: files(func(int) int64 { return 87 })},
		{name: "unknown", rule: "nofile", looks: 3, from: never, unjudged: true, fill: func(int, *Sample) {}},

		{name: "full", rule: "conntrack", looks: 2, from: 0, fill: func(_ int, s *Sample) {
			s.NetworkLimits = NetworkLimits{Conntrack: maybe.Some[int64](98), MostConntrack: maybe.Some[int64](100)}
		}, check: severe(SeverityCritical)},
		{name: "none", rule: "conntrack", looks: 2, from: never, unjudged: true, fill: func(int, *Sample) {}},

		{name: "low", rule: "zone-low", looks: 8, from: 2, until: 6, fill: func(n int, s *Sample) {
			free := []uint64{110, 110, 110, 140, 140, 300, 300, 300}[n]
			s.Zones = zone.Zoneinfo{Zones: []zone.Zone{{Name: "Normal", FreePages: free, MinPages: 100, LowPages: 150, HighPages: 200, ManagedPages: 10_000}}}
		}},

		{name: "spins", rule: "spin-hup", looks: 4, from: 2, fill: spin(sock.StateCloseWait, epoll.In, 0, 1, 0), check: func(t *testing.T, f *Finding) { at(70, 4, 10)(t, f); severe(SeverityWarn)(t, f) }},
		{name: "idle", rule: "spin-hup", looks: 6, from: never, fill: spin(sock.StateCloseWait, epoll.In, 0, 0.01, 0)},
		{name: "edge", rule: "spin-hup", looks: 6, from: never, fill: spin(sock.StateCloseWait, epoll.In|epoll.ET, 0, 1, 0)},
		{name: "not ready", rule: "spin-hup", looks: 6, from: never, fill: spin(sock.StateCloseWait, epoll.In, 0, 1, epoll.KnowsReady)},
		{name: "open", rule: "spin-hup", looks: 6, from: never, fill: spin(sock.StateEstablished, epoll.In, 0, 1, 0)},
		{name: "spins", rule: "spin-out", looks: 4, from: 2, fill: spin(sock.StateEstablished, epoll.In|epoll.Out, 0, 1, epoll.KnowsReady|epoll.IsReady), check: func(t *testing.T, f *Finding) {
			if at(70, 4, 10)(t, f); !f.Certain {
				t.Error("the ready list says so, and it is not certain")
			}
		}},
		{name: "a few looks", rule: "spin-out", looks: 20, from: 2, fill: spin(sock.StateEstablished, epoll.In|epoll.Out, 0, 1, 0), check: severe(SeverityInfo)},
		{name: "many looks", rule: "spin-out", looks: 31, from: 2, fill: spin(sock.StateEstablished, epoll.In|epoll.Out, 0, 1, 0), check: severe(SeverityWarn)},
		{name: "bytes to send", rule: "spin-out", looks: 6, from: never, fill: spin(sock.StateEstablished, epoll.In|epoll.Out, 500, 1, 0)},
		{name: "spins", rule: "spin-accept-emfile", looks: 4, from: 2, fill: func(n int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, epoll.In, 0)}, listening(1000, 3, 8, 0))
			s.Processes[0].FDs, s.Processes[0].Nofile = maybe.Some[int64](100), maybe.Some[int64](100)
			burning(s, n, 1)
		}, check: severe(SeverityCritical)},
		{name: "room", rule: "spin-accept-emfile", looks: 4, from: never, fill: func(n int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, epoll.In, 0)}, listening(1000, 3, 8, 0))
			s.Processes[0].FDs, s.Processes[0].Nofile = maybe.Some[int64](90), maybe.Some[int64](100)
			burning(s, n, 1)
		}},

		{name: "lost", rule: "et-unread", looks: 5, from: 2, fill: pending(epoll.In|epoll.ET, 0, same), check: severe(SeverityInfo)},
		{name: "lost for long", rule: "et-unread", looks: 5, every: 20 * time.Second, from: 2, fill: pending(epoll.In|epoll.ET, 0, same), check: severe(SeverityWarn)},
		{name: "read", rule: "et-unread", looks: 8, from: never, fill: pending(epoll.In|epoll.ET, 0, func(n int) uint32 { return uint32(100 + n) })},
		{name: "requests of one size", rule: "et-unread", looks: 8, from: never, fill: func(n int, s *Sample) {
			pending(epoll.In|epoll.ET, 0, same)(n, s)
			burning(s, n, 0.3)
		}},
		{name: "level", rule: "et-unread", looks: 5, from: never, fill: pending(epoll.In, 0, same)},
		{name: "held back", rule: "et-unread", looks: 5, from: never, fill: pending(epoll.In|epoll.ET, 0, func(int) uint32 { return 90_000 })},
		{name: "ready", rule: "et-unread", looks: 5, from: never, fill: pending(epoll.In|epoll.ET, epoll.KnowsReady|epoll.IsReady, same)},
		{name: "ready", rule: "et-not-drained", looks: 5, from: 2, fill: pending(epoll.In|epoll.ET, epoll.KnowsReady|epoll.IsReady, same)},
		{name: "by /proc", rule: "et-not-drained", looks: 5, from: never, unjudged: true, fill: pending(epoll.In|epoll.ET, 0, same)},
		{name: "fired", rule: "oneshot-not-rearmed", looks: 5, from: 2, fill: func(n int, s *Sample) {
			pending(0, 0, same)(n, s)
			s.Instances[0].List[0].Mask = epoll.OneShot
		}, check: at(70, 4, 10)},
		{name: "armed", rule: "oneshot-not-rearmed", looks: 5, from: never, fill: pending(epoll.In|epoll.OneShot, 0, same)},
		{name: "blocking", rule: "et-blocking", looks: 3, from: 1, fill: pending(epoll.In|epoll.ET, epoll.KnowsFlags|epoll.IsBlocking, same)},
		{name: "not blocking", rule: "et-blocking", looks: 3, from: never, fill: pending(epoll.In|epoll.ET, epoll.KnowsFlags, same)},
		{name: "nothing asked", rule: "mask-0", looks: 4, from: 2, fill: pending(0, 0, same)},
		{name: "fired", rule: "mask-0", looks: 4, from: never, fill: func(n int, s *Sample) {
			pending(0, 0, same)(n, s)
			s.Instances[0].List[0].Mask = epoll.OneShot
		}},

		{name: "herd", rule: "herd", looks: 4, from: 2, fill: func(_ int, s *Sample) { watchedBy(s, 4, epoll.In) }, check: func(t *testing.T, f *Finding) {
			if f.Count != 4 || f.Socket != "0.0.0.0:80" {
				t.Errorf("%+v", f)
			}
		}},
		{name: "exclusive", rule: "herd", looks: 4, from: never, fill: func(_ int, s *Sample) { watchedBy(s, 4, epoll.In|epoll.Exclusive) }},
		{name: "shared", rule: "shared-after-fork", looks: 4, from: 2, fill: func(_ int, s *Sample) {
			ruleServer(s, nil)
			s.Processes = append(s.Processes, ProcessSample{PID: 73, Comm: "child"})
			s.Instances[0].Holders = append(s.Instances[0].Holders, epoll.Holder{PID: 73, FD: 4})
		}},
		{name: "twice", rule: "duplicate", looks: 4, from: 2, fill: func(_ int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, epoll.In, 0), watch(11, 1000, epoll.Out, 0)}, tcpSocket(1000, sock.StateEstablished, 0, 0))
		}},
		{name: "two", rule: "duplicate", looks: 4, from: never, fill: func(_ int, s *Sample) {
			ruleServer(s, []epoll.Watch{watch(10, 1000, epoll.In, 0), watch(11, 1001, epoll.Out, 0)}, tcpSocket(1000, sock.StateEstablished, 0, 0))
		}},
		{name: "stuck", rule: "sndq-stuck", looks: 40, from: 30, fill: func(_ int, s *Sample) { ruleServer(s, nil, tcpSocket(1000, sock.StateEstablished, 0, 700)) }},
		{name: "flows", rule: "sndq-stuck", looks: 40, from: never, fill: func(n int, s *Sample) {
			ruleServer(s, nil, tcpSocket(1000, sock.StateEstablished, 0, uint32(700+n%2)))
		}},
	}
}

// manyEpolls gives the Sample a process with n epolls.
func manyEpolls(s *Sample, n int) {
	s.Processes = []ProcessSample{{PID: 70, Comm: "server", FDs: maybe.Some(int64(n)), Nofile: maybe.Some[int64](1000)}}
	for i := range n {
		s.Instances = append(s.Instances, InstanceSample{Holders: []epoll.Holder{{PID: 70, FD: 10 + i}}, SharingKnown: true})
	}
}

// filesOpen gives the Sample a process with an epoll, files, and sockets that it watches.
func filesOpen(s *Sample, files, watched int) {
	var list []epoll.FD
	var watches []epoll.Watch
	for i := range files {
		list = append(list, epoll.FD{Num: int32(i), Kind: epoll.KindFile})
	}
	for i := range watched {
		list = append(list, epoll.FD{Num: int32(files + i), Kind: epoll.KindSocket, Ino: uint64(1000 + i)})
		watches = append(watches, watch(int32(files+i), uint64(1000+i), epoll.In, 0))
	}
	ruleServer(s, watches)
	s.Processes[0].Files, s.Processes[0].FDs, s.Processes[0].Nofile = maybe.Some(list), maybe.Some(int64(len(list))), maybe.Some[int64](10_000)
}

// watchedBy gives the Sample a listener in n epolls.
func watchedBy(s *Sample, n int, mask epoll.Mask) {
	ruleServer(s, []epoll.Watch{watch(10, 1000, mask, 0)}, listening(1000, 0, 8, 0))
	for i := range n - 1 {
		in := s.Instances[0]
		in.Holders = []epoll.Holder{{PID: 70, FD: 20 + i}}
		in.List = slices.Clone(in.List)
		s.Instances = append(s.Instances, in)
	}
}

func TestRules(t *testing.T) {
	for _, c := range ruleCases() {
		t.Run(c.rule+" "+c.name, func(t *testing.T) {
			var d Deriver
			every := max(c.every, time.Second)
			var last *Snapshot
			for n := range c.looks {
				last = d.Derive(ruleLook(int(time.Duration(n)*every/time.Second), func(s *Sample) { c.fill(n, s) }))
				want := n >= c.from && (c.until == 0 || n < c.until)
				got := found(last, c.rule)
				if (len(got) > 0) != want {
					t.Fatalf("look %d: found is %+v, want some: %v; unjudged %+v", n, got, want, last.FindingsUnjudged)
				}
				if len(got) > 0 && n == c.looks-1 && c.check != nil {
					c.check(t, &got[0])
				}
				if len(got) > 0 && c.check != nil && c.until > 0 && n == c.from {
					c.check(t, &got[0])
				}
			}
			if isUnjudged(last, c.rule) != c.unjudged {
				t.Errorf("unjudged at the end: %+v", last.FindingsUnjudged)
			}
		})
	}
}

// TestEveryRuleIsTested keeps rules without a case out.
func TestEveryRuleIsTested(t *testing.T) {
	tested := map[string]bool{"stale-watch": true}
	for _, c := range ruleCases() {
		tested[c.rule] = true
	}
	// Those of walls differ by a name alone; the last two need a machine that no literal is.
	for _, name := range []string{"watches", "orphans", "ports", "pids", "cgroup-memory", "file-max", "tcp-mem", "node-imbalance", "workers-uneven", "nested-depth"} {
		tested[name] = true
	}
	for _, r := range Rules() {
		if !tested[r.Name] {
			t.Errorf("no case tries %s", r.Name)
		}
	}
}

// TestRulesAreDocumented compares docs/rules.md with the rules. EPTOP_WRITE_DOCS=1 writes it.
func TestRulesAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rules\n\nWhat `eptop check`, the Findings view and the `findings` of the JSON look for. An ID never changes. A rule whose\n" +
		"source is denied or absent is not judged, which is not the same as passed.\n")
	for _, r := range Rules() {
		b.WriteString("\n## " + r.ID + " " + r.Name + "\n\n")
		b.WriteString(string(r.Severity) + " · needs " + count(r.Looks))
		if r.Holds > 0 {
			b.WriteString(" over " + r.Holds.String())
		}
		if limit, ok := r.Threshold.Get(); ok {
			b.WriteString(" · `--threshold " + r.Name + "=" + itoa(limit.Default) + "` (" + limit.Unit + ")")
		}
		for _, part := range [][2]string{{"What", r.What}, {"Why it matters", r.Why}, {"How it could be a false alarm", r.FalseAlarm}, {"Cure", r.Cure}} {
			if part[1] == "" {
				t.Errorf("%s says nothing of: %s", r.Name, part[0])
			}
			b.WriteString("\n\n" + wrapDoc("**"+part[0]+"**: "+part[1]))
		}
		b.WriteString("\n")
	}
	const path = "../../docs/rules.md"
	if os.Getenv("EPTOP_WRITE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the rules say (%v); EPTOP_WRITE_DOCS=1 writes it", path, err)
	}
}

func count(looks int) string {
	if looks == 1 {
		return "1 look"
	}
	return itoa(int64(looks)) + " looks"
}

func itoa(n int64) string {
	return strings.ReplaceAll(strings.TrimSpace(time.Duration(n).String()), "ns", "")
}

// wrapDoc breaks a paragraph at 100 columns.
func wrapDoc(text string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len(word) > 100 {
			b.WriteByte('\n')
			column = 0
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func TestThresholdsAreChecked(t *testing.T) {
	for text, fails := range map[string]string{
		"nofile=95": "", "EP107=50%": "", "nofile": "RULE=NUMBER", "nofile=0": "between", "nofile=101": "between", "nofile=x": "whole",
		"nothing=3": "unknown rule", "stale-watch=3": "no threshold",
	} {
		_, _, err := ParseThreshold(text)
		if fails == "" && err != nil || fails != "" && (err == nil || !strings.Contains(err.Error(), fails)) {
			t.Errorf("%s: %v, want %q", text, err, fails)
		}
	}
}

func TestAnotherThreshold(t *testing.T) {
	d := Deriver{Thresholds: Thresholds{"nofile": 50}}
	s := d.Derive(ruleLook(0, func(s *Sample) {
		s.Processes = []ProcessSample{{PID: 70, FDs: maybe.Some[int64](55), Nofile: maybe.Some[int64](100)}}
	}))
	if len(found(s, "nofile")) != 1 {
		t.Errorf("55 of 100 with a threshold of 50: %+v", s.Findings)
	}
}

func TestAllowFile(t *testing.T) {
	list, err := ParseAllow("# known\n\nclose-wait process=node port=8080 reason=\"old client, until 2.0\"\nEP125 reason=few-workers\n")
	if err != nil || len(list) != 2 || list[0].Reason != "old client, until 2.0" || list[1].Rule != "herd" || list[1].Line != 4 {
		t.Fatalf("%+v, %v", list, err)
	}
	f := Finding{Rule: "close-wait", Comm: "node", Text: "20 sockets, 20 of them accepted on 0.0.0.0:8080"}
	if !list[0].Allows(&f) {
		t.Error("it does not allow what it names")
	}
	for _, other := range []Finding{{Rule: "herd", Comm: "node", Text: f.Text}, {Rule: f.Rule, Comm: "nginx", Text: f.Text}, {Rule: f.Rule, Comm: "node", Text: "on 0.0.0.0:18080"}} {
		if list[0].Allows(&other) {
			t.Errorf("it allows %+v", other)
		}
	}
	for text, want := range map[string]string{
		"\nbogus reason=x": "line 2", "herd": "no reason", "herd reason=": "no value", "herd port=0 reason=x": "no port", "herd why=x": "unknown key", `herd reason="x`: "do not end",
	} {
		if _, err := ParseAllow(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// BenchmarkRules judges a machine with 1 000 000 watches and 2 000 000 sockets.
func BenchmarkRules(b *testing.B) {
	const workers, each = 50, 20_000
	s := ruleLook(0, func(s *Sample) {
		builder := sock.NewBuilder()
		ino := uint32(10)
		for w := range workers {
			var files []epoll.FD
			var list []epoll.Watch
			for i := range each {
				files = append(files, epoll.FD{Num: int32(i), Kind: epoll.KindSocket, Ino: uint64(ino)})
				list = append(list, watch(int32(i), uint64(ino), epoll.In|epoll.ET, epoll.KnowsReady|epoll.KnowsFlags))
				for range 2 {
					so := tcpSocket(ino, sock.StateEstablished, 0, 0)
					builder.Add(&so)
					ino++
				}
			}
			s.Processes = append(s.Processes, ProcessSample{PID: 100 + w, Comm: "server", Files: maybe.Some(files), FDs: maybe.Some[int64](each), CPU: maybe.Some(time.Second)})
			s.Instances = append(s.Instances, InstanceSample{Holders: []epoll.Holder{{PID: 100 + w, FD: 4}}, SharingKnown: true, List: list})
		}
		s.Networks = []NetworkSample{{ID: "net:[1]", Own: true, State: OK, Table: builder.Table()}}
	})
	var d Deriver
	snap := d.Derive(s)
	for b.Loop() {
		s.Time = s.Time.Add(time.Second)
		snap.Time, s.SocketsAt = s.Time, s.Time
		d.book.find(d.ruling(s, snap))
	}
	if len(snap.Findings) != 0 {
		b.Errorf("a healthy machine has findings: %+v", snap.Findings)
	}
}
