package wire

import (
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/wellknown"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
	"github.com/redrive-io/redrive/services/recommender/internal/sample"
)

// Source is the ce-source of everything that the recommender says.
const Source = "redrive/recommender"

// Audited returns the event model.audited about "models/{model}" of
// "trainings/{training}". A model is audited once in a training, so each audit
// is told once.
func Audited(model, training string, r audit.Report, now time.Time) (bus.Event, error) {
	a := Audit(r)
	a.Reliability, a.Replay = nil, nil
	return bus.NewEvent(bus.ModelAudited, training+"/"+model, Source, model, now, &redrivev1.ModelAudited{Model: model, Training: training, Audit: a})
}

// Audit writes a report.
func Audit(r audit.Report) *redrivev1.Audit {
	a := &redrivev1.Audit{
		Passed: r.Passed, Time: wellknown.Timestamp(r.Time), Records: r.Records, Since: wellknown.Timestamp(r.Since),
		Brier: r.Brier, CalibrationError: r.CalibrationError, MonotonicityViolations: r.Violations, MonotonicityChecked: r.Compared,
		LeftOut: r.LeftOut, OffPolicy: offPolicy(r.OffPolicy),
	}
	for _, f := range r.Findings {
		a.Findings = append(a.Findings, &redrivev1.AuditFinding{Check: string(f.Check), Fatal: f.Fatal, Message: f.Message})
	}
	for _, b := range r.Reliability {
		a.Reliability = append(a.Reliability, &redrivev1.CalibrationBin{Predicted: b.Predicted, Observed: b.Observed, Count: b.Count})
	}
	for _, s := range r.Replay {
		a.Replay = append(a.Replay, &redrivev1.PolicyScore{
			Policy: s.Policy, Failures: s.Failures, FixedFirst: s.FixedFirst, Never: s.Never, Dollars: s.Dollars, Regret: s.Regret,
		})
	}
	return a
}

// AuditFromProto reads what Audit writes.
func AuditFromProto(a *redrivev1.Audit) audit.Report {
	r := audit.Report{
		Passed: a.GetPassed(), Time: wellknown.Time(a.GetTime()), Records: a.GetRecords(), Since: wellknown.Time(a.GetSince()),
		Brier: a.GetBrier(), CalibrationError: a.GetCalibrationError(), Violations: a.GetMonotonicityViolations(), Compared: a.GetMonotonicityChecked(),
		LeftOut: a.GetLeftOut(), OffPolicy: offPolicyFromProto(a.GetOffPolicy()),
	}
	for _, f := range a.GetFindings() {
		r.Findings = append(r.Findings, audit.Finding{Check: audit.Check(f.GetCheck()), Fatal: f.GetFatal(), Message: f.GetMessage()})
	}
	for _, b := range a.GetReliability() {
		r.Reliability = append(r.Reliability, calibration.Bin{Predicted: b.GetPredicted(), Observed: b.GetObserved(), Count: b.GetCount()})
	}
	for _, s := range a.GetReplay() {
		r.Replay = append(r.Replay, audit.Score{
			Policy: s.GetPolicy(), Failures: s.GetFailures(), FixedFirst: s.GetFixedFirst(), Never: s.GetNever(), Dollars: s.GetDollars(), Regret: s.GetRegret(),
		})
	}
	return r
}

func offPolicy(e offpolicy.Estimate) *redrivev1.OffPolicyEstimate {
	if e.Decisions == 0 {
		return nil
	}
	return &redrivev1.OffPolicyEstimate{
		Decisions: e.Decisions, Dollars: e.Judged.Mean, Low: e.Judged.Low, High: e.Judged.High, LoggedDollars: e.Logged, Same: e.Same,
		Unsupported: e.Unsupported, Difference: e.Difference.Mean, DifferenceLow: e.Difference.Low, DifferenceHigh: e.Difference.High,
	}
}

func offPolicyFromProto(p *redrivev1.OffPolicyEstimate) offpolicy.Estimate {
	if p == nil {
		return offpolicy.Estimate{}
	}
	return offpolicy.Estimate{
		Decisions: p.GetDecisions(), Same: p.GetSame(), Unsupported: p.GetUnsupported(), Logged: p.GetLoggedDollars(),
		Judged:     sample.Estimate{Count: p.GetDecisions(), Mean: p.GetDollars(), Low: p.GetLow(), High: p.GetHigh()},
		Difference: sample.Estimate{Count: p.GetDecisions(), Mean: p.GetDifference(), Low: p.GetDifferenceLow(), High: p.GetDifferenceHigh()},
	}
}

// Drift writes how far what is asked is from what a model was trained on.
func Drift(d drift.Drift) *redrivev1.Drift {
	p := &redrivev1.Drift{
		Model: "models/" + d.Model, Time: wellknown.Timestamp(d.Time), Decisions: d.Decisions, Outcomes: d.Outcomes, Brier: d.Brier, CalibrationError: d.CalibrationError,
		AuditBrier: d.AuditBrier, AuditCalibrationError: d.AuditCalibrationError, Warnings: d.Warnings,
	}
	for _, f := range d.Features {
		p.Features = append(p.Features, &redrivev1.FeatureDrift{Feature: f.Name, StabilityIndex: f.Index})
	}
	return p
}
