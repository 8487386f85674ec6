package vm

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// numactlNode is a node as numactl --hardware prints it.
type numactlNode struct {
	id             int
	cpus           []int
	sizeMB, freeMB int64
	distances      []int
}

// parseNumactl parses the output of numactl --hardware. The nodes keep its order.
func parseNumactl(text string) ([]numactlNode, error) {
	var nodes []numactlNode
	at := map[int]int{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(key)
		var err error
		switch {
		case len(fields) == 3 && fields[0] == "node" && fields[2] == "cpus":
			n := numactlNode{}
			n.id, err = strconv.Atoi(fields[1])
			if err == nil {
				n.cpus, err = integers(value)
			}
			at[n.id] = len(nodes)
			nodes = append(nodes, n)
		case len(fields) == 3 && fields[0] == "node" && (fields[2] == "size" || fields[2] == "free"):
			id, idErr := strconv.Atoi(fields[1])
			i, ok := at[id]
			if idErr != nil || !ok {
				return nil, fmt.Errorf("a size before its node: %q", line)
			}
			var mb int64
			mb, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " MB"), 10, 64)
			if fields[2] == "size" {
				nodes[i].sizeMB = mb
			} else {
				nodes[i].freeMB = mb
			}
		case len(fields) == 1:
			if id, idErr := strconv.Atoi(fields[0]); idErr == nil {
				i, ok := at[id]
				if !ok {
					return nil, fmt.Errorf("distances of no node: %q", line)
				}
				nodes[i].distances, err = integers(value)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	return nodes, nil
}

func integers(text string) ([]int, error) {
	out := []int{}
	for _, f := range strings.Fields(text) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// parseNumastat parses the table of numastat -m: MiB by node for each line, as
// printed. The last column, the total, has the key -1.
func parseNumastat(text string) (map[string]map[int]string, error) {
	out := map[string]map[int]string{}
	var nodes []int
	header := regexp.MustCompile(`Node (\d+)`)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if found := header.FindAllStringSubmatch(line, -1); found != nil && strings.Contains(line, "Node ") {
			// A wide table is broken into several with some nodes each.
			nodes = nil
			for _, m := range found {
				id, err := strconv.Atoi(m[1])
				if err != nil {
					return nil, err
				}
				nodes = append(nodes, id)
			}
			if strings.HasSuffix(strings.TrimSpace(line), "Total") {
				nodes = append(nodes, -1)
			}
			continue
		}
		if nodes == nil || len(fields) != len(nodes)+1 {
			continue
		}
		if _, err := strconv.ParseFloat(fields[1], 64); err != nil {
			continue // the rule below the header
		}
		if out[fields[0]] == nil {
			out[fields[0]] = map[int]string{}
		}
		for i, id := range nodes {
			out[fields[0]][id] = fields[i+1]
		}
	}
	return out, nil
}

// parseNumastatCounters parses the table of numastat without options, whose header
// names the nodes node0, node1 and so on.
func parseNumastatCounters(text string) (map[string]map[int]string, error) {
	return parseNumastat(regexp.MustCompile(`\bnode(\d+)`).ReplaceAllString(text, "Node $1"))
}

// slabtopCache is a line of slabtop.
type slabtopCache struct {
	name                  string
	objects, active       int64
	objectKiB             string
	slabs, perSlab, bytes int64
}

// slabtopTotals are the totals above slabtop's table.
type slabtopTotals struct {
	activeObjects, objects, activeSlabs, slabs, activeCaches, caches int64
	activeKiB, totalKiB                                              string
}

var (
	slabtopLine = regexp.MustCompile(`^\s*(\d+)\s+(\d+)\s+\d+%\s+([\d.]+)K\s+(\d+)\s+(\d+)\s+(\d+)K (.*?)\s*$`)
	slabtopHead = regexp.MustCompile(`(?s)Active / Total Objects \(% used\)\s*: (\d+) / (\d+) .*` +
		`Active / Total Slabs \(% used\)\s*: (\d+) / (\d+) .*Active / Total Caches \(% used\)\s*: (\d+) / (\d+) .*` +
		`Active / Total Size \(% used\)\s*: ([\d.]+)K / ([\d.]+)K `)
)

// parseSlabtop parses the output of slabtop --once.
func parseSlabtop(text string) (slabtopTotals, []slabtopCache, error) {
	var totals slabtopTotals
	m := slabtopHead.FindStringSubmatch(text)
	if m == nil {
		return totals, nil, fmt.Errorf("no head in %q", text[:min(len(text), 400)])
	}
	number := func(digits string) int64 {
		n, _ := strconv.ParseInt(digits, 10, 64) // \d+ of a table; too large a one will differ
		return n
	}
	totals = slabtopTotals{number(m[1]), number(m[2]), number(m[3]), number(m[4]), number(m[5]), number(m[6]), m[7], m[8]}
	var caches []slabtopCache
	for line := range strings.Lines(text) {
		if m := slabtopLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			caches = append(caches, slabtopCache{
				name: m[7], objects: number(m[1]), active: number(m[2]), objectKiB: m[3],
				slabs: number(m[4]), perSlab: number(m[5]), bytes: number(m[6]) << 10,
			})
		}
	}
	return totals, caches, nil
}

// ssStates maps ss's words for the states to eptop's.
var ssStates = map[string]string{
	"ESTAB": "ESTABLISHED", "LISTEN": "LISTEN", "UNCONN": "CLOSE", "TIME-WAIT": "TIME_WAIT", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV",
	"FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2", "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "CLOSING": "CLOSING",
}

// countStates counts the lines of ss without its header by state; of UNIX sockets
// (ss -x) the state is the second field.
func countStates(text string, field int) (map[string]int64, error) {
	counts := map[string]int64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) <= field || ssStates[fields[field]] == "" {
			return nil, fmt.Errorf("no state in %q", line)
		}
		counts[ssStates[fields[field]]]++
	}
	return counts, nil
}

// parseDmidecode parses the output of dmidecode --type 17: the fields of each
// memory device.
func parseDmidecode(text string) []map[string]string {
	var devices []map[string]string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.TrimSpace(line) == "Memory Device":
			devices = append(devices, map[string]string{})
		case ok && strings.HasPrefix(line, "\t") && len(devices) > 0:
			devices[len(devices)-1][key] = value
		}
	}
	return devices
}

func captured(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../../internal/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseNumactl(t *testing.T) {
	got, err := parseNumactl(captured(t, "zone/testdata/6.1-2-nomerge/ref/numactl-hardware.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := []numactlNode{
		{0, []int{0}, 1918, 1860, []int{10, 21}},
		{1, []int{1}, 2013, 1986, []int{21, 10}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(numactlNode{})); diff != "" {
		t.Error(diff)
	}
	if _, err := parseNumactl("node 0 cpus: 0 x\n"); err == nil {
		t.Error("a CPU named x is no error")
	}
}

func TestParseNumastat(t *testing.T) {
	got, err := parseNumastat(captured(t, "zone/testdata/6.1-2-nomerge/ref/numastat-m.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]string{0: "1918.80", 1: "2013.81", -1: "3932.61"}, got["MemTotal"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[int]string{0: "6.34", 1: "2.71", -1: "9.06"}, got["SUnreclaim"]); diff != "" {
		t.Error(diff)
	}
}

func TestParseNumastatCounters(t *testing.T) {
	got, err := parseNumastatCounters(captured(t, "zone/testdata/6.1-2-nomerge/ref/numastat.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 || len(got["numa_hit"]) != 2 || got["interleave_hit"][1] == "" {
		t.Errorf("%v", got)
	}
}

func TestParseSlabtop(t *testing.T) {
	totals, caches, err := parseSlabtop(captured(t, "slab/testdata/6.1-2-nomerge/ref/slabtop-o.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (slabtopTotals{76164, 77599, 2653, 2653, 101, 211, "17246.52", "17381.09"}); totals != want {
		t.Errorf("totals %+v, want %+v", totals, want)
	}
	if len(caches) != 211 {
		t.Errorf("%d caches, want 211", len(caches))
	}
	if want := (slabtopCache{"dentry", 11760, 11760, "0.19", 560, 21, 2240 << 10}); caches[1] != want {
		t.Errorf("the second cache is %+v, want %+v", caches[1], want)
	}
}

func TestCountStates(t *testing.T) {
	got, err := countStates("LISTEN 0 128 127.0.0.1:1 0.0.0.0:*\nESTAB 0 0 a b\nESTAB 0 0 b a\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"LISTEN": 1, "ESTABLISHED": 2}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := countStates("NONSENSE 0\n", 0); err == nil {
		t.Error("a state that ss does not have is no error")
	}
}

func TestParseDmidecode(t *testing.T) {
	got := parseDmidecode("# dmidecode 3.4\n\nHandle 0x1100, DMI type 17, 40 bytes\nMemory Device\n\tSize: 4 GB\n\tLocator: DIMM 0\n\n" +
		"Handle 0x1101, DMI type 17, 40 bytes\nMemory Device\n\tSize: No Module Installed\n")
	want := []map[string]string{{"Size": "4 GB", "Locator": "DIMM 0"}, {"Size": "No Module Installed"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
