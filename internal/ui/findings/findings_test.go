package findings

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/ui/viewtest"
)

func TestView(t *testing.T) { viewtest.Maker(New).Check(t, "findings") }

// messages runs a command, and those that it is made of.
func messages(cmd tea.Cmd) []tea.Msg {
	if cmd == nil {
		return nil
	}
	msg := cmd()
	batch, ok := msg.(tea.BatchMsg)
	if !ok {
		return []tea.Msg{msg}
	}
	var out []tea.Msg
	for _, c := range batch {
		out = append(out, messages(c)...)
	}
	return out
}

func TestEnterGoesToTheProcessAndYCopiesTheEvidence(t *testing.T) {
	s := viewtest.Faulty()
	v := viewtest.Maker(New).Show(s, 120, 37)
	v.Update(viewtest.Press("down"))
	if got := messages(v.Update(viewtest.Press("enter"))); len(got) != 1 || got[0] != (view.OpenProcessMsg{PID: 7424}) {
		t.Errorf("Enter on the second row sends %+v", got)
	}
	copied, told := false, false
	for _, msg := range messages(v.Update(viewtest.Press("y"))) {
		copied = copied || fmt.Sprint(msg) == s.Findings[1].Evidence
		if status, ok := msg.(view.StatusMsg); ok {
			told = strings.Contains(status.Text, "EP101")
		}
	}
	if !copied || !told {
		t.Errorf("y copied: %v, said so: %v", copied, told)
	}
	title, text := v.Explain()
	for _, want := range []string{"Why it matters", "false alarm", "Cure", "worker[7003]"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is explained without %q:\n%s", title, want, text)
		}
	}
	// What is not known is no finding.
	v.Update(viewtest.Press("G"))
	if got := messages(v.Update(viewtest.Press("y"))); len(got) != 1 || !got[0].(view.StatusMsg).Bad {
		t.Errorf("y on a rule that was not judged sends %+v", got)
	}
}

func TestBadgeCountsWarnings(t *testing.T) {
	if n := viewtest.Maker(New).Show(viewtest.Faulty(), 120, 37).(*View).Badge(); n != 3 {
		t.Errorf("the tab shows %d, want 3: the critical one and two warnings", n)
	}
}

func TestNothingFoundSaysWhatWasLookedAt(t *testing.T) {
	s := viewtest.Faulty()
	s.Findings, s.FindingsEnded = nil, nil
	screen := ansi.Strip(viewtest.Maker(New).Show(s, 120, 37).View())
	for _, want := range []string{"nothing found", "sockets", fmt.Sprintf("of %d rules judged", len(model.Rules())), "et-not-drained", "BPF alone"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen does not say %q:\n%s", want, screen)
		}
	}
}
