package view

// Area is a rectangle of the screen, in cells.
type Area struct{ X, Y, W, H int }

// Holds reports whether a cell lies in the area.
func (a Area) Holds(x, y int) bool { return x >= a.X && x < a.X+a.W && y >= a.Y && y < a.Y+a.H }
