package runner_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

// chaos is what a seed makes of a fleet: jobs are submitted, cancelled and
// decided on at any replica, told twice, while replicas die, come back or stay
// away, and the store goes away or denies what it has done.
type chaos struct {
	*fleet
	rnd  *rand.Rand // of the director alone
	jobs []string
	o    runner.Options
	done chan struct{}
	pace chan struct{} // gets a value when an attempt has ended
	wait sync.WaitGroup
}

// any returns a replica that runs.
func (c *chaos) any() *host {
	for {
		if h := c.hosts[c.rnd.IntN(len(c.hosts))]; h.running() {
			return h
		}
	}
}

func (h *host) running() bool {
	h.leaseMu.Lock()
	defer h.leaseMu.Unlock()
	return h.alive
}

func (c *chaos) alive() (n int) {
	for _, h := range c.hosts {
		if h.running() {
			n++
		}
	}
	return n
}

// play ends attempts of one host some time after they started.
func (c *chaos) play(h *host, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	for {
		select {
		case <-c.done:
			return
		case id := <-h.started:
			res := failedRun
			if id.Attempt > 3 || rnd.IntN(3) == 0 {
				res = succeededRun
			}
			pause := time.Duration(rnd.IntN(20)) * time.Millisecond
			c.wait.Go(func() {
				select {
				case <-time.After(pause):
				case <-c.done:
				}
				h.end(id, res)
				select {
				case c.pace <- struct{}{}:
				default:
				}
			})
		}
	}
}

// classify tells every failure, twice and to all replicas that run.
func (c *chaos) classify() {
	for {
		for _, id := range c.jobs {
			j, err := c.docs.Job(c.t.Context(), id)
			if a, ok := j.Undecided(); err == nil && ok {
				var to []*host
				for _, h := range c.hosts {
					if h.running() {
						to = append(to, h, h)
					}
				}
				c.decide(j, a.Number, to...) //nolint:errcheck // it is told again
			}
		}
		select {
		case <-c.done:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// direct does one thing.
func (c *chaos) direct() {
	h := c.hosts[c.rnd.IntN(len(c.hosts))]
	switch n := c.rnd.IntN(10); {
	case n < 2 && h.running() && c.alive() > 1:
		h.die()
	case n < 4 && !h.running():
		if c.rnd.IntN(2) == 0 {
			h.lose()
		}
		h.start(c.o)
	case n == 4 && !h.running():
		h.lose()
	case n == 5:
		c.db.set(true, 0)
	case n < 8:
		c.db.set(false, c.rnd.IntN(3))
	case n == 8:
		c.any().runner().Cancel(c.t.Context(), c.jobs[c.rnd.IntN(len(c.jobs))], "", "", nil) //nolint:errcheck // the store may be away
	}
}

func (c *chaos) submitAll() {
	for len(c.jobs) < cap(c.jobs) {
		id := fmt.Sprintf("j%d", len(c.jobs))
		_, err := c.any().runner().Submit(c.t.Context(), submission(id))
		switch {
		case err == nil, errs.Is(err, errs.AlreadyExists): // done and denied before
			c.jobs = append(c.jobs, id)
		case errs.Is(err, errs.Unavailable):
			c.db.set(false, 0)
		default:
			c.t.Fatal(err)
		}
	}
}

// TestNoAttemptStartsTwiceAndNoRetryBeforeItsTime is promise 3, with any number
// of replicas.
func TestNoAttemptStartsTwiceAndNoRetryBeforeItsTime(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &chaos{
				fleet: newFleet(t, storeOf(t, seed), "a", "b", "c"), rnd: rand.New(rand.NewPCG(seed, 7)), jobs: make([]string, 0, 24),
				o: runner.Options{MaxRunning: 3, VerdictTimeout: 60 * time.Millisecond}, done: make(chan struct{}), pace: make(chan struct{}, 1),
			}
			for _, h := range c.hosts {
				h.start(c.o)
			}
			c.submitAll()
			for i, h := range c.hosts {
				c.wait.Go(func() { c.play(h, seed*10+uint64(i)) })
			}
			c.wait.Go(c.classify)
			for range 60 {
				c.direct()
				select { // when nothing ends, it is time for something else
				case <-c.pace:
				case <-time.After(20 * time.Millisecond):
				}
			}
			c.db.set(false, 0)
			for _, h := range c.hosts {
				if !h.running() {
					h.start(c.o)
				}
			}
			for _, id := range c.jobs {
				j := c.until(id, func(j job.Job) bool { return j.State.Ended() })
				c.checkJob(j)
			}
			close(c.done)
			c.wait.Wait()
			c.check()
			for _, h := range c.hosts {
				if h.most > c.o.MaxRunning {
					t.Errorf("%d attempts at the same time at %s, want %d at most", h.most, h.name, c.o.MaxRunning)
				}
			}
		})
	}
}

// storeOf is a real Redis for every third seed.
func storeOf(t *testing.T, seed uint64) docstore.Store {
	t.Helper()
	if seed%3 != 2 {
		return storetest.Open(t)
	}
	s, err := redisstore.Open(t.Context(), redisstore.Options{Addrs: []string{redistest.Start(t).Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // the test is over
	return s
}

// checkJob looks whether the record of a job is what happened.
func (c *chaos) checkJob(j job.Job) {
	for i, a := range j.Attempts {
		at, started := c.where(process.ID{Job: j.ID, Attempt: a.Number})
		switch {
		case a.Number != i+1 || a.End.IsZero():
			c.t.Errorf("%s: attempt %d is the %d. and ended at %v", j.ID, a.Number, i+1, a.End)
		case started && at != a.Replica:
			c.t.Errorf("%s: attempt %d ran at %s, and the record says %s", j.ID, a.Number, at, a.Replica)
		case a.Succeeded && !started:
			c.t.Errorf("%s: attempt %d succeeded and was never started", j.ID, a.Number)
		}
		if a.Failure == "" {
			continue
		}
		if d, err := c.docs.Decision(c.t.Context(), j.ID, a.Number); err != nil || d.Attempt != a.Number {
			c.t.Errorf("%s: the decision on attempt %d: %v", j.ID, a.Number, err)
		}
	}
	if last, ok := j.Last(); j.State == job.Succeeded && (!ok || !last.Succeeded) || j.State == job.Failed && last.Evidence.Reason == failure.ReasonNone {
		c.t.Errorf("%s is %v after %+v", j.ID, j.State, last)
	}
}

func (f *fleet) where(id process.ID) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.started[id]
	return at, ok
}
