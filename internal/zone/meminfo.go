package zone

import (
	"bytes"
	"errors"
	"path/filepath"

	"github.com/eptop/eptop/internal/maybe"
)

// Meminfo is a node's memory, from nodeN/meminfo, or that of the machine, from
// /proc/meminfo.
type Meminfo struct {
	MemTotalBytes uint64 // <MemTotal>: what the buddy allocator got; 0 on a node without memory
	MemFreeBytes  uint64 // <MemFree>

	// Slab memory of the node. SReclaimable contains the inodes and dentries
	// of live sockets, which nothing can reclaim while they are open.
	SReclaimableBytes maybe.Of[uint64] // <SReclaimable>
	SUnreclaimBytes   maybe.Of[uint64] // <SUnreclaim>

	// Lines is the whole file in its own order, these included.
	Lines []MeminfoLine
}

// MeminfoLine is one line of nodeN/meminfo.
type MeminfoLine struct {
	Name  string // as printed, without its colon: "Active(anon)"
	Value uint64 // bytes where the kernel prints kB, else a count
	Bytes bool   // whether Value is in bytes; HugePages_* are counts
}

// Get returns one line's value, such as "AnonPages".
func (m Meminfo) Get(name string) maybe.Of[uint64] {
	for _, l := range m.Lines {
		if l.Name == name {
			return maybe.Some(l.Value)
		}
	}
	return maybe.Of[uint64]{}
}

// maxMemory is as many bytes as 52 bits address, the most of all architectures: sums over
// all nodes fit an int64. maxVirtual is what five-level page tables can address, for
// VmallocTotal.
const (
	maxMemory  = 1 << 52
	maxVirtual = 1 << 57
)

// Meminfo reads /proc/meminfo (meminfo_proc_show() in fs/proc/meminfo.c): "MemTotal:
// 24683116 kB". What could be read is returned beside an error about other lines than
// MemTotal's.
func (f *FS) Meminfo() (Meminfo, error) {
	b, err := f.read(filepath.Join(f.procRoot, "meminfo"))
	if err != nil {
		return Meminfo{}, err
	}
	return parseHostMeminfo(b, f.names)
}

func parseHostMeminfo(b []byte, names names) (Meminfo, error) {
	out := Meminfo{Lines: make([]MeminfoLine, 0, 64)}
	l := newLines("meminfo", b)
	var spoilt error
	for l.next() {
		line, why := parseAmount(l.line, maxVirtual, names)
		if !l.whole {
			why = "cut short"
		}
		if why == "" {
			out.Lines = append(out.Lines, line)
		} else if spoilt == nil {
			spoilt = l.malformed(why)
		}
	}
	total := out.Get("MemTotal")
	if !total.Known {
		l.line = nil
		return Meminfo{}, errors.Join(l.malformed("MemTotal missing"), spoilt)
	}
	out.MemTotalBytes, out.MemFreeBytes = total.Value, out.Get("MemFree").Value
	out.SReclaimableBytes, out.SUnreclaimBytes = out.Get("SReclaimable"), out.Get("SUnreclaim")
	return out, spoilt
}

// parseMeminfo parses nodeN/meminfo of the given node:
//
//	Node 0 MemTotal:        3893460 kB
//	Node 0 HugePages_Total:     0
func parseMeminfo(file string, b []byte, node int, names names) (Meminfo, error) {
	out := Meminfo{Lines: make([]MeminfoLine, 0, 48)}
	l := newLines(file, b)
	for l.next() {
		if !l.whole {
			return Meminfo{}, l.cut()
		}
		if len(l.line) == 0 {
			continue // the first kernels with this file began with an empty line
		}
		line, why := parseMeminfoLine(l.line, node, names)
		if total := out.Get("MemTotal"); why == "" && line.Name == "MemFree" && total.Known && line.Value > total.Value {
			why = "more than MemTotal"
		}
		if why != "" {
			return Meminfo{}, l.malformed(why)
		}
		out.Lines = append(out.Lines, line)
	}
	total, free := out.Get("MemTotal"), out.Get("MemFree")
	if !total.Known || !free.Known {
		l.line = nil
		return Meminfo{}, l.malformed("MemTotal or MemFree missing")
	}
	out.MemTotalBytes, out.MemFreeBytes = total.Value, free.Value
	out.SReclaimableBytes = out.Get("SReclaimable")
	out.SUnreclaimBytes = out.Get("SUnreclaim")
	return out, nil
}

func parseMeminfoLine(line []byte, node int, names names) (out MeminfoLine, why string) {
	word, rest := field(line)
	number1, rest := field(rest)

	if string(word) != "Node" {
		return out, "not a line of a node"
	}
	n, why := small(number1, maxNode)
	if why != "" {
		return out, "node " + why
	}
	if n != node {
		return out, "another node's line"
	}
	return parseAmount(rest, maxMemory, names)
}

// parseAmount parses "MemTotal:  24683116 kB" or "HugePages_Total:     5".
func parseAmount(line []byte, most uint64, names names) (out MeminfoLine, why string) {
	key, rest := field(line)
	value, rest := field(rest)
	unit, _ := field(rest)
	name, colon := bytes.CutSuffix(key, []byte{':'})
	if !colon || len(name) == 0 {
		return out, "name without colon"
	}
	v, why := number(value)
	if why != "" {
		return out, why
	}
	if v > most>>10 {
		return out, "more than a machine can have"
	}
	if string(unit) == "kB" {
		return MeminfoLine{Name: names.of(name), Value: v << 10, Bytes: true}, ""
	}
	return MeminfoLine{Name: names.of(name), Value: v}, ""
}
