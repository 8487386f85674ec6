package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/eptop/eptop/internal/model"
)

// TestStateOfSeveral: a source is as bad as the worst of its files.
func TestStateOfSeveral(t *testing.T) {
	absent := fmt.Errorf("open x: %w", fs.ErrNotExist)
	denied := fmt.Errorf("open y: %w", fs.ErrPermission)
	failed := errors.New("y line 3: malformed")
	ended := fmt.Errorf("%w (%w)", fs.ErrNotExist, errors.New("no such process"))
	for _, tt := range []struct {
		errs []error
		want model.State
	}{
		{nil, model.OK}, {[]error{nil, nil}, model.OK}, {[]error{absent, nil, absent}, model.Absent}, {[]error{absent, denied}, model.Denied},
		{[]error{denied, failed, absent}, model.Failed}, {[]error{ended, absent}, model.Absent}, {[]error{fmt.Errorf("nodes: %w", joined(failed, absent))}, model.Failed},
	} {
		if got := stateOf(joined(tt.errs...)); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.errs, got, tt.want)
		}
	}
}
