package system

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender"
)

// costFile is what --cost-policy says; recommender.Options has the meanings.
type costFile struct {
	Weight             float64      `yaml:"weight"`
	DollarsPerGiBHour  float64      `yaml:"dollars_per_gib_hour"`
	DollarsPerCoreHour float64      `yaml:"dollars_per_core_hour"`
	NotFeasibleAbove   float64      `yaml:"not_feasible_above"`
	MinObservations    int          `yaml:"min_observations"`
	MaxMemoryMB        int64        `yaml:"max_memory_mb"`
	MaxCores           float64      `yaml:"max_cores"`
	MinBilledSeconds   *float64     `yaml:"min_billed_seconds"`
	Weights            []costWeight `yaml:"weights"`
	MemoryStepMB       int64        `yaml:"memory_step_mb"`
	AllowedMemoryMB    []int64      `yaml:"allowed_memory_mb"`
	Nodes              []costNode   `yaml:"nodes"`
	Exploration        float64      `yaml:"exploration"`
	HoldModels         bool         `yaml:"hold_models"`

	RightSizing rightSizingFile `yaml:"right_sizing"`
}

// costWeight is what a failed retry costs for some jobs.
type costWeight struct {
	Workflow string   `yaml:"workflow"`
	Owner    string   `yaml:"owner"`
	Class    string   `yaml:"class"`
	Weight   *float64 `yaml:"weight"`
}

// costNode is a machine that a container must fit into.
type costNode struct {
	Name     string  `yaml:"name"`
	MemoryMB int64   `yaml:"memory_mb"`
	Cores    float64 `yaml:"cores"`
}

// rightSizingFile is the part about right-sizing; recommender.RightSizing has the
// meanings.
type rightSizingFile struct {
	Mode               string  `yaml:"mode"`
	MinRuns            int     `yaml:"min_runs"`
	MaxRisk            float64 `yaml:"max_risk"`
	FloorMB            int64   `yaml:"floor_mb"`
	MinDollarsPerMonth float64 `yaml:"min_dollars_per_month"`
}

// LoadCosts reads the file of --cost-policy; no file means the defaults.
func LoadCosts(name string) (recommender.Options, error) {
	if name == "" {
		return recommender.Options{}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return recommender.Options{}, errs.New(errs.Invalid, "read the cost policy: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var c costFile
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return recommender.Options{}, errs.New(errs.Invalid, "cost policy %s: %s", name, strings.ReplaceAll(err.Error(), " in type system.costFile", ""))
	}
	o := recommender.Options{
		Weight: c.Weight, DollarsPerGiBHour: c.DollarsPerGiBHour, DollarsPerCoreHour: c.DollarsPerCoreHour,
		NotFeasibleAbove: c.NotFeasibleAbove, MinObservations: c.MinObservations, MaxMemory: c.MaxMemoryMB << 20, MaxCores: c.MaxCores,
		MemoryStep: c.MemoryStepMB << 20, Exploration: c.Exploration, HoldModels: c.HoldModels,
		RightSizing: recommender.RightSizing{
			Mode: c.RightSizing.Mode, MinRuns: c.RightSizing.MinRuns, MaxRisk: c.RightSizing.MaxRisk,
			Floor: c.RightSizing.FloorMB << 20, MinDollars: c.RightSizing.MinDollarsPerMonth,
		},
	}
	if c.MinBilledSeconds != nil {
		if o.MinBilledSeconds = *c.MinBilledSeconds; o.MinBilledSeconds == 0 {
			o.MinBilledSeconds = -1
		}
	}
	for i, w := range c.Weights {
		if w.Weight == nil {
			return recommender.Options{}, errs.Field(fmt.Sprintf("weights[%d].weight", i), "is missing; it is what a failed retry costs in dollars")
		}
		o.Weights = append(o.Weights, recommender.Weight{Workflow: w.Workflow, Owner: w.Owner, Class: failure.Class(w.Class), Dollars: *w.Weight})
	}
	for _, mb := range c.AllowedMemoryMB {
		o.AllowedMemory = append(o.AllowedMemory, mb<<20)
	}
	for _, n := range c.Nodes {
		o.Nodes = append(o.Nodes, recommender.Node{Name: n.Name, Memory: n.MemoryMB << 20, Cores: n.Cores})
	}
	return o, nil
}
