package backtest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Selection says which failures are looked at, the newest first.
type Selection struct {
	Class        failure.Class // empty: all
	Since, Until time.Time     // Until is not among them; a zero Since: all
}

// Found is one failure on the list.
type Found struct {
	ID     string
	Cursor string // goes on behind it
}

// Remark notes on a failure what today's rules say; None takes the note away.
type Remark struct {
	Failure  string
	Said     Said
	Revision int64 // of the rule
	None     bool
}

// Store keeps backtests.
type Store interface {
	// Get returns a backtest, or errs.NotFound.
	Get(ctx context.Context, id string) (Backtest, error)
	// Running returns those that run, the oldest first.
	Running(ctx context.Context) ([]Backtest, error)
	// Put stores b over b.Version, 0 for a new one, together with remarks, and
	// returns it with the new version; errs.Conflict when another one is there.
	Put(ctx context.Context, b Backtest, remarks ...Remark) (Backtest, error)
	// Purge deletes backtests that have ended: those that were made before a
	// time, and the oldest beyond the newest most.
	Purge(ctx context.Context, before time.Time, most int) error
	// Proof returns the newest backtest with this digest that is done;
	// errs.NotFound when there is none.
	Proof(ctx context.Context, digest string) (Backtest, error)
}

// Failures are the stored failures.
type Failures interface {
	// Count counts at most most of a selection.
	Count(ctx context.Context, s Selection, most int) (int, error)
	// Page returns failures behind a cursor; fewer than limit at the end alone.
	Page(ctx context.Context, s Selection, cursor string, limit int) ([]Found, error)
	// Whole returns a failure with its logs and what today's rules said of it
	// last: what was decided, unless there is a remark. It is errs.NotFound for
	// one that is purged.
	Whole(ctx context.Context, id string) (record.Failure, Said, error)
	// Outcomes says what came after failures, where that is known.
	Outcomes(ctx context.Context, ids ...string) (map[string]outcome.Result, error)
}

// Runner runs backtests.
type Runner struct {
	store    Store
	failures Failures
	rules    func() *rule.Set
	log      *slog.Logger
	started  chan struct{} // has one when a backtest began here

	mu     sync.Mutex
	trials map[string]*trial // of those that run, by id
}

// NewRunner returns a runner for the rules at work now.
func NewRunner(s Store, f Failures, rules func() *rule.Set, log *slog.Logger) *Runner {
	return &Runner{store: s, failures: f, rules: rules, log: log, started: make(chan struct{}, 1), trials: map[string]*trial{}}
}

// stepMost bounds the failures of one step.
const stepMost = 100

// Started has a value after a backtest began in this process.
func (r *Runner) Started() <-chan struct{} { return r.started }

// RunAll works on all backtests that run, in turn, until none does or ctx or
// hold ends it: hold reports whether this replica is still to do it.
func (r *Runner) RunAll(ctx context.Context, hold func() bool) {
	for ctx.Err() == nil && hold() {
		running, err := r.store.Running(ctx)
		r.forget(running)
		if err != nil || len(running) == 0 {
			r.warn(ctx, "", err)
			return
		}
		for _, b := range running {
			err := r.step(ctx, b)
			if err != nil && !errs.Is(err, errs.Unavailable) && ctx.Err() == nil {
				err = r.end(ctx, b, Broken, err.Error())
			}
			if err != nil {
				r.warn(ctx, b.ID, err)
				return // what is away may be back the next time
			}
		}
	}
}

func (r *Runner) warn(ctx context.Context, id string, err error) {
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "a backtest has to wait", "backtest", id, "error", err)
	}
}

// step looks at some more failures. What another replica did first is no error.
func (r *Runner) step(ctx context.Context, b Backtest) error {
	left := b.Total - b.Examined
	found, err := r.failures.Page(ctx, b.selection(), b.Cursor, min(stepMost, max(left, 1)))
	if err != nil {
		return err
	}
	if left <= 0 || len(found) == 0 { // fewer may be left than were counted
		return r.end(ctx, b, Done, "")
	}
	remarks, err := r.examine(ctx, &b, found)
	if err != nil {
		return err
	}
	if b.Examined >= b.Total {
		b.State, b.End = Done, time.Now()
	}
	_, err = r.store.Put(ctx, b, remarks...)
	return ignoreConflict(err)
}

func (r *Runner) end(ctx context.Context, b Backtest, s State, why string) error {
	b.State, b.Error, b.End = s, why, time.Now()
	_, err := r.store.Put(ctx, b)
	return ignoreConflict(err)
}

func ignoreConflict(err error) error {
	if errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}

func (b *Backtest) selection() Selection {
	return Selection{Class: b.Class, Since: b.Since, Until: b.Create}
}

// examine looks at the failures and counts what they show.
func (r *Runner) examine(ctx context.Context, b *Backtest, found []Found) ([]Remark, error) {
	judge, err := r.judge(b)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	outcomes, err := r.failures.Outcomes(ctx, ids...)
	if err != nil {
		return nil, err
	}
	var remarks []Remark
	for _, at := range found {
		f, last, err := r.failures.Whole(ctx, at.ID)
		switch {
		case errs.Is(err, errs.Unavailable), ctx.Err() != nil:
			return nil, err
		case err != nil: // it is purged, or broken
			b.Examined++
			b.Unreadable++
		default:
			finding := judge(f, last)
			finding.Result = outcomes[at.ID]
			b.Add(finding)
			if b.Rule == nil && !b.DryRun && finding.Now != finding.Then {
				remarks = append(remarks, r.remark(f, finding))
			}
		}
		b.Cursor = at.Cursor
	}
	return remarks, nil
}

// remark notes what is not what was decided.
func (r *Runner) remark(f record.Failure, found Finding) Remark {
	m := Remark{Failure: found.Failure, Said: found.Then}
	if m.None = found.Then == (Said{f.Result.Rule, f.Result.Class, f.Result.Verdict}); m.None {
		return m
	}
	if c, ok := r.rules().Rule(found.Then.Rule); ok {
		m.Revision = c.Rule.Revision
	}
	return m
}

// judge returns what says what a failure shows. A rule that changes meanwhile
// counts from the next step on.
func (r *Runner) judge(b *Backtest) (func(f record.Failure, last Said) Finding, error) {
	today := r.rules()
	if b.Rule == nil {
		return func(f record.Failure, last Said) Finding { return again(today, f, last) }, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trials[b.ID]
	if t == nil || t.today != today {
		var err error
		if t, err = newTrial(today, *b.Rule); err != nil {
			return nil, err
		}
		r.trials[b.ID] = t
	}
	return func(f record.Failure, _ Said) Finding { return t.of(f) }, nil
}

// forget drops the sets of backtests that run no more.
func (r *Runner) forget(running []Backtest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := make(map[string]*trial, len(running))
	for _, b := range running {
		if t := r.trials[b.ID]; t != nil {
			keep[b.ID] = t
		}
	}
	r.trials = keep
}
