package model

import (
	"strconv"

	"github.com/eptop/eptop/internal/fdinfo"
)

// NewTarget is a watch as programs read it.
func NewTarget(w fdinfo.Watch) Target {
	t := Target{
		FD: int(w.TFD), Events: w.Mask.Events(), Mask: uint32(w.Mask),
		Data: "0x" + strconv.FormatUint(w.Data, 16), Notes: Notes(w),
	}
	if w.Kind != fdinfo.KindUnknown {
		t.Kind = w.Kind.String()
	}
	if w.HasInode {
		t.Ino, t.Sdev = Some(w.Ino), Some(w.Sdev)
	}
	return t
}

// Notes are what is remarkable about a watch: stale, unproven, disarmed.
func Notes(w fdinfo.Watch) []string {
	var notes []string
	switch w.Link {
	case fdinfo.Stale:
		notes = append(notes, "stale")
	case fdinfo.Unproven:
		notes = append(notes, "unproven")
	}
	if w.Mask.Disarmed() {
		notes = append(notes, "disarmed")
	}
	return notes
}
