package advice_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/advice"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

var process = failure.Type{Workflow: "w", Step: "s", Engine: engine.Process}

// grows is a history of n runs that need a GiB and a tenth of their input.
func grows(n int) history.History {
	h := history.History{Type: process}
	for i := range n {
		input := int64(1+i%20) * gib
		h = h.Learn(history.Attempt{
			ID: fmt.Sprintf("%08x", 7919*i), Outcome: history.Succeeded, End: time.Unix(int64(60*i), 0).UTC(), Seconds: 600,
			Input: input, Peak: gib + input/10, Sizes: map[engine.Part]int64{engine.Tree: 16 * gib},
		})
	}
	return h
}

// killedOn is a kill with proof at a limit, on an input.
func killedOn(input, limit int64) advice.Request {
	r := unexplained(1)
	r.Class, r.Evidence, r.Config = failure.MemoryContainer, killedAt(limit), config{"memory_mb": float64(limit / mib)}
	r.Evidence.InputBytes = input
	return r
}

func explain(t *testing.T, r advice.Request, k advice.Knowledge) (advice.Answer, []advice.Factor) {
	t.Helper()
	rec, err := advice.Prepare(r, k, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advice.Search(t.Context(), r, rec)
	if err != nil {
		t.Fatal(err)
	}
	all, err := advice.Explain(t.Context(), r, k, rec, a, advice.Prepare)
	if err != nil {
		t.Fatal(err)
	}
	return a, all
}

func factor(all []advice.Factor, name string) (advice.Factor, bool) {
	i := slices.IndexFunc(all, func(f advice.Factor) bool { return f.Name == name })
	if i < 0 {
		return advice.Factor{}, false
	}
	return all[i], true
}

func TestTheSizeOfTheInputMovesTheAnswer(t *testing.T) {
	k := known(grows(60))
	small, _ := explain(t, killedOn(2*gib, gib/2), k)
	a, all := explain(t, killedOn(40*gib, gib/2), k)
	if a.Chosen.Memory < 5*gib || small.Chosen.Memory > 3*gib {
		t.Fatalf("with 40 GiB %s are chosen, with 2 GiB %s; 5 and 1.2 GiB are needed", search.Bytes(a.Chosen.Memory), search.Bytes(small.Chosen.Memory))
	}
	f, ok := factor(all, "input size")
	if !ok || f.Value != "40 GiB" || f.MemoryWithout >= a.Chosen.Memory {
		t.Errorf("factor = %+v, want that less is chosen without it", f)
	}
	if _, ok := factor(all, "class"); ok {
		t.Error("the class is said to have moved an answer that the proof alone gives")
	}
}

func TestFactorsAreInTheOrderOfTheirEffect(t *testing.T) {
	r := killedOn(40*gib, gib/2)
	r.Fingerprint, r.SameFailures, r.Owner = "f", 3, "etl"
	a, all := explain(t, r, known(grows(60)))
	if len(all) < 2 {
		t.Fatalf("factors = %+v, want the runs, the input and the repetition", all)
	}
	effect := func(f advice.Factor) float64 {
		return math.Abs(f.Without-a.Chosen.FailProbability) + math.Abs(math.Log2(float64(max(f.MemoryWithout, 1))/float64(a.Chosen.Memory)))
	}
	for i := 1; i < len(all); i++ {
		if all[i].MemoryWithout > 0 && all[i-1].MemoryWithout > 0 && effect(all[i]) > effect(all[i-1])+0.01 {
			t.Errorf("%+v comes after %+v", all[i], all[i-1])
		}
	}
	if _, ok := factor(all, "owner"); ok {
		t.Error("the owner moved an answer of the built-in model, which knows no owners")
	}
	f, ok := factor(all, "retries of this fingerprint")
	if !ok || f.Without >= a.Chosen.FailProbability {
		t.Errorf("factor = %+v in %+v, want that the retry would be thought better of without it", f, all)
	}
}

func TestNothingChosenHasNoFactors(t *testing.T) {
	if a, all := explain(t, unexplained(4), known(history.History{})); a.Chosen != nil || all != nil {
		t.Errorf("chosen %v, factors %v", a.Chosen, all)
	}
}

// pessimist is a model that saw retries fail more often than was predicted.
func pessimist() model.Model {
	return model.New("pessimist", model.Content{Version: model.Version, Bins: []model.Bin{
		{Index: model.BinOf(0.05), Predicted: 5, Observed: 30, Count: 100},
		{Index: model.BinOf(0.5), Predicted: 50, Observed: 70, Count: 100},
	}})
}

func TestTheModelCorrectsEveryProbability(t *testing.T) {
	m := pessimist()
	for name, r := range map[string]advice.Request{"memory": killedOn(10*gib, gib/2), "retry or not": unexplained(1)} {
		k := known(grows(60))
		plain, _ := explain(t, r, k)
		k.Model = m
		rec, err := advice.Prepare(r, k, settings)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advice.Search(t.Context(), r, rec)
		if err != nil {
			t.Fatal(err)
		}
		if want := m.Calibrated(a.Features.Raw); math.Abs(a.Chosen.FailProbability-want) > 0.002 || a.Chosen.FailProbability <= a.Features.Raw {
			t.Errorf("%s: %.4f where %.4f was predicted, want %.4f", name, a.Chosen.FailProbability, a.Features.Raw, want)
		}
		if plain.Features.Raw != plain.Chosen.FailProbability {
			t.Errorf("%s: the built-in model made %v of %v", name, plain.Chosen.FailProbability, plain.Features.Raw)
		}
		for i := 1; i < len(a.Best); i++ {
			x, y := a.Best[i-1], a.Best[i]
			if x.Memory > y.Memory && x.FailProbability > y.FailProbability || x.Memory < y.Memory && x.FailProbability < y.FailProbability {
				t.Errorf("%s: P(fail) rises with memory: %+v and %+v", name, x, y)
			}
		}
	}
}

func TestFeaturesAreWhatWasKnown(t *testing.T) {
	r := killedOn(40*gib, gib/2)
	r.Attempt, r.SameFailures = 2, 2
	k := known(grows(60))
	k.Now = time.Unix(1e9, 0).UTC()
	rec, err := advice.Prepare(r, k, settings)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advice.Search(t.Context(), r, rec)
	if err != nil {
		t.Fatal(err)
	}
	f := a.Features
	if f.Observations != 60 || f.Successes != 60 || f.Attempt != 2 || f.SameFailures != 2 || f.InputBytes != 40*gib || f.Proven != gib/2 ||
		f.Part != engine.Tree || f.Predictor == "" || f.Median < 4*gib || f.Median > 8*gib || !f.Time.Equal(k.Now) {
		t.Errorf("features = %+v", f)
	}
	if f.Chosen != a.Chosen.Memory || f.FailProbability != a.Chosen.FailProbability || f.ExpectedCost != a.Chosen.ExpectedCost || f.Propensity != 1 || f.Explored {
		t.Errorf("features = %+v, chosen %+v", f, a.Chosen)
	}
	if rec.Features.Chosen != 0 {
		t.Error("the record says what was chosen before it was")
	}
}
