// Package ledger changes alerts: it takes in what events and people say, lets
// package alert decide, and puts the outcome with everything that is to be sent
// in one commit.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/delivery"
	"github.com/redrive-io/redrive/services/notifier/internal/policy"
	"github.com/redrive-io/redrive/services/notifier/internal/store"
)

// maxRaces is how many lost races in a row make a change fail.
const maxRaces = 10

// DecisionGrace is how long a stop waits for the decision that it comes from.
// The two are told at the same time, so the decision is late only when events
// overtake each other.
const DecisionGrace = 30 * time.Second

// Ledger changes alerts. Its methods may be called concurrently.
type Ledger struct {
	store   *store.Store
	memory  memory
	policy  policy.Policy
	nudge   func(receiver string)
	log     *slog.Logger
	opened  *prometheus.CounterVec
	expired prometheus.Counter
}

// New returns a ledger. nudge is called when there is something new to send to
// a receiver; it must not block.
func New(s *store.Store, p policy.Policy, nudge func(receiver string), log *slog.Logger, reg prometheus.Registerer) (*Ledger, error) {
	l := &Ledger{
		store: s, memory: newMemory(), policy: p, nudge: nudge, log: log,
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_notifier_alerts_total", Help: "Alerts that reached a severity, whether or not a receiver was to be told.",
		}, []string{"severity"}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_notifier_alerts_expired_total", Help: "Open alerts that were closed because of their age or their number.",
		}),
	}
	for _, s := range []alert.Severity{alert.Info, alert.Warning, alert.Page} {
		l.opened.WithLabelValues(s.String())
	}
	if reg == nil {
		return l, nil
	}
	if err := reg.Register(l.opened); err != nil {
		return nil, err
	}
	return l, reg.Register(l.expired)
}

// Failed takes in a failure of a job.
func (l *Ledger) Failed(ctx context.Context, job string, f alert.Failure, now time.Time) error {
	return l.learn(ctx, job, now, func(x *alert.Facts) error { x.AddFailure(f, l.policy.Severity); return nil })
}

// Stopped takes in that a job stopped. It is errs.NotFound while the decision
// that it comes from is not there yet and may still come.
func (l *Ledger) Stopped(ctx context.Context, job string, s alert.Stop, now time.Time) error {
	return l.learn(ctx, job, now, func(x *alert.Facts) error {
		if x.Early(s) && now.Sub(s.Time) < DecisionGrace {
			return errs.New(errs.NotFound, "%s stopped, and the decision on attempt %d is not there yet", job, s.Point.Attempt)
		}
		x.AddStop(s, l.policy.Severity)
		return nil
	})
}

// Ended takes in that whatever was wrong with a job is over.
func (l *Ledger) Ended(ctx context.Context, job string, e alert.End, now time.Time) error {
	return l.learn(ctx, job, now, func(x *alert.Facts) error { l.end(x, e); return nil })
}

// end adds an end, unless nothing can have been wrong before it: most jobs
// succeed at once, and nothing is kept of them. Audits have no attempts; what
// was wrong before one that passed may be heard of later.
func (l *Ledger) end(x *alert.Facts, e alert.End) {
	nothing := len(x.Failures)+len(x.Stops)+len(x.Ends) == 0 && x.Floor == nil
	if nothing && e.Cause == alert.Recovered && e.Point.Attempt <= 1 && x.Job != alert.Models {
		return
	}
	x.AddEnd(e, l.policy.Severity)
}

// learn adds to what is known of a job and brings its alerts up to date. It tries
// what is remembered first. Unless that ends in a commit, it reads.
func (l *Ledger) learn(ctx context.Context, job string, now time.Time, add func(*alert.Facts) error) error {
	if k, ok := l.memory.of(job, now); ok {
		if changed, err := l.update(ctx, k, now, add); changed && err == nil {
			return nil
		}
		l.memory.Drop(job)
	}
	complete := true
	return again(func() error {
		h, err := l.store.History(ctx, job)
		if err != nil {
			return err
		}
		_, err = l.update(ctx, known{History: h, complete: complete}, now, add)
		complete = false
		return err
	})
}

// update adds to what is known of a job. changed is false when there is nothing
// new.
func (l *Ledger) update(ctx context.Context, k known, now time.Time, add func(*alert.Facts) error) (changed bool, err error) {
	next := k.History
	if err := add(&next.Facts); err != nil {
		return false, err
	}
	c, job := l.changing(), next.Facts.Job
	after := next.Facts.Episodes(l.policy.Severity)
	for _, ep := range alert.Changed(k.Facts.Episodes(l.policy.Severity), after) {
		old, err := l.alert(ctx, k, ep.After)
		if err != nil {
			return false, err
		}
		a, news := alert.Update(old, job, ep, now)
		next.Facts.Track(a)
		if err := c.put(ctx, old, a, news, now); err != nil {
			return false, err
		}
	}
	for _, p := range next.Facts.Gone(after) {
		old, err := l.alert(ctx, k, p)
		if err != nil {
			return false, err
		}
		a, news := alert.Vanish(old, now)
		a.After = p
		next.Facts.Track(a)
		if old.ID == "" {
			continue // deleted behind our back
		}
		if err := c.put(ctx, old, a, news, now); err != nil {
			return false, err
		}
	}
	if reflect.DeepEqual(k.Facts, next.Facts) {
		return false, nil
	}
	next.Facts.Updated = now
	c.History = &next
	if err := c.commit(ctx, now); err != nil {
		return false, err
	}
	l.memory.committed(c.Change)
	return true, nil
}

// alert returns the alert of an episode, the zero one when it is new.
func (l *Ledger) alert(ctx context.Context, k known, after alert.Point) (alert.Alert, error) {
	if a, ok := k.alert(after); ok {
		return a, nil
	}
	a, err := l.store.Alert(ctx, alert.ID(k.Facts.Job, after))
	if errs.Is(err, errs.NotFound) {
		return alert.Alert{}, nil
	}
	return a, err
}

// Acknowledge says that somebody has an alert in hand.
func (l *Ledger) Acknowledge(ctx context.Context, id, by string, now time.Time) (a alert.Alert, err error) {
	err = again(func() error {
		old, err := l.store.Alert(ctx, id)
		if err != nil {
			return err
		}
		var news []alert.News
		if a, news, err = old.AcknowledgeBy(by, now); err != nil || len(news) == 0 {
			return err
		}
		c := l.changing()
		if err := c.put(ctx, old, a, news, now); err != nil {
			return err
		}
		a.Revision++
		return c.commit(ctx, now)
	})
	return a, err
}

// Resolve closes an alert by hand.
func (l *Ledger) Resolve(ctx context.Context, id, by string, now time.Time) (alert.Alert, error) {
	return l.close(ctx, id, alert.ByHand, by, now)
}

func (l *Ledger) close(ctx context.Context, id string, cause alert.Cause, by string, now time.Time) (alert.Alert, error) {
	a, err := l.store.Alert(ctx, id)
	if err != nil || a.State == alert.Resolved {
		return a, err
	}
	err = l.learn(ctx, a.Job, now, func(x *alert.Facts) error {
		end := alert.End{Point: alert.Through(a.Attempt), Cause: cause, By: alert.Person(by), Time: now}
		for _, ep := range x.Episodes(l.policy.Severity) {
			if ep.After != a.After {
				continue
			}
			if ep.End != nil {
				return nil // it was resolved meanwhile
			}
			end.Point = ep.Seen
		}
		x.AddEnd(end, l.policy.Severity)
		return nil
	})
	if err != nil {
		return a, err
	}
	return l.store.Alert(ctx, id)
}

// Get returns one alert and what was told of it to whom.
func (l *Ledger) Get(ctx context.Context, id string) (alert.Alert, []delivery.Lane, error) {
	a, err := l.store.Alert(ctx, id)
	if err != nil {
		return a, nil, err
	}
	lanes, err := l.store.Lanes(ctx, id)
	return a, lanes, err
}

// List returns a page of alerts, newest first, and the token of the next.
func (l *Ledger) List(ctx context.Context, f store.Filter, page docstore.Paging) ([]alert.Alert, string, error) {
	return l.store.List(ctx, f, page)
}

// change collects what one commit writes.
type change struct {
	store.Change
	ledger *Ledger
	logs   []func(ctx context.Context)
}

func (l *Ledger) changing() *change {
	return &change{Change: store.Change{Tell: map[string]bool{}}, ledger: l}
}

// put adds an alert, and a notification for everybody who is to hear its news.
func (c *change) put(ctx context.Context, old, a alert.Alert, news []alert.News, now time.Time) error {
	lanes := map[string]delivery.Lane{}
	for _, n := range news {
		for _, name := range c.ledger.audience(a, n) {
			lane, ok := lanes[name]
			if !ok {
				var err error
				if lane, err = c.ledger.store.Lane(ctx, a.ID, name); err != nil {
					return err
				}
			}
			if n.Action == alert.Trigger && !slices.Contains(a.Receivers, name) {
				a.Receivers = append(slices.Clone(a.Receivers), name)
			}
			lanes[name] = lane.Append(alert.Notification{
				Key: n.Key(a.ID), Action: n.Action, Severity: n.Severity, Before: lane.Told(), Alert: a, Time: now,
			}, now)
		}
		if n.Action == alert.Trigger {
			c.logs = append(c.logs, func(ctx context.Context) {
				c.ledger.opened.WithLabelValues(n.Severity.String()).Inc()
				c.ledger.log.InfoContext(ctx, "alert", "alert", a.ID, "job", a.Job, "severity", n.Severity.String(), "class", a.Class, "receivers", a.Receivers)
			})
		}
	}
	for _, name := range a.Receivers {
		if lane, ok := lanes[name]; ok {
			c.Lanes = append(c.Lanes, lane)
		}
	}
	c.Alerts = append(c.Alerts, a)
	if old.State != a.State || old.Severity != a.Severity {
		c.Tell[a.ID] = true
	}
	return nil
}

// audience returns who is to hear of news.
func (l *Ledger) audience(a alert.Alert, n alert.News) []string {
	if n.Action == alert.Trigger {
		return l.policy.Told(a, n.Severity)
	}
	var names []string
	for _, r := range l.policy.Receivers {
		if slices.Contains(a.Receivers, r.Name) && (n.Action == alert.Resolve || r.Kind.HearsAcknowledgements()) {
			names = append(names, r.Name)
		}
	}
	return names
}

func (c *change) commit(ctx context.Context, now time.Time) error {
	if err := c.ledger.store.Commit(ctx, c.Change, now); err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	for _, log := range c.logs {
		log(ctx)
	}
	for _, lane := range c.Lanes {
		c.ledger.nudge(lane.Receiver)
	}
	return nil
}

// again does a change again when it lost a race.
func again(change func() error) error {
	for i := 0; ; i++ {
		err := change()
		if i == maxRaces || !errs.Is(err, errs.Conflict) {
			return err
		}
	}
}
