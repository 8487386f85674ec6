package ui

// tab is one entry of the tab line: the key that shows it, and its view.
type tab struct {
	key   string
	title string
	make  func(keyMap) view // nil: this version has no such view
}

// tabs lists the tab line from left to right. A view without a maker keeps
// its key: pressing it says that this version has no such view.
func tabs() []tab {
	return []tab{
		{key: "1", title: "Overview", make: newOverview},
		{key: "2", title: "Processes", make: newProcesses},
		{key: "3", title: "Sockets", make: newSockets},
		{key: "4", title: "Slab", make: newSlab},
		{key: "5", title: "Nodes", make: newNodes},
		{key: "6", title: "Load", make: newLoad},
		{key: "7", title: "Findings"},
	}
}
