// Package ui is the interactive dashboard: one Bubble Tea model, the root, and a tab for
// each view. Each view is a package of its own.
//
// Size, theme and snapshots go to every view, keys and the mouse only to the one on
// screen. Nothing in Init, Update or View reads a file: only the function Options.Look
// reads from the machine, and it runs in a command.
package ui

import (
	"context"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/theme"
	"github.com/eptop/eptop/internal/ui/view"
)

// Focus says what a look must read in any case, such as the process on screen.
type Focus = model.Focus

// Options configure the dashboard.
type Options struct {
	// Look looks at the machine once. It runs in a goroutine of its own, and never
	// twice at the same time. If it returns a Snapshot and an error, both are shown.
	Look func(ctx context.Context, focus Focus) (*model.Snapshot, error)
	// Progress returns how far the look under way is, at once; nil where nobody knows.
	Progress func() model.Progress
	// Delay is the time between the end of a look and the next one.
	Delay time.Duration
	// PID is the process to show at first, or 0 for none.
	PID int
	// NoColor draws without colours, NoMouse leaves the mouse to the terminal.
	NoColor, NoMouse bool
	// Save writes a snapshot to a file and returns its path.
	Save func(*model.Snapshot) (path string, err error)
	// Version is eptop's own.
	Version string
	// Loader controls the load generator. It is nil where no load can be started.
	Loader view.Loader
	// Bench tries epoll's rules. It is nil where nothing can be started.
	Bench view.Bench
	// Load is how many connections to open at the start, or 0 for none.
	Load int64
}

// Model is the root: it routes messages to the views, looks at the machine,
// and draws what stands around the view. It is a tea.Model.
type Model struct {
	opts Options
	ctx  context.Context
	keys view.KeyMap
	tabs []tab

	views  []view.View // one for each of tabs
	active int
	before []int // the views Esc goes back to, the last one last

	w, h  int
	theme theme.Theme
	pens  *draw.Pens
	// theme was made for a terminal with this background and colour profile.
	dark    bool
	profile colorprofile.Profile

	snap *model.Snapshot
	// looking is the progress of the first look.
	looking string
	look    lookCycle
	ages    ageClock
	status  view.StatusMsg
	modal   view.Modal // it lies over the view; nil when nothing does

	pace *pace // nil outside Run

	interrupted bool // by the key Ctrl-C

	frame string // the last frame; empty when something changed since

	fault  *fault // while it is not nil, nothing but it is drawn
	faults []*fault
}

// New returns the dashboard. Its Init takes the first look.
func New(opts Options) *Model {
	m := &Model{opts: opts, ctx: context.Background(), keys: view.NewKeyMap(), dark: true, profile: colorprofile.TrueColor}
	m.look.after = timer
	m.ages.now, m.ages.after = time.Now, timer
	m.look.delay = min(max(opts.Delay, intervals[0]), intervals[len(intervals)-1])
	m.makeViews()
	if opts.PID != 0 {
		m.showProcess(opts.PID)
	}
	m.handOutLoader()
	m.handOutBench()
	return m
}

// makeViews makes all views. They have the least size until a larger one is known.
func (m *Model) makeViews() {
	m.tabs, m.views = nil, nil
	for _, t := range tabs() {
		m.tabs = append(m.tabs, t)
		m.views = append(m.views, t.make(m.keys))
	}
	m.repaint()
	m.layOut(max(m.w, leastWidth), max(m.h, leastHeight))
}

// Init asks for the terminal's background, if its colour matters, and takes the first
// look. Nothing waits for the answer.
func (m *Model) Init() tea.Cmd {
	if m.opts.NoColor {
		return guard(tea.Batch(m.startLook(false), m.armAges(progressEvery)))
	}
	return guard(tea.Batch(tea.RequestBackgroundColor, m.startLook(false), m.armAges(progressEvery)))
}

// Update routes one message. After a panic it handles only what leads out of that.
func (m *Model) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			m.fail(newFault(r))
		}
	}()
	m.frame = ""
	m.pace.follow(msg)
	if m.fault != nil {
		return m, guard(m.updateFault(msg))
	}
	return m, guard(m.update(msg))
}

// update routes one message. A key goes to what lies over the view, if anything does;
// otherwise the root handles the global keys, and the view all others.
func (m *Model) update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.repaint()
	case tea.ColorProfileMsg:
		m.profile = msg.Profile
		m.repaint()
	case lookedMsg:
		cmd = m.finishLook(msg)
	case dueMsg:
		cmd = m.takeDueLook(msg)
	case ageMsg:
		cmd = m.drawAges(msg)
	case *fault:
		m.fail(msg)
	case view.StatusMsg:
		m.status = msg
	case view.OverlayMsg:
		m.modal = view.NewOverlay(msg.Title, msg.Lines)
		if msg.Lines == nil {
			m.modal = view.NewOverlay(msg.Title, view.Paragraphs(msg.Text))
		}
	case view.OpenProcessMsg:
		cmd = m.openProcess(msg.PID)
		if msg.Sockets {
			m.showSockets(msg.Filter)
		}
	case view.OpenViewMsg:
		m.showTitled(msg.Title)
	case view.OpenLabMsg:
		m.showLab()
	case view.ThawMsg:
		if m.look.frozen {
			cmd = m.freeze()
		}
	case tea.KeyPressMsg:
		cmd = m.handleKey(msg)
	case tea.MouseMsg:
		cmd = m.handleMouse(msg)
	case tea.PasteMsg:
		cmd = m.handlePaste(msg)
	default:
		var cmds []tea.Cmd
		for _, v := range m.views {
			cmds = append(cmds, v.Update(msg))
		}
		cmd = tea.Batch(cmds...)
	}
	m.takeQuestion()
	return tea.Batch(cmd, m.collectWork(), m.poll())
}

// collectWork collects the background work of all views.
func (m *Model) collectWork() tea.Cmd {
	var cmds []tea.Cmd
	for _, v := range m.views {
		if c, ok := v.(view.BackgroundWorker); ok {
			cmds = append(cmds, c.Pending())
		}
	}
	return tea.Batch(cmds...)
}

// takeQuestion opens the question of the view on screen, if it has one.
func (m *Model) takeQuestion() {
	if a, ok := m.current().(view.Questioner); ok {
		if q := a.TakeQuestion(); q != nil {
			m.modal = q
		}
	}
}

// current returns the view on screen.
func (m *Model) current() view.View { return m.views[m.active] }

// handleKey routes a key.
func (m *Model) handleKey(msg tea.KeyPressMsg) tea.Cmd {
	if !m.tooSmall() {
		m.status = view.StatusMsg{}
	}
	switch {
	case isInterrupt(msg):
		return m.interrupt()
	case key.Matches(msg, m.keys.Suspend):
		return tea.Suspend
	case m.tooSmall(): // nobody sees what else a key would do
		if key.Matches(msg, m.keys.Quit) {
			return tea.Quit
		}
		return nil
	case m.modal != nil:
		return m.handleModalKey(msg)
	case m.isTyping() || m.overridesKey(msg):
		return m.current().Update(msg)
	}
	if cmd, ok := m.handleGlobalKey(msg); ok {
		return cmd
	}
	return m.current().Update(msg)
}

// isInterrupt reports whether a key is that which sends SIGINT elsewhere.
func isInterrupt(msg tea.KeyPressMsg) bool { return msg.String() == "ctrl+c" }

// interrupt ends the dashboard as that signal does: at once, whatever is on screen.
func (m *Model) interrupt() tea.Cmd {
	m.interrupted = true
	return tea.Quit
}

// isTyping reports whether text is being typed into the view on screen.
func (m *Model) isTyping() bool {
	c, ok := m.current().(view.TextInput)
	return ok && c.Capturing()
}

// overridesKey reports whether a key has another meaning in the view on screen than
// elsewhere.
func (m *Model) overridesKey(msg tea.KeyPressMsg) bool {
	c, ok := m.current().(view.KeyOverrider)
	return ok && c.OverridesKey(msg)
}

func (m *Model) handleModalKey(msg tea.KeyPressMsg) tea.Cmd {
	next, cmd, handled := m.modal.Pressed(msg, m.keys)
	m.modal = next
	if !handled && key.Matches(msg, m.keys.Quit) {
		return m.quit()
	}
	return cmd
}

func (m *Model) handlePaste(msg tea.PasteMsg) tea.Cmd {
	if m.tooSmall() {
		return nil
	}
	switch over := m.modal.(type) {
	case nil:
		return m.current().Update(msg)
	case *prompt:
		over.line.Update(msg)
	}
	return nil
}

// handleGlobalKey handles the keys that work in every view, and reports whether msg was
// one of them.
func (m *Model) handleGlobalKey(msg tea.KeyPressMsg) (tea.Cmd, bool) {
	k := m.keys
	switch {
	case key.Matches(msg, k.Quit):
		return m.quit(), true
	case key.Matches(msg, k.Help):
		m.modal = view.NewOverlay("Keys", m.help)
	case key.Matches(msg, k.Explain):
		title, text := m.current().Explain()
		m.modal = view.NewOverlay(title, view.Paragraphs(text))
	case key.Matches(msg, k.Next):
		m.show(m.beside(1))
	case key.Matches(msg, k.Prev):
		m.show(m.beside(-1))
	case key.Matches(msg, k.Back):
		m.goBack()
	case key.Matches(msg, k.Attach):
		m.modal = newPrompt()
	case key.Matches(msg, k.Freeze):
		return m.freeze(), true
	case key.Matches(msg, k.Faster):
		return m.stepInterval(-1), true
	case key.Matches(msg, k.Slower):
		return m.stepInterval(1), true
	case key.Matches(msg, k.Refresh):
		return m.refresh(), true
	case key.Matches(msg, k.Write):
		return m.write(), true
	case key.Matches(msg, k.Mark):
		m.setMark()
	default:
		return nil, m.jump(msg.String())
	}
	return nil, true
}

// jump shows the view whose tab has this key, and reports whether there is such a tab.
func (m *Model) jump(name string) bool {
	for i, t := range m.tabs {
		if t.key == name && name != "" {
			m.selectTab(i)
			return true
		}
	}
	return false
}

// selectTab shows the view of a tab. A view that is on screen already returns to its first
// page.
func (m *Model) selectTab(i int) {
	if s, ok := m.views[i].(view.HomeHandler); ok && i == m.active {
		s.GoHome()
	}
	m.show(i)
}

// show brings a view on screen, and remembers the one shown before for Esc.
func (m *Model) show(i int) {
	if i == m.active {
		return
	}
	m.before = append(m.before, m.active)
	if len(m.before) > 16 {
		m.before = m.before[1:]
	}
	m.active = i
}

// goBack closes what is open in the view, or returns to the view shown before.
func (m *Model) goBack() {
	if b, ok := m.current().(view.BackHandler); ok && b.Back() {
		return
	}
	if n := len(m.before); n > 0 {
		m.active, m.before = m.before[n-1], m.before[:n-1]
	}
}

// setMark gives the snapshot on screen to the views that compare with a mark.
func (m *Model) setMark() {
	if m.snap == nil {
		m.status = view.StatusMsg{Text: "nothing to mark yet", Bad: true}
		return
	}
	for _, v := range m.views {
		if k, ok := v.(view.Marker); ok {
			m.status = view.StatusMsg{Text: k.Mark(m.snap)}
		}
	}
}

// repaint makes the theme and gives it to the views.
func (m *Model) repaint() {
	switch {
	case m.opts.NoColor || m.profile <= colorprofile.ASCII:
		m.theme = theme.New(m.dark).Mono()
	case m.profile == colorprofile.ANSI:
		m.theme = theme.Sixteen(m.dark)
	default:
		m.theme = theme.New(m.dark)
	}
	m.pens = draw.NewPens(m.theme)
	for _, v := range m.views {
		v.SetTheme(m.theme)
	}
}
