// Package search finds the configuration of least cost for a retry, or says
// that none is worth one. It looks at every candidate, and at nothing but its
// inputs: the same inputs give the same answer.
package search

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

// Settings are an operator's choices.
type Settings struct {
	Weight          float64 // what a failed retry costs besides its resources, in US dollars
	PerGiBHour      float64 // US dollars
	PerCoreHour     float64 // US dollars
	NotFeasible     float64 // above this probability of failing for all nothing is feasible
	MinObservations int     // fewer never make a retry infeasible
	MaxMemory       int64   // bytes of a process tree or container
	MaxCores        float64
	MinSeconds      float64 // the least time that is paid for
	Step            int64   // memory is a multiple of this, in bytes; 0 is the engine's own step
	Allowed         []int64 // when set, the only totals of memory, in bytes, ascending
	Nodes           []Node  // when set, a process tree or container fits into one of these
	Exploration     float64 // the share of answers that try another candidate
}

// Node is what one machine can give to one container.
type Node struct {
	Name   string
	Memory int64 // bytes
	Cores  float64
}

// Question is what the answer is to be about.
type Question int

// The questions.
const (
	// KeepAlways: whether to retry is not asked; the answer is a prediction.
	KeepAlways Question = iota
	// RetryOrNot: the configuration stays, whether to retry is asked.
	RetryOrNot
	// MoreMemory: a part ran out, how much more is asked.
	MoreMemory
	// NoSetting: memory ran out, and the configuration has no setting that could
	// give more. The same again is no remedy.
	NoSetting
)

// Inputs is everything that the search sees.
type Inputs struct {
	Question     Question
	Setting      engine.Setting // what the failed attempt had
	Need         need.Quantiles // given that it is more than Proven
	Proven       int64          // bytes that are known not to suffice
	Seen         int64          // the most bytes that an attempt needed or was given
	Permanent    float64        // probability that a retry fails whatever its configuration
	Seconds      float64        // expected run time with the present cores
	Observations int
	Settings     Settings
	Considered   int // candidates to consider; 0 is all
	// First says that the job has not run yet: Setting is what it asks for, less
	// may do, and memory alone is what is paid for.
	First bool
	// FailedShare is how long an attempt that lacks memory runs, in parts of the
	// whole run time.
	FailedShare float64
	// Reach is what is known of the need beyond what was seen, in bytes: one step
	// may go so far, and Need holds the whole tail. 0 where Need is an estimate from
	// bounds; then Seen says how far a step may go.
	Reach int64
	// Beyond is the probability that an attempt needs more than may be given; it
	// is for Reach > 0.
	Beyond float64
	// Dice, from 0 up to but not 1, chooses among near equals where that is
	// switched on.
	Dice float64
}

// Candidate is one size and its prediction.
type Candidate struct {
	engine.Size
	Total           int64 // bytes that are paid for
	FailProbability float64
	ExpectedCost    float64 // US dollars until a retry succeeds, by the second at the latest
	Objective       float64 // weight × FailProbability + ExpectedCost
}

// Outcome is what is recommended, as in proto/redrive/v1/recommender.proto.
type Outcome int

// The outcomes.
const (
	NoOutcome Outcome = iota
	Change
	Keep
	NotFeasible
)

// Answer is the result of a search.
type Answer struct {
	Outcome Outcome
	Reason  string
	Chosen  *Candidate // nil when NotFeasible
	Current Candidate
	Best    []Candidate // the best few, best first
	Count   int         // how many were considered
	Cut     bool        // the deadline came before all were considered
}

// Bounds of one step and of one answer.
const (
	// stepFactor bounds one step beyond what has ever been seen. The tail of the
	// prior is a guess, and no guess may take the whole machine at once; two more
	// retries reach 64 times.
	stepFactor = 4
	// seenFactor bounds a step from what has been seen.
	seenFactor = 2
	maxBest    = 10
	// checkEvery is how many candidates are scored between two looks at ctx.
	checkEvery = 64
)

// Find answers in. When ctx ends it returns the best so far, as soon as there
// is one that may do.
func Find(ctx context.Context, in Inputs) Answer {
	a := Answer{Current: in.score(in.Setting.Size), Count: 1}
	switch in.Question {
	case NoSetting:
		a.Outcome, a.Reason, a.Best = NotFeasible, in.noSetting(), []Candidate{a.Current}
		return a
	case KeepAlways, RetryOrNot:
		return in.retryOrNot(a)
	}
	grid := in.Setting.Grid(engine.Limits{Memory: in.Settings.MaxMemory, Part: in.reach(), Cores: in.Settings.MaxCores, Least: in.least()})
	if in.Considered > 0 {
		grid = grid[:min(in.Considered, len(grid))]
	}
	return in.moreMemory(ctx, a, grid)
}

// reach returns the largest memory of the part that one step may go to.
func (in *Inputs) reach() int64 {
	if in.First {
		return cmp.Or(in.Reach, math.MaxInt64)
	}
	return max(times(in.Proven, stepFactor), times(in.Setting.Memory, stepFactor), cmp.Or(in.Reach, times(in.Seen, seenFactor)))
}

// least returns the memory at which candidates begin, 0 at what is set.
func (in *Inputs) least() int64 {
	if in.First && len(in.Need) > 0 {
		return in.Need[0].Bytes
	}
	return 0
}

// enough returns what a second retry would get: the most that an attempt is
// thought to need. The tail of an estimate from bounds has no end; of that it
// gets as much as one step may.
func (in *Inputs) enough() int64 {
	switch last := len(in.Need) - 1; {
	case last < 0:
		return in.Setting.Memory
	case in.First || in.Reach > 0:
		return in.Need[last].Bytes
	default:
		return min(in.Need[last].Bytes, in.reach())
	}
}

func times(bytes, n int64) int64 {
	if bytes > math.MaxInt64/n {
		return math.MaxInt64
	}
	return bytes * n
}

func (in *Inputs) retryOrNot(a Answer) Answer {
	a.Best = []Candidate{a.Current}
	if in.Question == RetryOrNot && a.Current.FailProbability > in.Settings.NotFeasible && in.Observations >= in.Settings.MinObservations {
		a.Outcome, a.Reason = NotFeasible, in.noneHolds(a.Current.FailProbability)
		return a
	}
	chosen := a.Current
	a.Outcome, a.Chosen, a.Reason = Keep, &chosen, in.kept(chosen)
	return a
}

func (in *Inputs) moreMemory(ctx context.Context, a Answer, grid []engine.Size) Answer {
	a.Best = make([]Candidate, 0, maxBest+1)
	var chosen, least Candidate // least in objective of those that may hold, and in probability
	enough := false
	for i, size := range grid {
		if enough && i%checkEvery == 0 && ctx.Err() != nil {
			a.Cut = true
			break
		}
		c := in.score(size)
		a.Count, a.Best = i+1, in.keepBest(a.Best, c)
		if in.mayHold(c) && (!enough || in.compare(c, chosen) < 0) {
			chosen, enough = c, true
		}
		if i == 0 || cmp.Or(cmp.Compare(c.FailProbability, least.FailProbability), in.compare(c, least)) < 0 {
			least = c
		}
	}
	if !enough {
		a.Outcome, a.Reason = NotFeasible, in.ceiling()
		return a
	}
	if in.hopeless(least) > in.Settings.NotFeasible && in.Observations >= in.Settings.MinObservations {
		a.Outcome, a.Reason = NotFeasible, in.noneHolds(in.hopeless(least))
		return a
	}
	a.Outcome, a.Chosen, a.Reason = Change, &chosen, in.changed(chosen)
	return a
}

// hopeless returns the probability that no retry ever succeeds, as far as that
// is known: with a known tail that of a need beyond the ceiling, else that of the
// candidate that fails least.
func (in *Inputs) hopeless(least Candidate) float64 {
	if in.Reach > 0 {
		return 1 - (1-in.Permanent)*(1-in.Beyond)
	}
	return least.FailProbability
}

// keepBest adds a candidate to the best, when it is one of them.
func (in *Inputs) keepBest(best []Candidate, c Candidate) []Candidate {
	i, _ := slices.BinarySearchFunc(best, c, in.compare)
	if i == maxBest {
		return best
	}
	best = slices.Insert(best, i, c)
	return best[:min(len(best), maxBest)]
}

// mayHold reports whether a candidate has more than is known not to suffice.
func (in *Inputs) mayHold(c Candidate) bool {
	return float64(c.Memory) > float64(in.Proven)*in.Setting.NeedFactor(c.Size)
}

// score predicts one size. An attempt that fails is paid for as long as it
// runs, and so is a second retry with enough.
func (in *Inputs) score(size engine.Size) Candidate {
	c := Candidate{Size: size, Total: in.Setting.Total(size), FailProbability: in.Permanent}
	second := size
	if in.Question == MoreMemory {
		short := in.Need.Exceeds(float64(size.Memory) / in.Setting.NeedFactor(size))
		c.FailProbability = 1 - (1-in.Permanent)*(1-short)
		second = engine.Size{Memory: max(in.enough(), size.Memory), Cores: in.Setting.Cores}
	}
	p, seconds := c.FailProbability, in.Seconds*in.Setting.TimeFactor(size)
	c.ExpectedCost = (1-p)*in.price(size, c.Total, seconds) +
		p*(in.price(size, c.Total, seconds*in.FailedShare)+in.price(second, in.Setting.Total(second), in.Seconds))
	c.Objective = in.Settings.Weight*p + c.ExpectedCost
	return c
}

// price returns what a run costs in US dollars.
func (in *Inputs) price(size engine.Size, total int64, seconds float64) float64 {
	hour := float64(total) / (1 << 30) * in.Settings.PerGiBHour
	if !in.First {
		hour += cmp.Or(size.Cores, 1) * in.Settings.PerCoreHour
	}
	return max(seconds, in.Settings.MinSeconds) / 3600 * hour
}

// compare orders by objective; of a tie the smaller change comes first.
func (in *Inputs) compare(x, y Candidate) int {
	return cmp.Or(
		cmp.Compare(x.Objective, y.Objective),
		cmp.Compare(x.Memory, y.Memory),
		cmp.Compare(math.Abs(x.Cores-in.Setting.Cores), math.Abs(y.Cores-in.Setting.Cores)),
	)
}
