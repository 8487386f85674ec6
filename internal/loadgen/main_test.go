package loadgen

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	RunIfWorker()
	os.Exit(m.Run())
}
