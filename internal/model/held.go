package model

import (
	"cmp"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
	"github.com/eptop/eptop/internal/sock"
)

// held is what a process holds of the sockets in the tables.
type held struct {
	Tally
	// Missing are the sockets that no table has: of other families, or of a namespace
	// that was not looked into.
	Missing int64
	// Listening are the inodes of those that listen.
	Listening []uint32
}

// heldBy joins fds with the sockets of all namespaces.
func (d *Deriver) heldBy(files []epoll.FD) held {
	var h held
	for i := range files {
		if files[i].Kind != epoll.KindSocket {
			continue
		}
		found := false
		for _, table := range d.tables {
			if table == nil {
				continue
			}
			at, ok := table.Find(files[i].Ino)
			if !ok {
				continue
			}
			survey := d.surveys[table]
			s := table.Brief(at)
			h.add(&s, 1, true)
			own := int64(survey.owners[at/64] >> (at % 64) & 1)
			h.attach(own, own, survey.ends.Here(at))
			if s.State == sock.StateListen {
				h.Listening = append(h.Listening, uint32(files[i].Ino))
			}
			found = true
			break
		}
		if !found {
			h.Missing++
		}
	}
	return h
}

// distinctSockets are the fds that are sockets, one fd for each socket: several may
// refer to one, and the slab has one object for them.
func distinctSockets(files []epoll.FD) []epoll.FD {
	sockets := slices.DeleteFunc(slices.Clone(files), func(fd epoll.FD) bool { return fd.Kind != epoll.KindSocket })
	slices.SortFunc(sockets, func(a, b epoll.FD) int { return cmp.Compare(a.Ino, b.Ino) })
	return slices.CompactFunc(sockets, func(a, b epoll.FD) bool { return a.Ino == b.Ino })
}
