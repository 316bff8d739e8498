package system

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender"
)

func costs(t *testing.T, text string) (recommender.Options, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "costs.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadCosts(name)
}

func TestCostPolicy(t *testing.T) {
	got, err := costs(t, `
weight: 0.01
max_memory_mb: 1024
min_billed_seconds: 0
weights:
  - {workflow: nightly, weight: 0.1}
  - {owner: research, class: memory.executor, weight: 0}
memory_step_mb: 256
allowed_memory_mb: [512, 1024]
nodes:
  - {name: r5.xlarge, memory_mb: 30000, cores: 4}
exploration: 0.02
`)
	want := recommender.Options{
		Weight: 0.01, MaxMemory: 1 << 30, MinBilledSeconds: -1, MemoryStep: 256 << 20, AllowedMemory: []int64{512 << 20, 1 << 30},
		Weights: []recommender.Weight{{Workflow: "nightly", Dollars: 0.1}, {Owner: "research", Class: "memory.executor"}},
		Nodes:   []recommender.Node{{Name: "r5.xlarge", Memory: 30000 << 20, Cores: 4}}, Exploration: 0.02,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("LoadCosts = %+v, %v, want %+v", got, err, want)
	}
}

func TestBadCostPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"weigth: 1":                      "weigth",
		"weights: [{workflow: nightly}]": "weights[0].weight",
		"nodes: {}":                      "line 1: cannot unmarshal !!map into a list",
		"nodes: [{nam: x}]":              "line 1: field nam not found",
		"max_memory_mb: -3":              "max_memory_mb: -3 is not",
		"max_memory_mb: 17592186044416":  "max_memory_mb: 17592186044416 is not",
		"allowed_memory_mb: [3, 2]":      "allowed_memory_mb[1]: 2 is not",
		"memory_step_mb: -1":             "memory_step_mb: -1 is not",
		"min_billed_seconds: -1":         "min_billed_seconds: -1 is not",
		"weight: 0":                      "weight: 0 is not a number of more than 0; leave it out",
		"weight: .nan":                   "weight: NaN is not",
		"dollars_per_core_hour: -0.1":    "dollars_per_core_hour: -0.1 is not",
		"exploration: 0.5":               "exploration: 0.5 is not",
		"right_sizing: {floor_mb: -1}":   "right_sizing.floor_mb: -1 is not",
		"right_sizing: {mode: maybe}":    "right_sizing.mode: \"maybe\" is none of",
	} {
		if _, err := costs(t, text); !errs.Is(err, errs.Invalid) || !strings.HasPrefix(err.Error(), "cost policy /") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %v, want Invalid with %q", text, err, want)
		}
	}
	if o, err := costs(t, ""); err != nil || !reflect.DeepEqual(o, recommender.Options{}) {
		t.Errorf("an empty file = %+v, %v, want the defaults", o, err)
	}
}
