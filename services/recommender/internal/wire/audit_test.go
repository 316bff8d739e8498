package wire_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
	"github.com/redrive-io/redrive/services/recommender/internal/sample"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func report() audit.Report {
	return audit.Report{
		Passed: true, Time: noon, Records: 2, Since: noon.Add(-time.Hour), Brier: 0.1, CalibrationError: 0.2, Violations: 3, Compared: 4, LeftOut: 5,
		Findings:    []audit.Finding{{Check: audit.Doubling, Fatal: true, Message: "costs more"}},
		Reliability: []calibration.Bin{{Predicted: 0.1, Observed: 0.2, Count: 3}},
		Replay:      []audit.Score{{Policy: "model", Failures: 1, FixedFirst: 2, Never: 3, Dollars: 4, Regret: 5}},
		OffPolicy: offpolicy.Estimate{
			Decisions: 6, Same: 5, Unsupported: 1, Logged: 0.5, Judged: sample.Estimate{Count: 6, Mean: 0.4, Low: 0.3, High: 0.5},
			Difference: sample.Estimate{Count: 6, Mean: -0.1, Low: -0.2, High: 0.01},
		},
	}
}

func TestAReportIsKeptWhole(t *testing.T) {
	for _, r := range []audit.Report{report(), {Time: noon}} {
		bytes, err := proto.Marshal(wire.Audit(r))
		if err != nil {
			t.Fatal(err)
		}
		var p redrivev1.Audit
		if err := proto.Unmarshal(bytes, &p); err != nil {
			t.Fatal(err)
		}
		if got := wire.AuditFromProto(&p); !reflect.DeepEqual(got, r) {
			t.Errorf("report = %+v, want %+v", got, r)
		}
	}
}

func TestAnAuditIsToldWithWhatIsWrong(t *testing.T) {
	e, err := wire.Audited("models/m", "trainings/t", report(), noon)
	if err != nil {
		t.Fatal(err)
	}
	var m redrivev1.ModelAudited
	if err := e.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if e.ID != "trainings/t/models/m" || e.Subject != "models/m" || m.GetTraining() != "trainings/t" || !m.GetAudit().GetPassed() ||
		len(m.GetAudit().GetFindings()) != 1 || m.GetAudit().GetReplay() != nil || !m.GetAudit().GetTime().AsTime().Equal(noon) {
		t.Errorf("event %s about %s: %v", e.ID, e.Subject, &m)
	}
}

func TestDriftIsToldWhole(t *testing.T) {
	got := wire.Drift(drift.Drift{
		Model: "m", Time: noon, Decisions: 1, Outcomes: 2, Features: []drift.Feature{{Name: "attempt", Index: 0.3}}, Brier: 0.1, CalibrationError: 0.2,
		AuditBrier: 0.3, AuditCalibrationError: 0.4, Warnings: []string{"attempt moved"},
	})
	want := &redrivev1.Drift{
		Model: "models/m", Time: got.GetTime(), Decisions: 1, Outcomes: 2, Brier: 0.1, CalibrationError: 0.2, AuditBrier: 0.3, AuditCalibrationError: 0.4,
		Features: []*redrivev1.FeatureDrift{{Feature: "attempt", StabilityIndex: 0.3}}, Warnings: []string{"attempt moved"},
	}
	if !proto.Equal(got, want) || !got.GetTime().AsTime().Equal(noon) {
		t.Errorf("drift = %v, want %v", got, want)
	}
}
