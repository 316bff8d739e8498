package recommender

import (
	"fmt"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Weight is what a failed retry costs for some jobs. Empty fields fit any job;
// at least one is not empty.
type Weight struct {
	Workflow string
	Owner    string
	Class    failure.Class
	Dollars  float64 // 0 counts costs alone
}

// Node is what one machine can give to one container.
type Node struct {
	Name   string
	Memory int64 // bytes
	Cores  float64
}

// maxWeights bounds Options.Weights.
const maxWeights = 1000

func (w Weight) fits(workflow, owner string, c failure.Class) bool {
	return (w.Workflow == "" || w.Workflow == workflow) && (w.Owner == "" || w.Owner == owner) && (w.Class == "" || w.Class == c)
}

// criteria counts what a weight asks of a job.
func (w Weight) criteria() (n int) {
	for _, s := range []string{w.Workflow, w.Owner, string(w.Class)} {
		if s != "" {
			n++
		}
	}
	return n
}

// validateWeights names what is wrong with weights.
func validateWeights(all []Weight) error {
	if len(all) > maxWeights {
		return errs.Field("weights", "has %d entries; at most %d are allowed", len(all), maxWeights)
	}
	var wrong []error
	for i, w := range all {
		field := fmt.Sprintf("weights[%d]", i)
		if w.criteria() == 0 {
			wrong = append(wrong, errs.Field(field, "names no workflow, owner or class; what holds for all jobs is weight"))
		}
		if _, ok := failure.MeaningOf(w.Class); !ok && w.Class != "" {
			wrong = append(wrong, errs.Field(field+".class", "%q is not a class of the taxonomy", w.Class))
		}
		if !(w.Dollars >= 0) || math.IsInf(w.Dollars, 0) {
			wrong = append(wrong, errs.Field(field+".weight", "%v is not a number of at least 0", w.Dollars))
		}
		same := func(v Weight) bool { return v.Workflow == w.Workflow && v.Owner == w.Owner && v.Class == w.Class }
		if first := slices.IndexFunc(all, same); first < i {
			wrong = append(wrong, errs.Field(field, "is for the same jobs as weights[%d]", first))
		}
	}
	return errs.Fields(wrong...)
}

// weigh returns the weight for a job: that which asks most of it, the first of
// several; otherwise where none fits.
func weigh(all []Weight, workflow, owner string, c failure.Class, otherwise float64) float64 {
	best := -1
	for i, w := range all {
		if w.fits(workflow, owner, c) && (best < 0 || w.criteria() > all[best].criteria()) {
			best = i
		}
	}
	if best < 0 {
		return otherwise
	}
	return all[best].Dollars
}
