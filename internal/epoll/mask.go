package epoll

import "strconv"

// Mask is the event mask of a watch as the kernel keeps it in
// struct epitem.event.events: the EPOLL* bits the owner asked for, the private
// bits that say how to report them, and ERR and HUP, which do_epoll_ctl() in
// fs/eventpoll.c adds to every mask.
type Mask uint32

// The bits of a mask, from include/uapi/linux/eventpoll.h.
const (
	In     Mask = 0x1    // EPOLLIN
	Pri    Mask = 0x2    // EPOLLPRI
	Out    Mask = 0x4    // EPOLLOUT
	Err    Mask = 0x8    // EPOLLERR, always there while the watch is armed
	Hup    Mask = 0x10   // EPOLLHUP, always there while the watch is armed
	RdNorm Mask = 0x40   // EPOLLRDNORM
	RdBand Mask = 0x80   // EPOLLRDBAND
	WrNorm Mask = 0x100  // EPOLLWRNORM
	WrBand Mask = 0x200  // EPOLLWRBAND
	Msg    Mask = 0x400  // EPOLLMSG
	RdHup  Mask = 0x2000 // EPOLLRDHUP

	Exclusive Mask = 1 << 28 // EPOLLEXCLUSIVE, since Linux 4.5
	Wakeup    Mask = 1 << 29 // EPOLLWAKEUP, since Linux 3.5
	OneShot   Mask = 1 << 30 // EPOLLONESHOT
	ET        Mask = 1 << 31 // EPOLLET
)

// private is EP_PRIVATE_BITS of fs/eventpoll.c: the bits that are left of a
// one-shot watch once it has fired.
const private = Exclusive | Wakeup | OneShot | ET

// maskNames lists the bits a person reads, in the order they are shown. Err and
// Hup are missing on purpose: the kernel adds them to every mask.
var maskNames = [...]struct {
	bit  Mask
	name string
}{
	{In, "IN"},
	{Pri, "PRI"},
	{Out, "OUT"},
	{RdNorm, "RDNORM"},
	{RdBand, "RDBAND"},
	{WrNorm, "WRNORM"},
	{WrBand, "WRBAND"},
	{Msg, "MSG"},
	{RdHup, "RDHUP"},
	{Exclusive, "EXCLUSIVE"},
	{Wakeup, "WAKEUP"},
	{OneShot, "ONESHOT"},
	{ET, "ET"},
}

// Events returns the names of the bits without the EPOLL prefix, such as
// ["IN", "RDHUP", "ET"]. ERR and HUP are left out because every mask has them;
// bits without a name come last, together, as one hexadecimal number. A watch
// that waits for nothing but ERR and HUP has an empty slice.
func (m Mask) Events() []string {
	names := make([]string, 0, 4)
	rest := m &^ (Err | Hup)
	for _, n := range maskNames {
		if m&n.bit != 0 {
			names = append(names, n.name)
			rest &^= n.bit
		}
	}
	if rest != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(rest), 16))
	}
	return names
}

// AppendText appends what [Mask.String] returns and allocates nothing beyond the
// growth of dst.
func (m Mask) AppendText(dst []byte) []byte {
	rest := m &^ (Err | Hup)
	if rest == 0 {
		return append(dst, "none"...)
	}
	start := len(dst)
	for _, n := range maskNames {
		if rest&n.bit == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, '|')
		}
		dst = append(dst, n.name...)
		rest &^= n.bit
	}
	if rest != 0 {
		if len(dst) > start {
			dst = append(dst, '|')
		}
		dst = append(dst, "0x"...)
		dst = strconv.AppendUint(dst, uint64(rest), 16)
	}
	return dst
}

// String joins the names of [Mask.Events] with "|", as in "IN|RDHUP|ET"; a mask
// of nothing but ERR and HUP reads "none".
func (m Mask) String() string {
	var b [64]byte
	return string(m.AppendText(b[:0]))
}

// Disarmed reports whether a one-shot watch has fired and waits for
// EPOLL_CTL_MOD: ep_send_events() clears every event bit, ERR and HUP too, and
// keeps the private ones. No armed watch looks like that, because
// do_epoll_ctl() adds ERR and HUP even to an empty mask.
func (m Mask) Disarmed() bool {
	return m&OneShot != 0 && m&^private == 0
}
