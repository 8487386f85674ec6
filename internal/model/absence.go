package model

import (
	"slices"
	"strings"
	"time"

	"github.com/eptop/eptop/internal/units"
)

// absence says why a socket that a process holds is in no table.
type absence struct {
	// family is that of another file of /proc/net which names the socket; "" for none.
	family string
	// brief: it was not missing at the look before, so it came or went between the list
	// of fds and the dump of sockets.
	brief bool
	// first: there was no look at this process before, so that nobody knows. late: its fds
	// were listed long before the dump.
	first, late bool
}

// absences sorts missing inodes. before is what the process held at the look before:
// what was missing then already is no question of time. The dump was made so long after the
// list of fds.
func absences(missing []uint64, before *holding, networks []NetworkSample, after time.Duration) []absence {
	// A machine that opens and closes thousands of sockets a second has other ones by then.
	const long = 500 * time.Millisecond
	out := make([]absence, len(missing))
	for i, ino := range missing {
		a := &out[i]
		if a.family = familyOf(ino, networks); a.family != "" {
			continue
		}
		a.first, a.late = before == nil, after >= long
		if !a.first {
			_, was := slices.BinarySearch(before.missing, ino)
			a.brief = !was
		}
	}
	return out
}

func familyOf(ino uint64, networks []NetworkSample) string {
	for i := range networks {
		if family := networks[i].OtherFamilies[ino]; family != "" {
			return family
		}
	}
	return ""
}

// leftOut are what a sum over sockets leaves out, a sentence for each reason.
func leftOut(all []absence) []string {
	families := map[string]int64{}
	var named, brief, rest, late int64
	first := false
	for _, a := range all {
		switch {
		case a.family != "":
			families[a.family]++
			named++
		case a.brief:
			brief++
		default:
			rest++
			first = first || a.first
			if a.first && a.late {
				late++
			}
		}
	}
	var out []string
	if named > 0 {
		names := make([]string, 0, len(families))
		for family, n := range families {
			names = append(names, family+" "+units.Count(n))
		}
		slices.Sort(names)
		out = append(out, units.Many(named, "socket")+" of other families: "+strings.Join(names, ", "))
	}
	if brief > 0 {
		out = append(out, units.Many(brief, "socket")+" opened or closed meanwhile: fds and sockets are listed one after the other")
	}
	if rest > 0 {
		why := "of other families, not bound, or in a namespace that was not looked into"
		switch {
		case late > rest/2: // most likely
			why = "closed since the fds were listed, of other families, not bound, or in a namespace that was not looked into"
		case first:
			why = "of other families, not bound, in a namespace that was not looked into, or closed since the fds were listed"
		}
		out = append(out, units.Many(rest, "socket")+" that sock_diag does not report: "+why)
	}
	return out
}

// unreported counts the sockets that are missing for no known reason.
func unreported(all []absence) (n int64) {
	for _, a := range all {
		if a.family == "" && !a.brief {
			n++
		}
	}
	return n
}

// absent are the sockets that processes hold and no table has, each once.
func (b *builder) absent() []absence {
	all := map[uint64]absence{}
	for _, h := range b.holdings {
		for i, ino := range h.missing {
			// Who looked twice knows more than who looked once.
			if a, known := all[ino]; !known || a.first || a.brief && !h.absent[i].first {
				all[ino] = h.absent[i]
			}
		}
	}
	out := make([]absence, 0, len(all))
	for _, a := range all {
		out = append(out, a)
	}
	return out
}
