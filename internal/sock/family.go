package sock

import (
	"errors"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Family is one dump, or several as a set of bits.
type Family uint8

// The families, each a dump of its own with an outcome of its own.
const (
	FamilyTCP4 Family = 1 << iota
	FamilyTCP6
	FamilyUDP4
	FamilyUDP6
	FamilyUnix
	// The families of MPTCP mark those TCP sockets that it uses and add none; without
	// FamilyTCP they find nothing. /proc/net has no such file.
	FamilyMPTCP4
	FamilyMPTCP6

	FamilyTCP   = FamilyTCP4 | FamilyTCP6
	FamilyMPTCP = FamilyMPTCP4 | FamilyMPTCP6
	FamilyUDP   = FamilyUDP4 | FamilyUDP6
	Families    = FamilyTCP | FamilyMPTCP | FamilyUDP | FamilyUnix // all of them
)

// families are the single ones, in the order in which they are dumped.
var families = [...]Family{FamilyTCP4, FamilyTCP6, FamilyMPTCP4, FamilyMPTCP6, FamilyUDP4, FamilyUDP6, FamilyUnix}

func (f Family) String() string {
	switch f {
	case FamilyTCP4:
		return "tcp"
	case FamilyTCP6:
		return "tcp6"
	case FamilyUDP4:
		return "udp"
	case FamilyUDP6:
		return "udp6"
	case FamilyUnix:
		return "unix"
	case FamilyMPTCP4:
		return "mptcp"
	case FamilyMPTCP6:
		return "mptcp6"
	}
	return "families " + strconv.Itoa(int(f))
}

// inet returns the address family and the protocol of an inet_diag dump; that of MPTCP
// is too large for the field, and 0.
func (f Family) inet() (family, protocol uint8) {
	switch f {
	case FamilyTCP4:
		return unix.AF_INET, unix.IPPROTO_TCP
	case FamilyTCP6:
		return unix.AF_INET6, unix.IPPROTO_TCP
	case FamilyMPTCP4:
		return unix.AF_INET, 0
	case FamilyMPTCP6:
		return unix.AF_INET6, 0
	case FamilyUDP4:
		return unix.AF_INET, unix.IPPROTO_UDP
	}
	return unix.AF_INET6, unix.IPPROTO_UDP
}

// kind is the kind of every socket in an inet_diag dump.
func (f Family) kind() Kind {
	switch f {
	case FamilyTCP4:
		return TCP4
	case FamilyTCP6:
		return TCP6
	case FamilyUDP4:
		return UDP4
	}
	return UDP6
}

// Outcome is what became of one family.
type Outcome struct {
	Family Family
	State  Availability
	// Via is where the sockets come from. ProcNet has no memory, no interface, no
	// backlog, and of UNIX sockets neither owner nor queues nor peer.
	Via Source
	// Sockets is how many of the family are in the table, each once; of MPTCP how
	// many MPTCP sockets were found among them.
	Sockets int
	// Took is the time of all tries together.
	Took time.Duration
	// Tries is how often the dump was asked for: more than once when it came back
	// torn or overran the receive buffer.
	Tries int
	// Torn is set when the last try was torn too: some sockets may be missing.
	Torn bool
	// Err is why State is not OK, or why Via is not SockDiag.
	Err error
}

// Availability says whether a source could be read.
type Availability uint8

// The availabilities.
const (
	OK     Availability = iota
	Denied              // the reader has not the right
	Absent              // this kernel, or this tree, has it not
	Failed              // it should have worked
)

func (a Availability) String() string {
	switch a {
	case OK:
		return "ok"
	case Denied:
		return "denied"
	case Absent:
		return "absent"
	}
	return "failed"
}

// AvailabilityOf sorts an error of this package.
func AvailabilityOf(err error) Availability {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, fs.ErrPermission):
		return Denied
	case errors.Is(err, fs.ErrNotExist):
		return Absent
	}
	return Failed
}

// Source is where the sockets of a family come from.
type Source uint8

// The sources.
const (
	SockDiag Source = iota // NETLINK_SOCK_DIAG
	ProcNet                // /proc/net/tcp and its kin
	Pass                   // a pass over the files of all processes, see Builder
)

func (s Source) String() string {
	switch s {
	case ProcNet:
		return "proc"
	case Pass:
		return "bpf"
	}
	return "sock_diag"
}
