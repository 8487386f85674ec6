package ui

import (
	"github.com/eptop/eptop/internal/ui/findings"
	"github.com/eptop/eptop/internal/ui/lab"
	"github.com/eptop/eptop/internal/ui/load"
	"github.com/eptop/eptop/internal/ui/nodes"
	"github.com/eptop/eptop/internal/ui/overview"
	"github.com/eptop/eptop/internal/ui/processes"
	"github.com/eptop/eptop/internal/ui/slab"
	"github.com/eptop/eptop/internal/ui/sockets"
	"github.com/eptop/eptop/internal/ui/view"
)

// tab is one entry of the tab line: the key that selects it, its title, and what makes its
// view.
type tab struct {
	key   string // "" is a page: only another view opens it, and its tab stands there meanwhile
	title string
	make  func(view.KeyMap) view.View
}

// tabs lists the tab line from left to right.
func tabs() []tab {
	return []tab{
		{key: "1", title: "Overview", make: overview.New},
		{key: "2", title: "Processes", make: processes.New},
		{key: "3", title: "Sockets", make: sockets.New},
		{key: "4", title: "Slab", make: slab.New},
		{key: "5", title: "Nodes", make: nodes.New},
		{key: "6", title: "Load", make: load.New},
		{key: "7", title: "Findings", make: findings.New},
		{title: "Lab", make: lab.New},
	}
}
