package slab

import "testing"

// TestOrder: the smallest power of two that holds the pages, whatever a recording claims.
func TestOrder(t *testing.T) {
	for pages, want := range map[int64]int{-1: 0, 0: 0, 1: 0, 2: 1, 3: 2, 8: 3, 9: 4, 9e18: 63} {
		if got := order(pages); got != want {
			t.Errorf("%d pages are order %d, want %d", pages, got, want)
		}
	}
}
