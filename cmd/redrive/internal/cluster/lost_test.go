//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	lostJobs = 8
	// lostAfter is the least that serve takes.
	lostAfter    = 30 * time.Second
	lostPatience = 3 * time.Minute
)

// TestASilentSchedulersAttemptsEndAndRunElsewhere stops a scheduler for longer
// than --lost-after while its attempts run. They must have ended before others
// start the jobs again, and the scheduler that comes back must not touch them.
func TestASilentSchedulersAttemptsEndAndRunElsewhere(t *testing.T) {
	d := deploy(t, map[string][]string{"scheduler": {"--lost-after", lostAfter.String()}})
	ctx, cancel := context.WithTimeout(t.Context(), lostPatience)
	defer cancel()
	l := newLoad(d, 0, rand.New(rand.NewPCG(4, 4)))
	first, second := d.find("scheduler-1"), d.find("scheduler-2")

	// All attempts are the first scheduler's: the other one is not there.
	second.signal(syscall.SIGTERM)
	if _, err := second.wait(ctx); err != nil {
		t.Fatal(err)
	}
	before := d.direct()
	for i := range lostJobs {
		j := &oneJob{id: fmt.Sprintf("stay-%d", i), kind: "stay", own: true, end: redrivev1.Job_STATE_SUCCEEDED}
		l.jobs = append(l.jobs, j)
		if err := l.submit(ctx, before, j); err != nil {
			t.Fatal(err)
		}
	}
	if err := until(ctx, "not all run", func(context.Context) error { return l.ran(1) }); err != nil {
		t.Fatal(err)
	}
	if err := d.start(ctx, second); err != nil {
		t.Fatal(err)
	}

	c := d.last()
	first.signal(syscall.SIGSTOP)
	began := time.Now()
	for _, j := range l.jobs {
		if err := l.await(ctx, c, j, redrivev1.Job_STATE_SUCCEEDED); err != nil {
			t.Fatal(err)
		}
		got, err := c.scheduler.GetJob(ctx, &redrivev1.GetJobRequest{Name: j.name()})
		if err != nil {
			t.Fatal(err)
		}
		lost := got.GetAttempts()[0].GetEvidence().GetTerminationReason()
		if got.GetState() != redrivev1.Job_STATE_SUCCEEDED || len(got.GetAttempts()) != 2 || lost != redrivev1.TerminationReason_TERMINATION_REASON_LOST {
			t.Errorf("%s is %v with %v, want it to succeed after one lost attempt", j.name(), got.GetState(), got.GetAttempts())
		}
	}
	took := time.Since(began)
	t.Logf("all had run elsewhere after %v", took.Round(time.Second))
	if took < lostAfter {
		t.Errorf("attempts were taken for lost after %v, want at least %v", took, lostAfter)
	}
	first.signal(syscall.SIGCONT)
	if err := until(ctx, "the stopped scheduler is not ready again", first.ready); err != nil {
		t.Error(err)
	}
	if !t.Failed() {
		d.check(l)
	}
}

// ran is nil when an attempt of each job has begun.
func (l *load) ran(attempt int) error {
	text, err := os.ReadFile(l.witness)
	if err != nil {
		return err
	}
	for _, j := range l.jobs {
		if run := fmt.Sprintf("%s/%d\n", j.id, attempt); !strings.Contains(string(text), run) {
			return fmt.Errorf("%s has not", run)
		}
	}
	return nil
}
