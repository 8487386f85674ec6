package model

import "github.com/eptop/eptop/internal/units"

// Progress is how far a look under way is.
type Progress struct {
	// Doing is what it reads now, "files" or "sockets"; empty while no look is under way.
	Doing string
	// Listed of the Processes have had their files listed by it, Files in all.
	Listed, Processes, Files int64
}

func (p Progress) String() string {
	switch {
	case p.Doing == "":
		return ""
	case p.Doing == "files" && p.Processes > 0:
		return "listed " + units.Count(p.Listed) + " of " + units.Many(p.Processes, "process") + ", " + units.Many(p.Files, "file")
	}
	return "reading " + p.Doing
}
