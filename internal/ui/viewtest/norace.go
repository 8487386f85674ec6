//go:build !race

package viewtest

// RaceEnabled reports whether the race detector is on: see race.go.
const RaceEnabled = false
