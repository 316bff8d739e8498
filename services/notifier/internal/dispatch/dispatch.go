// Package dispatch sends what is due. Each receiver has a worker of its own
// with a few sendings at a time, so that one that is down or slow delays no
// other. What is due is in the store: after a crash it is sent from there.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

const (
	// perReceiver is how many sendings to one receiver run at a time.
	perReceiver = 4
	// lookEvery is how often the store is looked at although nothing is known to
	// be due: another replica may have put something there.
	lookEvery = 15 * time.Second
	// leaseMargin is how long after its timeout a try is taken for dead.
	leaseMargin = 5 * time.Second
	// stopGrace is how long a sending may go on when the service stops.
	stopGrace = 2 * time.Second
	// settleTimeout bounds the writing down of an outcome.
	settleTimeout = 5 * time.Second
	// maxRest is the longest rest that a receiver gets which fails at everything.
	maxRest = 30 * time.Second
	// storeDown is how long to wait for a store that does not answer.
	storeDown = time.Second
)

// Receiver sends one notification. The error says why it did not arrive, and
// retry whether it may arrive later; an errs.Error with a RetryAfter says when.
// ctx has the timeout of the try.
type Receiver interface {
	Send(ctx context.Context, n alert.Notification) (retry bool, err error)
}

// Outlet is a receiver with its name and its patience.
type Outlet struct {
	Name     string
	Receiver Receiver
	Timeout  time.Duration // of one try
	Backoff  delivery.Backoff
}

// Dispatcher sends what is due to its outlets.
type Dispatcher struct {
	store   *store.Store
	outlets map[string]*worker
	log     *slog.Logger
	metrics *metrics
}

type worker struct {
	Outlet
	d     *Dispatcher
	wake  chan struct{} // has room for one
	slots chan struct{}

	mu       sync.Mutex
	pause    time.Time // nothing is sent before
	failures int       // tries in a row that failed
}

// New returns a dispatcher; it sends nothing before Run.
func New(s *store.Store, outlets []Outlet, log *slog.Logger, reg prometheus.Registerer) (*Dispatcher, error) {
	m, err := newMetrics(reg, s, outlets)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{store: s, outlets: make(map[string]*worker, len(outlets)), log: log, metrics: m}
	for _, o := range outlets {
		d.outlets[o.Name] = &worker{Outlet: o, d: d, wake: make(chan struct{}, 1), slots: make(chan struct{}, perReceiver)}
	}
	return d, nil
}

// Nudge says that there is something new to send to a receiver.
func (d *Dispatcher) Nudge(receiver string) {
	w, ok := d.outlets[receiver]
	if !ok {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run sends until ctx is done, and returns nil when the last sending is over.
func (d *Dispatcher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range d.outlets {
		g.Go(func() error { w.run(ctx); return nil })
	}
	return g.Wait()
}

// run takes what is due, one after the other, and has it sent.
func (w *worker) run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		lane, n, wait, err := w.claim(ctx, time.Now())
		if err != nil {
			wait = storeDown
			if ctx.Err() == nil {
				w.d.log.WarnContext(ctx, "cannot read what is due", "receiver", w.Name, "error", err)
			}
		}
		if wait > 0 {
			<-w.slots
			if !w.sleep(ctx, wait) {
				return
			}
			continue
		}
		sending.Go(func() {
			defer w.d.Nudge(w.Name)
			defer func() { <-w.slots }()
			w.send(ctx, lane, n)
		})
	}
}

// sleep waits, at most until something new is there; false when ctx is done.
func (w *worker) sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-w.wake:
	case <-timer.C:
	}
	return true
}

// claim books a try of what is due first, or says how long to wait for it.
func (w *worker) claim(ctx context.Context, now time.Time) (l delivery.Lane, n alert.Notification, wait time.Duration, err error) {
	for ctx.Err() == nil {
		if wait = w.paused(now); wait > 0 {
			return l, n, wait, nil
		}
		var ok bool
		if l, ok, err = w.d.store.Due(ctx, w.Name); err != nil || !ok {
			return l, n, lookEvery, err
		}
		head, _ := l.Head()
		if wait = head.Due.Sub(now); wait > 0 {
			return l, n, min(wait, lookEvery), nil
		}
		l, n = l.Claim(now, w.Timeout+leaseMargin)
		if err = w.d.store.PutLane(ctx, l); errs.Is(err, errs.Conflict) {
			continue // somebody else took it, or there is more to tell
		}
		return l, n, 0, err
	}
	return l, n, lookEvery, ctx.Err()
}

func (w *worker) paused(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pause.Sub(now)
}

// rest makes all sendings to a receiver wait that asked for it, or that failed
// at the last few: a receiver that is down is not tried with everything that is
// due.
func (w *worker) rest(o delivery.Outcome, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case o.Interrupted:
	case o.Err != nil && o.Retry:
		w.failures++
	default:
		w.failures = 0
	}
	wait := o.After
	if more := w.failures - perReceiver; more >= 0 {
		wait = max(wait, min(w.Backoff.Min<<min(more, 16), w.Backoff.Max, maxRest))
	}
	if until := now.Add(wait); until.After(w.pause) {
		w.pause = until
	}
}

// send makes one try and writes its outcome down. When the service stops, a try
// has a moment to end; an interrupted one is made again after the start.
func (w *worker) send(ctx context.Context, l delivery.Lane, n alert.Notification) {
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		grace := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(try, func() { grace.Stop() })
	})
	defer stop()
	failpoint.Hit("notifier.send.before")
	traced, span := begin(try, w.Name, n)
	began := time.Now()
	retry, err := w.Receiver.Send(traced, n)
	w.d.metrics.took.WithLabelValues(w.Name).Observe(time.Since(began).Seconds())
	span.End(err)
	failpoint.Hit("notifier.send.after")
	now := time.Now()
	o := delivery.Outcome{Err: err, Retry: retry, Interrupted: err != nil && errors.Is(try.Err(), context.Canceled)}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		o.After = e.RetryAfter
	}
	w.rest(o, now)
	if err := w.settle(ctx, l, n, o, now); err != nil {
		// The claim runs out, and it is sent again with the same key.
		w.d.log.WarnContext(ctx, "cannot write down what came of a notification", "receiver", w.Name, "alert", l.Alert, "error", err)
	}
}

func (w *worker) settle(ctx context.Context, l delivery.Lane, n alert.Notification, o delivery.Outcome, now time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	l.Revision++ // the claim's own write
	for random := rand.Float64(); ; {
		next, givenUp := l.Settle(n.Key, o, w.Backoff, now, random)
		err := w.d.store.PutLane(ctx, next)
		switch {
		case err == nil:
			w.d.account(ctx, w.Name, n, o, givenUp)
			return nil
		case !errs.Is(err, errs.Conflict):
			return err
		}
		if l, err = w.d.store.Lane(ctx, l.Alert, l.Receiver); err != nil {
			return err
		}
		if l.Revision == 0 {
			return nil // the alert was deleted
		}
	}
}

func (d *Dispatcher) account(ctx context.Context, receiver string, n alert.Notification, o delivery.Outcome, givenUp string) {
	log := d.log.With("receiver", receiver, "alert", n.Alert.ID, "action", string(n.Action), "severity", n.Severity.String())
	switch {
	case givenUp != "":
		d.metrics.failed.WithLabelValues(givenUp).Inc()
		log.ErrorContext(ctx, "notification given up", "reason", givenUp, "error", o.Err)
	case o.Err == nil:
		d.metrics.sent.WithLabelValues(string(n.Action)).Inc()
		log.DebugContext(ctx, "notification delivered")
	case !o.Interrupted:
		d.metrics.retries.Inc()
		log.WarnContext(ctx, "notification failed and is sent again later", "error", o.Err)
	}
}

// strandedFor is how long something must have been due to a receiver that is
// not in the policy before it is given up: while replicas are replaced, another
// one may know the receiver.
const strandedFor = time.Hour

// Abandon gives up what waits for receivers that are not in the policy any
// more.
func (d *Dispatcher) Abandon(ctx context.Context, now time.Time) error {
	known := make(map[string]bool, len(d.outlets))
	for name := range d.outlets {
		known[name] = true
	}
	for place := ""; ; {
		lanes, next, err := d.store.Stranded(ctx, known, now.Add(-strandedFor), place)
		if err != nil {
			return fmt.Errorf("look for notifications without a receiver: %w", err)
		}
		for _, l := range lanes {
			l, count := l.Abandon("the policy has no receiver of this name", now)
			if err := d.store.PutLane(ctx, l); err != nil {
				return fmt.Errorf("give up notifications without a receiver: %w", err)
			}
			d.metrics.failed.WithLabelValues(delivery.Unknown).Add(float64(count))
			d.log.WarnContext(ctx, "notifications given up: their receiver is not in the policy", "receiver", l.Receiver, "alert", l.Alert, "count", count)
		}
		if place = next; place == "" && len(lanes) == 0 {
			return nil
		}
	}
}
