package table

import (
	"cmp"
	"slices"
	"strconv"
	"testing"

	"github.com/eptop/eptop/internal/ui/cell"
)

// countdown is a list of whose rows the columns show the number itself and its square.
func countdown(n int) *List[int] {
	return &List[int]{
		Count: n, At: func(i int) int { return n - i },
		Fields: []Field[int]{
			{Column{Title: "N", Min: 4, Align: cell.Right}, func(r int) Cell { return Cell{Text: strconv.Itoa(r)} }, cmp.Compare[int]},
			{Column{Title: "MOD 7", Min: 5}, func(r int) Cell { return Cell{Text: strconv.Itoa(r % 7), Role: Muted} }, func(a, b int) int { return cmp.Compare(a%7, b%7) }},
		},
		KeyOf:  func(r int) Key { return Key{Num: [3]uint64{uint64(r)}} },
		Search: func(dst []byte, r int) []byte { return strconv.AppendInt(dst, int64(r), 10) },
	}
}

func TestList(t *testing.T) {
	l := countdown(20)
	m := New(Heads(l.Fields), NewKeys())
	m.SetSize(30, 25)
	m.SetSource(l)
	m.SetOrder(m.Named("N"), false)
	cells := make([]Cell, 2)
	if l.Row(3, cells); cells[0].Text != "17" || cells[1] != (Cell{Text: "3", Role: Muted}) {
		t.Errorf("row 3 is %+v", cells)
	}
	if row, ok := m.Row(); !ok || l.At(row) != 1 {
		t.Errorf("the cursor is on %d", l.At(row))
	}
	m.SetOrder(m.Named("MOD 7"), true)
	if row, _ := m.Row(); l.At(row)%7 == 0 && m.Len() != 20 {
		t.Errorf("row %d of %d", l.At(row), m.Len())
	}
	m.SetFilter("7")
	if m.Len() != 2 { // 7 and 17
		t.Errorf("%d rows have a 7", m.Len())
	}
	if l.Compare(1, 0, 1) >= 0 == (l.At(0)%7 < l.At(1)%7) {
		t.Error("MOD 7 does not order by the remainder")
	}
	if !slices.Equal(Heads(l.Fields), []Column{l.Fields[0].Column, l.Fields[1].Column}) {
		t.Error("the heads are not the fields' columns")
	}
}
