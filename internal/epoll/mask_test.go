package epoll

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMask(t *testing.T) {
	for _, test := range []struct {
		mask     Mask
		text     string
		disarmed bool
	}{
		{0x19, "IN", false},
		{0x80002019, "IN|RDHUP|ET", false},
		{0x40000019, "IN|ONESHOT", false},
		{0x40000000, "ONESHOT", true},
		{0xc0000000, "ONESHOT|ET", true},
		{0xe0000000, "WAKEUP|ONESHOT|ET", true},
		{0x40000018, "ONESHOT", false}, // armed for ERR and HUP alone
		{0x10000019, "IN|EXCLUSIVE", false},
		{0x18, "none", false},
		{0, "none", false},
		{0x1f | 0x7c0 | 0x2000, "IN|PRI|OUT|RDNORM|RDBAND|WRNORM|WRBAND|MSG|RDHUP", false},
		{0x08001819, "IN|0x8001800", false},
		{0x20, "0x20", false},
		{0xffffffff, "IN|PRI|OUT|RDNORM|RDBAND|WRNORM|WRBAND|MSG|RDHUP|EXCLUSIVE|WAKEUP|ONESHOT|ET|0xfffd820", false},
	} {
		if got := test.mask.String(); got != test.text {
			t.Errorf("%#x reads %q, want %q", uint32(test.mask), got, test.text)
		}
		events := strings.Join(test.mask.Events(), "|")
		if events != test.text && (events != "" || test.text != "none") {
			t.Errorf("%#x has the events %q, want %q", uint32(test.mask), events, test.text)
		}
		if got := test.mask.Disarmed(); got != test.disarmed {
			t.Errorf("%#x disarmed: %v", uint32(test.mask), got)
		}
	}
}

func TestMaskBits(t *testing.T) {
	for mask, bit := range map[Mask]uint32{
		In: unix.EPOLLIN, Pri: unix.EPOLLPRI, Out: unix.EPOLLOUT, Err: unix.EPOLLERR, Hup: unix.EPOLLHUP,
		RdNorm: unix.EPOLLRDNORM, RdBand: unix.EPOLLRDBAND, WrNorm: unix.EPOLLWRNORM, WrBand: unix.EPOLLWRBAND,
		Msg: unix.EPOLLMSG, RdHup: unix.EPOLLRDHUP, Exclusive: unix.EPOLLEXCLUSIVE, Wakeup: unix.EPOLLWAKEUP,
		OneShot: unix.EPOLLONESHOT, ET: unix.EPOLLET & 0xffffffff,
	} {
		if uint32(mask) != bit {
			t.Errorf("%v is %#x, want %#x", mask, uint32(mask), bit)
		}
	}
}

func TestMaskAppendTextAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() { buf = Mask(0xffffffff).AppendText(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
