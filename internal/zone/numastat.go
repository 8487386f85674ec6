package zone

// Numastat counts pages by where they were wanted and where they came from,
// since boot, from nodeN/numastat. It stands still while the sysctl
// vm.numa_stat is 0 (since 4.15).
type Numastat struct {
	Hit           uint64 // <numa_hit>: wanted here and got here
	Miss          uint64 // <numa_miss>: wanted elsewhere, got here
	Foreign       uint64 // <numa_foreign>: wanted here, got elsewhere
	InterleaveHit uint64 // <interleave_hit>: wanted here by interleaving, got here
	LocalNode     uint64 // <local_node>: got here by a process running here
	OtherNode     uint64 // <other_node>: got here by a process running elsewhere
}

// maxEvents is more than a counter reaches: sums over all nodes fit an int64.
const maxEvents = 1 << 52

// parseNumastat parses nodeN/numastat, six lines such as "numa_hit 924109".
func parseNumastat(file string, b []byte) (Numastat, error) {
	var out Numastat
	counters := [...]struct {
		name string
		to   *uint64
	}{
		{"numa_hit", &out.Hit},
		{"numa_miss", &out.Miss},
		{"numa_foreign", &out.Foreign},
		{"interleave_hit", &out.InterleaveHit},
		{"local_node", &out.LocalNode},
		{"other_node", &out.OtherNode},
	}
	var seen [len(counters)]bool
	l := newLines(file, b)
	for l.next() {
		if !l.whole {
			return Numastat{}, l.cut()
		}
		name, v, why := nameAndNumber(l.line)
		for i, c := range counters {
			if string(name) != c.name {
				continue
			}
			if why == "" && v > maxEvents {
				why = "number too large"
			}
			if why != "" {
				return Numastat{}, l.malformed(why)
			}
			*c.to, seen[i] = v, true
		}
	}
	for i, c := range counters {
		if !seen[i] {
			l.line = nil
			return Numastat{}, l.malformed(c.name + " missing")
		}
	}
	return out, nil
}
