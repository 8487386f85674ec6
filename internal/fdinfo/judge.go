package fdinfo

import (
	"time"

	"github.com/eptop/eptop/internal/epoll"
)

// View is one holder of an epoll instance with the descriptors of its process.
type View struct {
	epoll.Holder
	// FDs is the listing of the process, nil where it could not be made.
	FDs *Listing
}

// Others are all tables of files but those of the holders. A process that held the epoll
// once may have added a watch: the number is that of its descriptor then.
type Others struct {
	// Tables have a PID and a listing each.
	Tables []View
	// Everybody: there is no further process or thread that may have held the epoll.
	Everybody bool
}

// JudgeStats says what [FS.JudgeShared] found out and what it cost.
type JudgeStats struct {
	Current  int // watches proven to be what their descriptor is
	Stale    int // watches whose descriptor is proven to be closed or another file
	Unproven int // watches about which nothing could be found out, or not within the bounds
	Verified int // watches that were asked about one by one
	// Took is the time spent in kcmp(2), which holds the target's ep->mtx like a
	// read of fdinfo does: add it to the stall.
	Took time.Duration
}

// maxVerify bounds how many watches one call asks about one by one.
const maxVerify = 1024

// JudgeShared sets Link and Kind of every watch of an epoll. views are all its
// holders: a watch that one of them added can look stale to another. A watch is
// Current when it is for any of them. /proc does not say who added a watch, which may be
// somebody who has closed the epoll since: so it is Stale only when everybody is seen
// and nobody, holder or not, has the watched file open under the number. watches are all
// that one read of the epoll's fdinfo returned, in that order. budget bounds the time
// spent in kcmp(2).
//
// The inode number of a socket identifies it, so a socket that the listing has under
// the same number is Current at no cost. Everything else is a suspect that has to be
// asked about individually, first those that no listing has:
//
//   - with kcmp(2) and KCMP_EPOLL_TFD (since Linux 4.13), which compares the
//     watched file with the one that is open now, and finds out whether the watch
//     still exists. It walks the tree of the epoll under ep->mtx. What the budget
//     or maxVerify leaves over stays Unproven; a budget that is not 0 always
//     suffices for a small epoll.
//   - where kcmp cannot be used (another PID namespace, a seccomp filter, a
//     captured tree) by the link of the descriptor: absent or another inode is
//     Stale, although the watch may have gone with it since; the same inode is
//     Unproven for all but sockets.
func (f *FS) JudgeShared(views []View, others Others, watches []epoll.Watch, budget time.Duration) JudgeStats {
	j := judge{fs: f, devs: f.devs, others: others, watches: watches, budget: budget}
	for _, v := range views {
		j.views = append(j.views, viewState{View: v, noKcmp: !f.samePIDs})
	}
	if len(j.devs) == 0 {
		j.devs = j.learnSockets()
	}
	j.compareListings()
	j.verify()
	return j.stats
}

type judge struct {
	fs      *FS
	devs    devices
	views   []viewState
	others  Others
	watches []epoll.Watch
	budget  time.Duration
	suspects
	stats JudgeStats
	calls int // of kcmp that walked the tree, from which the mean time of one follows
}

type viewState struct {
	View
	noKcmp bool // kcmp does not work for this process
	gone   bool // the process or its epoll is no more
}

// suspects are the watches to ask about, sorted by how much the answer is worth.
type suspects [4][]suspect

// What a suspect is suspected of.
const (
	absent  = iota // no listing has the descriptor, or it is another file there
	twice          // the number stands more than once in the epoll
	alike          // the descriptor may be the watched file
	unknown        // no complete listing to look into
)

type suspect struct {
	watch int32      // index
	toff  uint32     // which of the lines of its tfd it is, for kcmp
	kind  epoll.Kind // what the descriptor is where it is the watched file
}

// learnSockets finds the device number of sockets in a captured tree: it is that of a
// watch whose number and inode a listing has as a socket.
func (j *judge) learnSockets() devices {
	for i := range j.watches {
		w := &j.watches[i]
		for v := range j.views {
			if l := j.views[v].FDs; l != nil && w.HasInode {
				if fd, ok := l.Find(w.TFD); ok && fd.Kind == epoll.KindSocket && fd.Ino == w.Ino {
					return devices{{w.Sdev, epoll.KindSocket}}
				}
			}
		}
	}
	return nil
}

// compareListings judges what the listings prove, and gathers the rest.
func (j *judge) compareListings() {
	var seen, again numberSet
	for i := range j.watches {
		if !seen.add(j.watches[i].TFD) {
			again.add(j.watches[i].TFD)
		}
	}
	lines := map[int32]uint32{}
	for i := range j.watches {
		w := &j.watches[i]
		w.Link, w.Kind = epoll.Unproven, epoll.KindUnknown
		if w.HasInode {
			w.Kind = j.devs.kind(w.Sdev)
		}
		s := suspect{watch: int32(i)}
		repeated := again.has(w.TFD)
		if repeated {
			s.toff = lines[w.TFD]
			lines[w.TFD]++
		}
		sort, kind := j.inListings(w)
		if w.Link == epoll.Current {
			w.Kind = kind
			j.stats.Current++
			continue
		}
		if sort == alike && repeated {
			sort = twice
		}
		s.kind = kind
		j.suspects[sort] = append(j.suspects[sort], s)
		j.stats.Unproven++
	}
}

// inListings looks for a watch in the listings. It sets Link where a socket proves it,
// and otherwise returns the reason to suspect the watch.
func (j *judge) inListings(w *epoll.Watch) (sort int, kind epoll.Kind) {
	sort = absent
	for v := range j.views {
		l := j.views[v].FDs
		if l == nil {
			sort = max(sort, unknown)
			continue
		}
		fd, found := l.Find(w.TFD)
		if !found {
			if l.Truncated {
				sort = max(sort, unknown)
			}
			continue
		}
		switch j.sameFile(w, fd) {
		case proven:
			w.Link = epoll.Current
			return alike, fd.Kind
		case possible:
			return alike, fd.Kind
		}
	}
	return sort, epoll.KindUnknown
}

type sameness uint8

const (
	different sameness = iota
	possible
	proven
)

// sameFile says whether a descriptor can be the watched file: a socket's inode
// decides, a pipe's is shared by both ends, and the links of all others name no inode.
func (j *judge) sameFile(w *epoll.Watch, fd epoll.FD) sameness {
	if !w.HasInode {
		return possible
	}
	if !j.devs.mayBe(w.Sdev, fd.Kind) {
		return different
	}
	switch fd.Kind {
	case epoll.KindSocket:
		if fd.Ino == w.Ino {
			return proven
		}
		return different
	case epoll.KindPipe:
		if fd.Ino != w.Ino {
			return different
		}
	}
	return possible
}

// numberSet is a set of descriptor numbers: bits for the usual ones, a map for those
// that only a forged file has.
type numberSet struct {
	bits []uint64
	far  map[int32]bool
}

const maxNumberBits = 1 << 26

// add adds n and reports whether it is new.
func (s *numberSet) add(n int32) bool {
	if s.has(n) {
		return false
	}
	if n >= maxNumberBits {
		if s.far == nil {
			s.far = map[int32]bool{}
		}
		s.far[n] = true
		return true
	}
	word := int(n >> 6)
	if word >= len(s.bits) {
		s.bits = append(s.bits, make([]uint64, max(word+1, 2*len(s.bits))-len(s.bits))...)
	}
	s.bits[word] |= 1 << (n & 63)
	return true
}

func (s *numberSet) has(n int32) bool {
	word := int(n >> 6)
	if word < len(s.bits) {
		return s.bits[word]&(1<<(n&63)) != 0
	}
	return s.far[n]
}
