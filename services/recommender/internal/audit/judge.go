package audit

import (
	"fmt"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/sample"
)

// What it takes to judge, and what is tolerated.
const (
	// fewestFailures and fewestPredictions are with how many a mean, and a table,
	// say something. Of fewer, all is noted and nothing is fatal but what needs no
	// records.
	fewestFailures    = 30
	fewestPredictions = 100
	// worstError is the expected calibration error beyond which probabilities
	// mislead whoever reads them: a tenth.
	worstError = 0.1
	// tolerated is the regret, in parts of what retries cost at least, that nobody
	// would notice.
	tolerated = 0.01
	// supported is the share of decisions that must speak for themselves before an
	// off-policy estimate may stop a model.
	supported = 0.5
)

// judge fills in the findings, and whether the model passed.
func (p *Report) judge(r *replay, candidate, incumbent model.Model, settings Settings) {
	p.judgeSlope()
	p.judgeRecords(candidate, settings)
	p.judgeCalibration(r)
	for i := theIncumbent; i < policies; i++ {
		p.judgeRegret(Check(names[i]), r.against[i].Estimate(), r.least.Estimate().Mean)
	}
	p.judgeDecisions()
	if until := candidate.Until; until.After(p.Since) && p.Records > 0 && candidate.Name != incumbent.Name {
		p.find(Enough, false, "the model has learnt records until %s, so that part of those it is judged on it knows",
			until.UTC().Format("2006-01-02 15:04"))
	}
	p.Passed = true
	for _, f := range p.Findings {
		p.Passed = p.Passed && !f.Fatal
	}
}

func (p *Report) find(c Check, fatal bool, format string, args ...any) {
	p.Findings = append(p.Findings, Finding{Check: c, Fatal: fatal, Message: fmt.Sprintf(format, args...)})
}

func (p *Report) judgeSlope() {
	if p.Violations > 0 {
		p.find(Monotonicity, true, "%d of %d predictions rise with memory or are none: more memory must never be predicted to fail more",
			p.Violations, p.Compared)
	}
}

// judgeRecords notes that there are too few records. Then nothing is known of
// the model but what it says: it may not give up what the built-in model would
// retry.
func (p *Report) judgeRecords(candidate model.Model, settings Settings) {
	failures, predictions := p.Replay[theModel].Failures, predictions(p)
	if failures >= fewestFailures && predictions >= fewestPredictions {
		return
	}
	p.find(Enough, false, "only %d failures of the last %d records are resolved and only %d retries were predicted: it takes %d and %d to judge a model",
		failures, p.Records, predictions, fewestFailures, fewestPredictions)
	if failures >= fewestFailures {
		return
	}
	for _, class := range failure.Classes() {
		if !class.Memory() && class != failure.Unknown {
			continue // rules decide on it, and the model only predicts
		}
		bound := settings(failure.Type{}, "", class).NotFeasible
		before := model.Builtin().Permanent(class, nil, "", false).Mean()
		if after := candidate.Calibrated(candidate.Permanent(class, nil, "", false).Mean()); before <= bound && after > bound {
			p.find(Enough, true, "it takes a first failure of class %s to come back with probability %.2f, more than %.2f, and would give it up without records that show it",
				class, after, bound)
		}
	}
}

func predictions(p *Report) int64 {
	n := 0.0
	for _, b := range p.Reliability {
		n += b.Count
	}
	return int64(n)
}

// judgeCalibration looks whether the model is further off than chance explains.
// That is fatal where it is also further off than the incumbent, retry by retry:
// else nothing would be gained by keeping that one.
func (p *Report) judgeCalibration(r *replay) {
	t, before := &r.tallies[theModel], &r.tallies[theIncumbent]
	if t.Count() < fewestPredictions || p.CalibrationError <= worstError || p.CalibrationError <= t.Chance() {
		return
	}
	worse := r.further.Estimate().Low > 0
	p.find(Calibration, worse, "predictions of %d retries are %.2f off on average, more than %.2f and more than chance explains; Brier score %.3f, the incumbent's %.3f",
		t.Count(), p.CalibrationError, worstError, p.Brier, before.Brier())
}

// judgeRegret compares the model with another policy, failure by failure.
func (p *Report) judgeRegret(with Check, difference sample.Estimate, least float64) {
	if difference.Count < fewestFailures || !(difference.Low > tolerated*least) {
		return
	}
	p.find(with, true, "a failure costs $%.3g more than with %s (95 %% confidence: $%.3g to $%.3g), where $%.3g is the least that would do",
		difference.Mean, with.name(), difference.Low, difference.High, least)
}

// name says in words what a check compares with.
func (c Check) name() string {
	switch c {
	case Incumbent:
		return "the model that serves"
	case Doubling:
		return "doubling after each failure"
	case VPA:
		return "the rule of the vertical pod autoscaler"
	}
	return string(c)
}

// judgeDecisions looks at what the decisions on record say. Where nothing was
// tried at random they say nothing of other decisions, and that is noted.
func (p *Report) judgeDecisions() {
	e := p.OffPolicy
	if e.Decisions < fewestFailures {
		return
	}
	if e.Supported() < supported {
		p.find(OffPolicy, false, "%d of %d decisions differ from those on record in a way that had no chance there: their cost is only predicted",
			e.Unsupported, e.Decisions)
		return
	}
	if e.Difference.Low > tolerated*e.Logged {
		p.find(OffPolicy, true, "a decision costs $%.3g more than those on record (95 %% confidence: $%.3g to $%.3g), by %d decisions of which %d differ",
			e.Difference.Mean, e.Difference.Low, e.Difference.High, e.Decisions, e.Decisions-e.Same)
	}
}
