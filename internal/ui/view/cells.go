package view

import (
	"github.com/eptop/eptop/internal/maybe"
	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/table"
	"github.com/eptop/eptop/internal/units"
)

// CountOrDash writes a count, or a dash where it is absent.
func CountOrDash(m maybe.Of[int64]) string {
	if n, ok := m.Get(); ok {
		return units.Count(n)
	}
	return "–"
}

// BytesOrDash writes bytes, or a dash where they are absent.
func BytesOrDash(m maybe.Of[int64]) string {
	if b, ok := m.Get(); ok {
		return units.Bytes(b)
	}
	return "–"
}

// MaybeBytes returns a table cell with bytes, or a muted dash where they are absent.
func MaybeBytes(m maybe.Of[int64], role table.Role) table.Cell {
	n, ok := m.Get()
	switch {
	case !ok:
		return table.Cell{Text: "–", Role: table.Muted}
	case n == 0:
		return table.Cell{Text: "0 B", Role: table.Muted}
	}
	return table.Cell{Text: units.Bytes(n), Role: role}
}

// QuietZero returns a table cell with a number. 0 is muted, so that the others stand out.
func QuietZero(n int64, role table.Role) table.Cell {
	if n == 0 {
		return table.Cell{Text: "0", Role: table.Muted}
	}
	return table.Cell{Text: units.Count(n), Role: role}
}

// LimitRole returns the role of a table cell for a share of a limit, like LimitPen.
func LimitRole(share float64) table.Role {
	switch model.LevelOf(share) {
	case model.LevelCritical:
		return table.Crit
	case model.LevelNear:
		return table.Warn
	}
	return table.Plain
}
