// Package proposal makes rules of clusters, with the proof for them, and stores
// those that are accepted.
package proposal

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Bounds of one proof.
const (
	maxMembers    = 100 // failures of the cluster whose logs are read
	maxClassified = 200 // classified failures whose logs are read,
	maxOfClass    = 20  // and of one class
	maxShown      = 5
	maxNearMisses = 3
)

// Success is the end of the log of an attempt that succeeded.
type Success struct {
	Job, Text string
	Time      time.Time
}

// Failures reads what a rule is tried on.
type Failures interface {
	// Newest returns the newest failures of a class that keep wants, without
	// their logs, at most limit; without a class those of any. It looks at the
	// newest 2,000.
	Newest(ctx context.Context, class failure.Class, keep func(record.Failure) bool, limit int) ([]record.Failure, error)
	// Input returns what rules see of a failure; errs.NotFound when it was purged.
	Input(ctx context.Context, failure string) (rule.Input, error)
	// Successes returns the ends of successful logs that are kept.
	Successes(ctx context.Context) ([]Success, error)
	// Retries says how the retries of failures ended, as far as is known.
	Retries(ctx context.Context, failures ...string) (cluster.Retries, error)
}

// Tally is what came of trying a rule on texts of one kind.
type Tally struct{ Examined, Matched int }

// Suggestion is a rule that was made of a cluster, and why it should be right.
type Suggestion struct {
	Rule    rule.Rule // without a class where none could be told
	Own     Tally     // failures of the cluster
	Others  Tally     // classified failures
	Success Tally     // logs of successful attempts
	// Examples are failures of the cluster that it matches, Wrong what it
	// matches and must not.
	Examples, Wrong []cluster.Example
	Retries         cluster.Retries
	Doubts          []string
	Proven          bool
}

// Proposer makes suggestions.
type Proposer struct {
	failures Failures
	rules    func() *rule.Set
}

// New returns a proposer beside the rules that are there when it is asked.
func New(f Failures, rules func() *rule.Set) *Proposer { return &Proposer{f, rules} }

// Suggest makes a rule of a cluster and tries it. It stores nothing. It is
// errs.FailedPrecondition where no rule can be made.
func (p *Proposer) Suggest(ctx context.Context, c *cluster.Cluster) (Suggestion, error) {
	set := p.rules()
	draft, err := c.Suggest(func(id string) bool { _, ok := set.Rule(id); return ok })
	if err != nil {
		return Suggestion{}, fmt.Errorf("clusters/%s: %w", c.ID, err)
	}
	s := Suggestion{Rule: draft.Rule, Doubts: draft.Doubts}
	t, err := newTrial(draft.Rule)
	if err != nil {
		return s, err
	}
	if err := p.own(ctx, &s, t, c); err != nil {
		return s, err
	}
	if err := p.others(ctx, &s, t); err != nil {
		return s, err
	}
	if err := p.successes(ctx, &s, t); err != nil {
		return s, err
	}
	ordinary := t.ordinary()
	var doubt string
	if s.Rule.Verdict, doubt = cluster.VerdictOf(s.Rule.Class, s.Retries); doubt != "" {
		s.Doubts = append(s.Doubts, doubt)
	}
	s.Rule.NearMisses = t.nearMisses()
	s.doubt(ordinary)
	s.Proven = !draft.Weak && s.supported() && s.Others.Matched+s.Success.Matched+len(ordinary) == 0
	return s, nil
}

// supported reports whether it matches its own failures: nine in ten, for the
// template may have grown since its examples were taken.
func (s *Suggestion) supported() bool {
	return s.Own.Examined > 0 && 10*s.Own.Matched >= 9*s.Own.Examined
}

func (s *Suggestion) doubt(ordinary []string) {
	add := func(format string, args ...any) { s.Doubts = append(s.Doubts, fmt.Sprintf(format, args...)) }
	switch {
	case s.Own.Examined == 0:
		add("none of its failures is stored any more")
	case s.Own.Matched < s.Own.Examined:
		add("it does not match %d of its %d failures", s.Own.Examined-s.Own.Matched, s.Own.Examined)
	}
	if s.Others.Matched > 0 {
		add("it matches %d of %d classified failures", s.Others.Matched, s.Others.Examined)
	}
	if s.Success.Matched > 0 {
		add("it matches the logs of %d of %d successful attempts", s.Success.Matched, s.Success.Examined)
	}
	if s.Success.Examined == 0 {
		add("no log of a successful attempt is there to try it on")
	}
	if n := len(ordinary); n > 0 {
		add("it matches %d lines that jobs log which succeed, such as %q", n, ordinary[0])
	}
}

// own tries the rule on the failures of the cluster.
func (p *Proposer) own(ctx context.Context, s *Suggestion, t *trial, c *cluster.Cluster) error {
	members, err := p.failures.Newest(ctx, failure.Unknown, func(f record.Failure) bool {
		line, bare, ok := f.Result.Spoken()
		return ok && !bare && cluster.Covers(c.Words, cluster.Words(line))
	}, maxMembers)
	if err != nil {
		return err
	}
	var ids []string
	for _, f := range members {
		in, err := p.failures.Input(ctx, f.ID())
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		ids = append(ids, f.ID())
		s.Own.Examined++
		if line, ok := t.matches(in); ok {
			s.Own.Matched++
			s.Examples = shown(s.Examples, f, line)
		}
	}
	s.Retries, err = p.failures.Retries(ctx, ids...)
	return err
}

// others tries it on failures that rules know, a few of each class.
func (p *Proposer) others(ctx context.Context, s *Suggestion, t *trial) error {
	of := map[failure.Class]int{}
	known, err := p.failures.Newest(ctx, "", func(f record.Failure) bool {
		if f.Result.Class == failure.Unknown || of[f.Result.Class] == maxOfClass {
			return false
		}
		of[f.Result.Class]++
		return true
	}, maxClassified)
	if err != nil {
		return err
	}
	for _, f := range known {
		in, err := p.failures.Input(ctx, f.ID())
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.Others.Examined++
		if line, ok := t.matches(in); ok {
			s.Others.Matched++
			s.Wrong = shown(s.Wrong, f, line)
		}
		for _, line := range f.Result.Excerpt {
			t.consider(line)
		}
	}
	return nil
}

func (p *Proposer) successes(ctx context.Context, s *Suggestion, t *trial) error {
	all, err := p.failures.Successes(ctx)
	if err != nil {
		return err
	}
	for _, x := range all {
		s.Success.Examined++
		if line, ok := t.matches(textOf(x.Text)); ok {
			s.Success.Matched++
			if len(s.Wrong) < maxShown {
				s.Wrong = append(s.Wrong, cluster.Example{Job: x.Job, Line: line, Time: x.Time})
			}
		}
		t.considerAll(x.Text)
	}
	return nil
}

func shown(all []cluster.Example, f record.Failure, line string) []cluster.Example {
	if len(all) == maxShown {
		return all
	}
	return append(all, cluster.Example{Failure: f.ID(), Job: f.Attempt.JobName(), Line: line, Time: f.CreateTime})
}
