//go:build race

package viewtest

// RaceEnabled: the race detector makes everything ten times slower, and tests that try
// every size try some of them.
const RaceEnabled = true
