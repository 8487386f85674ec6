package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/units"
)

func sidecars() []*Experiment {
	return []*Experiment{{
		Name: "sockmap", Title: "Loopback, and past it by a sockmap",
		Promise: "Bytes between two processes of a machine pass the whole TCP stack, though no device queue. A sockmap with a BPF program puts them into the other socket directly, and TCP sends nothing.",
		Section: "bpf(2), BPF_MAP_TYPE_SOCKMAP; kernel documentation, map_sockmap", Function: "tcp_bpf_sendmsg()", Since: "4.17",
		Advice: "For proxies beside their servers (sidecars). ss and eptop see such connections with queues that stay empty.",
		Facts: []Claim{
			{What: "loopback: bytes that arrived", Promised: "all"},
			{What: "loopback: TCP segments sent", Promised: "some", meets: func(seen string) bool { return seen == "some" }},
			{What: "sockmap: bytes that arrived", Promised: "all"},
			{What: "sockmap: TCP segments sent", Promised: "none"},
			{What: "sockmaps of others on this machine now"},
		},
		Timed: true, run: sockmap,
	}}
}

// The sizes of what is sent.
const (
	pings   = 500
	chunk   = 64 << 10
	streams = 32 << 20
)

func sockmap(s *scene) {
	s.saw("sockmaps of others on this machine now", s.sockmapsNow())
	var list []string
	for _, way := range []string{"loopback", "sockmap"} {
		a, b := s.tcp()
		for _, fd := range []int{a, b} {
			s.check(unix.SetNonblock(fd, false), "fcntl")
			s.check(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), "setsockopt TCP_NODELAY")
			// What never arrives is an error, not a process that waits for ever.
			s.check(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3}), "setsockopt SO_RCVTIMEO")
		}
		if way == "sockmap" {
			undo, err := redirect(a, b)
			if err != nil {
				s.cannot("a sockmap was refused: %s; it takes CAP_BPF and CAP_NET_ADMIN, and CONFIG_BPF_STREAM_PARSER", firstLine(err))
			}
			defer undo()
		}
		before := s.segments(a) + s.segments(b)
		round := s.pingPong(a, b)
		arrived, rate := s.stream(a, b)
		sent := s.segments(a) + s.segments(b) - before
		s.step(server, "%s: a round trip %s, %s/s, %d TCP segments", way, round, units.Bytes(int64(rate)), sent)
		s.saw(way+": bytes that arrived", amount(arrived == streams, "all", fmt.Sprintf("%d of %d", arrived, streams)))
		s.saw(way+": TCP segments sent", amount(sent == 0, "none", "some"))
		s.series(Series{way + ", round trip", "ns", []Point{{"median", float64(round)}}},
			Series{way + ", one way", "bytes_per_second", []Point{{"64 KiB writes", rate}}})
		list = append(list, fmt.Sprintf("%s %s, %s/s, %d segments", way, units.Duration(round), units.Bytes(int64(rate)), sent))
	}
	s.evidence("%s; sockmaps of others now: %s", strings.Join(list, "; "), s.fact("sockmaps of others on this machine now"))
}

func amount(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// firstLine leaves out what a verifier has to say beyond its verdict.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// redirect makes what is sent on either socket arrive at the other without TCP. All of it
// ends with this process, or when the function it returns is called.
func redirect(a, b int) (undo func(), err error) {
	var undos []func()
	undo = func() {
		for _, f := range slices.Backward(undos) {
			f()
		}
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	var maps [2]*ebpf.Map
	for i := range maps {
		maps[i], err = ebpf.NewMap(&ebpf.MapSpec{Name: "eptop_lab", Type: ebpf.SockMap, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		if err != nil {
			return nil, err
		}
		undos = append(undos, func() { _ = maps[i].Close() })
	}
	for i, m := range maps {
		// return bpf_msg_redirect_map(msg, the other map, 0, BPF_F_INGRESS)
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "eptop_lab", Type: ebpf.SkMsg, License: "GPL", Instructions: asm.Instructions{
			asm.LoadMapPtr(asm.R2, maps[1-i].FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.Mov.Imm(asm.R4, 1),
			asm.FnMsgRedirectMap.Call(),
			asm.Return(),
		}})
		if err != nil {
			return nil, err
		}
		undos = append(undos, func() { _ = p.Close() })
		attached := link.RawAttachProgramOptions{Target: m.FD(), Program: p, Attach: ebpf.AttachSkMsgVerdict}
		if err := link.RawAttachProgram(attached); err != nil {
			return nil, err
		}
		undos = append(undos, func() {
			_ = link.RawDetachProgram(link.RawDetachProgramOptions{Target: m.FD(), Program: p, Attach: ebpf.AttachSkMsgVerdict})
		})
	}
	for i, fd := range []int{a, b} {
		if err := maps[i].Put(uint32(0), uint32(fd)); err != nil {
			return nil, err
		}
	}
	return undo, nil
}

// sockmapsNow returns how many sockmaps and sockhashes there are.
func (s *scene) sockmapsNow() string {
	n := 0
	for id := ebpf.MapID(0); ; {
		next, err := ebpf.MapGetNextID(id)
		if errors.Is(err, unix.ENOENT) {
			return fmt.Sprint(n)
		}
		if err != nil {
			return "not known: " + firstLine(err)
		}
		id = next
		m, err := ebpf.NewMapFromID(id)
		if errors.Is(err, unix.ENOENT) {
			continue // it has gone just now
		}
		if err != nil {
			return "not known: " + firstLine(err)
		}
		if m.Type() == ebpf.SockMap || m.Type() == ebpf.SockHash {
			n++
		}
		_ = m.Close()
	}
}

// segments returns how many segments TCP has sent on a socket.
func (s *scene) segments(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	s.check(err, "getsockopt TCP_INFO")
	// Those with data: acknowledgements may follow late.
	return int(info.Data_segs_out)
}

// pingPong returns the median of many round trips of 64 bytes, both ends in this thread.
func (s *scene) pingPong(a, b int) time.Duration {
	var took []time.Duration
	for range pings {
		begun := time.Now()
		for _, way := range [][2]int{{a, b}, {b, a}} {
			s.put(way[0], 64)
			for left := 64; left > 0; {
				n, err := get(way[1], left)
				s.check(err, "read a ping")
				left -= n
			}
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// stream sends many bytes one way and returns how many arrived, and how many a second.
func (s *scene) stream(a, b int) (arrived int, perSecond float64) {
	begun := time.Now()
	failed := make(chan error, 1)
	go func() {
		buf := make([]byte, chunk)
		for left := streams; left > 0; {
			n, err := unix.Write(a, buf[:min(chunk, left)])
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				failed <- err
				return
			}
			left -= n
		}
		failed <- nil
	}()
	buf := make([]byte, chunk)
	for arrived < streams {
		n, err := unix.Read(b, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
			break // nothing came for seconds: what arrived is the result
		}
		s.check(err, "read the stream")
		arrived += n
	}
	took := time.Since(begun)
	if arrived == streams {
		s.check(<-failed, "write the stream")
	}
	return arrived, float64(arrived) / took.Seconds()
}
