package view

import "github.com/eptop/eptop/internal/model"

// ObjectsOnNode is how many objects of a cache a node holds. A node that is not listed
// has none.
func ObjectsOnNode(c *model.Cache, node int) int64 {
	for _, n := range c.Nodes {
		if n.Node == node {
			return n.Objects
		}
	}
	return 0
}
