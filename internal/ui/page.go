package ui

import "github.com/eptop/eptop/internal/ui/view"

// label is what the tab line writes.
func (t tab) label() string {
	if t.key == "" {
		return t.title
	}
	return t.key + " " + t.title
}

// hasTab reports whether a view stands in the tab line now.
func (m *Model) hasTab(i int) bool { return m.tabs[i].key != "" || i == m.active }

// beside returns the next or the last view before, over those that stand in the tab line.
func (m *Model) beside(step int) int {
	i := m.active
	for {
		i = (i + step + len(m.views)) % len(m.views)
		if m.hasTab(i) {
			return i
		}
	}
}

// showLab brings the experiments on screen.
func (m *Model) showLab() {
	for i, v := range m.views {
		if _, ok := v.(view.BenchUser); ok {
			m.show(i)
		}
	}
}

// handOutBench gives what runs experiments to the view that tries them.
func (m *Model) handOutBench() {
	for _, v := range m.views {
		if u, ok := v.(view.BenchUser); ok && m.opts.Bench != nil {
			u.SetBench(m.opts.Bench)
		}
	}
}
