//go:build failpoint

package failpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/pkg/failpoint"
)

// The test runs itself as the process that is to die.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	for range 3 {
		failpoint.Hit("put", "b", "a", "b")
		fmt.Println("put")
		failpoint.Hit("ack")
		fmt.Println("ack")
	}
}

func TestTheProcessDiesAtTheChosenHit(t *testing.T) {
	for _, tc := range []struct {
		point, want, log string
		killed           bool
	}{
		{"", "put ack put ack put ack", "put:a+b ack put:a+b ack put:a+b ack", false},
		{"put:a+b", "", "put:a+b", true},
		{"put:a+b#1", "", "put:a+b", true},
		{"put:a+b#2", "put ack", "put:a+b ack put:a+b", true},
		{"ack#3", "put ack put ack put", "put:a+b ack put:a+b ack put:a+b ack", true},
		{"ack#4", "put ack put ack put ack", "put:a+b ack put:a+b ack put:a+b ack", false},
		{"put", "put ack put ack put ack", "put:a+b ack put:a+b ack put:a+b ack", false},
	} {
		log := filepath.Join(t.TempDir(), "log")
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "FAILPOINT_TEST_CHILD=1", "REDRIVE_FAILPOINT="+tc.point, "REDRIVE_FAILPOINT_LOG="+log)
		out, err := child.Output()
		killed := false
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			status, isWait := exit.Sys().(syscall.WaitStatus)
			killed = isWait && status.Signal() == syscall.SIGKILL
		}
		if got := strings.Join(strings.Fields(string(out)), " "); got != tc.want || killed != tc.killed {
			t.Errorf("%q: printed %q, killed: %v (%v); want %q, %v", tc.point, got, killed, err, tc.want, tc.killed)
		}
		hits, err := os.ReadFile(log)
		if got := strings.Join(strings.Fields(string(hits)), " "); err != nil || got != tc.log {
			t.Errorf("%q: log %q, %v; want %q", tc.point, got, err, tc.log)
		}
	}
}

func TestAPointThatCannotBeReadStopsTheProcess(t *testing.T) {
	for _, point := range []string{"put#0", "put#x", "put#"} {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "FAILPOINT_TEST_CHILD=1", "REDRIVE_FAILPOINT="+point)
		if out, err := child.Output(); err == nil || len(out) != 0 {
			t.Errorf("%q: %q, %v; want an end before the first hit", point, out, err)
		}
	}
}
