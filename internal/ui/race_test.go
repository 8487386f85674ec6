//go:build race

package ui

// raceEnabled: the race detector makes everything ten times slower, and tests
// that try every case try some of them.
const raceEnabled = true
