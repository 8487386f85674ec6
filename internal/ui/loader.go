package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// handOutLoader gives the load generator to the view that controls it.
func (m *Model) handOutLoader() {
	for i, v := range m.views {
		d, ok := v.(view.LoadDriver)
		if !ok || m.opts.Loader == nil {
			continue
		}
		d.SetLoader(m.opts.Loader, m.opts.Load)
		if m.opts.Load > 0 {
			m.show(i)
		}
	}
}

// openConnections returns how many connections of eptop's own load are open.
func (m *Model) openConnections() int64 {
	for _, v := range m.views {
		if d, ok := v.(view.LoadDriver); ok {
			return d.OpenConnections()
		}
	}
	return 0
}

// needsLimits reports whether the next look must read the limits of a load. The first look
// reads them too, so that the view knows them when it comes on screen.
func (m *Model) needsLimits() bool {
	_, ok := m.current().(view.LoadDriver)
	return ok || m.snap == nil
}

// quit ends the dashboard. If that closes connections, it asks first.
func (m *Model) quit() tea.Cmd {
	open := m.openConnections()
	if open == 0 || m.tooSmall() {
		return tea.Quit
	}
	m.modal = view.NewQuestion("Quit", fmt.Sprintf("Close %s and quit?\n\nWorker processes of eptop hold them, and close them when it ends. "+
		"You can look at other views without quitting: the load continues.", units.Many(open, "connection")), tea.Quit)
	return nil
}

// pollEvery is the time between two reads of a load that changes.
const pollEvery = 200 * time.Millisecond

// poll reads what the view on screen needs before the next look.
func (m *Model) poll() tea.Cmd {
	p, ok := m.current().(view.Poller)
	if !ok || m.look.frozen {
		return nil
	}
	read := p.Poll()
	if read == nil {
		return nil
	}
	ctx, after := m.ctx, m.look.after
	return func() tea.Msg {
		end, stop := after(pollEvery)
		defer stop()
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return read()
		}
	}
}
