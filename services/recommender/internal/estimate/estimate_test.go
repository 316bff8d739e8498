package estimate_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/estimate"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

const gib = 1 << 30

var (
	kind   = failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}
	prices = need.Prices{Weight: 0.001, PerGiBHour: 0.005, FailedShare: 1}
)

// successes are n measured attempts in the order of their ends.
func successes(n int) []history.Attempt {
	r := rand.New(rand.NewPCG(21, 22))
	all := make([]history.Attempt, n)
	for i := range all {
		input := 1 + r.Int64N(1<<34)
		all[i] = history.Attempt{
			ID: failure.Attempt{Source: "airflow", Job: fmt.Sprint(i), Number: 1}.FailureID(), Outcome: history.Succeeded,
			End: time.Date(2026, 3, 1, 12, i, 0, 0, time.UTC), Seconds: 60, Input: input, Peak: gib + input/4 + r.Int64N(gib),
		}
	}
	return all
}

func learn(all []history.Attempt) history.History {
	h := history.History{Type: kind}
	for _, a := range all {
		h = h.Learn(a)
	}
	return h
}

func forecasts(e *need.Estimator) [2]need.Forecast {
	return [2]need.Forecast{e.First(3 * gib), e.After(3*gib, 2*gib, 64*gib, nil)}
}

// Whoever was asked before, in whatever order the attempts became known: the
// same history gives the same forecasts.
func TestWhatWasAskedBeforeIsOfNoAccount(t *testing.T) {
	all := successes(1000)
	e := estimate.New()
	r := rand.New(rand.NewPCG(23, 24))
	h := history.History{Type: kind}
	for i := 0; i < len(all); {
		n := min(1+r.IntN(8), len(all)-i)
		batch := all[i : i+n]
		i += n
		if r.IntN(3) == 0 && n > 1 { // the oldest of them is heard of last
			h = h.Learn(batch[1:]...)
			e.Of(h, prices)
		}
		h = h.Learn(batch...)
		got := e.Of(h, prices)
		if i%50 < n || i == len(all) {
			if want := forecasts(estimate.New().Of(h, prices)); !reflect.DeepEqual(forecasts(got), want) {
				t.Fatalf("after %d attempts: %+v, want %+v", i, forecasts(got), want)
			}
		}
	}
	if once, again := e.Of(h, prices), e.Of(h, prices); once != again {
		t.Error("the same history twice was learnt twice")
	}
}

func TestOldAnswersStayAsTheyWere(t *testing.T) {
	all := successes(100)
	e := estimate.New()
	before := e.Of(learn(all[:50]), prices)
	want := forecasts(before)
	e.Of(learn(all), prices)
	if got := forecasts(before); !reflect.DeepEqual(got, want) {
		t.Errorf("an estimator changed after more was learnt: %+v, want %+v", got, want)
	}
}

func TestOtherPricesAreLearntAnew(t *testing.T) {
	h := learn(successes(50))
	e := estimate.New()
	e.Of(h, prices)
	dear := prices
	dear.Weight = 1
	if got, want := forecasts(e.Of(h, dear)), forecasts(estimate.New().Of(h, dear)); !reflect.DeepEqual(got, want) {
		t.Errorf("after other prices: %+v, want %+v", got, want)
	}
}

func TestNothingMeasuredIsNoEstimator(t *testing.T) {
	h := learn([]history.Attempt{{ID: "a", Outcome: history.Succeeded, Sizes: map[engine.Part]int64{engine.Tree: gib}}})
	if e := estimate.New().Of(h, prices); e != nil {
		t.Errorf("an estimator of %d runs, want none", e.Runs())
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	all := successes(60)
	e := estimate.New()
	want := forecasts(estimate.New().Of(learn(all), prices))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := 40 + n; i <= len(all); i += 4 {
				e.Of(learn(all[:i]), prices)
			}
			if got := forecasts(e.Of(learn(all), prices)); !reflect.DeepEqual(got, want) {
				t.Errorf("forecasts = %+v, want %+v", got, want)
			}
		})
	}
	wg.Wait()
}

func TestAloneSaysTheSame(t *testing.T) {
	shared, alone := estimate.New(), estimate.Alone()
	var h history.History
	for i, a := range successes(900) {
		if h = h.Learn(a); i%7 != 0 {
			continue
		}
		want, got := shared.Of(h, prices).First(1<<30), alone.Of(h, prices).First(1<<30)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("after %d runs %+v, want %+v", i+1, got, want)
		}
	}
}
