package search

import (
	"math"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/curve"
)

// Clusters is everything that a search for a cluster sees.
type Clusters struct {
	Shapes []failure.Shape // the candidates
	Failed []FailedOn      // at least one, the attempt in question last
	// Curves are the run times of past workloads, those of the job's own type
	// with more weight.
	Curves        []Curve
	Held          []failure.Shape // on which the job's own type succeeded
	Interruptions float64         // of one spot machine in an hour
	Permanent     float64         // probability that a retry fails on whatever cluster
	Observations  int
	Settings      Settings
}

// FailedOn is how an attempt ended on a cluster.
type FailedOn struct {
	Shape    failure.Shape
	Seconds  float64
	TimedOut bool // it was stopped at its run timeout; else it failed by itself
}

// Curve is what is known of one past workload.
type Curve struct {
	curve.Terms
	Weight float64 // how many observations of the job in question it counts for
	Own    bool    // it is of the job's own type, so the time itself is known
}

// worthRuns is what a retry that fails costs beside its machines, in runs at the
// least cost, where the weight in dollars is less: what is asked for a cluster of
// a thousand dollars an hour is not worth what is asked for one core. The choice
// is flat from 1 to 10 of them in replays of other workloads.
const worthRuns = 3

// FindCluster answers in.
func FindCluster(in Clusters) Answer {
	failed := in.Failed[len(in.Failed)-1]
	k := in.learn()
	a := Answer{Current: k.candidate(failed.Shape), Count: len(in.Shapes), Propensity: 1}
	as := Inputs{Observations: in.Observations, Settings: in.Settings}
	if in.Permanent > in.Settings.NotFeasible && in.Observations >= in.Settings.MinObservations {
		a.Outcome, a.Reason, a.Best = NotFeasible, as.noneHolds(in.Permanent), []Candidate{a.Current}
		return a
	}
	var best clusters
	for _, s := range in.Shapes {
		if !in.tried(s) {
			best.keep(k.candidate(s))
		}
	}
	if a.Best = best.kept; len(a.Best) == 0 {
		a.Outcome, a.Reason, a.Best = NotFeasible, "the job has failed on every cluster that it may run on", []Candidate{a.Current}
		return a
	}
	chosen := a.Best[0]
	a.Outcome, a.Chosen, a.Reason = Change, &chosen, onCluster(failed.Shape, chosen)
	return a
}

// tried reports whether an attempt has failed on such machines.
func (in *Clusters) tried(s failure.Shape) bool {
	for _, f := range in.Failed {
		if f.Shape.InstanceType == s.InstanceType && f.Shape.Nodes == s.Nodes && f.Shape.CoresPerNode == s.CoresPerNode &&
			f.Shape.MemoryPerNode == s.MemoryPerNode && f.Shape.Spot == s.Spot {
			return true
		}
	}
	return false
}

// clusters are the best few, best first; of a tie what came first.
type clusters struct{ kept []Candidate }

func (b *clusters) keep(c Candidate) {
	i := len(b.kept)
	for i > 0 && c.Objective < b.kept[i-1].Objective {
		i--
	}
	if i == maxBest {
		return
	}
	if len(b.kept) < maxBest {
		b.kept = append(b.kept, Candidate{})
	}
	copy(b.kept[i+1:], b.kept[i:])
	b.kept[i] = c
}

// The ways in which memory can run out on a cluster whose use of it is not
// measured; or something else did, which no cluster mends.
const (
	byCore = iota
	byNode
	inAll
	otherwise
	causes
)

// amount returns what a cluster has of what may have run out.
func amount(cause int, s failure.Shape) float64 {
	switch cause {
	case byCore:
		return float64(s.MemoryPerNode) / s.CoresPerNode
	case byNode:
		return float64(s.MemoryPerNode)
	}
	return s.Memory()
}

// known is what the failures tell.
type known struct {
	in *Clusters
	// Of each workload: its share among all, what one second of it is of the
	// chance to time out again, and what one of its dollars is of the cost.
	likely, late, dear []float64
	seconds            []float64 // of the job for one second of the workload
	causes             [causes]float64
	lacked             [causes]float64 // the most that failed
	errors             bool
	cheapest           float64 // US dollars of a run at the least cost
}

// learn works out what does not depend on the candidate.
func (in *Clusters) learn() *known {
	if len(in.Curves) == 0 {
		in.Curves = []Curve{{Terms: curve.Prior, Weight: 1}}
	}
	n := len(in.Curves)
	k := &known{in: in, likely: make([]float64, n), late: make([]float64, n), dear: make([]float64, n), seconds: make([]float64, n)}
	for i, c := range in.Curves {
		k.likely[i] = c.Weight
	}
	k.learnTimes()
	k.learnCauses()
	k.learnCosts()
	return k
}

// learnTimes: of a job that was stopped at its timeout no more is known than that
// it lasts longer than a workload like this one times a level. Its level is
// unknown without scale: it is more than twice what is proven with probability
// one half, so a cluster of half the run time times out half as often.
func (k *known) learnTimes() {
	limit, total := 0.0, 0.0
	for i := range k.in.Curves {
		terms, level := &k.in.Curves[i].Terms, 0.0
		if k.in.Curves[i].Own {
			k.seconds[i] = 1
		}
		for _, f := range k.in.Failed {
			ran := f.Seconds / terms.Seconds(f.Shape.Cores(), f.Shape.Memory())
			k.seconds[i] = max(k.seconds[i], ran)
			if !f.TimedOut {
				continue
			}
			if level > 0 {
				k.likely[i] *= min(1, level/ran) // the chance of which this failure was
			}
			level, limit = max(level, ran), max(limit, f.Seconds)
		}
		if level > 0 {
			// A workload that lasts so long itself is more like this one.
			k.likely[i] /= max(1, level)
			k.late[i] = level
			k.seconds[i] = 2 * level // in the middle
		}
		total += k.likely[i]
	}
	for i := range k.likely {
		k.likely[i] /= total
		if limit > 0 {
			k.late[i] /= limit
		}
	}
}

// learnCauses: any of four causes at first, each then as likely as it made the
// failures that followed, and less the more often the job's own type succeeded
// with no more of it.
func (k *known) learnCauses() {
	for c := range k.causes {
		k.causes[c] = 1
	}
	for _, f := range k.in.Failed {
		if f.TimedOut {
			continue
		}
		for c := range otherwise {
			had := amount(c, f.Shape)
			if k.errors {
				k.causes[c] *= min(1, k.lacked[c]/had)
			}
			k.lacked[c] = max(k.lacked[c], had)
		}
		k.errors = true
	}
	total := 0.0
	for c := range k.causes {
		held := 1.0
		for _, s := range k.in.Held {
			if c != otherwise && amount(c, s) <= k.lacked[c] {
				held++
			}
		}
		k.causes[c] /= held
		total += k.causes[c]
	}
	for c := range k.causes {
		k.causes[c] /= total
	}
}

// learnCosts makes the cost of workloads comparable: of each relative to the
// cluster that is cheapest for it.
func (k *known) learnCosts() {
	for i := range k.in.Curves {
		least := math.Inf(1)
		for _, s := range k.in.Shapes {
			least = min(least, k.in.Curves[i].Seconds(s.Cores(), s.Memory())*k.price(s))
		}
		k.dear[i] = 1 / least
		k.cheapest += k.likely[i] * k.seconds[i] * least
	}
}

// price returns US dollars a second.
func (k *known) price(s failure.Shape) float64 {
	hour := s.DollarsPerHour
	if hour <= 0 {
		hour = s.Memory()/(1<<30)*k.in.Settings.PerGiBHour + s.Cores()*k.in.Settings.PerCoreHour
	}
	return max(hour, math.SmallestNonzeroFloat32) / 3600
}

// candidate predicts one cluster. Failed retries are paid for too: 1/(1 − P) is
// how many runs it takes when each is like this one. What fails on whatever
// cluster moves no choice among them, and is no part of it.
func (k *known) candidate(s failure.Shape) Candidate {
	late, relative, seconds := 0.0, 0.0, 0.0
	for i := range k.in.Curves {
		t := k.in.Curves[i].Seconds(s.Cores(), s.Memory())
		late += k.likely[i] * min(1, k.late[i]*t)
		relative += k.likely[i] * k.dear[i] * t
		seconds += k.likely[i] * k.seconds[i] * t
	}
	holds := 1 - late
	if k.errors {
		for c := range otherwise {
			holds -= (1 - late) * k.causes[c] * min(1, k.lacked[c]/amount(c, s))
		}
	}
	if s.Spot {
		holds *= math.Exp(-k.in.Interruptions * float64(s.Nodes) * seconds / 3600)
	}
	fail := min(max(1-holds, 0.001), 0.999)
	cost := relative * k.price(s) * k.cheapest / (1 - fail)
	return Candidate{
		Shape: s, Total: int64(s.Memory()), Seconds: seconds, ExpectedCost: cost,
		FailProbability: 1 - (1-k.in.Permanent)*(1-fail),
		Objective:       max(k.in.Settings.Weight, worthRuns*k.cheapest)*fail + cost,
	}
}
