package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
	"github.com/redrive-io/redrive/services/scheduler/internal/runner"
)

const (
	// DefaultLostAfter is Options.LostAfter when it is 0.
	DefaultLostAfter = 15 * time.Minute
	// MinLostAfter leaves a replica that is started anew the time to renew before
	// its attempts end: its own old lease has to run out.
	MinLostAfter = 3 * lease.DefaultTTL
	// renewEvery is how often the fence is brought up to the lease.
	renewEvery = time.Second
)

// identity names a replica together with the folder of its attempts: the same
// name with another folder could start an attempt again that runs at the old
// place. It is empty for the only replica.
func identity(o Options, d Deps) (string, error) {
	if d.Replica == "" {
		return "", nil
	}
	key, err := process.FolderKey(o.Attempts)
	return d.Replica + "-" + key, err
}

// fence returns what ends attempts when the leases of this replica are not
// renewed; nil for the only replica. It leaves a third of the time until they
// are taken for lost.
func fence(o Options, replica string) (*process.Fence, error) {
	lostAfter := o.lostAfter()
	if lostAfter < MinLostAfter {
		return nil, errs.Field("lost_after", "%s is less than %s", lostAfter, MinLostAfter)
	}
	if replica == "" {
		return nil, nil
	}
	return process.NewFence(o.Attempts, replica, lostAfter*2/3)
}

func (o Options) lostAfter() time.Duration {
	if o.LostAfter == 0 {
		return DefaultLostAfter
	}
	return o.LostAfter
}

// peers is what the runner knows of the other replicas; nil for the only one.
func peers(o Options, replica string, l *lease.Leases, f *process.Fence) *runner.Peers {
	if f == nil {
		return nil
	}
	return &runner.Peers{Replica: replica, Leases: l, Fence: f, LostAfter: o.lostAfter()}
}

// renewFence keeps the fence up to the lease until ctx is done.
func renewFence(ctx context.Context, f *process.Fence, l *lease.Leases, log *slog.Logger) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for failing := false; ; {
		changed := l.Changed()
		now, renewed := process.Now(), l.Renewed()
		if !renewed.IsZero() {
			// By the clock that says more: one of them stands still in sleep.
			ago := max(time.Since(renewed), time.Now().Round(0).Sub(renewed.Round(0)))
			err := f.Renew(now - process.Moment(ago))
			if err != nil && !failing {
				log.Error("attempts end soon unless this is mended", "error", err)
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}
