package advice

import (
	"context"
	"fmt"
	"strings"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/plot"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// curvePoints is how many sizes a picture's lines go through: one for every few
// pixels.
const curvePoints = 240

// Picture returns what there is to be drawn of a request and its record. It is
// errs.FailedPrecondition where the question was not how much memory to give.
func Picture(ctx context.Context, r Request, rec Record) (plot.Figure, error) {
	in, err := r.inputs(rec)
	if err != nil {
		return plot.Figure{}, err
	}
	if in.Question != search.MoreMemory || len(rec.Need) == 0 {
		return plot.Figure{}, errs.New(errs.FailedPrecondition, "there is nothing to draw: the question was not how much memory to give")
	}
	a, err := Search(ctx, r, rec)
	if err != nil {
		return plot.Figure{}, err
	}
	f := plot.Figure{
		Title: fmt.Sprintf("Retry of %s/%s after attempt %d", r.Type.Workflow, r.Type.Step, r.Attempt),
		Part:  search.Name(in.Setting.Part), Reason: a.Reason, Failed: in.Setting.Memory, Proven: in.Proven,
		NotFeasible: in.Settings.NotFeasible, Weight: in.Settings.Weight,
	}
	if rec.First {
		f.Title = fmt.Sprintf("First attempt of %s/%s", r.Type.Workflow, r.Type.Step)
		f.Asked, f.Failed, f.NotFeasible = f.Failed, 0, 0
	}
	for _, c := range a.Best {
		f.Best = append(f.Best, point(c))
	}
	at := in.Setting.Size
	if a.Chosen != nil {
		chosen := point(*a.Chosen)
		f.Chosen, at = &chosen, a.Chosen.Size
	}
	if most := in.Ceiling(at); most < search.Unbounded {
		f.Ceiling = most
	}
	low, high := span(f, in.Farthest(at))
	for _, c := range in.Curve(at, low, high, curvePoints) {
		f.Curve = append(f.Curve, point(c))
	}
	return f, nil
}

// span returns the memory from which and to which a picture goes: from what
// failed, or from below the least candidate of a first attempt, to the farthest
// that a step may go, and twice as far at least.
func span(f plot.Figure, farthest int64) (low, high int64) {
	low, high = farthest, farthest
	for _, p := range f.Best {
		low, high = min(low, p.Memory), max(high, p.Memory)
	}
	if f.Failed > 0 {
		low = min(low, f.Failed)
	} else {
		low -= low / 4
	}
	low = max(low, 1)
	return low, max(high, search.Twice(low))
}

func point(c search.Candidate) plot.Point {
	return plot.Point{
		Memory: c.Memory, With: sharedBy(c.Size), FailProbability: c.FailProbability, ExpectedCost: c.ExpectedCost, Objective: c.Objective,
	}
}

// sharedBy says what shares the memory, as far as the configuration does.
func sharedBy(s engine.Size) string {
	var all []string
	for _, n := range []struct {
		amount    float64
		one, many string
	}{
		{s.Cores, "core", "cores"}, {s.TaskCPUs, "CPU a task", "CPUs a task"}, {s.Instances, "executor", "executors"}, {s.Partitions, "partition", "partitions"},
	} {
		switch {
		case n.amount == 1:
			all = append(all, "1 "+n.one)
		case n.amount > 0:
			all = append(all, fmt.Sprintf("%g %s", n.amount, n.many))
		}
	}
	return strings.Join(all, ", ")
}
