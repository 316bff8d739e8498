package wire_test

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

// random makes values in which every field may be set or not.
type random struct{ *rand.Rand }

func (r random) maybe() bool { return r.IntN(3) > 0 }

func some[T any](r random, value func() T) (v T) {
	if r.maybe() {
		return value()
	}
	return v
}

func (r random) text() string {
	return some(r, func() string { return []string{"a", "ü/ñ", "{{config.x}}", "\x00", "etl-7"}[r.IntN(5)] })
}

func (r random) count() int { return some(r, func() int { return r.IntN(1000) }) }

func (r random) flag() bool { return r.IntN(2) == 0 }

func (r random) span() time.Duration {
	return some(r, func() time.Duration { return time.Duration(r.Int64N(int64(400 * 24 * time.Hour))) })
}

func (r random) moment() time.Time {
	return some(r, func() time.Time { return time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC() })
}

func (r random) pointer() *int {
	return some(r, func() *int { n := r.count(); return &n })
}

func (r random) value(depth int) any {
	switch n := r.IntN(6); {
	case n == 0:
		return nil
	case n == 1:
		return r.flag()
	case n == 2:
		return r.NormFloat64() * 1e9
	case n == 3 && depth > 0:
		return []any{r.value(depth - 1), r.value(depth - 1)}
	case n == 4 && depth > 0:
		return map[string]any{"k" + r.text(): r.value(depth - 1)}
	default:
		return r.text()
	}
}

func (r random) config() job.Config {
	return some(r, func() job.Config {
		m := map[string]any{}
		for i := range r.IntN(4) {
			m["key."+strconv.Itoa(i)] = r.value(2)
		}
		c, err := job.NewConfig(m)
		if err != nil {
			panic(err) // the test's own values
		}
		return c
	})
}

func (r random) texts() map[string]string {
	return some(r, func() map[string]string { return map[string]string{"K": r.text(), "L" + r.text(): "v"} })
}

func (r random) list() []string {
	return some(r, func() []string { return []string{"a" + r.text(), r.text()} })
}

func (r random) counts() map[failure.Class]int {
	m := map[failure.Class]int{}
	for _, c := range failure.Classes()[:r.IntN(5)] {
		m[c] = 1 + r.IntN(9)
	}
	return m
}

func (r random) overrides() policy.Overrides {
	return some(r, func() policy.Overrides {
		return policy.Overrides{
			UserRetries: r.pointer(), SystemRetries: r.pointer(), MemoryRetries: r.pointer(), TimeoutRetries: r.pointer(), AlertAfter: r.pointer(),
			MinBackoff: r.span(), MaxBackoff: r.span(), RunTimeout: r.span(), QueueTimeout: r.span(), Deadline: r.span(),
		}
	})
}

func (r random) evidence() failure.Evidence {
	return failure.Evidence{
		ExitCode: r.pointer(), Signal: r.count(), Reason: failure.Reason(r.IntN(int(failure.Lost) + 1)), Proof: r.text(),
		PeakBytes: some(r, func() *int64 { n := r.Int64(); return &n }),
		Logs: some(r, func() []failure.Log {
			return []failure.Log{{
				Source: r.text(), Head: r.text(), Tail: r.text(), SizeBytes: r.Int64(), Truncated: r.flag(), URI: r.text(),
				Problem: r.text(), ReadTime: r.moment(),
			}}
		}),
		PartPeaks:  some(r, func() map[string]int64 { return map[string]int64{"driver.heap": r.Int64()} }),
		LimitBytes: r.Int64(), MemoryDriver: r.text(), InputBytes: r.Int64(), Shape: some(r, r.shape), Node: r.text(),
		Start: r.moment(), End: r.moment(), Duration: r.span(),
	}
}

func (r random) shape() failure.Shape {
	return failure.Shape{
		Name: r.text(), InstanceType: r.text(), Nodes: r.count(), CoresPerNode: r.Float64(), MemoryPerNode: r.Int64(),
		DollarsPerHour: r.Float64(), Spot: r.flag(),
	}
}

func (r random) attempt() job.Attempt {
	a := job.Attempt{
		Number: r.count(), Config: r.config(), Start: r.moment(), End: r.moment(), Succeeded: r.flag(),
		Failure: r.text(), Decision: r.text(), Applied: r.list(),
		Skipped: some(r, func() []job.Skip { return []job.Skip{{Patch: r.text(), Reason: r.text()}, {}} }), Replica: r.text(),
	}
	if !a.End.IsZero() {
		a.Evidence = r.evidence()
	}
	return a
}

func (r random) job() job.Job {
	return job.Job{
		ID: "etl-1", Source: r.text(), SourceJob: r.text(), Type: failure.Type{Workflow: r.text(), Step: r.text(), Engine: r.text()},
		Task: some(r, func() *job.Task {
			return &job.Task{Args: []string{"x", r.text()}, Env: r.texts(), WorkDir: r.text(), Spark: some(r, r.spark)}
		}),
		Config: r.config(), Overrides: r.overrides(), Labels: r.texts(), Owner: r.text(), InputBytes: r.Int64(),
		State: job.State(r.IntN(int(job.Cancelled) + 1)), Reason: r.text(), StateSince: r.moment(), Due: r.moment(),
		Attempts: some(r, func() []job.Attempt { return []job.Attempt{r.attempt(), r.attempt()} }),
		Created:  r.moment(), Updated: r.moment(), Ended: r.moment(), Revision: 1 + r.Int64N(100),
		CancelRequested: r.flag(), CancelReason: r.text(), FailuresByClass: r.counts(), Consecutive: r.count(), BudgetStart: r.moment(),
		Emissions: r.count(), RequiredPatch: r.text(), PostponedSince: r.moment(), Starter: r.text(), Trace: r.text(),
	}
}

func (r random) spark() *job.Spark {
	return &job.Spark{
		Application: r.text(), MainClass: r.text(), Home: r.text(), Master: r.text(), Name: r.text(),
		PyFiles: r.list(), Files: r.list(), Jars: r.list(),
	}
}

func (r random) decision() policy.Decision {
	return policy.Decision{
		Job: "etl-1", Attempt: r.count(), Action: policy.Action(r.IntN(4)), Due: r.moment(), Reason: r.text(), Attention: policy.Attention(r.IntN(4)),
		RetriesUsed: r.count(), RetryLimit: r.count(), Created: r.moment(),
		Inputs: policy.Inputs{
			Now: r.moment(),
			Verdict: policy.Verdict{
				Failure: r.text(), Class: failure.Class(r.text()), Category: failure.Category(r.IntN(7)), Verdict: failure.Verdict(r.IntN(6)),
				Patch: r.text(), NotFeasible: r.flag(), NotFeasibleReason: r.text(), RetryAfter: r.span(), Degraded: r.flag(),
			},
			Class:           policy.Class{Retries: r.count(), BaseDelay: r.span(), Factor: r.Float64(), AlertAfter: r.IntN(9) - 1},
			FailuresByClass: r.counts(), Consecutive: r.count(), Overrides: r.overrides(), BudgetStart: r.moment(), Seed: r.Uint64(), Cancelled: r.flag(),
		},
	}
}

// through writes a message and reads it again.
func through[M proto.Message](t *testing.T, from, to M) M {
	t.Helper()
	text, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestAJobIsKeptWhole guards against a field that is forgotten in one direction:
// a job must come back from the store as it went there.
func TestAJobIsKeptWhole(t *testing.T) {
	for seed := range uint64(500) {
		want := random{rand.New(rand.NewPCG(seed, 1))}.job()
		got, err := wire.FromRecord(through(t, wire.Record(want), &redrivev1.JobRecord{}), want.Revision)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n got %+v (%v)\nwant %+v", seed, got, err, want)
		}
	}
}

// TestAConfigurationIsKeptOnce, however many attempts ran with it.
func TestAConfigurationIsKeptOnce(t *testing.T) {
	one, _ := job.NewConfig(map[string]any{"memory_mb": 64.0})
	two, _ := job.NewConfig(map[string]any{"memory_mb": 128.0})
	r := wire.Record(job.Job{Config: one, Attempts: []job.Attempt{{Config: one}, {Config: two}, {}, {Config: one}, {Config: two}}})
	if len(r.GetConfigs()) != 2 {
		t.Errorf("%d configurations are kept, want 2", len(r.GetConfigs()))
	}
	r.AttemptConfigs[2] = 3
	if _, err := wire.FromRecord(r, 1); err == nil {
		t.Error("a configuration that is not there was read")
	}
}

func TestADecisionIsKeptWhole(t *testing.T) {
	for seed := range uint64(500) {
		want := random{rand.New(rand.NewPCG(seed, 2))}.decision()
		got := wire.FromDecision(through(t, wire.Decision("jobs/etl-1/decisions/1", want), &redrivev1.Decision{}))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, want)
		}
	}
}

// TestARecordedDecisionIsMadeAgain is what a replay rests on.
func TestARecordedDecisionIsMadeAgain(t *testing.T) {
	for seed := range uint64(500) {
		in := random{rand.New(rand.NewPCG(seed, 3))}.decision().Inputs
		once := policy.Decide(in)
		kept := wire.FromDecision(through(t, wire.Decision("jobs/etl-1/decisions/1", once), &redrivev1.Decision{}))
		again := policy.Decide(kept.Inputs)
		if a, b := wire.Decision("d", once), wire.Decision("d", again); !proto.Equal(a, b) {
			t.Fatalf("seed %d:\n once %v\nagain %v", seed, a, b)
		}
	}
}

// TestEveryFieldOfAJobIsRandom keeps the property honest when a field is added.
func TestEveryFieldOfAJobIsRandom(t *testing.T) {
	seen := map[string]bool{}
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Pointer:
			if !v.IsNil() {
				look(path, v.Elem())
			}
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				look(path+"[]", v.Index(i))
			}
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		default:
			seen[path] = seen[path] || !v.IsZero()
		}
	}
	for seed := range uint64(100) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		look("job", reflect.ValueOf(r.job()))
		look("decision", reflect.ValueOf(r.decision()))
	}
	if len(seen) < 60 {
		t.Errorf("only %d fields were looked at", len(seen))
	}
	for path, set := range seen {
		if !set {
			t.Errorf("%s is never set", path)
		}
	}
}
