package fdinfo

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/eptop/eptop/internal/epoll"
)

// Instance is one epoll instance and those who hold it.
type Instance struct {
	// Holders in the order they were added. It has at least one.
	Holders []epoll.Holder
	// Comparable is false where kcmp(2) refused the holder, so that it may be the
	// same instance as another one.
	Comparable bool
}

// Instances groups the holders of epolls by instance. It keeps the instances in
// the order of kcmp(2), so that a further holder takes log n calls.
//
// A process can put another file under the number of a holder at any time. The order is
// wrong then until [Instances.Recheck].
type Instances struct {
	compare      func(a, b epoll.Holder) (Order, error)
	sorted       []*Instance
	incomparable []*Instance // those that cannot be compared
}

// NewInstances returns an empty set of what compare distinguishes: FS.Compare's epoll
// instances, say.
func NewInstances(compare func(a, b epoll.Holder) (Order, error)) *Instances {
	return &Instances{compare: compare}
}

// Add adds a holder to the instance it refers to. A holder that cannot be compared
// becomes an instance of its own that is not Comparable. Add returns fs.ErrNotExist, and
// adds nothing, where the holder is gone.
func (in *Instances) Add(h epoll.Holder) error {
	switch _, err := in.compare(h, h); {
	case isGone(err):
		return err
	case err != nil:
		in.incomparable = append(in.incomparable, &Instance{Holders: []epoll.Holder{h}})
		return nil
	}
	low, high := 0, len(in.sorted)
	for low < high {
		mid := int(uint(low+high) >> 1)
		order, err := in.compareWith(h, mid)
		switch {
		case err != nil:
			if _, err := in.compare(h, h); err != nil {
				return fs.ErrNotExist
			}
			// Nobody holds that instance any more, and without its place in the order
			// it only stands in the way.
			in.sorted = slices.Delete(in.sorted, mid, mid+1)
			high--
		case order == Equal:
			in.sorted[mid].Holders = append(in.sorted[mid].Holders, h)
			return nil
		case order == Less:
			high = mid
		default:
			low = mid + 1
		}
	}
	in.sorted = slices.Insert(in.sorted, low, &Instance{Holders: []epoll.Holder{h}, Comparable: true})
	return nil
}

// compareWith compares h with the first holder of an instance that still exists.
func (in *Instances) compareWith(h epoll.Holder, i int) (order Order, err error) {
	for _, other := range in.sorted[i].Holders {
		if order, err = in.compare(h, other); err == nil {
			return order, nil
		}
	}
	return Unordered, err
}

// Keep removes the holders that keep does not want.
func (in *Instances) Keep(keep func(epoll.Holder) bool) {
	for _, list := range []*[]*Instance{&in.sorted, &in.incomparable} {
		*list = slices.DeleteFunc(*list, func(i *Instance) bool {
			i.Holders = slices.DeleteFunc(i.Holders, func(h epoll.Holder) bool { return !keep(h) })
			return len(i.Holders) == 0
		})
	}
}

// Recheck compares every holder with its neighbours and removes those that do not stand
// in their place any more, and the incomparable ones that can be compared by now; add
// them again. That takes some two calls for each holder.
func (in *Instances) Recheck() {
	kept := in.sorted[:0]
	for _, i := range in.sorted {
		first := i.Holders[0]
		i.Holders = slices.DeleteFunc(i.Holders, func(h epoll.Holder) bool {
			order, err := in.compare(first, h)
			return err != nil || order != Equal
		})
		if len(i.Holders) == 0 {
			continue
		}
		switch n := len(kept); {
		case n == 0 || in.inOrder(kept[n-1], i):
			kept = append(kept, i)
		case n == 1 || in.inOrder(kept[n-2], i):
			kept[n-1] = i // rather the one before is out of order than all that follow
		}
	}
	clear(in.sorted[len(kept):])
	in.sorted = kept
	in.incomparable = slices.DeleteFunc(in.incomparable, func(i *Instance) bool {
		_, err := in.compare(i.Holders[0], i.Holders[0])
		return err == nil || errors.Is(err, fs.ErrNotExist)
	})
}

func (in *Instances) inOrder(a, b *Instance) bool {
	order, err := in.compare(a.Holders[0], b.Holders[0])
	return err == nil && order == Less
}

// All returns the instances; those that cannot be compared come last. An instance stays
// the same pointer as long as it has a holder. The slice belongs to the caller; the
// instances must not be changed.
func (in *Instances) All() []*Instance {
	return slices.Concat(in.sorted, in.incomparable)
}
