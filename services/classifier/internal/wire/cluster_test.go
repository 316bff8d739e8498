package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/wire"
)

func TestAClusterIsKeptWhole(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	c := &cluster.Cluster{
		ID: "ab12", Words: []string{"a", "<*>", "#"}, State: cluster.Dismissed, Count: 7, Jobs: []uint64{1, 1 << 63}, Seconds: 1.5, GBSeconds: 2.5, Cost: 3.5,
		First: at, Last: at.Add(time.Hour), Examples: []cluster.Example{{Failure: "f", Job: "jobs/a", Line: "a b 1", Time: at}}, Rule: "r", AcceptedRule: "s",
		DismissReason: "why", Checked: "x", Path: "3 a", Sequence: 9, Revision: 4,
	}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
	}
	if got := wire.ClusterFromRecord(wire.ClusterRecord(c), 4); !reflect.DeepEqual(got, c) {
		t.Errorf("kept %+v, want %+v", got, c)
	}
	before := wire.ClusterEtag(c)
	c.Count++
	if wire.ClusterEtag(c) != before {
		t.Error("one more failure changes the etag")
	}
	if c.Accept("r"); wire.ClusterEtag(c) == before {
		t.Error("a rule that is accepted does not change the etag")
	}
}

func TestClusterNames(t *testing.T) {
	if id, err := wire.ClusterID("name", wire.ClusterName("ab12")); err != nil || id != "ab12" {
		t.Errorf("ClusterID = %q, %v", id, err)
	}
	for _, name := range []string{"", "clusters/", "rules/a", "clusters/a/b"} {
		if _, err := wire.ClusterID("name", name); !errs.Is(err, errs.Invalid) {
			t.Errorf("ClusterID(%q) = %v, want Invalid", name, err)
		}
	}
}

// TestWhatAFailureCosts is its own run time, or that between its ends, and the
// memory that it was given, or else used.
func TestWhatAFailureCosts(t *testing.T) {
	start := timestamppb.New(time.Unix(1000, 0))
	for name, tc := range map[string]struct {
		evidence *redrivev1.Evidence
		ran      time.Duration
		memory   int64
	}{
		"measured":           {&redrivev1.Evidence{Duration: durationpb.New(time.Minute), MemoryLimitBytes: 5, PeakMemoryBytes: new(int64(3))}, time.Minute, 5},
		"its ends, its peak": {&redrivev1.Evidence{StartTime: start, EndTime: timestamppb.New(time.Unix(1009, 0)), PeakMemoryBytes: new(int64(3))}, 9 * time.Second, 3},
		"ends turned round":  {&redrivev1.Evidence{StartTime: start, EndTime: timestamppb.New(time.Unix(900, 0))}, 0, 0},
		"nothing":            {nil, 0, 0},
	} {
		f, ok := wire.UnknownFailure(&redrivev1.Failure{Class: "unknown", Summary: "No rule knows this failure, and its logs are empty: exit code 3.", Evidence: tc.evidence})
		if !ok || !f.Bare || f.Line != "exit code 3" || f.Ran != tc.ran || f.Memory != tc.memory {
			t.Errorf("%s: %+v, %v", name, f, ok)
		}
	}
	if _, ok := wire.UnknownFailure(&redrivev1.Failure{Class: "code.bug"}); ok {
		t.Error("a failure that a rule knows is none of a cluster")
	}
}
