package system

import (
	"errors"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender"
)

// costFile is what --cost-policy says; recommender.Options has the meanings.
type costFile struct {
	Weight             float64 `yaml:"weight"`
	DollarsPerGiBHour  float64 `yaml:"dollars_per_gib_hour"`
	DollarsPerCoreHour float64 `yaml:"dollars_per_core_hour"`
	NotFeasibleAbove   float64 `yaml:"not_feasible_above"`
	MinObservations    int     `yaml:"min_observations"`
	MaxMemoryMB        int64   `yaml:"max_memory_mb"`
	MaxCores           float64 `yaml:"max_cores"`
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
	return recommender.Options{
		Weight: c.Weight, DollarsPerGiBHour: c.DollarsPerGiBHour, DollarsPerCoreHour: c.DollarsPerCoreHour,
		NotFeasibleAbove: c.NotFeasibleAbove, MinObservations: c.MinObservations, MaxMemory: c.MaxMemoryMB << 20, MaxCores: c.MaxCores,
	}, nil
}
