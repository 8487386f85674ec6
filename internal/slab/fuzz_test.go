package slab

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// render prints a cache as cache_show() in mm/slab_common.c does, with its
// format strings.
func render(c Cache, more string) string {
	return fmt.Sprintf("%-17s %6d %6d %6d %4d %4d", c.Name, c.ActiveObjs, c.Objs, c.ObjectBytes, c.ObjsPerSlab, c.PagesPerSlab) +
		fmt.Sprintf(" : tunables %4d %4d %4d", 0, 0, 0) +
		fmt.Sprintf(" : slabdata %6d %6d %6d", c.ActiveSlabs, c.Slabs, 0) + more + "\n"
}

// printable reports whether a cache may have this name: a name of the
// kernel's is text that holds neither the column separator nor, after a space,
// a number (a column, for all that a reader can tell).
func printable(name string) bool {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, "\n:#") {
		return false
	}
	words := strings.Split(name, " ")
	return len(words) == 1 || !isNumber([]byte(words[len(words)-1]))
}

// FuzzSlabinfo renders caches as the kernel does, parses them and compares.
func FuzzSlabinfo(f *testing.F) {
	f.Add("TCP", uint64(24), uint64(26), uint32(2368), uint32(13), uint32(8), uint64(2), uint64(3), false, false)
	f.Add("request_sock_subflow_v4", uint64(1<<64-1), uint64(1<<64-1), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint64(1<<64-1), uint64(1<<64-1), true, true)
	f.Add("dentry(7my group)", uint64(0), uint64(0), uint32(0), uint32(0), uint32(0), uint64(0), uint64(0), true, false)
	f.Fuzz(func(t *testing.T, name string, active, objs uint64, objectBytes, objsPerSlab, pages uint32, activeSlabs, slabs uint64, debug, noHeader bool) {
		if !printable(name) {
			return
		}
		objs, activeSlabs, slabs = objs%maxCount, activeSlabs%maxCount, slabs%maxCount
		objectBytes, objsPerSlab, pages = objectBytes%maxObject, objsPerSlab%maxSize, pages%maxSlab
		if slabs*uint64(pages) > maxPages/2 || objs*uint64(objectBytes) > maxBytes/2 {
			return
		}
		if active %= maxCount; active > objs {
			active = objs
		}
		want := Cache{
			Name: name, ActiveObjs: active, Objs: objs, ObjectBytes: objectBytes,
			ObjsPerSlab: objsPerSlab, PagesPerSlab: pages, ActiveSlabs: activeSlabs, Slabs: slabs,
		}
		head, more := version+header, ""
		if debug { // slabinfo_show_stats() of CONFIG_DEBUG_SLAB
			more = fmt.Sprintf(" : globalstat %7d %6d %5d %4d %4d %4d %4d %4d %4d", 1, 2, 3, 4, 5, 6, 7, 8, 9) +
				fmt.Sprintf(" : cpustat %6d %6d %6d %6d", 1, 2, 3, 4)
		}
		if noHeader {
			head = ""
		}
		got, err := parseSlabinfo([]byte(head + render(want, more) + render(tcp, more)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Cache{want, tcp}, got); diff != "" {
			t.Errorf("parsed (-rendered +parsed):\n%s", diff)
		}
	})
}

// FuzzSlabinfoBytes feeds any bytes: no panic, no line lost in silence, and
// what was read renders and parses to the same again.
func FuzzSlabinfoBytes(f *testing.F) {
	f.Add([]byte(version + header + tcpLine))
	f.Add([]byte(tcpLine[:60]))
	f.Add([]byte("# name <a> <b> <c> <d> <e> <f>\nx 1 2 3 4 5 6 : slabdata 1 2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseSlabinfo(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("error of another kind: %v", err)
		}
		lines := strings.Count(string(b), "\n")
		if err == nil && (len(got) > lines || len(got) < lines-strings.Count(string(b), "# name ")-1) {
			t.Errorf("%d caches of %d lines and no error", len(got), lines)
		}
		for _, c := range got {
			if !printable(c.Name) {
				continue
			}
			again, err := parseSlabinfo([]byte(render(c, "")))
			if diff := cmp.Diff([]Cache{c}, again); err != nil || diff != "" {
				t.Errorf("again: %v (-first +again):\n%s", err, diff)
			}
		}
	})
}

// FuzzSmallFiles feeds any bytes to the parsers of small files.
func FuzzSmallFiles(f *testing.F) {
	f.Add([]byte("832 N0=208 N3=624\n"))
	f.Add([]byte("3 N0=5 N1=18446744073709551614\n"))
	f.Add([]byte(":aA-0000064"))
	f.Fuzz(func(t *testing.T, b []byte) {
		counts, err := parseNodeCounts(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("nodes: error of another kind: %v", err)
		}
		var sum uint64
		for _, c := range counts {
			if sum += c.count; sum < c.count || c.count > maxCount {
				t.Errorf("nodes have more than a number holds: %v", counts)
			}
		}
		if total, why := parseUint([]byte(firstField(b[:max(len(b)-1, 0)])), 1<<64-1); err == nil && (why != "" || sum != total) {
			t.Errorf("nodes have %d of %d (%s)", sum, total, why)
		}
		if a, ok := parseLinkName(string(b)); ok && (a.ObjectBytes == 0 || b[0] != ':') {
			t.Errorf("link %+v", a)
		}
	})
}
