package record

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// LateStore keeps what was read of logs after the decision.
type LateStore interface {
	Get(ctx context.Context, id string) (Record, error)
	// PutLate stores the warnings and the late time of r over its revision, and
	// beside it what was read late and, unless it is nil, what the rules say of
	// it. It is errs.Conflict when another revision is there. No event tells of
	// it.
	PutLate(ctx context.Context, r Record, late []failure.Log, says *Says) error
}

// Says is what rules say of a failure after its decision.
type Says struct {
	Class    failure.Class
	Verdict  failure.Verdict
	Rule     string // an id, or empty
	Revision int64  // of the rule
	Time     time.Time
}

// Late reads logs once more that were missing or still growing when a failure
// was decided. What was decided stays.
type Late struct {
	Store     LateStore
	Rules     func() *rule.Set
	Collector collect.Collector
}

// Recollect reads the logs of a final failure whose late time has come; others
// it leaves alone.
func (l Late) Recollect(ctx context.Context, id string, now time.Time) error {
	rec, err := l.Store.Get(ctx, id)
	if err != nil || rec.State != Final || rec.LateTime.IsZero() || rec.LateTime.After(now) {
		return err
	}
	a := l.Collector.Collect(ctx, collect.Ask{Evidence: rec.Evidence, Labels: rec.Labels, Now: now, Again: true})
	next, late, says := rec.recollected(a, l.Rules(), now)
	rec.Failure = next
	return l.Store.PutLate(ctx, rec, late, says)
}

// recollected returns f with warnings of what was read late, the logs that show
// another text than before, and what the rules make of them if that is another
// thing than what was decided.
func (f Failure) recollected(a collect.Answer, rules *rule.Set, now time.Time) (Failure, []failure.Log, *Says) {
	f.LateTime = time.Time{}
	var late []failure.Log
	for _, l := range a.Evidence.Logs {
		i := slices.IndexFunc(f.Evidence.Logs, func(o failure.Log) bool { return o.URI == l.URI && o.Source == l.Source })
		if i >= 0 && f.Evidence.Logs[i].Head == l.Head && f.Evidence.Logs[i].Tail == l.Tail {
			continue
		}
		late = append(late, l)
		f.warn("log %q shows more %v after the failure; it was decided without that", l.Source, now.Sub(f.CreateTime).Round(time.Second))
	}
	if len(late) == 0 {
		if len(a.Warnings) > 0 {
			f.warn("read once more %v after the failure: %s", now.Sub(f.CreateTime).Round(time.Second), a.Warnings[0])
		}
		return f, nil, nil
	}
	r := f.Report
	r.Evidence = a.Evidence
	again := Begin(r, rules, nil, now)
	if again.Result.Class == f.Result.Class && again.Result.Rule == f.Result.Rule {
		return f, late, nil
	}
	says := &Says{Class: again.Result.Class, Verdict: again.Result.Verdict, Rule: again.Result.Rule, Time: now}
	for _, m := range again.Matches {
		if m.Rule == says.Rule {
			says.Revision = m.Revision
		}
	}
	f.warn("with it, it would be %s", says)
	return f, late, says
}

// String says it for a person.
func (s *Says) String() string {
	if s.Rule == "" {
		return string(s.Class)
	}
	return fmt.Sprintf("%s (rules/%s)", s.Class, s.Rule)
}
