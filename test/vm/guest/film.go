package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/creack/pty"
)

// film runs the dashboard in a terminal, goes to its Nodes view, waits for a pattern
// that shows that the view is complete, and adds what the dashboard wrote: a terminal
// of filmSize that gets it shows the view.
func film(out *results, command, complete string) error {
	args := strings.Fields(command)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: filmSize.Cols - 1, Rows: filmSize.Rows})
	if err != nil {
		return err
	}
	c := &camera{more: make(chan []byte)}
	go c.read(terminal)
	err = c.shoot(terminal, regexp.MustCompile(complete))
	if err != nil {
		// Nothing has made it quit.
		err = errors.Join(err, cmd.Process.Kill())
		c.drain()
	}
	out.add("dashboard", c.picture())
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return fmt.Errorf("dashboard: %w", err)
	}
	return nil
}

// patience bounds each step of the film; together the steps take less time than the
// guest may.
const patience = 25 * time.Second

var filmSize = &pty.Winsize{Cols: 160, Rows: 50}

// camera keeps what a terminal received.
type camera struct {
	more chan []byte
	seen bytes.Buffer
	from int // what is before was waited for
}

// read ends when the dashboard does: reading fails then.
func (c *camera) read(terminal *os.File) {
	defer close(c.more)
	for {
		buf := make([]byte, 1<<14)
		n, err := terminal.Read(buf)
		if err != nil {
			return
		}
		c.more <- buf[:n]
	}
}

// drain keeps the rest of the output, until the dashboard has ended.
func (c *camera) drain() {
	for b := range c.more {
		c.seen.Write(b)
	}
}

// shoot goes to the Nodes view, changes the size of the terminal so that the whole
// view is drawn, and quits.
func (c *camera) shoot(terminal *os.File, nodes *regexp.Regexp) error {
	if err := c.await("the first look", regexp.MustCompile(`Watches|watches`)); err != nil {
		return err
	}
	if _, err := terminal.WriteString("5"); err != nil {
		return err
	}
	if err := c.await("the Nodes view", nodes); err != nil {
		return err
	}
	if err := pty.Setsize(terminal, filmSize); err != nil {
		return err
	}
	if err := c.await("the Nodes view, larger", nodes); err != nil {
		return err
	}
	if _, err := terminal.WriteString("q"); err != nil {
		return err
	}
	return c.await("the end", nil)
}

// picture returns all that was written before the dashboard restored the screen.
func (c *camera) picture() []byte {
	leaveScreen := []byte("\x1b[?1049l")
	picture, _, _ := bytes.Cut(c.seen.Bytes(), leaveScreen)
	return picture
}

// await waits for a pattern in what came since the last match, or for the end where
// the pattern is nil.
func (c *camera) await(what string, pattern *regexp.Regexp) error {
	late := time.After(patience)
	for {
		if pattern != nil {
			if at := pattern.FindIndex(c.seen.Bytes()[c.from:]); at != nil {
				c.from += at[1]
				return nil
			}
		}
		select {
		case b, ok := <-c.more:
			if !ok && pattern == nil {
				return nil
			}
			if !ok {
				return fmt.Errorf("it ended before %s", what)
			}
			c.seen.Write(b)
		case <-late:
			return fmt.Errorf("waited %v for %s", patience, what)
		}
	}
}
