// Package search finds the configuration of least cost for a retry, or says
// that none is worth one. It looks at every candidate, and at nothing but its
// inputs: the same inputs give the same answer.
package search

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sort"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

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
	// Least and Most bound the memory of the part, in bytes; 0 is no bound.
	Least, Most int64
	// Dice, from 0 up to but not 1, chooses among near equals where that is
	// switched on.
	Dice float64
	// Way, when set, is the only way to share the memory that is considered; its
	// memory is of no account.
	Way *engine.Size
}

// Candidate is one size and its prediction.
type Candidate struct {
	engine.Size
	Shape           failure.Shape // the cluster, where clusters are what is asked about
	Total           int64         // bytes that are paid for
	Seconds         float64       // expected run time of an attempt that succeeds
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
	// Propensity is the probability with which this candidate was to be chosen.
	// It is 1 but where others are explored.
	Propensity float64
	Explored   bool // another than the best is chosen, to learn what comes of it
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
	a := Answer{Current: in.current(), Count: 1, Propensity: 1}
	switch in.Question {
	case NoSetting:
		a.Outcome, a.Reason, a.Best = NotFeasible, in.noSetting(), []Candidate{a.Current}
		return a
	case KeepAlways, RetryOrNot:
		return in.retryOrNot(a)
	}
	return in.moreMemory(ctx, a)
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

func (in *Inputs) moreMemory(ctx context.Context, a Answer) Answer {
	b := in.over(in.grid())
	b.score(ctx, in.Considered)
	a.Count, a.Cut = b.count, b.cut
	if b.kept == 0 && in.First {
		return in.asItIs(a)
	}
	if b.kept == 0 {
		a.Outcome, a.Reason, a.Best = NotFeasible, in.ceiling(), []Candidate{a.Current}
		return a
	}
	a.Best = make([]Candidate, b.kept)
	for i, e := range b.best[:b.kept] {
		a.Best[i] = b.candidate(e)
	}
	if p := in.hopeless(b.least); p > in.Settings.NotFeasible && in.Observations >= in.Settings.MinObservations {
		a.Outcome, a.Reason = NotFeasible, in.noneHolds(p)
		return a
	}
	chosen := a.Best[0]
	if in.Settings.Exploration > 0 && !in.First { // what is explored is a share of retries
		chosen, a.Propensity, a.Explored = b.explore(chosen)
	}
	a.Outcome, a.Chosen, a.Reason = Change, &chosen, in.changed(chosen)
	return a
}

// asItIs keeps a configuration of which nothing may be given instead: a first
// attempt is never refused.
func (in *Inputs) asItIs(a Answer) Answer {
	chosen := a.Current
	a.Outcome, a.Chosen, a.Best, a.Reason = Keep, &chosen, []Candidate{chosen}, "no other amount of memory may be given"
	return a
}

// hopeless returns the probability that no retry ever succeeds, as far as that
// is known: with a known tail that of a need beyond the ceiling, else that of the
// candidate that fails least. Where candidates go to Most alone it is not known:
// what is there has not been tried, and more may be given after it.
func (in *Inputs) hopeless(least float64) float64 {
	switch {
	case in.Reach > 0:
		return in.fails(in.Beyond)
	case in.Most > 0:
		return 0
	}
	return least
}

// grid returns the candidates, and the room that there is for them.
func (in *Inputs) grid() (engine.Grid, room) {
	room := in.room()
	far := max(in.reach(), in.Least)
	if in.Most > 0 {
		far = min(far, in.Most)
	}
	g := in.Setting.Grid(engine.Limits{
		Memory: max(room.total, 1), // 0 is no bound there, and a single byte is enough for nothing
		Part:   far, Cores: in.Settings.MaxCores, Step: in.Settings.Step,
		Allowed: in.Settings.Allowed, Points: in.points(room), First: in.First,
	})
	return in.final(in.bounded(in.oneWay(g), room), room), room
}

// points returns the amounts at which the need has steps, and what is the most in
// those ways that may have less than others, ascending.
func (in *Inputs) points(r room) []int64 {
	points := make([]int64, len(in.Need), len(in.Need)+len(r.ceilings))
	for i, q := range in.Need {
		points[i] = max(q.Bytes, in.Least)
	}
	if len(r.ceilings) == 1 { // at which the grid ends by itself
		return points
	}
	for _, c := range r.ceilings {
		if i, found := slices.BinarySearch(points, c.most); c.most > 0 && c.most < Unbounded && !found {
			points = slices.Insert(points, i, c.most)
		}
	}
	return points
}

// oneWay returns the candidates of Way, all of them where it is not set or not
// to be had.
func (in *Inputs) oneWay(g engine.Grid) engine.Grid {
	if in.Way == nil {
		return g
	}
	only := *in.Way
	only.Memory = 0
	if i := slices.IndexFunc(g.Ways, func(w engine.Way) bool { return w.Size == only }); i >= 0 {
		g.Ways = g.Ways[i : i+1]
	}
	return g
}

// final returns the candidates without those that are close below the ceiling: a
// retry that fails there would leave nothing worth trying, so it gets all there
// is. What is all there is in one way stays. Candidates that end at most a step
// below the ceiling, since a single retry goes no farther, count as reaching it.
func (in *Inputs) final(g engine.Grid, r room) engine.Grid {
	last := len(g.Memory) - 1
	if in.First || last < 0 || g.Memory[last] < r.most()-max(in.Settings.Step, mib) {
		return g
	}
	near := float64(g.Memory[last]) * in.Settings.NotFeasible
	n := sort.Search(last, func(i int) bool { return float64(g.Memory[i]) > near })
	for i := n; i <= last; i++ {
		if i == last || r.ends(g.Memory[i]) {
			g.Memory[n], g.Total[n] = g.Memory[i], g.Total[i]
			n++
		}
	}
	g.Memory, g.Total = g.Memory[:n], g.Total[:n]
	return g
}

// bounded returns the candidates between Least and Most. Of a retry the most is
// one, whether it is a step of the grid or not; of a first attempt, where there is
// no other. What is above the ceiling is none: then the largest below is left.
func (in *Inputs) bounded(g engine.Grid, r room) engine.Grid {
	from, to := 0, len(g.Memory)
	for from < to && g.Memory[from] < in.Least {
		from++
	}
	for to > from && in.Most > 0 && g.Memory[to-1] > in.Most {
		to--
	}
	none := from == to
	if len(g.Ways) > 0 && in.Most > 0 && (none || !in.First && g.Memory[to-1] < in.Most) {
		total := in.total(in.Most)
		switch {
		case total <= r.total:
			g.Memory, g.Total = append(g.Memory[:to], in.Most), append(g.Total[:to], total)
			to++
		case none:
			from = max(to-1, 0)
		}
	}
	g.Memory, g.Total = g.Memory[from:to], g.Total[from:to]
	return g
}

// reach returns the largest memory of the part that one step may go to.
func (in *Inputs) reach() int64 {
	if in.First {
		return cmp.Or(in.Reach, math.MaxInt64)
	}
	return max(times(in.Proven, stepFactor), times(in.Setting.Memory, stepFactor), cmp.Or(in.Reach, times(in.Seen, seenFactor)))
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
