package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/redrive-io/redrive/pkg/errs"
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
	Exploration     float64 // the share of answers that try another candidate of nearly the same objective
}

// Node is what one machine can give to one container.
type Node struct {
	Name   string
	Memory int64 // bytes
	Cores  float64
}

// Bounds of what an operator may list.
const (
	maxAllowed = 1000
	maxNodes   = 100
)

// Validate names what is wrong with s; field is its name in the request, empty
// when it is the whole.
func (s Settings) Validate(field string) error {
	if field != "" {
		field += "."
	}
	amount := func(name string, x float64) error {
		if !(x >= 0) || math.IsInf(x, 0) {
			return errs.Field(field+name, "%v is not a number of at least 0", x)
		}
		return nil
	}
	var feasible, step, explore error
	if !(s.NotFeasible > 0 && s.NotFeasible < 1) {
		feasible = errs.Field(field+"not_feasible_above", "%v is not more than 0 and less than 1", s.NotFeasible)
	}
	if s.Step < 0 || s.Step%mib != 0 {
		step = errs.Field(field+"memory_step_bytes", "%d is not a whole number of MiB; 0 is the engine's own step", s.Step)
	}
	if !(s.Exploration >= 0 && s.Exploration <= maxExploration) {
		explore = errs.Field(field+"exploration", "%v is not between 0 and %v; 0 is none", s.Exploration, maxExploration)
	}
	return errs.Fields(
		amount("weight", s.Weight), amount("dollars_per_gib_hour", s.PerGiBHour), amount("dollars_per_core_hour", s.PerCoreHour), feasible,
		amount("min_observations", float64(s.MinObservations)), amount("max_memory_bytes", float64(s.MaxMemory)), amount("max_cores", s.MaxCores),
		amount("min_billed_seconds", s.MinSeconds), step, explore, s.validateAllowed(field+"allowed_memory_bytes"), s.validateNodes(field+"nodes"),
	)
}

const mib = 1 << 20

func (s Settings) validateAllowed(field string) error {
	if len(s.Allowed) > maxAllowed {
		return errs.Field(field, "has %d amounts; at most %d are allowed", len(s.Allowed), maxAllowed)
	}
	if !slices.IsSorted(s.Allowed) || len(s.Allowed) > 0 && s.Allowed[0] < mib {
		return errs.Field(field, "does not ascend from 1 MiB at least")
	}
	return nil
}

func (s Settings) validateNodes(field string) error {
	if len(s.Nodes) > maxNodes {
		return errs.Field(field, "has %d nodes; at most %d are allowed", len(s.Nodes), maxNodes)
	}
	var wrong []error
	for i, n := range s.Nodes {
		if n.Memory < mib || !(n.Cores > 0) || math.IsInf(n.Cores, 0) {
			wrong = append(wrong, errs.Field(fmt.Sprintf("%s[%d]", field, i), "must have 1 MiB of memory at least, and more than 0 cores"))
		}
	}
	return errs.Fields(wrong...)
}
