package server

import (
	"context"
	"testing"
	"time"
)

// TestTheWaitEndsBeforeTheCallersDeadline, or nobody would hear the answer.
func TestTheWaitEndsBeforeTheCallersDeadline(t *testing.T) {
	for _, left := range []time.Duration{time.Second, 10 * time.Second, time.Hour} {
		caller, cancel := context.WithTimeout(t.Context(), left)
		began := time.Now()
		wait, stop := waitForDecision(caller)
		theirs, _ := caller.Deadline()
		ours, ok := wait.Deadline()
		if !ok || theirs.Sub(ours) < left/20 || ours.Before(began) {
			t.Errorf("of %v the wait leaves %v for the answer", left, theirs.Sub(ours))
		}
		stop()
		cancel()
	}
	wait, stop := waitForDecision(t.Context())
	defer stop()
	if end, ok := wait.Deadline(); !ok || time.Until(end) > decisionWait {
		t.Errorf("the wait without a deadline ends at %v, want within %v", end, decisionWait)
	}
}
