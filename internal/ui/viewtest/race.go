//go:build race

package viewtest

// RaceEnabled reports whether the race detector is on. It makes everything some ten
// times slower, so tests that try every case then try some of them.
const RaceEnabled = true
