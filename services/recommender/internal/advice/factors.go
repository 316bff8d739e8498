package advice

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Factor is one thing that was known, and what it changed.
type Factor struct {
	Name, Value string
	// Without is the probability that the chosen retry fails, had this not been
	// known, and MemoryWithout the bytes that would have been chosen; 0 where
	// nothing would have been.
	Without       float64
	MemoryWithout int64
}

// Bounds of what is told.
const (
	maxFactors = 8
	// A factor that moves the probability by less, and chooses the same, moved
	// nothing.
	leastMoved = 0.005
)

// Explain returns what moved an answer, the largest effect first: of each thing
// that was known what the answer would be without it, all else being as it was;
// of the memory that would have been chosen, in the way that was.
// prepare is what made the record, Prepare or Size.
func Explain(ctx context.Context, r Request, k Knowledge, rec Record, a Answer, prepare func(Request, Knowledge, search.Settings) (Record, error)) ([]Factor, error) {
	if a.Chosen == nil || rec.Clusters != nil { // what clusters are compared by is in the answer
		return nil, nil
	}
	known, err := r.asked(rec)
	if err != nil {
		return nil, err
	}
	var all []Factor
	for _, o := range omissions(r, k) {
		without, err := prepare(o.request, o.knowledge, rec.Settings)
		if err != nil {
			return nil, err
		}
		in, err := o.request.asked(without)
		if err != nil {
			return nil, err
		}
		if reflect.DeepEqual(in, known) {
			continue
		}
		in.Way = &a.Chosen.Size
		other := search.Find(ctx, in)
		f := Factor{Name: o.name, Value: o.value, Without: in.Score(a.Chosen.Size).FailProbability}
		if in.Setting.Part != rec.Part && rec.Part != engine.NoPart && in.Question == search.MoreMemory {
			f.Without = a.Chosen.FailProbability // it is about another part: the two do not compare
		}
		if other.Chosen != nil {
			f.MemoryWithout = other.Chosen.Memory
		}
		if f.moved(a) > 0 {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(f, g Factor) int { return cmp.Compare(g.moved(a), f.moved(a)) })
	return all[:min(len(all), maxFactors)], nil
}

// moved returns how far a factor moved the answer: the probability, and the
// doublings of memory.
func (f Factor) moved(a Answer) float64 {
	moved := math.Abs(f.Without - a.Chosen.FailProbability)
	if moved < leastMoved {
		moved = 0
	}
	switch {
	case f.MemoryWithout == a.Chosen.Memory:
		return moved
	case f.MemoryWithout == 0 || a.Chosen.Memory == 0:
		return moved + 1
	}
	return moved + math.Abs(math.Log2(float64(f.MemoryWithout)/float64(a.Chosen.Memory)))
}

// omission is what there would be to go by without one thing.
type omission struct {
	name, value string
	request     Request
	knowledge   Knowledge
}

func omissions(r Request, k Knowledge) (all []omission) {
	add := func(name, value string, change func(*Request, *Knowledge)) {
		o := omission{name, value, r, k}
		change(&o.request, &o.knowledge)
		all = append(all, o)
	}
	if ended, _, _ := k.History.Without(r.FailureID).Count(); ended > 0 {
		add("runs of this job type", ranWell(k), func(r *Request, k *Knowledge) {
			k.History, k.Estimator = history.History{Type: k.History.Type}, nil
		})
	}
	if typical := middleInput(k.History); r.Evidence.InputBytes > 0 && typical > 0 && k.Estimator != nil {
		add("input size", search.Bytes(r.Evidence.InputBytes), func(r *Request, _ *Knowledge) { r.Evidence.InputBytes = typical })
	}
	if failed, succeeded := k.History.Without(r.FailureID).Retries(r.Fingerprint); failed+succeeded > 0 || r.SameFailures > 1 {
		value := fmt.Sprintf("%d failed, %d succeeded", max(failed, r.SameFailures-1), succeeded)
		add("retries of this fingerprint", value, func(r *Request, _ *Knowledge) { r.Fingerprint, r.SameFailures = "", 1 })
	}
	if r.Class != failure.Unknown {
		add("class", string(r.Class), func(r *Request, _ *Knowledge) { r.Class = failure.Unknown })
	}
	if r.Setting != "" {
		add("setting that the log names", r.Setting, func(r *Request, _ *Knowledge) { r.Setting = "" })
	}
	if r.Evidence.Reason == failure.OutOfMemory && r.Evidence.Proof != "" {
		add("proof of the kill", r.Evidence.Proof, func(r *Request, _ *Knowledge) { r.Evidence.Proof = "" })
	}
	if peak := r.Evidence.PeakBytes; peak != nil && *peak > engine.InForce(r.Evidence.LimitBytes) {
		add("measured peak", search.Bytes(*peak), func(r *Request, _ *Knowledge) { r.Evidence.PeakBytes = nil })
	}
	if r.Evidence.ExitCode != nil {
		add("exit code", fmt.Sprint(*r.Evidence.ExitCode), func(r *Request, _ *Knowledge) { r.Evidence.ExitCode = nil })
	}
	if r.Owner != "" {
		add("owner", r.Owner, func(r *Request, _ *Knowledge) { r.Owner = "" })
	}
	if k.Model.Name != "" && k.Model.Name != model.BuiltinName {
		add("model", k.Model.Name, func(_ *Request, k *Knowledge) { k.Model = model.Builtin() })
	}
	if len(k.Uses) > 0 && k.Estimator == nil {
		add("other steps of the workflow", fmt.Sprintf("%d measured", len(k.Uses)), func(_ *Request, k *Knowledge) { k.Uses = nil })
	}
	return all
}

// ranWell says in words how many attempts there are to go by.
func ranWell(k Knowledge) string {
	ended, succeeded, memory := k.History.Count()
	text := fmt.Sprintf("%d of the newest %d succeeded, %d lacked memory", succeeded, ended, memory)
	if k.Estimator != nil {
		text += fmt.Sprintf("; %d measured", k.Estimator.Runs())
	}
	return text
}

// middleInput returns the middle size of the inputs that are known, in bytes; 0
// when none is.
func middleInput(h history.History) int64 {
	var sizes []int64
	for _, run := range h.Runs() {
		if run.Input > 0 {
			sizes = append(sizes, run.Input)
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}
