// Package view is what the views of the dashboard share: the View interface and the
// optional ones beside it, the messages a view may send to the root, keys, cards with
// a cursor, and the cells and words that more than one view writes.
//
// It knows no view and not the root.
package view

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
)

// View is what stands under one tab.
//
// Update gets keys and the mouse only while the view is on screen and no
// overlay is open; every other message (the result of a view's own command)
// goes to all views. Mouse messages carry coordinates local to the view: its
// first cell is 0,0.
type View interface {
	Title() string
	SetTheme(theme.Theme)
	SetSize(w, h int)
	// SetSnapshot hands over the latest look. The snapshot never changes, so
	// a view keeps the pointer.
	SetSnapshot(*model.Snapshot)
	Update(tea.Msg) tea.Cmd
	// View draws exactly h lines of at most w cells.
	View() string
	// Keys are the keys that do something here, the important ones first: the
	// status line shows as many as fit, the help all of them.
	Keys() []key.Binding
	// Explain tells about the number or column under the cursor: where it is
	// from and what it does not count.
	Explain() (title, text string)
}

// What follows is optional: the root asks whether a view implements it.

// Capturer is a view that is being typed into (a filter): while Capturing it
// gets every key before the global ones, except Ctrl-C and Ctrl-Z.
type Capturer interface{ Capturing() bool }

// Backer is a view with something to close or to step out of. Back is called
// for Esc and reports whether there was something; else the root goes back to
// the view before.
type Backer interface{ Back() bool }

// Stepper is a view with something to step into. Outside steps out of all of it:
// the key and the tab of the view on screen do that.
type Stepper interface{ Outside() }

// Marker is a view that compares with a remembered moment: `m` calls Mark
// with the snapshot on screen, and the returned line goes to the status line.
type Marker interface {
	Mark(*model.Snapshot) string
}

// Teller is a view with a word for the right end of the status line: the row
// of how many, a filter in force, sorting under way.
type Teller interface{ Tell() string }

// Commander is a view that has work to start outside Update: after every
// SetSnapshot, SetSize and Update the root collects Pending, which is nil most
// of the time.
type Commander interface{ Pending() tea.Cmd }

// Cacher is a view that shows slab caches: while it is on screen, looks are asked
// for more of those that Caches names.
type Cacher interface{ Caches() []string }

// Claimer is a view in which a key means something else than everywhere: where Claims
// says so it goes to the view.
type Claimer interface{ Claims(tea.KeyPressMsg) bool }

// Asker is a view with a question. After every Update the root takes it and puts it
// over the view, so that the next key is an answer already.
type Asker interface{ Question() *Question }

// Poller is a view that changes between two looks: what Poll returns, if it is not
// nil, is run after pollEvery. It is asked after every Update while it is on screen
// and nothing is frozen.
type Poller interface{ Poll() tea.Cmd }

// What a view may ask the root for, by returning a command that yields one of
// these messages (see ask).
type (
	// OpenProcessMsg shows the Process view of one process.
	OpenProcessMsg struct{ PID int }
	// StatusMsg shows a line in the status line until the next key.
	StatusMsg struct {
		Text string
		Bad  bool
	}
	// OverlayMsg opens a box of text over the view; Esc closes it. Lines, where there
	// are some, are drawn in place of Text, for an inner width, with every frame: they
	// may follow the looks.
	OverlayMsg struct {
		Title, Text string
		Lines       func(p *draw.Pens, w int) []string
	}
	// ThawMsg ends the freezing of the screen: something was started on it.
	ThawMsg struct{}
)

// Ask is a command that does nothing but hand msg to the root.
func Ask(msg tea.Msg) tea.Cmd { return func() tea.Msg { return msg } }

// Driver is the view that drives the load generator.
type Driver interface {
	// Drive hands the generator over; n connections are opened at once, 0 for none.
	Drive(l Loader, n int64)
	// Open is how many connections there are, which would end with eptop.
	Open() int64
}

// Attacher is the view that shows one process.
type Attacher interface {
	// Attach shows a process; passing: Esc goes back to the view before
	// instead of the list. Attached is its PID, or 0.
	Attach(pid int, passing bool)
	Attached() int
	// Answered is called before SetSnapshot with the PID that was looked at.
	Answered(pid int)
}
