package nodes

import (
	"slices"

	"github.com/eptop/eptop/internal/model"
	"github.com/eptop/eptop/internal/ui/draw"
	"github.com/eptop/eptop/internal/ui/view"
)

// words say what the numbers of the nodes mean, and how to see more.
func (v *View) words() []string {
	s := v.snap
	words := slices.Clone(s.NodeNotes)
	for i := range words {
		words[i] = draw.Clean(words[i]) // zones have the kernel's own names
	}
	if src, ok := view.SourceOf(s, "nodes"); ok && src.State == model.Failed {
		words = append(words, view.Absence(s, "nodes", ""))
	}
	if len(s.Nodes) > 1 && v.placedProcess() == nil {
		words = append(words, "Open a process (p) to see on which nodes it runs and where its memory is.")
	}
	return words
}
