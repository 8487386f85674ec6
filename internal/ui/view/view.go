// Package view holds what the views of the dashboard share: the View interface and the
// optional interfaces, the messages that a view may send to the root, keys, cards with a
// cursor, and the cells and words that more than one view writes.
//
// It imports neither a view nor the root.
package view

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/theme"
)

// View is what one tab shows.
//
// Update receives keys and the mouse only while the view is on screen and nothing lies
// over it. Every other message, such as the result of a view's own command, goes to all
// views. In mouse messages 0,0 is the first cell of the view.
type View interface {
	Title() string
	SetTheme(theme.Theme)
	SetSize(w, h int)
	// SetSnapshot gives the view the result of the latest look. A snapshot never
	// changes, so a view may keep the pointer.
	SetSnapshot(*model.Snapshot)
	Update(tea.Msg) tea.Cmd
	// View draws exactly h lines of at most w cells. It is not called before the first
	// snapshot: until then the root draws that eptop is looking.
	View() string
	// Keys are the keys that do something here, the important ones first: the
	// status line shows as many as fit, the help all of them.
	Keys() []key.Binding
	// Explain describes the number or column under the cursor: where it comes from
	// and what it does not count.
	Explain() (title, text string)
}

// The interfaces below are optional. The root checks which of them a view implements;
// a view's package states it with `var _` beside the view's type.

// TextInput is implemented by a view that text is typed into, such as a filter.
//
// The root calls Capturing before it handles a key. While it reports true, the view
// gets every key except Ctrl-C and Ctrl-Z.
type TextInput interface{ Capturing() bool }

// KeyOverrider is implemented by a view in which a global key has a meaning of its own.
//
// The root calls OverridesKey before it handles a key, and when it lists the global
// keys in the help. A key for which it reports true goes to the view.
type KeyOverrider interface{ OverridesKey(tea.KeyPressMsg) bool }

// BackHandler is implemented by a view that has something to close or to step out of.
//
// The root calls Back for Esc. Where it reports false, nothing was open, and the root
// returns to the view shown before.
type BackHandler interface{ Back() bool }

// HomeHandler is implemented by a view that shows details on pages of their own.
//
// The root calls GoHome when the key or the tab of the view on screen is used again:
// the view then returns to its first page.
type HomeHandler interface{ GoHome() }

// Marker is implemented by a view that compares the present with a remembered moment.
//
// The root calls Mark for the key m, with the snapshot on screen. The line that it
// returns is shown in the status line.
type Marker interface {
	Mark(*model.Snapshot) string
}

// StatusReporter is implemented by a view that has something to say at the right end
// of the status line: the number of the row and of all rows, or that it is sorting.
//
// The root calls Status with every frame in which the view is on screen.
type StatusReporter interface{ Status() string }

// BackgroundWorker is implemented by a view that starts work outside Update, such as
// sorting a new snapshot.
//
// The root calls Pending after every message, of all views, and runs the command that
// it returns. The command is nil where there is nothing to do.
type BackgroundWorker interface{ Pending() tea.Cmd }

// Badger is implemented by a view whose tab shows a number.
//
// The root calls Badge with every frame. 0 shows nothing.
type Badger interface{ Badge() int }

// CacheRequester is implemented by a view that shows details of slab caches which a
// look does not read for all of them.
//
// The root calls Caches before each look while the view is on screen: the look then
// reads the details of the caches with these names.
type CacheRequester interface{ Caches() []string }

// Questioner is implemented by a view that asks the user to confirm something.
//
// The root calls TakeQuestion after every message while the view is on screen, and
// opens the question over the view, so that the next key answers it. The view returns
// each question once, and nil where it has none.
type Questioner interface{ TakeQuestion() *Question }

// Poller is implemented by a view that shows something which changes between two looks.
//
// The root calls Poll after every message while the view is on screen and not frozen.
// It runs the command that Poll returns, if that is not nil, after a short wait.
type Poller interface{ Poll() tea.Cmd }

// LoadDriver is implemented by the view that starts and changes the load of idle
// connections.
type LoadDriver interface {
	// SetLoader is called once, before the first look. The view opens n connections
	// as soon as it can; with 0 it waits for the user.
	SetLoader(l Loader, n int64)
	// OpenConnections returns how many connections are open, which would end with
	// eptop. The root calls it for the first line and before it quits.
	OpenConnections() int64
}

// ProcessShower is implemented by the view that shows one process.
type ProcessShower interface {
	// ShowProcess opens the process with this PID. The root calls it for --pid, for a
	// PID that the user typed, and for an OpenProcessMsg. Where passing is true, Esc
	// returns to the view shown before and not to the list of processes.
	ShowProcess(pid int, passing bool)
	// ShownPID returns the PID of the process that is open, or 0. The root calls it
	// before each look, so that the look reads this process in any case.
	ShownPID() int
	// NoteLook is called before SetSnapshot with the PID that the look was asked for.
	NoteLook(pid int)
}

// ColumnLister is implemented by a view with tables.
//
// The man page is made from what Columns returns.
type ColumnLister interface{ Columns() []ColumnList }

// ColumnList is the columns of one table.
type ColumnList struct {
	Title   string
	Columns []table.Column
}

// SocketShower is implemented by the view that shows one process, where it can show the
// process's sockets. The root calls ShowSockets after ShowProcess.
type SocketShower interface{ ShowSockets(filter string) }

// A view sends one of these messages to the root by returning the command that Send
// makes of it.
type (
	// OpenProcessMsg opens one process in the Processes view: with Sockets all of its
	// sockets, of those the ones that pass Filter.
	OpenProcessMsg struct {
		PID     int
		Sockets bool
		Filter  string
	}
	// OpenViewMsg shows the view with this title.
	OpenViewMsg struct{ Title string }
	// StatusMsg shows Text in the status line until the next key; Bad marks it as an
	// error.
	StatusMsg struct {
		Text string
		Bad  bool
	}
	// OverlayMsg opens a box of text over the view; Esc closes it. Lines, where it is
	// not nil, replaces Text: it is called with every frame, with the width inside the
	// box, so that its text can change with the looks.
	OverlayMsg struct {
		Title, Text string
		Lines       func(p *draw.Pens, w int) []string
	}
	// ThawMsg ends a freeze, because the user started something whose progress the
	// screen must show.
	ThawMsg struct{}
)

// Send returns a command that hands msg to the root and does nothing else.
func Send(msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }
