package fdinfo

import (
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eptop/eptop/internal/epoll"
)

// verify asks about the suspects one by one until a bound is reached.
func (j *judge) verify() {
	for _, sort := range j.suspects {
		for _, s := range sort {
			if j.stats.Verified == maxVerify || j.isExhausted() {
				return
			}
			link := j.ask(s)
			if link == epoll.Stale && j.mayBeAnothers(s) {
				link = epoll.Unproven
			}
			j.stats.Verified++
			j.watches[s.watch].Link = link
			switch link {
			case epoll.Current:
				j.stats.Current++
				j.stats.Unproven--
			case epoll.Stale:
				j.stats.Stale++
				j.stats.Unproven--
			}
		}
	}
}

// walkPerWatch is the time that ep_find_tfd() takes for each watch of the instance, as
// long as nothing was measured.
const walkPerWatch = 20 * time.Nanosecond

// alwaysWalked is how many watches may be walked over whatever the clock says: some
// 0.3 ms of the lock. The clock also counts how long a call waited for a CPU; one such
// wait would use up the budget of an epoll with a handful of watches.
const alwaysWalked = 16 << 10

// isExhausted reports whether no further answer can be had within the budget, or none at
// all.
func (j *judge) isExhausted() bool {
	if j.fs.ended() != nil {
		return true
	}
	asking, kcmps := false, false
	for _, v := range j.views {
		asking = asking || !v.gone
		kcmps = kcmps || !v.gone && !v.noKcmp
	}
	if !asking {
		return true
	}
	if !kcmps {
		return false
	}
	if j.budget > 0 && (j.calls+1)*len(j.watches) <= alwaysWalked {
		return false
	}
	next := walkPerWatch * time.Duration(len(j.watches))
	if j.calls > 0 {
		next = j.stats.Took / time.Duration(j.calls)
	}
	return j.stats.Took+next > j.budget
}

// answer is what one holder says about a watch.
type answer uint8

const (
	noAnswer    answer = iota
	isCurrent          // the descriptor is the watched file
	isNot              // the descriptor is closed or another file
	watchIsGone        // the epoll has no such watch any more
)

// ask combines the answers of all holders.
func (j *judge) ask(s suspect) epoll.Link {
	link := epoll.Stale
	stands := false
	for i := range j.views {
		v := &j.views[i]
		a := noAnswer
		if !v.noKcmp && !v.gone {
			a = j.askKcmp(v, s, stands)
		}
		if v.noKcmp && !v.gone {
			a = j.askLink(v, s)
		}
		switch a {
		case isCurrent:
			return epoll.Current
		case watchIsGone:
			return epoll.Unproven
		case isNot:
			stands = !v.noKcmp
		case noAnswer:
			link = epoll.Unproven
		}
	}
	return link
}

// mayBeAnothers reports whether somebody who does not hold the epoll may have added
// a watch under a descriptor that still is the watched file.
func (j *judge) mayBeAnothers(s suspect) bool {
	if !j.others.Everybody {
		return true
	}
	for i := range j.others.Tables {
		if other := &j.others.Tables[i]; !j.isHolder(other.PID) && j.mayHave(other, s) {
			return true
		}
	}
	return false
}

func (j *judge) isHolder(pid int) bool {
	for i := range j.views {
		if j.views[i].PID == pid {
			return true
		}
	}
	return false
}

// mayHave reports whether a process may have the watched file open under the number of
// the watch.
func (j *judge) mayHave(other *View, s suspect) bool {
	w := &j.watches[s.watch]
	fd, found := other.FDs.Find(w.TFD)
	if !found {
		if !other.FDs.Truncated {
			return false
		}
		var err error
		if fd, err = j.lookup(other.PID, w.TFD); err != nil {
			return !errors.Is(err, unix.ENOENT)
		}
	}
	if same := j.sameFile(w, fd); same != possible {
		return same == proven
	}
	for i := range j.views {
		v := &j.views[i]
		if v.noKcmp || v.gone {
			continue
		}
		if j.isExhausted() {
			return true
		}
		slot := epollSlot{efd: uint32(v.FD), tfd: uint32(w.TFD), toff: s.toff}
		start := time.Now()
		order, errno := compareTarget(other.PID, w.TFD, v.PID, slot)
		j.stats.Took += time.Since(start)
		j.calls++
		return errno != 0 || order == Equal
	}
	return true
}

// askKcmp compares the watched file with the descriptor. stands says that the watch is
// known to exist still.
func (j *judge) askKcmp(v *viewState, s suspect, stands bool) answer {
	w := &j.watches[s.watch]
	slot := epollSlot{efd: uint32(v.FD), tfd: uint32(w.TFD), toff: s.toff}
	order, errno := j.compareTarget(v, w.TFD, slot)
	if errno == unix.EBADF {
		if stands {
			// Either the descriptor is closed, or this holder's epoll is.
			order, errno = compareFiles(v.Holder, v.Holder)
		} else {
			order, errno = j.compareTarget(v, int32(v.FD), slot)
		}
		if errno == 0 {
			return isNot
		}
	}
	switch errno {
	case 0:
		if order == Equal {
			return j.confirm(v, s)
		}
		return isNot
	case unix.ENOENT:
		return watchIsGone
	case unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EOPNOTSUPP:
		v.noKcmp = true
	case unix.EINVAL:
		// Before 4.13 there is no KCMP_EPOLL_TFD; since then the error means that the
		// descriptor is no epoll any more.
		if w.HasInode {
			v.gone = true
		} else {
			v.noKcmp = true
		}
	default:
		v.gone = true
	}
	return noAnswer
}

func (j *judge) compareTarget(v *viewState, fd int32, slot epollSlot) (Order, unix.Errno) {
	start := time.Now()
	order, errno := compareTarget(v.PID, fd, v.PID, slot)
	j.stats.Took += time.Since(start)
	if errno != unix.EBADF {
		j.calls++
	}
	return order, errno
}

// confirm learns the kind of a watch that kcmp says is current. A socket must have the
// inode of the line too: by now the watch may be that of a new socket under the old
// number.
func (j *judge) confirm(v *viewState, s suspect) answer {
	w := &j.watches[s.watch]
	if s.kind != epoll.KindUnknown {
		w.Kind = s.kind
		return isCurrent
	}
	fd, err := j.lookup(v.PID, w.TFD)
	if err != nil || j.sameFile(w, fd) == different {
		return watchIsGone
	}
	w.Kind = fd.Kind
	return isCurrent
}

// askLink looks at the link of the descriptor. That takes no lock of the target and
// proves less.
func (j *judge) askLink(v *viewState, s suspect) answer {
	w := &j.watches[s.watch]
	fd, err := j.lookup(v.PID, w.TFD)
	switch {
	case errors.Is(err, unix.ENOENT):
		if _, err := j.fs.StatFDs(v.PID); err != nil {
			v.gone = true
			return noAnswer
		}
		return isNot
	case err != nil:
		v.gone = true
		return noAnswer
	}
	switch j.sameFile(w, fd) {
	case proven:
		w.Kind = fd.Kind
		return isCurrent
	case different:
		return isNot
	}
	// The link of a captured tree leads to a file of the reader's own machine.
	var st unix.Stat_t
	if w.HasInode && j.fs.live && unix.Stat(j.link(v.PID, w.TFD), &st) == nil && st.Ino != w.Ino {
		return isNot
	}
	return noAnswer
}

// lookup reads what a descriptor is now.
func (j *judge) lookup(pid int, num int32) (epoll.FD, error) {
	var buf [maxLink]byte
	link, err := readLink(unix.AT_FDCWD, j.link(pid, num), buf[:])
	if err != nil {
		return epoll.FD{}, err
	}
	fd := epoll.FD{Num: num}
	fd.Kind, fd.Ino = parseLink(link)
	return fd, nil
}

func (j *judge) link(pid int, num int32) string {
	return j.fs.path(pid, "fd/"+strconv.Itoa(int(num)))
}
