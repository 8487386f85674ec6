package view

import "github.com/eptop/eptop/internal/model"

// ObjectsOnNode returns how many objects of a cache lie on a node. A node that is not
// listed has none.
func ObjectsOnNode(c *model.Cache, node int) int64 {
	for _, n := range c.Nodes {
		if n.Node == node {
			return n.Objects
		}
	}
	return 0
}
