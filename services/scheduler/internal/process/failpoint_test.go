//go:build failpoint

package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// The supervisor, or the server, dies at each of its steps. Whatever is started
// again, the attempt runs once at most and has an end.
func TestDeathAtEveryStep(t *testing.T) {
	for _, tc := range []struct {
		point string
		runs  int // how often the program ran after all
		want  failure.Reason
	}{
		{"executor.spawn.before", 1, failure.Exited},
		{"executor.spawn.after", 1, failure.Exited},
		{"supervisor.claim.before", 1, failure.Exited},
		{"supervisor.claim.after", 0, failure.Lost},
		{"supervisor.fork.before", 0, failure.Lost},
		{"supervisor.fork.after", -1, failure.Lost}, // it may have come to its first line
		{"supervisor.exit.before", 1, failure.Lost},
		{"supervisor.exit.after", 1, failure.Exited},
	} {
		t.Run(tc.point, func(t *testing.T) {
			b := newBench(t, process.Options{})
			witness := filepath.Join(t.TempDir(), "witness")
			script := "echo ran >> " + witness
			hits := filepath.Join(t.TempDir(), "hits")
			cmd := exec.Command(self(), "server", b.root, "", "/bin/sh", "-c", script)
			cmd.Env = append(os.Environ(), "REDRIVE_FAILPOINT="+tc.point, "REDRIVE_FAILPOINT_LOG="+hits)
			out, err := cmd.CombinedOutput() // its stdin is empty: it ends when it has started the attempt
			t.Logf("the first server: %v %s", err, out)
			b.start(a1, shell(script))
			got := b.wait(a1)
			if got.Evidence.Reason != tc.want || got.Succeeded != (tc.want == failure.Exited) {
				t.Errorf("got %+v, want %v", got.Evidence, tc.want)
			}
			if text, err := os.ReadFile(hits); !strings.Contains(string(text), tc.point+"\n") {
				t.Errorf("the step was not reached: %q, %v", text, err)
			}
			text, err := os.ReadFile(witness)
			runs := strings.Count(string(text), "ran")
			if runs > 1 || tc.runs >= 0 && runs != tc.runs {
				t.Errorf("the program ran %d times (%v), want %d", runs, err, tc.runs)
			}
		})
	}
}

// The server dies while it asks for the end of an attempt; it asks again.
func TestDeathWhileKilling(t *testing.T) {
	for _, point := range []string{"executor.kill.before", "executor.kill.after"} {
		for _, started := range []bool{false, true} {
			b := newBench(t, process.Options{})
			if started {
				b.start(a1, shell("exec sleep 1000"))
			}
			cmd := exec.Command(self(), "killer", b.root)
			cmd.Env = append(os.Environ(), "REDRIVE_FAILPOINT="+point)
			if err := cmd.Run(); err == nil {
				t.Fatalf("%s was not reached", point)
			}
			if err := b.Kill(t.Context(), a1, failure.WasCancelled); err != nil {
				t.Fatal(err)
			}
			if got := b.wait(a1); got.Evidence.Reason != failure.WasCancelled {
				t.Errorf("%s, started %v: got %+v, want CANCELLED", point, started, got.Evidence)
			}
		}
	}
}

// The server dies between the request and the claim that seals it. Nobody asks
// again, but somebody starts the attempt: it never runs.
func TestRequestToKillIsEnough(t *testing.T) {
	b := newBench(t, process.Options{})
	cmd := exec.Command(self(), "killer", b.root)
	cmd.Env = append(os.Environ(), "REDRIVE_FAILPOINT=executor.kill.after")
	if err := cmd.Run(); err == nil {
		t.Fatal("the step was not reached")
	}
	if state, err := b.State(t.Context(), a1); state != process.Unclaimed || err != nil {
		t.Errorf("State = %v, %v, want unclaimed", state, err)
	}
	witness := filepath.Join(t.TempDir(), "witness")
	got := b.run(a1, shell("echo ran > "+witness))
	if _, err := os.Lstat(witness); err == nil || got.Evidence.Reason != failure.WasCancelled {
		t.Errorf("got %+v (the witness: %v), want that it never ran", got.Evidence, err)
	}
}
