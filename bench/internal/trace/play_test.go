package trace

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestTheOracleWastesNothingAndFailsNever(t *testing.T) {
	tasks := made(50)
	peaks := oracle{}
	for i, task := range tasks {
		peaks[i] = task.peak
	}
	for _, remedy := range []bool{false, true} {
		s, err := play(tasks, peaks, remedy)
		if err != nil {
			t.Fatal(err)
		}
		if s.Never != 0 || s.Fixed() != 1 || s.FailedAttempts != s.FailedTasks {
			t.Errorf("remedy %v: %+v, want every retry to succeed", remedy, s)
		}
		// An allocation is a whole number of MiB.
		if !remedy && (s.FailedTasks != 0 || s.Waste() > s.UsedGBh/100) {
			t.Errorf("%+v, want next to no waste", s)
		}
		if remedy && (s.Tasks != len(tasks)-3*warmUp || s.FailedTasks == 0) {
			t.Errorf("%+v, want the warm-up left out, and failures of a stale setting", s)
		}
	}
}

func TestDoublingIsBilledForWhatItTries(t *testing.T) {
	a := task{"one", gb, 3 * gb, 1 * gb, 2, 3600}
	var s Score
	if err := s.run(1, a, doubling{}, true); err != nil {
		t.Fatal(err)
	}
	first := math.Ceil(gb/mib) * mib / gb // rounded up to a MiB, then doubled
	want := Score{
		Tasks: 1, FailedTasks: 1, FailedAttempts: 2, FailGBh: 3 * first, OverGBh: 4*first - 3, UsedGBh: 3,
		USD: 7*first*perGBHour + 3*2*perCore, RetryUSD: 6*first*perGBHour + 2*2*perCore, RetryGBh: 6 * first, Calls: 2,
	}
	s.LatencySum = 0
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	if s.Tasks != want.Tasks || s.FailedTasks != want.FailedTasks || s.FailedAttempts != want.FailedAttempts || s.FirstRetry != 0 || s.Never != 0 ||
		!near(s.FailGBh, want.FailGBh) || !near(s.OverGBh, want.OverGBh) || !near(s.UsedGBh, want.UsedGBh) ||
		!near(s.USD, want.USD) || !near(s.RetryUSD, want.RetryUSD) || !near(s.RetryGBh, want.RetryGBh) {
		t.Errorf("score %+v, want %+v", s, want)
	}
}

func TestATaskThatNoRetryMendsIsNever(t *testing.T) {
	var s Score
	if err := s.run(1, task{"one", gb, 100 * gb, gb, 1, 60}, doubling{}, true); err != nil {
		t.Fatal(err)
	}
	if s.Never != 1 || s.FailedAttempts != 1+maxRetries || s.FirstRetry != 0 {
		t.Errorf("score %+v, want a task given up after %d retries", s, maxRetries)
	}
}

func TestACommandIsAskedAndTold(t *testing.T) {
	all, err := Made(t.Context(), `sed -u -n 's/.*"allocate","id":\([0-9]*\),.*/{"id":\1,"mem_bytes":137438953472}/p'`, 20, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := all[1].Total; got.Fixed() != 1 || got.FailedTasks == 0 || got.FailedTasks != all[0].Total.FailedTasks {
		t.Errorf("all that there is: %+v, want every retry to succeed", got)
	}
	if _, err := Made(t.Context(), "true", 20, true); err == nil {
		t.Error("a command that answers nothing is no error")
	}
}

func TestEchoAnswersQuestionsAlone(t *testing.T) {
	in := `{"kind":"outcome","id":1}` + "\n" + `{"kind":"allocate","id":2,"preset_mem_bytes":5}` + "\n" + `{"kind":"choose","id":3}` + "\n"
	var out bytes.Buffer
	if err := Echo(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var ids []int
	for d := json.NewDecoder(&out); d.More(); {
		var answer decision
		if err := d.Decode(&answer); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, answer.ID)
	}
	if len(ids) != 2 || ids[0] != 2 || ids[1] != 3 {
		t.Errorf("answers to %v, want to 2 and 3", ids)
	}
}
