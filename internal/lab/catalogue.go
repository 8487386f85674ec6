package lab

import "slices"

// All returns every experiment, in the order in which they are explained best.
func All() []*Experiment {
	return slices.Concat(
		triggers(),
		masks(),
		identities(),
		nests(),
		closings(),
		readings(),
		herds(),
		loops(),
		limits(),
		timings(),
		costs(),
		sidecars(),
	)
}
