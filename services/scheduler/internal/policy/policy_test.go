package policy_test

import (
	"testing"
	"testing/quick"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// after returns the inputs of the n-th failure of a class in a row.
func after(c failure.Class, n int) policy.Inputs {
	m, _ := failure.MeaningOf(c)
	v := policy.Verdict{Failure: "failures/f", Class: c, Category: m.Category, Verdict: m.Verdict}
	if m.Verdict == failure.RetryWithConfig {
		v.Patch = "patches/p"
	}
	return policy.Inputs{
		Now: now, Verdict: v, Class: policy.Defaults().Of(c, m.Verdict),
		FailuresByClass: map[failure.Class]int{c: n}, Consecutive: n, BudgetStart: now, Seed: 7,
	}
}

func TestDefaultsOfEveryClass(t *testing.T) {
	for _, tc := range []struct {
		class      failure.Class
		n          int
		want       policy.Action
		wantAttent policy.Attention
	}{
		{failure.NetworkTransient, 1, policy.Retry, policy.Nobody},
		{failure.NetworkTransient, 5, policy.Retry, policy.BeforeCap},
		{failure.NetworkTransient, 10, policy.Retry, policy.BeforeCap},
		{failure.NetworkTransient, 11, policy.Stop, policy.Permanent},
		{failure.ConcurrencyConflict, 6, policy.Stop, policy.Permanent},
		{failure.Preemption, 1, policy.Retry, policy.Nobody},
		{failure.MemoryContainer, 1, policy.RetryWithConfig, policy.Nobody},
		{failure.MemoryContainer, 3, policy.RetryWithConfig, policy.Nobody},
		{failure.MemoryContainer, 4, policy.Stop, policy.Permanent},
		{failure.DiskFull, 1, policy.Retry, policy.BeforeCap},
		{failure.Timeout, 1, policy.Retry, policy.BeforeCap},
		{failure.Timeout, 2, policy.Stop, policy.Permanent},
		{failure.Permission, 1, policy.Retry, policy.Nobody},
		{failure.Permission, 2, policy.Retry, policy.BeforeCap},
		{failure.Permission, 5, policy.Stop, policy.Permanent},
		{failure.CodeBug, 1, policy.Stop, policy.Permanent},
		{failure.Cancelled, 1, policy.Stop, policy.Nobody},
		{failure.Unknown, 2, policy.Retry, policy.Nobody},
		{failure.Unknown, 3, policy.Stop, policy.Permanent},
	} {
		d := policy.Decide(after(tc.class, tc.n))
		if d.Action != tc.want || d.Attention != tc.wantAttent {
			t.Errorf("%s, failure %d: action %v, attention %v (%s); want %v, %v", tc.class, tc.n, d.Action, d.Attention, d.Reason, tc.want, tc.wantAttent)
		}
	}
}

func TestWhatStopsARetry(t *testing.T) {
	two := 2
	for _, tc := range []struct {
		name   string
		change func(*policy.Inputs)
	}{
		{"no configuration is feasible", func(in *policy.Inputs) { in.Verdict.NotFeasible = true }},
		{"no patch could be made", func(in *policy.Inputs) { in.Verdict.Patch = "" }},
		{"the job's own limit", func(in *policy.Inputs) {
			in.Overrides.MemoryRetries = &two
			in.FailuresByClass[failure.MemoryContainer] = 3
		}},
		{"failures of other classes of the category", func(in *policy.Inputs) {
			in.Overrides.MemoryRetries = &two
			in.FailuresByClass[failure.MemoryPython] = 2
		}},
		{"the deadline", func(in *policy.Inputs) {
			in.Overrides.Deadline, in.Now = time.Hour, now.Add(61*time.Minute)
		}},
		{"a cancelled job", func(in *policy.Inputs) { in.Cancelled = true }},
	} {
		in := after(failure.MemoryContainer, 1)
		if d := policy.Decide(in); d.Action != policy.RetryWithConfig {
			t.Fatalf("unchanged: %v, want a retry with configuration", d.Action)
		}
		tc.change(&in)
		if d := policy.Decide(in); d.Action != policy.Stop || !d.Due.IsZero() || d.Reason == "" {
			t.Errorf("%s: %v due %v (%q), want a stop with its reason", tc.name, d.Action, d.Due, d.Reason)
		}
	}
}

func TestPlatformFailuresDoNotBurnTheJobsOwnRetries(t *testing.T) {
	in := after(failure.Permission, 1)
	in.FailuresByClass[failure.Preemption] = 9
	in.FailuresByClass[failure.NetworkTransient] = 9
	if d := policy.Decide(in); d.Action != policy.Retry || d.RetriesUsed != 1 {
		t.Errorf("action %v with %d retries used, want a retry with 1 used", d.Action, d.RetriesUsed)
	}
}

func TestOneLimitOfAJobIsForAllThatItCounts(t *testing.T) {
	two := 2
	for _, tc := range []struct {
		class, other failure.Class
		overrides    policy.Overrides
	}{
		{failure.NetworkTransient, failure.Preemption, policy.Overrides{SystemRetries: &two, UserRetries: &two}},
		{failure.Preemption, failure.NetworkTransient, policy.Overrides{SystemRetries: &two}},
		{failure.Permission, failure.Unknown, policy.Overrides{UserRetries: &two, SystemRetries: &two}},
		{failure.Unknown, failure.Permission, policy.Overrides{UserRetries: &two}},
	} {
		in := after(tc.class, 1)
		in.Overrides = tc.overrides
		in.FailuresByClass[tc.other] = 1
		if d := policy.Decide(in); d.Action != policy.Retry {
			t.Errorf("%s after one %s: %v (%s), want the second of two retries", tc.class, tc.other, d.Action, d.Reason)
		}
		in.FailuresByClass[tc.other] = 2
		if d := policy.Decide(in); d.Action != policy.Stop {
			t.Errorf("%s after two of %s: %v, want a stop: the limit is for both", tc.class, tc.other, d.Action)
		}
		in.FailuresByClass = map[failure.Class]int{tc.class: 1, failure.MemoryContainer: 3, failure.Timeout: 1}
		if d := policy.Decide(in); d.Action != policy.Retry {
			t.Errorf("%s after failures that count elsewhere: %v, want a retry", tc.class, d.Action)
		}
	}
}

func TestAJobWithFewRetriesIsToldAtItsLast(t *testing.T) {
	in := after(failure.NetworkTransient, 2)
	two := 2
	in.Overrides.SystemRetries = &two
	if d := policy.Decide(in); d.Attention != policy.BeforeCap {
		t.Errorf("attention %v at the last of two retries, want BeforeCap", d.Attention)
	}
}

func TestRetryAfterWins(t *testing.T) {
	in := after(failure.Throttling, 1)
	in.Verdict.RetryAfter = 10 * time.Minute
	got := policy.Decide(in).Due.Sub(now)
	if got < 10*time.Minute || got > 11*time.Minute {
		t.Errorf("delay %v, want 10 to 11 minutes", got)
	}
}

func TestBackoffProperties(t *testing.T) {
	rising := func(base, limit uint32, factor float32, n uint8) bool {
		b := policy.Backoff{Base: time.Duration(base), Factor: float64(factor), Cap: time.Duration(limit)}
		d := b.Delay(int(n))
		return d >= 0 && d <= b.Cap && b.Delay(int(n)+1) >= d
	}
	if err := quick.Check(rising, nil); err != nil {
		t.Error(err)
	}
	within := func(seed uint64, n uint8) bool {
		in := after(failure.NetworkTransient, int(n%10)+1)
		in.Seed = seed
		once, again := policy.Decide(in), policy.Decide(in)
		delay := once.Due.Sub(now)
		limit := policy.Backoff{Base: 15 * time.Second, Factor: 2, Cap: time.Hour}.Delay(int(n%10) + 1)
		return once.Due.Equal(again.Due) && delay >= 0 && delay <= limit
	}
	if err := quick.Check(within, nil); err != nil {
		t.Error(err)
	}
}

func TestJitterUsesTheWholeRange(t *testing.T) {
	low, high := 0, 0
	for seed := range uint64(200) {
		in := after(failure.NetworkTransient, 1)
		in.Seed = seed
		if policy.Decide(in).Due.Sub(now) < 7500*time.Millisecond {
			low++
		} else {
			high++
		}
	}
	if low < 60 || high < 60 {
		t.Errorf("%d delays in the lower half and %d in the upper, want an even spread", low, high)
	}
}

func TestEveryLoopEnds(t *testing.T) {
	for _, c := range failure.Classes() {
		n := 1
		for ; n < 1000 && policy.Decide(after(c, n)).Action != policy.Stop; n++ {
		}
		if n == 1000 {
			t.Errorf("%s is retried for ever", c)
		}
	}
}

func TestLoad(t *testing.T) {
	table, err := policy.Load([]byte("classes:\n  \"*\": {base_delay: 1s, alert_after: 1}\n  network.transient: {retries: 3}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Of(failure.NetworkTransient, failure.Retry); got.Retries != 3 || got.BaseDelay != time.Second || got.AlertAfter != 1 {
		t.Errorf("network.transient = %+v, want 3 retries from 1s with an alert after 1", got)
	}
	if got := table.Of(failure.CodeBug, failure.DoNotRetry); got.Retries != 0 {
		t.Errorf("code.bug has %d retries, want none", got.Retries)
	}
	if got := table.Of(failure.CodeBug, failure.Retry); got.Retries != 2 {
		t.Errorf("code.bug that a rule retries has %d retries, want those of unknown failures", got.Retries)
	}
	if got := table.Of(failure.Cancelled, failure.DoNotRetry); got.AlertAfter != failure.NeverAlert {
		t.Error("cancelled alerts, although it never does")
	}
	for _, bad := range []string{
		"classes: {nonsense: {retries: 1}}", "classes: {timeout: {retries: -1}}", "classes: {timeout: {factor: 0.5}}",
		"classes: {timeout: {base_delay: 48h}}", "clases: {}", "{", "classes: {timeout: {retries: many}}",
		"classes: {timeout: {factor: .nan}}", "classes: {\"*\": {retries: 100}}",
	} {
		if _, err := policy.Load([]byte(bad)); !errs.Is(err, errs.Invalid) {
			t.Errorf("Load(%q) = %v, want Invalid", bad, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("classes: {timeout: {retries: 1, base_delay: 1s, factor: 2, alert_after: 1}}"))
	f.Fuzz(func(t *testing.T, file []byte) {
		table, err := policy.Load(file)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("kind %v, want Invalid", errs.KindOf(err))
			}
			return
		}
		for _, c := range failure.Classes() {
			if got := table.Of(c, failure.Retry); got.Retries < 0 || got.Retries > policy.MaxRetries || got.BaseDelay < 0 {
				t.Errorf("%s = %+v is out of bounds", c, got)
			}
		}
	})
}
