//go:build cluster

package cluster

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
)

const (
	goneJobs     = 300
	gonePatience = 3 * time.Minute
)

// TestJobsEndWithoutTheirEvents takes the stream of events away while jobs run.
// The services must make it again, and tell again whatever a job waits for: the
// store is the truth. Nothing else is promised of events that are gone.
func TestJobsEndWithoutTheirEvents(t *testing.T) {
	d := deploy(t, nil)
	l := newLoad(d, goneJobs, rand.New(rand.NewPCG(5, 5)))
	ctx, cancel := context.WithTimeout(t.Context(), gonePatience)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if !l.reach(ctx, goneJobs/3) {
			return
		}
		if err := d.bus.DeleteStream(ctx, bus.EventStream); err != nil {
			t.Errorf("delete the stream: %v", err)
			return
		}
		began := time.Now()
		for _, p := range d.all {
			if err := until(ctx, p.name+" is not ready without its events", p.ready); err != nil {
				t.Error(err)
				return
			}
		}
		t.Logf("all were ready again after %v", time.Since(began).Round(time.Millisecond))
	}()
	l.run(ctx)
	<-gone
	if t.Failed() {
		return
	}
	d.calm(ctx)
	d.checkStreams(ctx)
	c := &checker{d: d, l: l, clients: d.direct(), shown: map[string]int{}}
	for _, look := range []func(context.Context) error{c.readAll, c.checkJobs, c.checkPatches, c.checkWitness} {
		if err := look(ctx); err != nil {
			t.Errorf("check: %v", err)
		}
	}
}
