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
// the order of kcmp(2), so that n holders take about n log n calls.
type Instances struct {
	compare      func(a, b epoll.Holder) (Order, error)
	sorted       []Instance
	incomparable []Instance // those that cannot be compared
}

// NewInstances returns an empty set.
func (f *FS) NewInstances() *Instances {
	return &Instances{compare: f.Compare}
}

// Add adds a holder to the instance it refers to. A holder that may not be compared
// becomes an instance of its own that is not Comparable. Add returns fs.ErrNotExist
// when the holder is gone, and any error of kcmp that has no reason of permission or
// support; it does not add the holder then.
func (in *Instances) Add(h epoll.Holder) error {
	_, err := in.compare(h, h)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, errors.ErrUnsupported):
		in.incomparable = append(in.incomparable, Instance{Holders: []epoll.Holder{h}})
		return nil
	case err != nil:
		return err
	}
	low, high := 0, len(in.sorted)
	for low < high {
		mid := int(uint(low+high) >> 1)
		order, err := in.compareWith(h, mid)
		switch {
		case isGone(err):
			if _, err := in.compare(h, h); err != nil {
				return err
			}
			// Nobody holds that instance any more, and without its place in the order
			// it only stands in the way.
			in.incomparable = append(in.incomparable, in.sorted[mid])
			in.sorted = slices.Delete(in.sorted, mid, mid+1)
			high--
		case err != nil:
			return err
		case order == Equal:
			in.sorted[mid].Holders = append(in.sorted[mid].Holders, h)
			return nil
		case order == Less:
			high = mid
		default:
			low = mid + 1
		}
	}
	in.sorted = slices.Insert(in.sorted, low, Instance{Holders: []epoll.Holder{h}, Comparable: true})
	return nil
}

// compareWith compares h with the first holder of an instance that still exists.
func (in *Instances) compareWith(h epoll.Holder, i int) (order Order, err error) {
	for _, other := range in.sorted[i].Holders {
		if order, err = in.compare(h, other); !isGone(err) {
			return order, err
		}
	}
	return Unordered, err
}

// All returns the instances; those that cannot be compared come last. The slice
// belongs to the caller; the holders must not be changed.
func (in *Instances) All() []Instance {
	return slices.Concat(in.sorted, in.incomparable)
}
