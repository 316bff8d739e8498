package failure_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

func TestEvidenceIsReadAsItWasWritten(t *testing.T) {
	want := failure.Evidence{
		InputBytes: 7, PartPeaks: map[string]int64{"driver.heap": 5},
		Shape: failure.Shape{
			Name: "m5.xlarge x 8", InstanceType: "m5.xlarge", Nodes: 8, CoresPerNode: 4, MemoryPerNode: 16 << 30, DollarsPerHour: 1.536, Spot: true,
		},
	}
	if got := failure.FromProto(want.Proto()); !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	if p := (failure.Evidence{}).Proto(); p.GetShape() != nil {
		t.Errorf("no machines are written as %v", p.GetShape())
	}
}

func TestBadShapesAreNamed(t *testing.T) {
	for field, s := range map[string]failure.Shape{
		"shape.name": {Name: strings.Repeat("x", 129)}, "shape.nodes": {Nodes: -1}, "shape.cores_per_node": {CoresPerNode: math.NaN()},
		"shape.memory_bytes_per_node": {MemoryPerNode: -1}, "shape.dollars_per_hour": {DollarsPerHour: math.Inf(1)},
		"shape.instance_type": {InstanceType: strings.Repeat("x", 129)},
	} {
		if err := s.Validate("shape"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("Validate of %+v = %v, want that it names %s", s, err, field)
		}
	}
	if err := (failure.Shape{}).Validate("shape"); err != nil {
		t.Errorf("Validate of none = %v", err)
	}
}
