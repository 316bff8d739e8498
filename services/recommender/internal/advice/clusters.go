package advice

import (
	"fmt"
	"math"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/curve"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Clusters is what a search for a cluster saw.
type Clusters struct {
	Curves        []Curve
	Held          []failure.Shape // on which the job's type succeeded
	Interruptions float64         // of one spot machine in an hour
}

// Curve is how the run time of a past workload depends on the cluster.
type Curve struct {
	Type  failure.Type
	Terms curve.Terms
	Runs  int
}

// Bounds of a question about clusters. The amounts are beyond all that there is,
// and keep sums finite.
const (
	maxShapes  = 1000
	maxCurves  = 32
	maxNodes   = 1e6
	leastCores = 0.01
	maxAmount  = 1e12 // cores, seconds, US dollars an hour
)

// validateShapes names what is wrong with the clusters of a request.
func (r Request) validateShapes() error {
	if len(r.Shapes) == 0 {
		return nil
	}
	var wrong []error
	for field, n := range map[string]int{"shapes": len(r.Shapes), "failed_shapes": len(r.Failed)} {
		if n > maxShapes {
			return errs.Field(field, "has %d clusters; at most %d are allowed", n, maxShapes)
		}
	}
	for i, s := range r.Shapes {
		wrong = append(wrong, validateShape(fmt.Sprintf("shapes[%d]", i), s))
	}
	for i, f := range r.Failed {
		field := fmt.Sprintf("failed_shapes[%d]", i)
		wrong = append(wrong, validateShape(field+".shape", f.Shape))
		if !(f.Seconds > 0 && f.Seconds <= maxAmount) {
			wrong = append(wrong, errs.Field(field+".seconds", "%v is not more than 0 and at most %g", f.Seconds, float64(maxAmount)))
		}
	}
	if r.Evidence.Duration <= 0 {
		wrong = append(wrong, errs.Field("evidence.duration", "must be more than 0 where clusters are asked about"))
	}
	return errs.Fields(append(wrong, validateShape("evidence.shape", r.Evidence.Shape))...)
}

func validateShape(field string, s failure.Shape) error {
	cores := s.CoresPerNode >= leastCores && s.CoresPerNode <= maxAmount
	price := s.DollarsPerHour >= 0 && s.DollarsPerHour <= maxAmount
	if s.Nodes < 1 || s.Nodes > maxNodes || !cores || s.MemoryPerNode < 1 || !price {
		return errs.Field(field, "must have 1 to %d nodes, with %v cores and 1 memory_bytes_per_node at least, and no negative price", int(maxNodes), leastCores)
	}
	return nil
}

// prepareClusters gathers what a search for a cluster is to see.
func (r Request) prepareClusters(k Knowledge, s search.Settings) Record {
	rec := k.record(r, s)
	// As with more memory, each retry was another one: the same words again say
	// less than where nothing was changed.
	rec.Permanent = r.permanent(k, search.MoreMemory)
	rec.Observations = max(rec.Observations, r.SameFailures-1) + 1
	rec.Clusters = &Clusters{Interruptions: k.Model.Interruptions()}
	own, kin := [][]curve.Run{onClusters(k.History)}, []failure.Type{r.Type}
	for _, h := range k.Shaped {
		if runs := onClusters(h); h.Type != r.Type && len(runs) > 0 && len(kin) < maxCurves {
			own, kin = append(own, runs), append(kin, h.Type)
		}
	}
	for i, terms := range curve.FitAll(own, k.Model.Curve(r.Type.Engine)) {
		if len(own[i]) > 0 {
			rec.Clusters.Curves = append(rec.Clusters.Curves, Curve{kin[i], terms, len(own[i])})
		}
	}
	if len(rec.Clusters.Curves) == 0 { // all there is to go by is the shape of all
		rec.Clusters.Curves = []Curve{{r.Type, k.Model.Curve(r.Type.Engine), 0}}
	}
	for _, a := range k.History.Attempts {
		if onCluster(a) {
			rec.Clusters.Held = append(rec.Clusters.Held, a.Shape)
		}
	}
	rec.Features = k.known(r, rec, "")
	return rec
}

// onClusters returns the successes of a job type on clusters.
func onClusters(h history.History) (runs []curve.Run) {
	for _, a := range h.Attempts {
		if onCluster(a) {
			runs = append(runs, curve.Run{Cores: a.Shape.Cores(), Memory: a.Shape.Memory(), Seconds: a.Seconds})
		}
	}
	return runs
}

// onCluster reports whether an attempt succeeded on a cluster that is known.
func onCluster(a history.Attempt) bool {
	return a.Outcome == history.Succeeded && a.Seconds > 0 && a.Seconds <= maxAmount && validateShape("shape", a.Shape) == nil
}

// searchClusters answers which cluster a retry should run on.
func (r Request) searchClusters(rec Record) search.Answer {
	in := search.Clusters{
		Shapes: r.Shapes, Held: rec.Clusters.Held, Interruptions: rec.Clusters.Interruptions, Permanent: rec.Permanent,
		Observations: rec.Observations, Settings: rec.Settings,
	}
	in.Failed = append(append(in.Failed, r.Failed...), search.FailedOn{
		Shape: r.Evidence.Shape, Seconds: r.Evidence.Duration.Seconds(), TimedOut: r.timedOut(),
	})
	for _, c := range rec.Clusters.Curves {
		// The job's own runs count one each, all others together one.
		weight, own := 1/float64(len(rec.Clusters.Curves)), c.Type == r.Type && c.Runs > 0
		if own {
			weight = float64(c.Runs)
		}
		in.Curves = append(in.Curves, search.Curve{Terms: c.Terms, Weight: weight, Own: own})
	}
	return search.FindCluster(in)
}

func (r Request) timedOut() bool {
	m, ok := failure.MeaningOf(r.Class)
	return r.Evidence.Reason == failure.TimedOut || ok && m.Category == failure.CategoryTimeout
}

// validate names what is wrong with what a search for a cluster saw.
func (c *Clusters) validate(field string) error {
	if c == nil {
		return nil
	}
	if len(c.Curves) == 0 || len(c.Curves) > maxCurves || len(c.Held) > history.MaxAttempts {
		return errs.Field(field, "has %d curves and %d clusters that held; 1 to %d and at most %d are allowed", len(c.Curves), len(c.Held), maxCurves, history.MaxAttempts)
	}
	var wrong []error
	if !(c.Interruptions >= 0 && c.Interruptions <= maxAmount) {
		wrong = append(wrong, errs.Field(field+".interruptions_per_hour", "%v is not a number of at least 0", c.Interruptions))
	}
	for i, s := range c.Held {
		wrong = append(wrong, validateShape(fmt.Sprintf("%s.held[%d]", field, i), s))
	}
	for i, of := range c.Curves {
		sum := 0.0
		for _, term := range of.Terms {
			if !(term >= 0 && term <= maxAmount) {
				sum = math.Inf(1)
			}
			sum += term
		}
		if !(sum > 0) || math.IsInf(sum, 0) || of.Runs < 0 {
			wrong = append(wrong, errs.Field(fmt.Sprintf("%s.curves[%d]", field, i), "terms must not be negative, nor all 0"))
		}
	}
	return errs.Fields(wrong...)
}
