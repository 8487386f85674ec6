package view

import "github.com/eptop/eptop/internal/model"

// ObjectsOf is how many objects of a cache a node holds. A node that is not listed
// has none.
func ObjectsOf(c *model.Cache, node int) int64 {
	for _, n := range c.Nodes {
		if n.Node == node {
			return n.Objects
		}
	}
	return 0
}
