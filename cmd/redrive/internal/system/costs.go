package system

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender"
)

// costFile is what --cost-policy says; recommender.Options has the meanings.
type costFile struct {
	Weight             *float64     `yaml:"weight"`
	DollarsPerGiBHour  *float64     `yaml:"dollars_per_gib_hour"`
	DollarsPerCoreHour *float64     `yaml:"dollars_per_core_hour"`
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

// LoadCosts reads the file of --cost-policy; no file means the defaults. What is
// wrong is errs.Invalid, with the name of the file and of the field.
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
		return recommender.Options{}, errs.New(errs.Invalid, "cost policy %s: %s", name, plain(err))
	}
	o, err := c.options()
	if err == nil {
		err = o.Validate()
	}
	if err != nil {
		return recommender.Options{}, fmt.Errorf("cost policy %s: %w", name, err)
	}
	return o, nil
}

// Go's own words in what YAML complains of.
var (
	ofType   = regexp.MustCompile(` in type system\.\w+`)
	intoList = regexp.MustCompile(`into \[\]\S+`)
	intoType = regexp.MustCompile(`into system\.\w+`)
)

// plain says in the words of a file what is wrong with it.
func plain(err error) string {
	text := ofType.ReplaceAllString(err.Error(), "")
	return intoType.ReplaceAllString(intoList.ReplaceAllString(text, "into a list"), "into a mapping")
}

// options returns what c says. What is wrong is named in the units of the file.
func (c costFile) options() (recommender.Options, error) {
	var wrong []error
	bytes := func(field string, mb int64) int64 {
		if mb < 0 || mb > mostMB {
			wrong = append(wrong, errs.Field(field, "%d is not between 0 and %d; 0 is the default", mb, mostMB))
			return 0
		}
		return mb << 20
	}
	amount := func(field string, x *float64) float64 {
		if x == nil {
			return 0
		}
		if !(*x > 0) || math.IsInf(*x, 0) {
			wrong = append(wrong, errs.Field(field, "%v is not a number of more than 0; leave it out for the default, or write 1e-9 for as good as nothing", *x))
		}
		return *x
	}
	if s := c.MinBilledSeconds; s != nil && !(*s >= 0) {
		wrong = append(wrong, errs.Field("min_billed_seconds", "%v is not a number of at least 0", *s))
	}
	o := recommender.Options{
		Weight: amount("weight", c.Weight), DollarsPerGiBHour: amount("dollars_per_gib_hour", c.DollarsPerGiBHour),
		DollarsPerCoreHour: amount("dollars_per_core_hour", c.DollarsPerCoreHour),
		NotFeasibleAbove:   c.NotFeasibleAbove, MinObservations: c.MinObservations, MaxMemory: bytes("max_memory_mb", c.MaxMemoryMB), MaxCores: c.MaxCores,
		MemoryStep: bytes("memory_step_mb", c.MemoryStepMB), Exploration: c.Exploration, HoldModels: c.HoldModels,
		RightSizing: recommender.RightSizing{
			Mode: c.RightSizing.Mode, MinRuns: c.RightSizing.MinRuns, MaxRisk: c.RightSizing.MaxRisk,
			Floor: bytes("right_sizing.floor_mb", c.RightSizing.FloorMB), MinDollars: c.RightSizing.MinDollarsPerMonth,
		},
	}
	if c.MinBilledSeconds != nil {
		if o.MinBilledSeconds = *c.MinBilledSeconds; o.MinBilledSeconds == 0 {
			o.MinBilledSeconds = -1 // none, where 0 is the default
		}
	}
	for i, w := range c.Weights {
		if w.Weight == nil {
			wrong = append(wrong, errs.Field(fmt.Sprintf("weights[%d].weight", i), "is missing; it is what a failed retry costs in dollars"))
			continue
		}
		o.Weights = append(o.Weights, recommender.Weight{Workflow: w.Workflow, Owner: w.Owner, Class: failure.Class(w.Class), Dollars: *w.Weight})
	}
	for i, mb := range c.AllowedMemoryMB {
		if mb < 1 || mb > mostMB || i > 0 && mb <= c.AllowedMemoryMB[i-1] {
			wrong = append(wrong, errs.Field(fmt.Sprintf("allowed_memory_mb[%d]", i), "%d is not between 1 and %d, or not more than the one before it", mb, mostMB))
			continue
		}
		o.AllowedMemory = append(o.AllowedMemory, mb<<20)
	}
	for i, n := range c.Nodes {
		o.Nodes = append(o.Nodes, recommender.Node{Name: n.Name, Memory: bytes(fmt.Sprintf("nodes[%d].memory_mb", i), n.MemoryMB), Cores: n.Cores})
	}
	return o, errs.Fields(wrong...)
}

// mostMB is a pebibyte: more memory than that is a mistake in a unit.
const mostMB = 1 << 30
