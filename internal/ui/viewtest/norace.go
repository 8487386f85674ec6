//go:build !race

package viewtest

// RaceEnabled: see race.go.
const RaceEnabled = false
