package advice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// A retry that had more memory and then met something else runs again with what
// it had: nothing of it is taken back, and nothing is added.
func TestAnUnrelatedFailureKeepsTheRaisedLevel(t *testing.T) {
	for _, class := range []failure.Class{failure.Preemption, failure.CodeBug, failure.Unknown} {
		r := unexplained(1)
		r.Attempt, r.Class = 2, class
		r.Config, r.AttemptConfig = config{"memory_mb": 512.0}, config{"memory_mb": 2048.0}
		r.Evidence.LimitBytes = 2 * gib
		got, _ := ask(t, r, grows(10))
		if got.Outcome != search.Keep || len(got.Operations) != 0 || got.Chosen.Memory != 2*gib {
			t.Errorf("after %s: %v %+v with %v, want that 2 GiB are kept", class, got.Outcome, got.Chosen, got.Operations)
		}
	}
}

// Memory that ran out a second time grows from the raised level, not from the
// original one.
func TestASecondKillGrowsFromTheRaisedLevel(t *testing.T) {
	r := killedOn(0, 2*gib)
	r.Attempt, r.SameFailures = 2, 2
	r.Config, r.AttemptConfig = config{"memory_mb": 512.0}, config{"memory_mb": 2048.0}
	if got, _ := ask(t, r, history.History{}); got.Outcome != search.Change || got.Chosen.Memory <= 2*gib {
		t.Errorf("after a kill at 2 GiB: %v %+v", got.Outcome, got.Chosen)
	}
}

func TestOnlyWhatRanOutGrows(t *testing.T) {
	spark := config{
		"spark.driver.memory": "2g", "spark.executor.memory": "4g", "spark.executor.memoryOverhead": "512m", "spark.executor.cores": "1",
	}
	for _, tc := range []struct {
		engine string
		class  failure.Class
		config config
		want   string // the one key that changes
	}{
		{engine.Process, failure.MemoryContainer, config{"memory_mb": 512.0, "cores": 2.0}, "/memory_mb"},
		{engine.JVM, failure.MemoryContainer, config{"memory_mb": 1024.0, "heap_mb": 512.0}, "/memory_mb"},
		{engine.Spark, failure.MemoryDriver, spark, "/spark.driver.memory"},
		{engine.Spark, failure.MemoryExecutor, spark, "/spark.executor.memory"},
		{engine.Spark, failure.MemoryContainer, spark, "/spark.executor.memoryOverhead"},
	} {
		r := unexplained(1)
		r.Type.Engine, r.Class, r.Config = tc.engine, tc.class, tc.config
		got, _ := ask(t, r, history.History{})
		var changed []string
		for _, op := range got.Operations {
			if op.Op != "test" {
				changed = append(changed, op.Path)
			}
		}
		if got.Outcome != search.Change || strings.Join(changed, " ") != tc.want {
			t.Errorf("%s %s: %v changes %v, want %s alone", tc.engine, tc.class, got.Outcome, changed, tc.want)
		}
	}
}

// What a human found to work by running a job again by hand, as another job with
// more memory, is what the next failure gets at once.
func TestTheRunsOfHumansTeach(t *testing.T) {
	var h history.History
	h.Type = process
	told := func(job string, outcome history.Outcome, memory, peak int64) {
		a := history.Attempt{
			ID: failure.Attempt{Source: "airflow", Job: job, Number: 1}.FailureID(), Outcome: outcome, Seconds: 600,
			End: time.Unix(int64(60*len(h.Attempts)), 0), Sizes: map[engine.Part]int64{engine.Tree: memory}, Peak: peak,
		}
		a.Killed = outcome == history.Failed
		h = h.Learn(a)
	}
	before, _ := ask(t, killedOn(0, gib), h)
	for i := range 5 {
		told(fmt.Sprint("run-", i), history.Failed, gib, gib)
		told(fmt.Sprint("by-hand-", i), history.Succeeded, 16*gib, 6*gib+int64(i)*10*mib)
	}
	after, rec := ask(t, killedOn(0, gib), h)
	if before.Chosen.Memory >= 6*gib {
		t.Fatalf("without any history %s are chosen: the test shows little", search.Bytes(before.Chosen.Memory))
	}
	if after.Chosen.Memory < 6*gib || after.Chosen.Memory > 9*gib {
		t.Errorf("%s are chosen after five runs by hand that needed 6 GiB; %+v", search.Bytes(after.Chosen.Memory), rec.Need)
	}
}

func size(t *testing.T, c config, k advice.Knowledge, input int64) (advice.Answer, advice.Record) {
	t.Helper()
	r := advice.Request{Type: process, Config: c, Class: failure.Unknown, Evidence: failure.Evidence{InputBytes: input}}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	rec, err := advice.Size(r, k, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advice.Search(t.Context(), r, rec)
	if err != nil {
		t.Fatal(err)
	}
	return a, rec
}

func TestAFirstAttemptIsSizedByItsInput(t *testing.T) {
	asks := config{"memory_mb": 16384.0}
	k := known(grows(60))
	for input, want := range map[int64]int64{2 * gib: gib + 2*gib/10, 20 * gib: 3 * gib} {
		got, _ := size(t, asks, k, input)
		if got.Outcome != search.Change || got.Chosen.Memory < want || got.Chosen.Memory > want+want/4 || len(got.Operations) != 2 {
			t.Errorf("%s of input: %v %+v (%v), want a little more than %s", search.Bytes(input), got.Outcome, got.Chosen, got.Operations, search.Bytes(want))
		}
	}
}

func TestTheFirstRunOfATypeGoesByWhatOthersOfItsWorkflowUse(t *testing.T) {
	asks := config{"memory_mb": 16384.0}
	k := advice.Knowledge{History: history.History{Type: process}, Uses: []float64{0.05, 0.1, 0.1, 0.1, 0.15, 0.2, 0.2, 0.2, 0.25, 0.25}}
	got, rec := size(t, asks, k, 0)
	if got.Outcome != search.Change || got.Chosen.Memory >= 16*gib || got.Chosen.Memory < 16*gib/5 {
		t.Errorf("%v %+v by %+v, want less than the 16 GiB that are asked for", got.Outcome, got.Chosen, rec.Need)
	}
	k.Uses = nil
	if got, _ := size(t, asks, k, 0); got.Outcome != search.Keep || len(got.Operations) != 0 {
		t.Errorf("nothing known: %v %v, want Keep", got.Outcome, got.Operations)
	}
	if got, _ := size(t, config{}, k, 0); got.Outcome != search.Keep || got.Reason == "" {
		t.Errorf("nothing known and nothing asked for: %v (%s), want Keep", got.Outcome, got.Reason)
	}
}

// Where the need is bounded from above alone, a first attempt gets no less than
// what was tried.
func TestWhatWasNotMeasuredIsNotLowered(t *testing.T) {
	h := history.History{Type: process}
	for i := range 10 {
		h = h.Learn(history.Attempt{
			ID: fmt.Sprint(i), Outcome: history.Succeeded, End: time.Unix(int64(i), 0), Sizes: map[engine.Part]int64{engine.Tree: 16 * gib},
		})
	}
	if got, rec := size(t, config{"memory_mb": 16384.0}, known(h), 0); got.Chosen.Memory < 15*gib {
		t.Errorf("%v %+v by %+v, want the 16 GiB that sufficed", got.Outcome, got.Chosen, rec.Need)
	}
}
