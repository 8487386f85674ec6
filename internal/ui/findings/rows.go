package findings

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/cell"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/ui/view"
	"github.com/eptop/eptop/internal/units"
)

// row is a finding, or a rule that could not be judged.
type row struct {
	finding  *model.Finding
	unjudged *model.Unjudged
	at       time.Time // of the look
}

// rowsOf are the findings, then those that have ended, then what is not known.
func rowsOf(s *model.Snapshot) table.Source {
	rows := make([]*row, 0, len(s.Findings)+len(s.FindingsEnded)+len(s.FindingsUnjudged))
	for i := range s.Findings {
		rows = append(rows, &row{finding: &s.Findings[i], at: s.Time})
	}
	for i := range s.FindingsEnded {
		rows = append(rows, &row{finding: &s.FindingsEnded[i], at: s.Time})
	}
	for i := range s.FindingsUnjudged {
		rows = append(rows, &row{unjudged: &s.FindingsUnjudged[i], at: s.Time})
	}
	return &table.List[*row]{
		Fields: fields, Count: len(rows), At: func(i int) *row { return rows[i] },
		KeyOf: func(r *row) table.Key { return r.key() },
		Search: func(dst []byte, r *row) []byte {
			return append(dst, strings.Join([]string{r.title(), r.place(), r.text(), r.rule()}, " ")...)
		},
	}
}

func (r *row) key() table.Key {
	f := r.finding
	if f == nil {
		return table.Key{Text: "unjudged " + r.unjudged.Rule}
	}
	k := table.Key{Text: f.Rule + " " + f.Socket}
	k.Num[0], k.Num[1] = uint64(f.PID), uint64(f.EpollFD.Value)
	if f.Ended.Known {
		k.Num[2] = uint64(f.Since.UnixNano())
	}
	return k
}

func (r *row) ended() bool { return r.finding != nil && r.finding.Ended.Known }

func (r *row) rule() string {
	if r.finding != nil {
		return r.finding.ID + " " + r.finding.Rule
	}
	return r.unjudged.ID + " " + r.unjudged.Rule
}

func (r *row) title() string {
	if r.finding != nil {
		return r.finding.Title()
	}
	return r.unjudged.Rule
}

func (r *row) place() string {
	if r.finding != nil {
		return cell.Clean(r.finding.Place())
	}
	return ""
}

func (r *row) text() string {
	if r.finding != nil {
		return cell.Clean(r.finding.Text)
	}
	return "not judged: " + cell.Clean(r.unjudged.Why)
}

// severity is the mark with its word, so that colour is not the only sign.
func (r *row) severity() table.Cell {
	switch {
	case r.finding == nil:
		return table.Cell{Text: "? unknown", Role: table.Muted}
	case r.ended():
		return table.Cell{Text: "  ended", Role: table.Muted}
	}
	switch r.finding.Severity {
	case model.SeverityCritical:
		return table.Cell{Text: "✗ critical", Role: table.Crit}
	case model.SeverityWarn:
		return table.Cell{Text: "! warning", Role: table.Warn}
	}
	return table.Cell{Text: "i info", Role: table.Plain}
}

func (r *row) rank() int {
	if r.finding == nil || r.ended() {
		return 0
	}
	return r.finding.Severity.Rank()
}

func (r *row) held() time.Duration {
	if r.finding == nil {
		return 0
	}
	return r.finding.Held(r.at)
}

func (r *row) heldCell() table.Cell {
	if r.finding == nil {
		return table.Cell{}
	}
	return table.Cell{Text: units.Duration(r.held().Round(time.Second)), Role: r.role(table.Plain)}
}

// role is muted for what does not hold.
func (r *row) role(usual table.Role) table.Role {
	if r.finding == nil || r.ended() {
		return table.Muted
	}
	return usual
}

// open goes to the place.
func (r *row) open() tea.Cmd {
	if r.finding != nil && r.finding.PID != 0 && !r.ended() {
		return view.Send(view.OpenProcessMsg{PID: r.finding.PID})
	}
	title, text := r.explain()
	return view.Send(view.OverlayMsg{Title: title, Text: text})
}

// explain says why a finding matters, how it could be wrong, and what helps.
func (r *row) explain() (title, text string) {
	if r.finding == nil {
		rule, _ := model.RuleNamed(r.unjudged.Rule)
		return rule.ID + " " + rule.Name, fmt.Sprintf("Not judged: %s. The fault may be there.\n\nWhat it would find: %s\n\nWhy it matters: %s", r.unjudged.Why, rule.What, rule.Why)
	}
	f := r.finding
	rule, _ := model.RuleNamed(f.Rule)
	sure := "The kernel says so: certain."
	if !f.Certain {
		sure = "It follows from what several looks saw: likely."
	}
	return f.ID + " " + f.Rule, fmt.Sprintf("%s\n\nWhat it finds: %s\n\nWhy it matters: %s\n\nHow it could be a false alarm: %s %s\n\nCure: %s\n\nEvidence, y copies it: %s",
		strings.TrimSpace(f.Place()+": "+f.Text), rule.What, f.Why, sure, f.FalseAlarm, f.Cure, f.Evidence)
}

func by[T cmp.Ordered](value func(*row) T) func(a, b *row) int {
	return func(a, b *row) int { return cmp.Compare(value(a), value(b)) }
}

// fields are the columns.
var fields = []table.Field[*row]{
	{
		Column: table.Column{Title: "SEVERITY", Min: 10, Falling: true,
			Explain: "critical: connections are lost, or a server stands. warning: it costs something now or soon. info: remarkable, and may be wanted. unknown: a rule that could not be judged, whose fault may be there."},
		Show: (*row).severity, Compare: by((*row).rank),
	},
	{
		Column:  table.Column{Title: "FINDING", Min: 16, Max: 26, Weight: 1, Explain: "What is wrong, in the words of the rule. e explains it."},
		Show:    func(r *row) table.Cell { return table.Cell{Text: r.title(), Role: r.role(table.Strong)} },
		Compare: by((*row).title),
	},
	{
		Column:  table.Column{Title: "WHERE", Min: 18, Max: 44, Weight: 3, Rank: 1, Explain: "The process, socket or limit. Enter goes to the process."},
		Show:    func(r *row) table.Cell { return table.Cell{Text: r.place(), Role: r.role(table.Plain)} },
		Compare: by((*row).place),
	},
	{
		Column:  table.Column{Title: "WHAT", Min: 20, Weight: 5, Rank: 2, Explain: "What the last look saw."},
		Show:    func(r *row) table.Cell { return table.Cell{Text: r.text(), Role: r.role(table.Plain)} },
		Compare: by((*row).text),
	},
	{
		Column: table.Column{Title: "FOR", Min: 7, Align: cell.Right, Rank: 3, Falling: true,
			Explain: "How long it has been seen without a gap. eptop does not know what was before its first look."},
		Show: (*row).heldCell, Compare: by((*row).held),
	},
}
