package advice_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

type config = map[string]any

const mib, gib = 1 << 20, 1 << 30

var settings = search.Settings{
	Weight: 0.001, PerGiBHour: 0.005, PerCoreHour: 0.04, NotFeasible: 0.9, MinObservations: 3, MaxMemory: 64 * gib,
}

func killedAt(limit int64) failure.Evidence {
	return failure.Evidence{
		Signal: 9, Reason: failure.OutOfMemory, Proof: "oom_kill 1", LimitBytes: limit, PeakBytes: &limit, Duration: 2 * time.Minute,
	}
}

// unexplained is the n-th failure with the same words.
func unexplained(n int) advice.Request {
	return advice.Request{
		FailureID: fmt.Sprintf("j-%d", n), Type: failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}, Config: config{"memory_mb": 512.0},
		Class: failure.Unknown, Fingerprint: "f", SameFailures: n, Attempt: n,
		Evidence: failure.Evidence{Reason: failure.Exited, Duration: time.Second},
	}
}

// known is what there is to go by with a history and the built-in model.
func known(h history.History) advice.Knowledge {
	p := need.Prices{Weight: settings.Weight, PerGiBHour: settings.PerGiBHour, FailedShare: 1}
	return advice.Knowledge{History: h, Estimator: estimate.New().Of(h, p)}
}

func ask(t *testing.T, r advice.Request, h history.History) (advice.Answer, advice.Record) {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	rec, err := advice.Prepare(r, known(h), settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advice.Search(t.Context(), r, rec)
	if err != nil {
		t.Fatal(err)
	}
	again, err := advice.Search(t.Context(), r, rec)
	if err != nil || !reflect.DeepEqual(a, again) {
		t.Fatalf("the same record gives %+v, %v, want %+v", again, err, a)
	}
	return a, rec
}

func TestAnUnexplainedFailureIsRetriedTwiceAndThenHopeless(t *testing.T) {
	for n, want := range []search.Outcome{1: search.Keep, 2: search.Keep, 3: search.NotFeasible, 4: search.NotFeasible} {
		if n == 0 {
			continue
		}
		got, rec := ask(t, unexplained(n), history.History{})
		if got.Outcome != want || len(got.Operations) > 0 {
			t.Errorf("failure %d: %v with probability %.3f and %v, want %v", n, got.Outcome, rec.Permanent, got.Operations, want)
		}
	}
}

// attempts returns a history in which n jobs failed with fingerprint f and ended
// so on their retry.
func attempts(n int, outcome history.Outcome) (h history.History) {
	for i := range n {
		id := fmt.Sprintf("x%d", i)
		h = h.Learn(history.Attempt{ID: id + "-1", Outcome: history.Failed, Fingerprint: "f", Class: failure.Unknown})
		h = h.Learn(history.Attempt{ID: id + "-2", Previous: id + "-1", Outcome: outcome, Fingerprint: map[history.Outcome]string{history.Failed: "f"}[outcome], Class: failure.Unknown})
	}
	return h
}

func TestTheHistoryOfTheJobTypeCounts(t *testing.T) {
	if got, rec := ask(t, unexplained(3), attempts(1, history.Succeeded)); got.Outcome != search.Keep {
		t.Errorf("third failure, but a retry after it succeeded once: %v with %.3f, want Keep", got.Outcome, rec.Permanent)
	}
	if got, rec := ask(t, unexplained(1), attempts(5, history.Failed)); got.Outcome != search.NotFeasible {
		t.Errorf("first failure, but five retries after it failed: %v with %.3f, want NotFeasible", got.Outcome, rec.Permanent)
	}
}

func TestWhetherTheFailureItselfWasHeardMakesNoDifference(t *testing.T) {
	r := unexplained(2)
	h := attempts(2, history.Succeeded)
	_, want := ask(t, r, h)
	_, got := ask(t, r, h.Learn(history.Attempt{ID: r.FailureID, Previous: "j-1", Outcome: history.Failed, Class: failure.Unknown, Fingerprint: "f", Peak: gib}))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("record = %+v, want %+v", got, want)
	}
}

func TestMemoryIsRaisedOnlyWhereMemoryIsShown(t *testing.T) {
	code := 137
	at, below := int64(510*mib), int64(100*mib)
	for _, tc := range []struct {
		name     string
		class    failure.Class
		config   config
		evidence failure.Evidence
		want     search.Outcome
	}{
		{"a memory class", failure.MemoryPython, config{"memory_mb": 512.0}, failure.Evidence{}, search.Change},
		{"an unexplained kill with proof", failure.Unknown, config{"memory_mb": 512.0}, killedAt(512 * mib), search.Change},
		{
			"an unexplained SIGKILL at the limit", failure.Unknown,
			config{"memory_mb": 512.0},
			failure.Evidence{ExitCode: &code, LimitBytes: 512 * mib, PeakBytes: &at},
			search.Change,
		},
		{
			"an unexplained SIGKILL far below the limit", failure.Unknown,
			config{"memory_mb": 512.0},
			failure.Evidence{Signal: 9, LimitBytes: 512 * mib, PeakBytes: &below},
			search.Keep,
		},
		{
			"a timeout at the limit", failure.Unknown,
			config{"memory_mb": 512.0},
			failure.Evidence{Signal: 9, Reason: failure.TimedOut, LimitBytes: 512 * mib, PeakBytes: &at},
			search.Keep,
		},
		{"an unexplained exit", failure.Unknown, config{"memory_mb": 512.0}, failure.Evidence{Reason: failure.Exited}, search.Keep},
		{"another class", failure.Preemption, config{"memory_mb": 512.0}, killedAt(512 * mib), search.Keep},
		{"a kill where no limit is known", failure.MemoryContainer, config{}, failure.Evidence{}, search.NotFeasible},
		{"an unexplained kill where no limit is known", failure.Unknown, config{}, failure.Evidence{Reason: failure.OutOfMemory}, search.Keep},
		{"a kill at a limit that the configuration does not have", failure.MemoryContainer, config{}, killedAt(512 * mib), search.Change},
		{
			"a kill where the cgroup says that nothing is limited", failure.MemoryContainer,
			config{},
			failure.Evidence{Reason: failure.OutOfMemory, LimitBytes: math.MaxInt64 - 4095},
			search.NotFeasible,
		},
		{
			"a kill at a limit of which the cgroup says nothing", failure.MemoryContainer,
			config{"memory_mb": 512.0},
			failure.Evidence{Reason: failure.OutOfMemory, LimitBytes: math.MaxInt64 - 4095},
			search.Change,
		},
		{"a GPU has no setting", failure.MemoryGPU, config{"memory_mb": 512.0}, failure.Evidence{}, search.NotFeasible},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := unexplained(1)
			r.Class, r.Config, r.Evidence = tc.class, tc.config, tc.evidence
			got, _ := ask(t, r, history.History{})
			if got.Outcome != tc.want {
				t.Fatalf("outcome = %v (%s), want %v", got.Outcome, got.Reason, tc.want)
			}
			if (len(got.Operations) > 0) != (tc.want == search.Change) {
				t.Errorf("operations = %v with %v", got.Operations, got.Outcome)
			}
		})
	}
}

func TestARaisedLevelIsKeptAndTheChangeIsAgainstTheOriginal(t *testing.T) {
	r := unexplained(2)
	r.Type.Engine, r.Class = engine.Spark, failure.MemoryExecutor
	r.Config = config{"spark.driver.memory": "1g", "spark.executor.memory": "2g"}
	r.AttemptConfig = config{"spark.driver.memory": "3g", "spark.driver.maxResultSize": "3g", "spark.executor.memory": "2g"}
	got, _ := ask(t, r, history.History{})
	if got.Outcome != search.Change || len(got.Operations) != 5 {
		t.Fatalf("answer = %v %v", got.Outcome, got.Operations)
	}
	want := []engine.Operation{
		{Op: "add", Path: "/spark.driver.maxResultSize", Value: "3g"},
		{Op: "test", Path: "/spark.driver.memory", Value: "1g"},
		{Op: "replace", Path: "/spark.driver.memory", Value: "3g"},
		{Op: "test", Path: "/spark.executor.memory", Value: "2g"},
		{Op: "replace", Path: "/spark.executor.memory", Value: engine.FormatSize(got.Chosen.Memory)},
	}
	if !reflect.DeepEqual(got.Operations, want) {
		t.Errorf("operations = %v, want %v", got.Operations, want)
	}
}

func TestALimitOfResultsIsRaisedWhereTheLogNamesIt(t *testing.T) {
	r := unexplained(1)
	r.Type.Engine, r.Class, r.Setting = engine.Spark, failure.MemoryDriver, "spark.driver.maxResultSize"
	r.Config = config{"spark.driver.memory": "1g", "spark.driver.maxResultSize": "8m"}
	r.AttemptConfig = r.Config
	got, rec := ask(t, r, history.History{})
	if got.Outcome != search.Change || rec.Part != engine.DriverResult || rec.Proven != 8<<20 {
		t.Fatalf("answer = %v of %q, proven %d: %s", got.Outcome, rec.Part, rec.Proven, got.Reason)
	}
	var paths []string
	for _, op := range got.Operations {
		paths = append(paths, op.Op+" "+op.Path)
	}
	want := []string{"test /spark.driver.maxResultSize", "replace /spark.driver.maxResultSize", "test /spark.driver.memory", "replace /spark.driver.memory"}
	if !reflect.DeepEqual(paths, want) {
		t.Errorf("operations = %v, want %v", paths, want)
	}
	if !strings.Contains(got.Reason, "results") {
		t.Errorf("reason = %q, want that it names the results", got.Reason)
	}
}

// The patch by which the attempt had less may apply yet: nothing would be changed
// without an operation that overrides it, and nothing is retried without a patch.
func TestAChangeBackToTheOriginalOverridesWhatLoweredIt(t *testing.T) {
	r := unexplained(1)
	r.Class = failure.MemoryContainer
	first, _ := ask(t, r, history.History{})
	r.Config = config{"memory_mb": float64(first.Chosen.Memory / mib)}
	r.AttemptConfig = config{"memory_mb": 512.0}
	got, _ := ask(t, r, history.History{})
	own := r.Config["memory_mb"]
	want := []engine.Operation{{Op: "test", Path: "/memory_mb", Value: own}, {Op: "replace", Path: "/memory_mb", Value: own}}
	if got.Outcome != search.Change || !reflect.DeepEqual(got.Operations, want) || got.Chosen.Memory != first.Chosen.Memory {
		t.Errorf("answer = %v %+v %v, want %v", got.Outcome, got.Chosen, got.Operations, want)
	}
}

func TestTheExpectedTimeIsNotLessThanTheFailureTook(t *testing.T) {
	h := history.History{}.Learn(history.Attempt{ID: "a", Outcome: history.Succeeded, Seconds: 30})
	for took, want := range map[time.Duration]float64{0: 30, 10 * time.Second: 30, time.Hour: 3600} {
		r := unexplained(1)
		r.Evidence.Duration = took
		if _, rec := ask(t, r, h); rec.Seconds != want {
			t.Errorf("seconds after %v = %v, want %v", took, rec.Seconds, want)
		}
	}
	r := unexplained(1)
	r.Evidence.Duration = 0
	if _, rec := ask(t, r, history.History{}); rec.Seconds != 60 {
		t.Errorf("seconds of nothing known = %v, want 60", rec.Seconds)
	}
}

func TestRepeatedKillsGrowTillTheCeiling(t *testing.T) {
	r := unexplained(1)
	limit := int64(512 * mib)
	for n := 1; ; n++ {
		r.Class, r.Evidence, r.SameFailures = failure.MemoryContainer, killedAt(limit), n
		r.AttemptConfig = config{"memory_mb": float64(limit / mib)}
		got, _ := ask(t, r, history.History{})
		if limit == settings.MaxMemory {
			if got.Outcome != search.NotFeasible {
				t.Errorf("at the ceiling: %v, want NotFeasible", got.Outcome)
			}
			return
		}
		if got.Outcome != search.Change || got.Chosen.Memory <= limit || n > 20 {
			t.Fatalf("kill %d at %d: %v %+v (%s), want more", n, limit, got.Outcome, got.Chosen, got.Reason)
		}
		limit = got.Chosen.Memory
	}
}

func TestBadRequestsAreNamedInFull(t *testing.T) {
	negative := int64(-1)
	r := advice.Request{
		Type: failure.Type{Workflow: "w", Step: "", Engine: "ray"}, Class: "no.such", SameFailures: -1, Attempt: -1,
		Fingerprint: strings.Repeat("x", 129), Setting: strings.Repeat("x", 129),
		Evidence: failure.Evidence{PeakBytes: &negative, LimitBytes: -1, Duration: -1},
	}
	e, ok := errors.AsType[*errs.Error](r.Validate())
	if !ok {
		t.Fatal("want an error")
	}
	got := map[string]bool{}
	for _, v := range e.Violations {
		got[v.Field] = true
	}
	for _, field := range []string{
		"type.step", "type.engine", "class", "same_failures", "attempt", "fingerprint",
		"evidence.peak_memory_bytes", "evidence.memory_limit_bytes", "evidence.duration",
	} {
		if !got[field] {
			t.Errorf("%s is not named; %v are", field, got)
		}
	}
	r = unexplained(1)
	r.AttemptConfig = config{"memory_mb": "lots"}
	if err := r.Validate(); !errs.Is(err, errs.Invalid) {
		t.Errorf("Validate of a bad attempt_config = %v, want Invalid", err)
	}
}

func FuzzPrepareAndSearch(f *testing.F) {
	f.Add("spark", "memory.executor", "spark.executor.memory", "4g", int64(1<<32), int64(0), 2, 3.5)
	f.Add("jvm", "memory.container", "memory_mb", "1", int64(5), int64(1<<62), 1, math.Inf(1))
	f.Add("process", "unknown", "memory_mb", "", int64(math.MaxInt64), int64(math.MaxInt64), 9, math.NaN())
	f.Fuzz(func(t *testing.T, name, class, key, text string, limit, peak int64, same int, number float64) {
		r := advice.Request{
			Type:   failure.Type{Workflow: "w", Step: "s", Engine: name},
			Config: config{key: text, "memory_mb": number, "heap_mb": number}, Class: failure.Class(class), SameFailures: same,
			Evidence: failure.Evidence{Reason: failure.OutOfMemory, LimitBytes: limit, PeakBytes: &peak},
		}
		if text == "" {
			r.Config[key] = number
		}
		if r.Validate() != nil {
			return
		}
		rec, err := advice.Prepare(r, advice.Knowledge{}, settings)
		if err != nil {
			t.Fatalf("Prepare of a valid request: %v", err)
		}
		a, err := advice.Search(t.Context(), r, rec)
		if err != nil {
			t.Fatalf("Search of a valid request: %v", err)
		}
		for _, c := range append(a.Best, a.Current) {
			if !(c.FailProbability > 0 && c.FailProbability < 1) || math.IsNaN(c.Objective) || math.IsInf(c.Objective, 0) {
				t.Fatalf("candidate %+v", c)
			}
		}
	})
}
