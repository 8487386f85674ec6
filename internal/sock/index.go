package sock

// seal makes the index of inodes and drops sockets met twice, of which the later
// one is newer.
func (t *Table) seal() {
	t.byInode.resize(t.rows.n)
	for i := 0; i < t.rows.n; {
		r := t.rows.at(i)
		if r.ino == 0 {
			i++
			continue
		}
		at, found := t.findInode(r.ino)
		if !found {
			t.byInode.table[at] = uint32(i + 1)
			i++
			continue
		}
		older := t.rows.at(int(t.byInode.table[at] - 1))
		t.dropped(older)
		*older = *r
		*r = *t.rows.at(t.rows.n - 1)
		t.rows.n--
	}
}

// dropped takes a row out of the counts.
func (t *Table) dropped(r *row) {
	t.Duplicates++
	t.counts[r.trait]--
	family := t.traits.items.at(int(r.trait)).kind.Family()
	for i := range t.Outcomes {
		if t.Outcomes[i].Family == family {
			t.Outcomes[i].Sockets--
		}
	}
}

// findInode returns the place of an inode in the index, or where it belongs.
func (t *Table) findInode(ino uint32) (at int, found bool) {
	at = t.byInode.start(inoHash(ino))
	for {
		i := t.byInode.table[at]
		if i == 0 {
			return at, false
		}
		if t.rows.at(int(i-1)).ino == ino {
			return at, true
		}
		at = t.byInode.step(at)
	}
}

// Find returns the number of the socket with an inode. All namespaces number
// their sockets together, so that an inode is found in one table at most.
func (t *Table) Find(ino uint64) (i int, ok bool) {
	if ino == 0 || ino>>32 != 0 || len(t.byInode.table) == 0 {
		return 0, false
	}
	at, found := t.findInode(uint32(ino))
	if !found {
		return 0, false
	}
	return int(t.byInode.table[at] - 1), true
}

// Peer returns the other end of a connection whose two ends are in this table: of
// TCP and UDP the socket with the same addresses the other way round (an
// IPv4-mapped address is the IPv4 address), of UNIX the one that the kernel names
// as its peer. There is none when the other end is on another host or in another
// namespace, and for a socket that is connected to itself.
//
// Several connected UDP sockets may share their addresses (SO_REUSEPORT); one of
// them is returned. A UNIX datagram socket's peer need not have it as its own peer.
func (t *Table) Peer(i int) (j int, ok bool) {
	r := t.rows.at(i)
	k := t.traits.items.at(int(r.trait)).kind
	if k.IsUnix() {
		j, ok = t.Find(uint64(r.remote))
		return j, ok && j != i
	}
	if r.remotePort == 0 {
		return 0, false
	}
	t.peersOnce.Do(t.indexPairs)
	p := t.pair(r).swapped()
	at, found := t.findPair(p)
	if !found {
		return 0, false
	}
	j = int(t.byPair.table[at] - 1)
	return j, j != i
}

// pair is what the two ends of a connection have in common.
type pair struct {
	local, remote         addr
	localPort, remotePort uint16
	tcp                   bool
}

func (p pair) swapped() pair {
	return pair{p.remote, p.local, p.remotePort, p.localPort, p.tcp}
}

func (p pair) hash() uint32 {
	h := mix(mix(uint64(p.localPort)<<16|uint64(p.remotePort), p.local.hi), p.local.lo)
	return finish(mix(mix(h, p.remote.hi), p.remote.lo))
}

func (t *Table) pair(r *row) pair {
	p := pair{localPort: r.localPort, remotePort: r.remotePort}
	switch t.traits.items.at(int(r.trait)).kind {
	case TCP4:
		p.local, p.remote, p.tcp = mapped(r.local), mapped(r.remote), true
	case UDP4:
		p.local, p.remote = mapped(r.local), mapped(r.remote)
	case TCP6:
		p.local, p.remote, p.tcp = *t.addrs.items.at(int(r.local)), *t.addrs.items.at(int(r.remote)), true
	case UDP6:
		p.local, p.remote = *t.addrs.items.at(int(r.local)), *t.addrs.items.at(int(r.remote))
	}
	return p
}

// connected reports whether a row has both addresses.
func (t *Table) connected(r *row) bool {
	return r.remotePort != 0 && !t.traits.items.at(int(r.trait)).kind.IsUnix()
}

func (t *Table) indexPairs() {
	n := 0
	for i := range t.rows.n {
		if t.connected(t.rows.at(i)) {
			n++
		}
	}
	t.byPair.resize(n)
	for i := range t.rows.n {
		r := t.rows.at(i)
		if !t.connected(r) {
			continue
		}
		if at, found := t.findPair(t.pair(r)); !found {
			t.byPair.table[at] = uint32(i + 1)
		}
	}
}

func (t *Table) findPair(p pair) (at int, found bool) {
	at = t.byPair.start(p.hash())
	for {
		i := t.byPair.table[at]
		if i == 0 {
			return at, false
		}
		if t.pair(t.rows.at(int(i-1))) == p {
			return at, true
		}
		at = t.byPair.step(at)
	}
}
