//go:build cluster

package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	chaosJobs   = 2000
	chaosFaults = 30
	// chaosPatience bounds the jobs with all faults.
	chaosPatience = 6 * time.Minute
	// leaderNow stands for the NATS server that leads the events when the fault
	// comes.
	leaderNow = "nats leader"
)

// fault is one thing that goes wrong.
type fault struct {
	after  int // jobs that have ended
	target string
	freeze bool          // it is stopped, not killed
	lasts  time.Duration // until it goes on, or is started again
}

func (f fault) String() string {
	what := "kill"
	if f.freeze {
		what = "stop"
	}
	return fmt.Sprintf("after %d: %s %s for %v", f.after, what, f.target, f.lasts)
}

// planFaults draws faults. Whatever the seed, Redis and the leader of the events
// are killed once and stopped once.
func planFaults(random *rand.Rand, names []string, jobs, n int) []fault {
	targets := []fault{{target: "redis"}, {target: "redis", freeze: true}, {target: leaderNow}, {target: leaderNow, freeze: true}}
	for len(targets) < n {
		targets = append(targets, fault{target: names[random.IntN(len(names))], freeze: random.IntN(2) == 0})
	}
	random.Shuffle(len(targets), func(i, k int) { targets[i], targets[k] = targets[k], targets[i] })
	// Shorter and longer than a lease lasts, which is 10 s.
	frozen := []time.Duration{300 * time.Millisecond, 3 * time.Second, 13 * time.Second}
	down := []time.Duration{0, time.Second, 4 * time.Second}
	// The first comes when all is under way, the last when much is left to do.
	first, step := jobs/40, jobs*9/10/n
	for i := range targets {
		f := &targets[i]
		f.after = first + i*step + random.IntN(step)
		f.lasts = down[random.IntN(len(down))]
		if f.freeze {
			f.lasts = frozen[random.IntN(len(frozen))]
		}
	}
	return targets
}

// seed is SEED, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return uint64(time.Now().UnixNano()) % 1_000_000
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED=%s: %v", text, err)
	}
	return n
}

// TestNothingIsLostWhateverDies kills and stops processes while 2,000 jobs run.
func TestNothingIsLostWhateverDies(t *testing.T) {
	n := seed(t)
	t.Logf("SEED=%d make test-cluster plays this again", n)
	random := rand.New(rand.NewPCG(n, 1))
	d := deploy(t, nil)
	names := make([]string, 0, len(d.all))
	for _, p := range d.all {
		names = append(names, p.name)
	}
	l := newLoad(d, chaosJobs, random)
	plan := planFaults(random, names, chaosJobs, chaosFaults)

	ctx, cancel := context.WithTimeout(t.Context(), chaosPatience)
	defer cancel()
	began := time.Now()
	chaos := make(chan struct{})
	go func() {
		defer close(chaos)
		d.harm(ctx, l, plan)
	}()
	l.run(ctx)
	<-chaos
	t.Logf("%d jobs with %d faults took %v; %d calls were tried again", chaosJobs, len(plan), time.Since(began).Round(time.Second), l.ways[0].again()+l.ways[1].again())
	if !t.Failed() {
		d.check(l)
	}
}

// harm makes the faults happen, each when so many jobs have ended. It returns
// when everything is up again.
func (d *deployment) harm(ctx context.Context, l *load, plan []fault) {
	var group sync.WaitGroup
	defer group.Wait()
	var quorum sync.Mutex // at most one NATS server is away
	for _, f := range plan {
		if !l.reach(ctx, f.after) {
			return
		}
		group.Go(func() {
			if f.target == leaderNow || strings.HasPrefix(f.target, "nats-") {
				quorum.Lock()
				defer quorum.Unlock()
			}
			p := d.leader
			if f.target != leaderNow {
				p = func(context.Context) *process { return d.find(f.target) }
			}
			if err := d.happen(ctx, p(ctx), f); err != nil {
				d.t.Errorf("%v: %v", f, err)
			}
		})
	}
}

// happen makes one fault happen and waits until the process is ready again.
func (d *deployment) happen(ctx context.Context, p *process, f fault) error {
	p.held.Lock()
	defer p.held.Unlock()
	d.t.Logf("%s %v (%s)", time.Now().Format(time.TimeOnly), f, p.name)
	timer := time.NewTimer(f.lasts)
	defer timer.Stop()
	if f.freeze {
		p.signal(syscall.SIGSTOP)
		<-timer.C
		p.signal(syscall.SIGCONT)
	} else {
		if err := p.kill(ctx); err != nil {
			return err
		}
		<-timer.C
		if err := p.start(); err != nil {
			return err
		}
	}
	ready, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	ready, cancel = p.alive(ready)
	defer cancel()
	return until(ready, p.name+" is not ready again", p.ready)
}
