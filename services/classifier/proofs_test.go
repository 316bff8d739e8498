package classifier

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/stats"
)

// classify stores a failure and returns it.
func classify(t *testing.T, c redrivev1.ClassifierServiceClient, job string, number int, log string) *redrivev1.Failure {
	t.Helper()
	m := told(job, number, log)
	f, err := c.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: m.GetAttempt(), Type: m.GetType(), Config: m.GetConfig(), Evidence: m.GetEvidence()})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ended polls a backtest until it has ended.
func ended(t *testing.T, c redrivev1.ClassifierServiceClient, b *redrivev1.Backtest) *redrivev1.Backtest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for b.GetState() == redrivev1.Backtest_STATE_RUNNING {
		var err error
		if b, err = c.GetBacktest(ctx, &redrivev1.GetBacktestRequest{Name: b.GetName()}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

var candidate = &redrivev1.Rule{
	Name: "rules/flux", Order: 3, Any: []string{`flux capacitor (?P<n>\d+) is empty`}, Class: "disk.full", Verdict: redrivev1.Verdict_VERDICT_DO_NOT_RETRY,
	Summary: "flux {n}", Sample: "flux capacitor 1 is empty", Mode: redrivev1.Rule_MODE_ENFORCE,
}

func create(r *redrivev1.Rule, force bool) *redrivev1.CreateRuleRequest {
	return &redrivev1.CreateRuleRequest{Rule: r, RuleId: r.GetName()[len("rules/"):], Force: force}
}

func TestARuleIsEnforcedWithAProof(t *testing.T) {
	w := newWorld(t)
	_, c := w.service(Options{})
	ctx := t.Context()
	if _, err := c.CreateRule(ctx, create(candidate, false)); kind(err) != errs.FailedPrecondition {
		t.Fatalf("CreateRule without a backtest = %v, want FailedPrecondition", err)
	}
	shadow := proto.CloneOf(candidate)
	shadow.Mode = redrivev1.Rule_MODE_SHADOW
	if _, err := c.CreateRule(ctx, create(shadow, false)); err != nil {
		t.Fatalf("CreateRule in shadow = %v", err)
	}
	update := func(r *redrivev1.Rule, force bool) error {
		_, err := c.UpdateRule(ctx, &redrivev1.UpdateRuleRequest{Rule: r, Force: force})
		return err
	}
	enforce := &redrivev1.Rule{Name: "rules/flux", Mode: redrivev1.Rule_MODE_ENFORCE}
	if err := update(enforce, false); kind(err) != errs.FailedPrecondition {
		t.Fatalf("UpdateRule to enforce = %v, want FailedPrecondition", err)
	}
	b, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Name: "rules/flux"})
	if err != nil || b.GetState() != redrivev1.Backtest_STATE_DONE || b.GetTotal() != 0 {
		t.Fatalf("BacktestRule without failures = %v, %v, want it done", b, err)
	}
	if err := update(enforce, false); err != nil {
		t.Errorf("UpdateRule to enforce after a backtest = %v", err)
	}
	if err := update(&redrivev1.Rule{Name: "rules/flux", Owner: "me", Runbook: "fill it"}, false); err != nil {
		t.Errorf("UpdateRule of words = %v", err)
	}
	if err := update(&redrivev1.Rule{Name: "rules/flux", Order: 4}, false); kind(err) != errs.FailedPrecondition {
		t.Errorf("UpdateRule of the order = %v, want FailedPrecondition", err)
	}
	if err := update(&redrivev1.Rule{Name: "rules/flux", Order: 4}, true); err != nil {
		t.Errorf("UpdateRule by force = %v", err)
	}
}

func TestBacktestShowsWhatChanges(t *testing.T) {
	w := newWorld(t)
	w.replica = "a"
	s, c := w.running(Options{})
	ctx := t.Context()
	for i := range 130 { // more than a step
		log := fmt.Sprintf("line\nflux capacitor %d is empty\n", i)
		switch {
		case i%10 == 1:
			log = "t-bug null\n" + log // flux takes it from t-bug
		case i%10 > 4:
			log = "nothing known here\n"
		}
		classify(t, c, fmt.Sprint("job-", i), 1, log)
	}
	id := func(i, number int) string {
		return failure.Attempt{Source: "acme", Job: fmt.Sprint("job-", i), Number: number}.FailureID()
	}
	for i, n := range map[int]outcome.Note{
		0: {Outcome: outcome.Succeeded, Config: "another"}, 1: {Outcome: outcome.Failed, Seconds: 60}, 2: {Outcome: outcome.Failed, Seconds: 30},
		3: {Outcome: outcome.Stopped}, 9: {Outcome: outcome.Succeeded},
	} {
		if err := s.failures.NoteOutcome(ctx, id(i, 1), n, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	late := proto.CloneOf(candidate)
	late.Order = 0 // before t-bug by its name
	b, err := c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Rule: late})
	if err != nil || b.GetTotal() != 130 {
		t.Fatalf("BacktestRule = %v, %v", b, err)
	}
	b = ended(t, c, b)
	if b.GetState() != redrivev1.Backtest_STATE_DONE || b.GetExamined() != 130 || b.GetMatched() != 65 || b.GetWon() != 65 || b.GetUnreadable() != 0 {
		t.Errorf("backtest = %v", b)
	}
	if o := b.GetOutcomes(); o.GetSucceededChanged() != 1 || o.GetFailed() != 2 || o.GetStopped() != 1 || o.GetUnknown() != 61 ||
		b.GetOtherOutcomes().GetSucceeded() != 1 || b.GetSavedSeconds() != 90 || b.GetLostSuccesses() != 1 {
		t.Errorf("outcomes = %v, others %v, saved %v, lost %d", o, b.GetOtherOutcomes(), b.GetSavedSeconds(), b.GetLostSuccesses())
	}
	from := map[string]int32{}
	for _, change := range b.GetChanges() {
		from[change.GetFromRule()] = change.GetCount()
		if change.GetToRule() != "rules/flux" || change.GetToVerdict() != redrivev1.Verdict_VERDICT_DO_NOT_RETRY || len(change.GetFailures()) != 5 {
			t.Errorf("change = %v", change)
		}
	}
	if from[""] != 52 || from["rules/t-bug"] != 13 || len(from) != 2 {
		t.Errorf("changes = %v, want 52 of unknown and 13 of t-bug", from)
	}
	// Now it may act.
	if _, err := c.CreateRule(ctx, create(late, false)); err != nil {
		t.Errorf("CreateRule after the backtest = %v", err)
	}
	if b, err = c.BacktestRule(ctx, &redrivev1.BacktestRuleRequest{Name: "rules/flux", MaxFailures: 20, Window: durationpb.New(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if b = ended(t, c, b); b.GetExamined() != 20 || len(b.GetChanges()) != 0 || b.GetWon() != 10 {
		t.Errorf("backtest of a rule at work = %v, want no changes", b)
	}
	again, err := c.ReclassifyFailures(ctx, &redrivev1.ReclassifyFailuresRequest{ValidateOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if again = ended(t, c, again); again.GetExamined() != 117 || len(again.GetChanges()) != 1 || again.GetChanges()[0].GetCount() != 52 {
		t.Errorf("ReclassifyFailures without a change = %v", again)
	}
	if again, err = c.ReclassifyFailures(ctx, &redrivev1.ReclassifyFailuresRequest{}); err != nil {
		t.Fatal(err)
	}
	ended(t, c, again)
	f, err := c.GetFailure(ctx, &redrivev1.GetFailureRequest{Name: "failures/" + id(0, 1)})
	if r := f.GetReclassification(); err != nil || f.GetClass() != "unknown" || r.GetClass() != "disk.full" || r.GetRule() != "rules/flux" || r.GetRuleRevision() != 1 {
		t.Errorf("GetFailure = %v, %v", f, err)
	}
	list, err := c.ListFailures(ctx, &redrivev1.ListFailuresRequest{PageSize: 1000, Class: "unknown"})
	n := 0
	for _, f := range list.GetFailures() {
		if f.GetReclassification() != nil {
			n++
		}
	}
	if err != nil || n != 52 {
		t.Errorf("%d listed failures are reclassified (%v), want 52", n, err)
	}
	if _, err := c.DeleteRule(ctx, &redrivev1.DeleteRuleRequest{Name: "rules/flux"}); err != nil {
		t.Fatal(err)
	}
	if again, err = c.ReclassifyFailures(ctx, &redrivev1.ReclassifyFailuresRequest{}); err != nil {
		t.Fatal(err)
	}
	ended(t, c, again)
	if f, err = c.GetFailure(ctx, &redrivev1.GetFailureRequest{Name: f.GetName()}); err != nil || f.GetReclassification() != nil {
		t.Errorf("GetFailure without the rule = %v, %v", f.GetReclassification(), err)
	}
	all, err := c.ListBacktests(ctx, &redrivev1.ListBacktestsRequest{PageSize: 2})
	if err != nil || len(all.GetBacktests()) != 2 || all.GetBacktests()[0].GetName() != again.GetName() || all.GetNextPageToken() == "" {
		t.Errorf("ListBacktests = %v, %v", all, err)
	}
}

func TestABacktestGoesOnElsewhereAndCanBeCancelled(t *testing.T) {
	w := newWorld(t)
	one, c := w.service(Options{}) // it does not run: nothing works on its backtests
	w.run(one.outbox.Run)
	for i := range 250 {
		classify(t, c, fmt.Sprint("job-", i), 1, "flux capacitor 1 is empty\n")
	}
	b, err := c.BacktestRule(t.Context(), &redrivev1.BacktestRuleRequest{Rule: candidate})
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.BacktestRule(t.Context(), &redrivev1.BacktestRuleRequest{Rule: candidate})
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	one.proofs.Runner.RunAll(t.Context(), func() bool { steps++; return steps < 2 }) // and then it crashes
	b, err = c.GetBacktest(t.Context(), &redrivev1.GetBacktestRequest{Name: b.GetName()})
	if err != nil || b.GetExamined() != 100 || b.GetState() != redrivev1.Backtest_STATE_RUNNING {
		t.Fatalf("backtest after a step = %v, %v", b, err)
	}
	if other, err = c.CancelBacktest(t.Context(), &redrivev1.CancelBacktestRequest{Name: other.GetName()}); err != nil || other.GetState() != redrivev1.Backtest_STATE_CANCELLED {
		t.Errorf("CancelBacktest = %v, %v", other, err)
	}
	two, _ := w.service(Options{})
	two.proofs.Runner.RunAll(t.Context(), func() bool { return true })
	b, err = c.GetBacktest(t.Context(), &redrivev1.GetBacktestRequest{Name: b.GetName()})
	if err != nil || b.GetState() != redrivev1.Backtest_STATE_DONE || b.GetExamined() != 250 || b.GetWon() != 250 || b.GetEndTime() == nil {
		t.Errorf("backtest on another replica = %v, %v", b, err)
	}
	if other, err = c.CancelBacktest(t.Context(), &redrivev1.CancelBacktestRequest{Name: b.GetName()}); err != nil || other.GetState() != redrivev1.Backtest_STATE_DONE {
		t.Errorf("CancelBacktest of one that is done = %v, %v", other, err)
	}
	if b, err = c.BacktestRule(t.Context(), &redrivev1.BacktestRuleRequest{Rule: candidate}); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup // while a lease changes hands, two may work on one
	for _, s := range []*Service{one, two} {
		both.Go(func() { s.proofs.Runner.RunAll(t.Context(), func() bool { return true }) })
	}
	both.Wait()
	if b, err = c.GetBacktest(t.Context(), &redrivev1.GetBacktestRequest{Name: b.GetName()}); err != nil || b.GetExamined() != 250 || b.GetWon() != 250 {
		t.Errorf("backtest on two replicas at once = %v, %v", b, err)
	}
	for range 8 {
		if _, err = c.BacktestRule(t.Context(), &redrivev1.BacktestRuleRequest{Rule: candidate}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = c.BacktestRule(t.Context(), &redrivev1.BacktestRuleRequest{Rule: candidate}); kind(err) != errs.Exhausted {
		t.Errorf("one backtest too many = %v, want Exhausted", err)
	}
}

func TestStatsFollowWhatHappens(t *testing.T) {
	w := newWorld(t)
	s, c := w.running(Options{})
	first := classify(t, c, "job", 1, "t-bug null\n")
	retry := attempt("job", 2)
	e, err := bus.NewEvent(bus.AttemptSucceeded, "x", "redrive/scheduler", "", time.Now(), &redrivev1.AttemptSucceeded{Attempt: retry, Config: first.GetConfig()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; n == 0; { // until the consumer has it
		if n, err = w.store.Count(t.Context(), docstore.Query{Kind: "classifier.outcome"}, 1); err != nil || time.Now().After(deadline) {
			t.Fatal("no outcome is noted", err)
		}
	}
	for more := true; more; {
		if more, err = (stats.Walker{Store: s.proofs.Stats}).Step(t.Context(), time.Now().Add(2*stats.Lag)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.ListRuleStats(t.Context(), &redrivev1.ListRuleStatsRequest{Rule: "rules/t-bug"})
	if err != nil || len(got.GetStats()) != 1 || got.GetCountedSince() == nil {
		t.Fatalf("ListRuleStats = %v, %v", got, err)
	}
	if r := got.GetStats()[0]; r.GetMatches() != 1 || r.GetWins() != 1 || r.GetOutcomes().GetSucceeded() != 1 || r.Precision == nil || r.GetPrecision() != 0 || r.GetMode() != redrivev1.Rule_MODE_ENFORCE {
		t.Errorf("stats of t-bug = %v, want one success that its verdict would have prevented", r)
	}
	page, err := c.ListRuleStats(t.Context(), &redrivev1.ListRuleStatsRequest{PageSize: 2})
	if err != nil || len(page.GetStats()) != 2 || page.GetNextPageToken() == "" {
		t.Errorf("ListRuleStats = %v, %v", page, err)
	}
	if page, err = c.ListRuleStats(t.Context(), &redrivev1.ListRuleStatsRequest{StaleFor: durationpb.New(time.Hour)}); err != nil || len(page.GetStats()) != 0 {
		t.Errorf("ListRuleStats of stale rules = %v, %v, want none: nothing is counted for an hour", page, err)
	}
	stale, err := c.ListRuleStats(t.Context(), &redrivev1.ListRuleStatsRequest{StaleFor: durationpb.New(time.Nanosecond), PageSize: 1000})
	if err != nil || len(stale.GetStats()) < 60 || !stale.GetStats()[0].GetStale() {
		t.Errorf("ListRuleStats of all stale rules = %d, %v", len(stale.GetStats()), err)
	}
}
