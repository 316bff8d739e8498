package job_test

import (
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

func TestAnAttemptEndsWhenItEnded(t *testing.T) {
	j, _, _, _ := job.Step(own(), job.Started{}, start)
	heard := start.Add(time.Hour)
	for _, tc := range []struct {
		name     string
		end, got time.Time
	}{
		{"while nobody listened", start.Add(time.Minute), start.Add(time.Minute)},
		{"nobody knows when", time.Time{}, heard},
		{"by a clock that is behind", start.Add(-time.Minute), heard},
		{"by a clock that is ahead", heard.Add(time.Minute), heard},
	} {
		next, _, _, err := job.Step(j, job.Ended{Attempt: 1, Evidence: failure.Evidence{Signal: 9, End: tc.end}}, heard)
		if err != nil {
			t.Fatal(err)
		}
		if a, _ := next.Last(); !a.End.Equal(tc.got) {
			t.Errorf("%s: ended at %v, want %v", tc.name, a.End, tc.got)
		}
	}
}
