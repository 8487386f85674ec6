//go:build !race

package viewtest

const RaceEnabled = false
