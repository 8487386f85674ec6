package sock

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrTooMany is returned for a namespace beyond the number that may be kept open.
var ErrTooMany = errors.New("too many network namespaces")

// Namespaces keeps a [Conn] for each network namespace in use, found by the process
// that lives in it. It is not for several goroutines at once.
//
// A look asks Conn for each process, dumps each namespace once, and ends with
// Sweep. A process that moved to another namespace is noticed, because each look
// asks for its namespace again.
//
// A dump of a small namespace costs as much walking as one of the whole machine:
// TCP's hash table is common to all of them, and the kernel passes every socket in
// it, once for IPv4 and once for IPv6 (29 ms for a namespace with one socket on a
// machine with 150,000). Look at many namespaces less often.
type Namespaces struct {
	proc  string
	limit int
	own   *Conn
	held  map[NSID]*held
}

type held struct {
	conn *Conn
	used bool
}

// NewNamespaces opens the namespace of this program and keeps up to limit others,
// one descriptor each. proc is where procfs is, "/proc" as a rule.
func NewNamespaces(proc string, limit int) (*Namespaces, error) {
	own, err := OpenOwn(proc + "/net")
	if err != nil {
		return nil, err
	}
	return &Namespaces{proc: proc, limit: limit, own: own, held: make(map[NSID]*held)}, nil
}

// Own is the namespace of this program.
func (n *Namespaces) Own() *Conn { return n.own }

// Len is how many namespaces are kept, this program's own included.
func (n *Namespaces) Len() int { return len(n.held) + 1 }

// ID is the namespace that a process is in. It costs one stat call. Another user's
// process needs root or CAP_SYS_PTRACE.
func (n *Namespaces) ID(pid int) (NSID, error) {
	return Identify(n.dir(pid) + "/ns/net")
}

func (n *Namespaces) dir(pid int) string { return n.proc + "/" + strconv.Itoa(pid) }

// Conn returns the namespace that a process is in, the same one for all its
// processes ([Conn.ID]). Where entering it is denied its dumps read /proc/PID/net,
// and say so. It is valid until the Sweep that finds it unused. An error is
// fs.ErrPermission, fs.ErrNotExist (the process ended) or ErrTooMany.
func (n *Namespaces) Conn(pid int) (*Conn, error) {
	id, err := n.ID(pid)
	if err != nil {
		return nil, err
	}
	if id == n.own.id {
		return n.own, nil
	}
	nsPath, procNet := n.dir(pid)+"/ns/net", n.dir(pid)+"/net"
	if h, ok := n.held[id]; ok {
		// The process it was opened through may have ended, and others live on.
		h.used, h.conn.nsPath, h.conn.procNet = true, nsPath, procNet
		return h.conn, nil
	}
	if len(n.held) >= n.limit {
		return nil, fmt.Errorf("%w: %d are open, process %d is in %v", ErrTooMany, n.Len(), pid, id)
	}
	c := other(id, nsPath, procNet)
	if err := c.first(); err != nil {
		// Gone meanwhile, or only not to be entered?
		if now, gone := Identify(nsPath); gone != nil || now != id || AvailabilityOf(err) == Failed {
			return nil, err
		}
	}
	n.held[id] = &held{conn: c, used: true}
	return c, nil
}

// Sweep closes the namespaces that Conn has not returned since the last Sweep. An
// open one would keep the namespace and its devices alive after its last process.
func (n *Namespaces) Sweep() {
	for id, h := range n.held {
		if !h.used {
			h.conn.Close()
			delete(n.held, id)
		}
		h.used = false
	}
}

// CloseOthers closes the sockets in other namespaces than this program's own, and forgets
// none of the namespaces: the next dump of each opens its socket again.
func (n *Namespaces) CloseOthers() {
	for _, h := range n.held {
		h.conn.Close()
	}
}

// Close closes all namespaces.
func (n *Namespaces) Close() {
	for id, h := range n.held {
		h.conn.Close()
		delete(n.held, id)
	}
	n.own.Close()
}
