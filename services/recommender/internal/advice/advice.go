// Package advice turns what is known of a failed attempt and of its job type
// into the inputs of a search, and the answer into a guarded change of the
// job's configuration.
package advice

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/features"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/need"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Request is what is asked about one failed attempt.
type Request struct {
	FailureID     string
	Type          failure.Type
	Config        map[string]any // the job's original configuration
	AttemptConfig map[string]any // what the attempt ran with; Config when nil
	Evidence      failure.Evidence
	Class         failure.Class
	Fingerprint   string
	Setting       string // the key that the log names as too small, or empty
	// SameFailures counts the failed attempts of the job with this fingerprint,
	// this one included.
	SameFailures int
	Attempt      int
	Owner        string
	// Shapes are the clusters that the retry may run on. With them the question is
	// which one; Failed are those on which earlier attempts of the job failed.
	Shapes []failure.Shape
	Failed []search.FailedOn
}

// Knowledge is what there is to go by besides the request.
type Knowledge struct {
	History history.History // of the job type
	// Estimator has learnt all runs of History; nil when there are none.
	Estimator *need.Estimator
	Model     model.Model // the one that serves; the zero Model is the built-in one
	// Uses are the shares of its requested memory that each other type of the
	// workflow used at most, 0 to 1: all there is for the first run of a type.
	Uses []float64
	// Shaped are job types of the engine that ran on clusters, where clusters are
	// what is asked about.
	Shaped []history.History
	Now    time.Time // when it is asked
}

// Record is what a search saw, besides the request. A search on the same
// request and record gives the same answer.
type Record struct {
	Part         engine.Part // NoPart when memory was not the question
	Need         need.Quantiles
	Proven, Seen int64 // bytes
	Reach        int64 // bytes; 0 where Need follows from bounds
	Beyond       float64
	Permanent    float64
	Seconds      float64
	Observations int
	Considered   int // 0 for all
	Settings     search.Settings
	// First says that the job has not run yet: what is asked is how much memory
	// its first attempt should have.
	First bool
	// FailedShare is how long an attempt that lacks memory runs, in parts of the
	// whole run time.
	FailedShare float64
	// Dice, from 0 up to but not 1, chooses among near equals where that is
	// switched on.
	Dice     float64
	Clusters *Clusters // nil where no clusters were asked about
	Model    string    // the model that it rests on, by its name
	Time     time.Time
	// Calibration is how the model corrects the probabilities that follow from Need
	// and Permanent.
	Calibration model.Calibration
	Features    features.Features // what was known, without what was chosen
	// Factors are worked out when there is an answer, from more than a record has.
	// They are in it so that they are told with the answer when it is made again.
	Factors []Factor
}

// Answer is the answer of a search with the change that it asks for.
type Answer struct {
	search.Answer
	Operations []engine.Operation
	Features   features.Features // with what was chosen
}

// Bounds on a request.
const (
	maxSameFailures = failure.MaxAttempt
	maxFingerprint  = history.MaxFingerprint
	maxOwner        = 128
)

// Validate names what is wrong with r.
func (r Request) Validate() error {
	var class, same, attempt, print, setting, profile error
	if _, ok := failure.MeaningOf(r.Class); !ok {
		class = errs.Field("class", "%q is not a class of the taxonomy; a failure that no rule explains is %q", r.Class, failure.Unknown)
	}
	if r.SameFailures < 0 || r.SameFailures > maxSameFailures {
		same = errs.Field("same_failures", "%d is not between 0 and %d", r.SameFailures, maxSameFailures)
	}
	if r.Attempt < 0 || r.Attempt > failure.MaxAttempt {
		attempt = errs.Field("attempt", "%d is not between 0 and %d", r.Attempt, failure.MaxAttempt)
	}
	if len(r.Fingerprint) > maxFingerprint {
		print = errs.Field("fingerprint", "has %d characters; at most %d are allowed", len(r.Fingerprint), maxFingerprint)
	}
	if len(r.Setting) > history.MaxSetting {
		setting = errs.Field("setting", "has %d characters; at most %d are allowed", len(r.Setting), history.MaxSetting)
	}
	if p, err := engine.Lookup(r.Type.Engine); err != nil {
		profile = err
	} else {
		profile = errs.Fields(p.Validate(r.Config), p.Validate(r.AttemptConfig))
	}
	var owner error
	if len(r.Owner) > maxOwner {
		owner = errs.Field("owner", "has %d bytes; at most %d are allowed", len(r.Owner), maxOwner)
	}
	return errs.Fields(r.Type.Validate("type"), owner, class, same, attempt, print, setting, profile, r.validateEvidence(), r.validateShapes())
}

func (r Request) validateEvidence() error {
	var peak, limit, duration, input error
	if r.Evidence.PeakBytes != nil && *r.Evidence.PeakBytes < 0 {
		peak = errs.Field("evidence.peak_memory_bytes", "%d is negative", *r.Evidence.PeakBytes)
	}
	if r.Evidence.LimitBytes < 0 {
		limit = errs.Field("evidence.memory_limit_bytes", "%d is negative; 0 is no limit", r.Evidence.LimitBytes)
	}
	if r.Evidence.Duration < 0 {
		duration = errs.Field("evidence.duration", "%v is negative", r.Evidence.Duration)
	}
	if r.Evidence.InputBytes < 0 {
		input = errs.Field("evidence.input_bytes", "%d is negative; 0 is unknown", r.Evidence.InputBytes)
	}
	return errs.Fields(peak, limit, duration, input)
}

// Search answers a request from its record. A configuration that cannot be read
// is errs.Invalid.
func Search(ctx context.Context, r Request, rec Record) (Answer, error) {
	if rec.Clusters != nil && len(r.Shapes) > 0 {
		a := Answer{Answer: r.searchClusters(rec), Features: rec.Features}
		if c := a.Chosen; c != nil {
			a.Features.Raw, a.Features.FailProbability, a.Features.ExpectedCost = c.FailProbability, c.FailProbability, c.ExpectedCost
			a.Features.Propensity = a.Propensity
		}
		return a, nil
	}
	in, err := r.asked(rec)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Answer: search.Find(ctx, in)}
	if rec.First && len(rec.Need) == 0 {
		a.Reason = "nothing is known yet of what the job needs"
	}
	a.Features = rec.chosen(r, a.Answer)
	if a.Outcome != search.Change {
		return a, nil
	}
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return Answer{}, err
	}
	// The change starts from what the attempt ran with, so that a level raised
	// before is kept, and is written against the original. Where that is what is
	// wanted again, it says so: the patch by which the attempt had less may apply
	// for a while yet.
	a.Operations, err = profile.Overrides(r.Config, r.attemptConfig(), in.Setting.Apply(a.Chosen.Size))
	if err == nil && len(a.Operations) == 0 {
		a.Outcome, a.Reason = search.Keep, "the job's own configuration is what is recommended; "+a.Reason
	}
	return a, err
}

// inputs returns all that a search on a record looks at.
func (r Request) inputs(rec Record) (search.Inputs, error) {
	in, err := r.uncorrected(rec)
	return calibrated(in, rec.Calibration), err
}

// asked returns the inputs of the search: of a first attempt of which nothing is
// known only what is set is predicted.
func (r Request) asked(rec Record) (search.Inputs, error) {
	in, err := r.inputs(rec)
	if rec.First && len(rec.Need) == 0 {
		in.Question = search.KeepAlways
	}
	return in, err
}

// uncorrected returns the inputs as they are before the model corrects their
// probabilities.
func (r Request) uncorrected(rec Record) (search.Inputs, error) {
	setting, question, err := r.question()
	if rec.First {
		setting, question, err = r.sized()
	}
	if err != nil {
		return search.Inputs{}, err
	}
	least, most, err := r.bounds(setting, rec)
	return search.Inputs{
		Question: question, Setting: setting, Need: rec.Need, Proven: rec.Proven, Seen: rec.Seen, Permanent: rec.Permanent,
		Seconds: rec.Seconds, Observations: rec.Observations, Settings: rec.Settings, Considered: rec.Considered,
		First: rec.First, FailedShare: rec.FailedShare, Dice: rec.Dice, Reach: rec.Reach, Beyond: rec.Beyond,
		Least: least, Most: most,
	}, err
}

// question returns what is asked: more memory where the class or the evidence
// says that memory ran out and the configuration can give more.
func (r Request) question() (engine.Setting, search.Question, error) {
	profile, err := engine.Lookup(r.Type.Engine)
	if err != nil {
		return engine.Setting{}, 0, err
	}
	setting, err := profile.Setting(r.attemptConfig(), engine.Cause{Class: r.Class, Setting: r.Setting}, r.Evidence.LimitBytes)
	if err != nil {
		return engine.Setting{}, 0, err
	}
	mayGrow := setting.Part != engine.NoPart && setting.Memory > 0
	switch {
	case mayGrow && (r.Class.Memory() || r.Class == failure.Unknown && r.ranOut()):
		return setting, search.MoreMemory, nil
	case r.Class.Memory():
		return setting, search.NoSetting, nil
	case r.Class == failure.Unknown:
		return setting, search.RetryOrNot, nil
	}
	return setting, search.KeepAlways, nil
}

func (r Request) attemptConfig() map[string]any {
	if r.AttemptConfig != nil {
		return r.AttemptConfig
	}
	return r.Config
}

// nearLimit is the part of its limit that an attempt must have used for a
// SIGKILL of unknown origin to count as a kill for memory.
const nearLimit = 0.95

const sigkill = 9

// ranOut reports whether the evidence alone shows that memory ran out: the
// executor says so, or a SIGKILL met an attempt at its limit.
func (r Request) ranOut() bool {
	e := r.Evidence
	if e.Reason == failure.OutOfMemory {
		return true
	}
	killed := e.Signal == sigkill || e.ExitCode != nil && *e.ExitCode == 128+sigkill
	stopped := e.Reason == failure.TimedOut || e.Reason == failure.WasCancelled
	return killed && !stopped && e.PeakBytes != nil && e.LimitBytes > 0 && float64(*e.PeakBytes) >= nearLimit*float64(e.LimitBytes)
}
