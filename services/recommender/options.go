package recommender

import (
	"cmp"
	"math"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Options are the operator's settings. Zero fields mean the defaults.
type Options struct {
	// Weight is what a failed retry costs besides its resources, in US dollars:
	// 0.001, what a minute of a core with 4 GiB costs, for the time in which it is
	// noticed, decided on and started again. More of it buys more memory and fewer
	// failures.
	Weight float64
	// DollarsPerGiBHour and DollarsPerCoreHour are the prices of memory and
	// cores: 0.005 and 0.04, those of on-demand containers at the large clouds.
	DollarsPerGiBHour  float64
	DollarsPerCoreHour float64
	// NotFeasibleAbove is the probability of failing above which no retry is
	// worth it: 0.9. It must be less than 1.
	NotFeasibleAbove float64
	// MinObservations is how many attempts of a job type must have been seen
	// before its probabilities may stop a retry: 3.
	MinObservations int
	// MaxMemory is the most memory in bytes that a process tree or a container
	// may be recommended. The default for process and jvm is 0.8 of this host's
	// memory, the rest is for everything else on it; for Spark, whose executors
	// run elsewhere, it is 64 GiB.
	MaxMemory int64
	// MaxCores is the most cores that are recommended; as many as the job has.
	MaxCores float64
	// HoldModels keeps a model that passed its audit from serving before somebody
	// promotes it. The default is that it serves.
	HoldModels bool
	// MinBilledSeconds is the least time that a run is paid for: 60, as clouds
	// bill. Less than 0 is none.
	MinBilledSeconds float64
	// Weights are other weights for some jobs: the one that asks most of a job wins.
	Weights []Weight
	// MemoryStep is what recommended memory is a multiple of, in bytes; whole MiB.
	MemoryStep int64
	// AllowedMemory are the only totals of a process tree or container in bytes
	// that are recommended, ascending; any when it is empty.
	AllowedMemory []int64
	// Nodes are the machines into which a process tree or container must fit; with
	// them what of a machine nobody else can use is paid for too.
	Nodes []Node
	// Exploration is the share of recommendations, 0.1 at most, that try another
	// candidate of nearly the same objective, to learn what comes of it. It is
	// logged with its probability. None by default.
	Exploration float64
	RightSizing RightSizing
}

// Defaults.
const (
	defaultWeight          = 0.001
	defaultPerGiBHour      = 0.005
	defaultPerCoreHour     = 0.04
	defaultNotFeasible     = 0.9
	defaultMinObservations = 3
	defaultBilledSeconds   = 60
	defaultSparkMemory     = 64 << 30
	hostShare              = 0.8
)

// Validate names what is wrong with o, as the file of --cost-policy calls it.
func (o Options) Validate() error {
	amount := func(name string, x float64) error {
		if !(x >= 0) || math.IsInf(x, 0) {
			return errs.Field(name, "%v is not a number of at least 0; 0 is the default", x)
		}
		return nil
	}
	var likely, billed error
	if math.IsNaN(o.MinBilledSeconds) || math.IsInf(o.MinBilledSeconds, 0) {
		billed = errs.Field("min_billed_seconds", "%v is not a number", o.MinBilledSeconds)
	}
	if !(o.NotFeasibleAbove >= 0 && o.NotFeasibleAbove < 1) {
		likely = errs.Field("not_feasible_above", "%v is not at least 0 and less than 1; 0 is the default", o.NotFeasibleAbove)
	}
	// What has no default is checked as the search gets it; a limit that it has
	// not is no fault of it.
	lists := search.Settings{NotFeasible: defaultNotFeasible, Step: o.MemoryStep, Allowed: o.AllowedMemory, Nodes: o.nodes(), Exploration: o.Exploration}
	return errs.Fields(
		lists.Validate(""), validateWeights(o.Weights), amount("weight", o.Weight), amount("dollars_per_gib_hour", o.DollarsPerGiBHour),
		amount("dollars_per_core_hour", o.DollarsPerCoreHour), likely, billed, amount("min_observations", float64(o.MinObservations)),
		amount("max_memory", float64(o.MaxMemory)), amount("max_cores", o.MaxCores),
		o.RightSizing.validate(),
	)
}

// withDefaults fills in what is not set, on a host with this much memory.
func (o Options) withDefaults(host int64) resolved {
	return resolved{
		Settings: search.Settings{
			Weight: cmp.Or(o.Weight, defaultWeight), PerGiBHour: cmp.Or(o.DollarsPerGiBHour, defaultPerGiBHour),
			PerCoreHour: cmp.Or(o.DollarsPerCoreHour, defaultPerCoreHour), NotFeasible: cmp.Or(o.NotFeasibleAbove, defaultNotFeasible),
			MinObservations: cmp.Or(o.MinObservations, defaultMinObservations),
			MaxMemory:       cmp.Or(o.MaxMemory, int64(hostShare*float64(host))), MaxCores: o.MaxCores,
			MinSeconds: max(cmp.Or(o.MinBilledSeconds, defaultBilledSeconds), 0), Step: o.MemoryStep, Allowed: o.AllowedMemory,
			Nodes: o.nodes(), Exploration: o.Exploration,
		},
		weights: o.Weights,
		spark:   cmp.Or(o.MaxMemory, defaultSparkMemory),
	}
}

// resolved are settings that name every value.
type resolved struct {
	search.Settings
	spark   int64 // MaxMemory of the spark engine
	weights []Weight
}

func (o Options) nodes() (all []search.Node) {
	for _, n := range o.Nodes {
		all = append(all, search.Node(n))
	}
	return all
}

// settings returns the settings for a failure of class c of a job of this type
// and owner.
func (r resolved) settings(t failure.Type, owner string, c failure.Class) search.Settings {
	r.Weight = weigh(r.weights, t.Workflow, owner, c, r.Weight)
	if t.Engine == engine.Spark {
		r.MaxMemory = r.spark
	}
	return r.Settings
}
