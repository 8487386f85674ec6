package view

import (
	"strings"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
)

// SourceOf returns the source with this name, and whether the snapshot has it.
func SourceOf(s *model.Snapshot, name string) (model.Source, bool) {
	for _, src := range s.Sources {
		if src.Name == name {
			return src, true
		}
	}
	return model.Source{}, false
}

// Absence says in a sentence why a source could not be read, and what would unlock it. It
// returns otherwise where the source was read.
func Absence(s *model.Snapshot, name, otherwise string) string {
	src, ok := SourceOf(s, name)
	if !ok || src.State == model.OK {
		return otherwise
	}
	var b strings.Builder
	switch src.State {
	case model.Denied:
		b.WriteString("Not permitted: ")
	case model.Absent:
		b.WriteString("Not here: ")
	default:
		b.WriteString("Could not be read: ")
	}
	if src.Detail == "" {
		b.WriteString(name)
	} else {
		b.WriteString(draw.Clean(src.Detail))
	}
	b.WriteString(".")
	if src.Remedy != "" {
		b.WriteString(" To see it: " + draw.Clean(src.Remedy))
	}
	return b.String()
}
