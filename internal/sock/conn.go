package sock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Conn dumps the sockets of one network namespace. It keeps one netlink socket
// open, which keeps the namespace alive: close it when no process is left there.
// It is not for several goroutines at once.
type Conn struct {
	id      NSID
	open    func() (transport, error)
	socket  transport // nil: to be opened
	nsPath  string    // a link of the namespace; "": this program's own
	procNet string    // where the fallback is, "/proc/net"; "": none
	seq     uint32
	request []byte
	mptcp   mptcpSockets // of the dump that runs
	states  uint32       // bits of those that the dump that runs asks for
}

const (
	// maxTorn and maxOverrun bound the tries of one family.
	maxTorn    = 3
	maxOverrun = 8
	// maxOverrunsOfDump bounds how often one answer may overrun the buffer.
	maxOverrunsOfDump = 1000
)

// buffers are for answers, one for each Dump that runs.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, recvBytes)
	return &b
}}

// ID is the namespace. It is the zero value for one that is not known, on a kernel
// without /proc/self/ns.
func (c *Conn) ID() NSID { return c.id }

// Close closes the netlink socket. The next Dump would open it again.
func (c *Conn) Close() {
	if c.socket != nil {
		c.socket.close()
		c.socket = nil
	}
}

// Dump reads all sockets of the families wanted into a table. reuse is a table that
// nobody reads any more, whose memory is taken, or nil. A family that could not be
// read has no sockets in the table and says why in Table.Outcomes.
//
// Once ctx ends, Dump returns before the next part of an answer, and the family says so.
func (c *Conn) Dump(ctx context.Context, reuse *Table, want Family) *Table {
	return c.DumpStates(ctx, reuse, want, allStates)
}

// Unheld has the states of TCP sockets that no descriptor holds, as a rule: SYN_RECV,
// TIME_WAIT and those of a connection being closed. Queued has those that wait in an accept
// queue, AllStates all that Dump asks for.
const (
	Unheld    = 1<<StateSynRecv | 1<<stateNewSynRecv | 1<<StateFinWait1 | 1<<StateFinWait2 | 1<<StateTimeWait | 1<<StateLastAck | 1<<StateClosing
	Queued    = 1<<StateEstablished | 1<<StateCloseWait
	AllStates = allStates
)

// DumpStates is Dump of those TCP and UDP sockets that are in one of some states, which are
// bits as in 1<<StateListen. The kernel walks over the others. Where it has no sock_diag, all
// are returned.
func (c *Conn) DumpStates(ctx context.Context, reuse *Table, want Family, states uint32) *Table {
	c.states = states
	t := emptied(reuse)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	c.mptcp = mptcpSockets{}
	for _, f := range families {
		if want&f != 0 {
			t.Outcomes = append(t.Outcomes, c.family(ctx, t, f, *buf))
		}
	}
	t.joinMPTCP(&c.mptcp)
	c.mptcp = mptcpSockets{}
	t.seal()
	return t
}

// family reads one family, repeating as long as it helps.
func (c *Conn) family(ctx context.Context, t *Table, f Family, buf []byte) Outcome {
	start, before := time.Now(), t.Len()
	beforeMPTCP := len(c.mptcp.found)
	cut := func() {
		t.cut(before)
		c.mptcp.cut(beforeMPTCP)
	}
	o := Outcome{Family: f}
	for overruns := 0; ; {
		o.Tries++
		o.Torn, o.Err = c.once(ctx, t, f, buf)
		if o.Err == nil && (!o.Torn || o.Tries-overruns >= maxTorn) {
			break
		}
		if o.Err != nil {
			cut()
			if overruns++; !errors.Is(o.Err, unix.ENOBUFS) || overruns > maxOverrun || c.socket == nil || !c.socket.grow() {
				break
			}
			continue
		}
		cut()
	}
	o.State = AvailabilityOf(o.Err)
	if o.Err != nil {
		o.Torn = false
		o.Err = fmt.Errorf("sock_diag %v: %w", f, o.Err)
		c.fallBack(ctx, t, &o, buf)
	}
	o.Sockets = t.Len() - before + len(c.mptcp.found) - beforeMPTCP
	o.Took = time.Since(start)
	return o
}

// fallBack reads /proc/net where there is no sock_diag, or no right to use it.
func (c *Conn) fallBack(ctx context.Context, t *Table, o *Outcome, buf []byte) {
	if c.procNet == "" || o.State == Failed {
		return
	}
	before := t.Len()
	err := t.readProcNet(ctx, c.procNet, o.Family, buf)
	switch {
	case err == nil:
		o.State, o.Via = OK, ProcNet
	case errors.Is(err, fs.ErrNotExist):
		t.cut(before) // neither has it: what sock_diag said stands
	default:
		t.cut(before)
		o.State, o.Via = AvailabilityOf(err), ProcNet
		o.Err = errors.Join(o.Err, err)
	}
}

// once asks for one dump and reads all of the answer.
func (c *Conn) once(ctx context.Context, t *Table, f Family, buf []byte) (torn bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if c.socket == nil {
		if c.socket, err = c.open(); err != nil {
			c.socket = nil
			return false, err
		}
	}
	c.seq++
	c.request = request(c.request, f, c.seq, c.states)
	if err := c.socket.send(c.request); err != nil {
		c.Close()
		return false, fmt.Errorf("send: %w", err)
	}
	d := dump{table: t, mptcp: &c.mptcp, family: f, seq: c.seq}
	for overruns := 0; !d.done; {
		n, err := c.socket.recv(buf)
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case errors.Is(err, unix.ENOBUFS) && overruns < maxOverrunsOfDump:
			// Messages were lost. The rest of the answer has to be read before the
			// kernel takes another request.
			overruns++
			d.fail(err)
		case err != nil:
			// Nobody knows what is still to come: a new socket has no such past.
			c.Close()
			if errors.Is(err, unix.EAGAIN) {
				err = fmt.Errorf("no answer within %d s (%w)", answerTimeoutSeconds, err)
			}
			d.fail(fmt.Errorf("receive: %w", err))
			return false, d.err
		case n > len(buf):
			d.fail(fmt.Errorf("%w: netlink: a datagram of %d bytes", ErrMalformed, n))
			d.read(buf) // the end of the dump may be in it
		default:
			d.read(buf[:n])
		}
	}
	return d.torn, d.err
}

// dump is an answer being read. The first error stays, and what follows it is read
// only to find the end.
type dump struct {
	table  *Table
	mptcp  *mptcpSockets
	family Family
	seq    uint32
	done   bool
	torn   bool
	err    error
	inet   inetMsg
	unix   unixMsg
}

func (d *dump) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// read reads one datagram.
func (d *dump) read(b []byte) {
	for len(b) > 0 && !d.done {
		m, rest, err := nextMessage(b)
		if err != nil {
			d.fail(err)
			return
		}
		b = rest
		if m.seq != d.seq {
			continue // of a dump that was given up
		}
		if m.flags&unix.NLM_F_DUMP_INTR != 0 {
			d.torn = true
		}
		d.message(&m)
	}
}

func (d *dump) message(m *message) {
	switch m.kind {
	case unix.NLMSG_DONE:
		d.done = true
		if len(m.payload) > 0 {
			if err := errnoOf(m.payload); err != nil {
				d.fail(err)
			}
		}
	case unix.NLMSG_ERROR:
		d.done = true
		err := errnoOf(m.payload)
		if err == nil {
			err = fmt.Errorf("%w: netlink: an acknowledgement where a dump was asked for", ErrMalformed)
		}
		d.fail(err)
	case unix.NLMSG_OVERRUN:
		d.fail(unix.ENOBUFS)
	case unix.SOCK_DIAG_BY_FAMILY:
		if d.err == nil {
			d.socket(m.payload)
		}
	}
}

// socket adds one socket to the table.
func (d *dump) socket(payload []byte) {
	if d.family == FamilyUnix {
		if err := parseUnix(payload, &d.unix); err != nil {
			d.fail(err)
			return
		}
		d.table.addUnix(&d.unix)
		return
	}
	if err := parseInet(payload, &d.inet); err != nil {
		d.fail(err)
		return
	}
	if family, _ := d.family.inet(); family != d.inet.family {
		d.fail(fmt.Errorf("%w: inet_diag: address family %d in a dump of %v", ErrMalformed, d.inet.family, d.family))
		return
	}
	if d.family&FamilyMPTCP != 0 {
		d.mptcp.add(&d.inet)
		return
	}
	d.table.addInet(d.family.kind(), &d.inet)
}
