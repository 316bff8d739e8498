package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

func TestWhatIsMeasured(t *testing.T) {
	w := newWorld(t)
	due, standing := func() time.Time { return first(t, w.docs.FirstDue) }, func() time.Time { return first(t, w.docs.OldestStanding) }
	if !due().IsZero() || !standing().IsZero() {
		t.Errorf("an empty store has something due at %v, standing since %v", due(), standing())
	}
	for n, id := range []string{"late", "early"} {
		w.put(id, 0, func(j *job.Job) { j.State, j.Due = job.Waiting, start.Add(time.Duration(5-n)*time.Minute) })
	}
	w.put("undecided", 0, func(j *job.Job) {
		j.State, j.Updated = job.Classifying, start
		j.Attempts = []job.Attempt{{Number: 1, Start: start, End: start.Add(-time.Minute), Failure: "failures/" + failure.Own}}
	})
	w.put("ended", 0, func(j *job.Job) { j.State, j.Ended = job.Succeeded, start })
	if got := due(); !got.Equal(start.Add(4 * time.Minute)) {
		t.Errorf("due first at %v", got)
	}
	if got := standing(); !got.Equal(start.Add(-time.Minute)) {
		t.Errorf("standing since %v", got)
	}
	for state, want := range map[job.State]int{job.Waiting: 2, job.Classifying: 1, job.Succeeded: 1, job.Queued: 0} {
		if n, err := w.docs.Count(t.Context(), state); n != want || err != nil {
			t.Errorf("%d jobs are %v (%v), want %d", n, state, err, want)
		}
	}
}

func first(t *testing.T, read func(context.Context) (time.Time, error)) time.Time {
	t.Helper()
	at, err := read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}
