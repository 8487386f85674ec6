package epoll

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// several watches differ in every field.
func several() []Watch {
	return []Watch{
		{},
		{TFD: 11, Mask: In | ET, Data: 11, Ino: 2864, Sdev: 8, HasInode: true, Kind: KindSocket, Link: Current, Facts: KnowsReady | KnowsFlags | IsBlocking},
		{TFD: -1, Mask: math.MaxUint32, Data: math.MaxUint64, Ino: math.MaxUint64, Pos: math.MinInt64, Sdev: math.MaxUint32, HasInode: true, Kind: KindOther, Link: Stale},
		{TFD: math.MaxInt32, Mask: OneShot, Data: 0x7f0011223344},
	}
}

func TestBinary(t *testing.T) {
	for _, want := range [][]Watch{{}, several()} {
		b := AppendWatches(nil, want)
		got, err := DecodeWatches(b)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
		for n := range b {
			if _, err := DecodeWatches(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("cut at %d of %d: %v", n, len(b), err)
			}
		}
		if _, err := DecodeWatches(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("a byte too many: %v", err)
		}
	}
}

// FuzzDecodeWatches: whatever is read can be written and read again.
func FuzzDecodeWatches(f *testing.F) {
	f.Add(AppendWatches(nil, several()))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeWatches(b)
		if err != nil {
			return
		}
		again, err := DecodeWatches(AppendWatches(nil, got))
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("%v, (-first +second):\n%s", err, diff)
		}
	})
}
