package ui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// pace sets how often Bubble Tea's renderer wakes up to see whether there is a frame
// to draw: often while there is input, a few times a second at rest.
//
// The renderer wakes up for as long as the program runs, whether or not anything
// changes. At framesPerSecond that costs more of a core than all of eptop's looking,
// and at a rate that costs little a key shows too late. tea.WithFPS sets one rate for
// the whole run, and no message makes the renderer draw at once. Giving the terminal
// back and taking it again would change the rate, but it clears the screen, loses the
// input that was read so far, and may stop the renderer for good
// (github.com/charmbracelet/bubbletea/issues/1778). So pace takes the renderer's
// ticker out of the program, a field that is not exported.
//
// This file waits for Bubble Tea to wake up only when there is a frame to draw:
// github.com/charmbracelet/bubbletea/pull/1776 and pull/1796. With either of them,
// tea.WithFPS(framesPerSecond) does all that pace does.
type pace struct {
	program *tea.Program
	ticker  *time.Ticker // nil until the program runs, and where it is not found
	rest    *time.Timer  // runs until there was no input for a while

	mu    sync.Mutex
	input time.Time // the last one
	slow  bool
}

const (
	// framesPerSecond is the pace while there is input: a key shows on the next
	// frame, within 11 ms. It is the pace at all times where the ticker is not found.
	framesPerSecond = 90

	fastFrame = time.Second / framesPerSecond
	slowFrame = time.Second / 4
	// settle is how long after the last input the pace stays fast.
	settle = 2 * time.Second
)

// follow adapts the pace to a message that came in. Outside Run, pace is nil.
func (p *pace) follow(msg tea.Msg) {
	if p == nil {
		return
	}
	switch msg.(type) {
	case tea.KeyMsg, tea.MouseMsg, tea.PasteMsg, tea.WindowSizeMsg:
	case tea.ResumeMsg: // Bubble Tea has set its own pace: slow is never left wrong
	default:
		return
	}
	if p.ticker == nil {
		if p.ticker = findTicker(p.program); p.ticker == nil {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.input = time.Now()
	if p.slow {
		p.slow = false
		p.ticker.Reset(fastFrame)
	}
	if p.rest == nil {
		p.rest = time.AfterFunc(settle, p.slowDown)
	} else {
		p.rest.Reset(settle)
	}
}

// slowDown sets the pace at rest, unless there was input since the timer ran out.
func (p *pace) slowDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.input) >= settle {
		p.slow = true
		p.ticker.Reset(slowFrame)
	}
}

// findTicker returns the ticker of a program's renderer. It is nil before the program
// runs, and in a Bubble Tea that keeps it elsewhere.
func findTicker(p *tea.Program) *time.Ticker {
	field := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return (*time.Ticker)(field.UnsafePointer())
}
