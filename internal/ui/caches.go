package ui

import "github.com/eptop/eptop/internal/model"

// objectsOf is how many objects of a cache a node holds. A node that is not listed
// has none.
func objectsOf(c *model.Cache, node int) int64 {
	for _, n := range c.Nodes {
		if n.Node == node {
			return n.Objects
		}
	}
	return 0
}
