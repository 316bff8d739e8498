//go:build !failpoint

package failpoint_test

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/failpoint"
)

func TestNothingHappensWithoutTheTag(t *testing.T) {
	t.Setenv("REDRIVE_FAILPOINT", "here")
	failpoint.Hit("here")
	if failpoint.Enabled {
		t.Error("failpoints are built in")
	}
	if n := testing.AllocsPerRun(100, func() { failpoint.Hit("here", "a", "b") }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}
