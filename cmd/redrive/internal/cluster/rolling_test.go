//go:build cluster

package cluster

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

const (
	// perRestart is how many jobs start with the restart of one process at the
	// earliest.
	perRestart      = 30
	rollingPatience = 4 * time.Minute
	// stopPatience bounds an orderly stop: serve's own --stop-timeout is 25 s.
	stopPatience = 30 * time.Second
)

// TestARollingRestartLosesNothing stops every process in order and starts it
// again, one after the other, while jobs run.
func TestARollingRestartLosesNothing(t *testing.T) {
	d := deploy(t, nil)
	l := newLoad(d, perRestart*len(d.all), rand.New(rand.NewPCG(2, 2)))
	begun := make([]chan struct{}, len(d.all))
	for i := range begun {
		begun[i] = make(chan struct{})
	}
	l.hold = func(ctx context.Context, next int) {
		select {
		case <-begun[next/perRestart]:
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), rollingPatience)
	defer cancel()
	began := time.Now()
	restarts := make(chan struct{})
	go func() {
		defer close(restarts)
		for i, p := range d.all {
			close(begun[i])
			if !l.reach(ctx, perRestart*i+perRestart/3) {
				return
			}
			if err := d.restart(ctx, p); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	l.run(ctx)
	<-restarts
	t.Logf("%d jobs with %d restarts took %v; %d calls were tried again", len(l.jobs), len(d.all), time.Since(began).Round(time.Second), l.ways[0].again()+l.ways[1].again())
	if !t.Failed() {
		d.check(l)
	}
}

// restart asks a process to end, looks that it ended in order, and starts it
// again.
func (d *deployment) restart(ctx context.Context, p *process) error {
	p.held.Lock()
	defer p.held.Unlock()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	stop, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	state, err := p.wait(stop)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if code := state.ExitCode(); code != 0 {
		d.t.Errorf("%s ended with status %d, want 0: it did not stop in order\n%s", p.name, code, p.tail(5))
	}
	start, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	err = d.start(start, p)
	d.t.Logf("%s stopped in %v and was ready again after %v", p.name, took.Round(time.Millisecond), (time.Since(began) - took).Round(time.Millisecond))
	return err
}
