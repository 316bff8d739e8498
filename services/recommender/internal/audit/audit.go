// Package audit judges a model on records that it was not trained on, before it
// may serve.
//
// It plays the records of each job type again in the order of their ends, with
// the code that serves. At each failure the model is asked with what was known
// then, no more. What is judged are the failures told after the newest fifth of
// the records began; the records before them only teach the histories.
//
// # Regret
//
// What a retry costs is known where the record shows what would have done.
//
//   - A failure for memory that a later success of the same job resolved, whose
//     peak of the part that ran out was measured as more than anything that the job
//     failed with: the need was that peak. A retry with more succeeds and runs as
//     long as that success, one with less fails after as long as the first failure
//     ran.
//   - Without a measured peak (or where the measurement is below what the job
//     failed with, so that it missed the moment) the need lies above what failed
//     and not above what the success had. Where any of the compared policies
//     chooses in between, nobody knows what would have come: the failure is left
//     out for all of them, and counted.
//   - An unexplained failure, where the question is whether to retry at all: what
//     came of the same configuration is on record, attempt by attempt.
//   - All else is left out: a memory failure that nothing resolved, a job whose
//     failures changed from one question to the other.
//
// Each policy has as many retries as the taxonomy gives a failure for memory.
// The regret of a failure is what its retries cost beyond the least that would
// have done. Giving a job up that could have been saved costs what an operator
// says it does by setting not_feasible_above = a: who is indifferent between
// retrying and stopping when a retry fails with probability a values the job at
// 1/(1−a) retries. Stopping a job that the record never shows to succeed costs
// nothing.
//
// # What the record cannot say
//
// It holds what the policy of the day chose. An unexplained failure that it gave
// up might have passed with one more retry; a retry with less memory than it gave
// might have done. The first is left open in favour of whoever stops, the second
// against nobody: see package offpolicy for what is estimated without
// experiments, and what is not.
package audit

import (
	"context"
	"iter"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/offpolicy"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Records are training records by type, and of one type in the order of their
// ends.
type Records = iter.Seq2[record.Record, error]

// Settings returns the operator's choices for a failure of class c of a job of
// this type and owner.
type Settings func(t failure.Type, owner string, c failure.Class) search.Settings

// Report says whether a model may serve, and why.
type Report struct {
	Passed   bool
	Time     time.Time
	Records  int64     // told since Since
	Since    time.Time // zero when there are too few records to leave any out
	Findings []Finding
	// Of what the model predicted for the retries on record.
	Reliability      []calibration.Bin
	Brier            float64
	CalibrationError float64
	// Predictions that rose with memory, of how many that were compared.
	Violations, Compared int64
	Replay               []Score // the model, the incumbent, doubling, the rule of the VPA
	LeftOut              int64   // failures that the record does not resolve
	OffPolicy            offpolicy.Estimate
}

// Finding is one thing that an audit looked at and found wanting.
type Finding struct {
	Check   Check
	Fatal   bool // the model may not serve for it
	Message string
}

// Check is what an audit looks at.
type Check string

// The checks.
const (
	Calibration  Check = "calibration"
	Monotonicity Check = "monotonicity"
	Incumbent    Check = "incumbent"
	Doubling     Check = "doubling"
	VPA          Check = "vpa"
	OffPolicy    Check = "off-policy"
	Enough       Check = "records"
)

// Score is what one policy did with the failures of the replay.
type Score struct {
	Policy     string // "model", or that of the check that compares with it
	Failures   int64
	FixedFirst int64
	Never      int64   // given up, or not mended by the last retry, though the job could be
	Dollars    float64 // of retries
	Regret     float64 // US dollars beyond the least that would have done
}

// Run audits a candidate against the model that serves, on what was told since
// c.Since. It ranges over the records once.
func Run(ctx context.Context, records Records, c *Calendar, candidate, incumbent model.Model, settings Settings) (Report, error) {
	since := c.Since()
	r := newReplay(candidate, incumbent, settings, since, c.sample(since))
	if err := r.play(ctx, records); err != nil {
		return Report{}, err
	}
	report := r.report()
	report.Time, report.Since, report.Records = c.now, since, c.after(since)
	report.judge(r, candidate, incumbent, settings)
	return report, nil
}
