package runner_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

func two(t *testing.T, o runner.Options) (*fleet, *host, *host) {
	f := newFleet(t, storetest.Open(t), "a", "b")
	for _, h := range f.hosts {
		h.start(o)
	}
	return f, f.hosts[0], f.hosts[1]
}

func TestOneReplicaRunsAnAttemptAndTheOtherLeavesItAlone(t *testing.T) {
	f, a, b := two(t, soon)
	f.submit(a, "etl")
	var at *host
	var id process.ID
	select {
	case id = <-a.started:
		at = a
	case id = <-b.started:
		at = b
	}
	j := f.until("etl", in(job.Running))
	if last, _ := j.Last(); last.Replica != at.name {
		t.Errorf("the record says %q runs it, want %q", last.Replica, at.name)
	}
	at.end(id, failedRun)
	j = f.until("etl", in(job.Classifying))
	if err := f.decide(j, 1, a, b); err != nil {
		t.Fatal(err)
	}
	j = f.until("etl", in(job.Running))
	if len(j.FailuresByClass) != 1 || j.FailuresByClass[failure.Preemption] != 1 {
		t.Errorf("counted %v, want one failure of one verdict told twice", j.FailuresByClass)
	}
	select {
	case id = <-a.started:
		a.end(id, succeededRun)
	case id = <-b.started:
		b.end(id, succeededRun)
	}
	if j = f.until("etl", in(job.Succeeded)); len(j.Attempts) != 2 {
		t.Errorf("%d attempts, want 2", len(j.Attempts))
	}
	f.check()
}

func TestACancelAtAnotherReplica(t *testing.T) {
	f, a, b := two(t, soon)
	f.submit(a, "etl")
	at, other := a, b
	select {
	case <-a.started:
	case <-b.started:
		at, other = b, a
	}
	f.until("etl", in(job.Running))
	if _, err := other.runner().Cancel(t.Context(), "etl", "", "", nil); err != nil {
		t.Fatal(err)
	}
	f.until("etl", in(job.Cancelled))
	if len(other.runs) != 0 || len(at.runs) != 1 {
		t.Errorf("%d attempts known to the other replica, want none", len(other.runs))
	}
}

// TestWorkIsTakenOver that its replica has no room for, or left behind.
func TestWorkIsTakenOver(t *testing.T) {
	f, a, b := two(t, runner.Options{MaxRunning: 3})
	const jobs = 6
	for _, id := range []string{"j1", "j2", "j3", "j4", "j5", "j6"} {
		f.submit(a, id)
	}
	for range jobs / 2 { // both are full
		<-a.started
		<-b.started
	}
	f.submit(a, "queued")
	a.die()
	for id := range b.runs {
		b.end(id, succeededRun)
		break
	}
	if id := <-b.started; id.Job != "queued" {
		t.Errorf("%v started, want the job of the replica that is gone", id)
	}
	if a.most > 3 || b.most > 3 {
		t.Errorf("%d and %d attempts at the same time, want 3 at most", a.most, b.most)
	}
	f.check()
}

func TestAttemptsOfALostReplica(t *testing.T) {
	f, a, b := two(t, soon)
	a.die()
	f.submit(b, "b-runs-it")
	<-b.started
	a.start(soon)
	b.die()
	f.submit(a, "a-runs-it")
	<-a.started
	// Nobody has missed b yet.
	if j := f.until("b-runs-it", in(job.Running)); j.Attempts[0].Replica != "b" {
		t.Fatalf("%+v", j.Attempts)
	}
	b.lose()
	j := f.until("b-runs-it", in(job.Classifying))
	e := j.Attempts[0].Evidence
	if e.Reason != failure.Lost || !strings.HasPrefix(e.Proof, `the scheduler's replica "b", which ran it, was not seen for`) || j.Attempts[0].Failure == "" {
		t.Errorf("it ended by %v (%s), want LOST, and what the rule scheduler-replica-lost reads", e.Reason, e.Proof)
	}
	if err := f.decide(j, 1, a, a); err != nil {
		t.Fatal(err)
	}
	id := <-a.started
	if id != (process.ID{Job: "b-runs-it", Attempt: 2}) {
		t.Fatalf("%v started, want the second attempt", id)
	}
	// b comes back. What it knows of the first attempt changes nothing.
	b.start(soon)
	b.runs[process.ID{Job: "b-runs-it", Attempt: 1}].result = succeededRun
	a.end(id, succeededRun)
	f.until("b-runs-it", in(job.Succeeded))
	if j := f.until("a-runs-it", in(job.Running)); j.Attempts[0].Replica != "a" {
		t.Errorf("%+v, want that the other's attempt goes on", j.Attempts)
	}
	f.check()
}

// TestAReplicaComesBackToAttemptsThatItLost: its fence did not end them.
func TestAReplicaComesBackToAttemptsThatItLost(t *testing.T) {
	f, a, b := two(t, soon)
	a.die()
	f.submit(b, "etl")
	first := <-b.started
	b.die()
	a.start(soon)
	b.seen(false, lostAfter)
	f.until("etl", in(job.Classifying))
	b.start(soon)
	if res, err := b.Wait(t.Context(), first); err != nil || res.Evidence.Reason != failure.Lost {
		t.Errorf("what ran there ended by %v (%v), want that it was killed as lost", res.Evidence.Reason, err)
	}
}

// TestAReplicaThatFreezesBeforeItStarts: between the put that makes the job run
// and the start, all that others do to a lost replica happens.
func TestAReplicaThatFreezesBeforeItStarts(t *testing.T) {
	f := newFleet(t, storetest.Open(t), "a", "b")
	a, b := f.hosts[0], f.hosts[1]
	frozen, thaw := make(chan struct{}), make(chan struct{})
	a.gate = func() {
		select {
		case frozen <- struct{}{}:
			<-thaw
		case <-thaw: // the tries after it
		}
	}
	a.start(soon)
	f.submit(a, "etl")
	<-frozen
	a.freeze(lostAfter)
	b.start(soon)
	j := f.until("etl", in(job.Classifying))
	if err := f.decide(j, 1, b); err != nil {
		t.Fatal(err)
	}
	second := <-b.started
	a.seen(true, 0) // it renews as soon as it runs again
	close(thaw)
	f.until("etl", func(job.Job) bool { n, _ := a.runner().Busy(); return n == 0 })
	b.end(second, succeededRun)
	f.until("etl", in(job.Succeeded))
	if first := (process.ID{Job: "etl", Attempt: 1}); a.knows(first) {
		t.Error("the first attempt was started after it was taken for lost")
	}
	f.check()
}
