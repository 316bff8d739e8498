package job_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// TestTheLogsOfAFailureAreKeptUntilItsDecision: what is told again has them.
func TestTheLogsOfAFailureAreKeptUntilItsDecision(t *testing.T) {
	with := func(n, size int, succeeded bool) job.Ended {
		return job.Ended{Attempt: n, Succeeded: succeeded, Evidence: failure.Evidence{Node: "n1", Logs: []failure.Log{{Head: strings.Repeat("x", size)}}}}
	}
	step := func(j job.Job, e job.Event) job.Job {
		t.Helper()
		next, _, _, err := job.Step(j, e, start)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	logs := func(j job.Job, n int) int {
		a, ok := j.Attempt(n)
		if !ok || a.Evidence.Node != "n1" {
			t.Fatalf("attempt %d: %+v", n, a)
		}
		if len(a.Evidence.Logs) == 0 {
			return 0
		}
		return len(a.Evidence.Logs[0].Head)
	}
	j := own()
	j.Source = "airflow"
	const most = failure.MaxLogBytes
	for n := 1; n <= 5; n++ {
		j = step(j, with(n, most, false))
	}
	for n := 1; n <= 4; n++ {
		if logs(j, n) != most {
			t.Errorf("attempt %d has %d bytes of logs, want %d", n, logs(j, n), most)
		}
	}
	if logs(j, 5) != 0 {
		t.Error("the logs that are kept have no bound")
	}
	j = step(j, decided(j, 1, failure.CodeBug, start))
	if logs(j, 1) != 0 || logs(j, 2) != most {
		t.Errorf("after its decision attempt 1 has %d bytes of logs, and attempt 2 %d", logs(j, 1), logs(j, 2))
	}
	if j = step(j, with(6, 10, false)); logs(j, 6) != 10 {
		t.Error("what was given back is not used")
	}
	if j = step(j, with(7, 10, true)); logs(j, 7) != 0 {
		t.Error("the logs of a success are kept")
	}
}
