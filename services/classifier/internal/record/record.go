// Package record is the life of a failure's record: told, classified,
// recommended, patched, final. The steps are pure; Driver takes them, one
// stored state at a time, so that a crash anywhere is gone on from.
package record

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/jsonvalue"
	"github.com/redrive-io/redrive/pkg/redact"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Bounds of a report.
const (
	MaxConfigBytes = 64 << 10 // of one configuration, as JSON
	MaxLabels      = 64
	MaxLabel       = 256 // bytes of a label's name or value
	MaxOwner       = 128 // bytes
	MaxPolicyBytes = 4 << 10
)

// MaxMatches bounds the matches that are recorded, the first ones in order.
const MaxMatches = 64

// maxWarnings bounds what is noted on the way.
const maxWarnings = 32

// State is how far a record is.
type State int

// The states, as in proto/redrive/v1/classifier.proto.
const (
	StateNone    State = iota
	Recommending       // classified; the recommendation is awaited
	Patching           // the recommendation is stored; its patch is being made
	Final              // nothing changes any more
)

// Report is what is told about one failed attempt.
type Report struct {
	Attempt failure.Attempt
	Type    failure.Type
	// Config is the job's original configuration, AttemptConfig what the
	// attempt ran with; nil is Config.
	Config, AttemptConfig map[string]any
	Evidence              failure.Evidence
	Labels                map[string]string
	Owner                 string
	// RetryPolicy is passed on to the scheduler as it came.
	RetryPolicy []byte
}

// Failure is the record of one failed attempt.
type Failure struct {
	Report
	State   State
	Result  finalize.Result
	Matches []rule.Match
	// Recommendation is nil until there is one.
	Recommendation *Recommendation
	Patch          string // "patches/{patch}", or empty
	Warnings       []string
	CreateTime     time.Time
	UpdateTime     time.Time
	// LateTime is when its logs are to be read once more, since one was missing
	// or still growing; zero is never.
	LateTime time.Time
}

// Outcome is what is recommended.
type Outcome int

// The outcomes, as in proto/redrive/v1/recommender.proto.
const (
	OutcomeNone Outcome = iota
	Change
	Keep
	NotFeasible
)

// Recommendation is what the recommender answered.
type Recommendation struct {
	Outcome    Outcome
	Operations []rule.Operation
	Answer     any // the whole answer, as internal/wire knows it
}

// ID returns the id of the failure.
func (r *Report) ID() string { return r.Attempt.FailureID() }

// Validate names all that is wrong with r.
func (r *Report) Validate() error {
	all := []error{
		r.Attempt.Validate("attempt"), r.Type.Validate("type"),
		checkConfig("config", r.Config), checkConfig("attempt_config", r.AttemptConfig), r.checkEvidence(),
	}
	if len(r.Labels) > MaxLabels {
		all = append(all, errs.Field("labels", "has %d labels, at most %d are allowed", len(r.Labels), MaxLabels))
	}
	for k, v := range r.Labels {
		if k == "" || len(k) > MaxLabel || len(v) > MaxLabel {
			all = append(all, errs.Field("labels", "names and values must have at most %d bytes, and a name at least 1", MaxLabel))
			break
		}
	}
	if len(r.Owner) > MaxOwner {
		all = append(all, errs.Field("owner", "has %d bytes, at most %d are allowed", len(r.Owner), MaxOwner))
	}
	if len(r.RetryPolicy) > MaxPolicyBytes {
		all = append(all, errs.Field("retry_policy", "has %d bytes, at most %d are allowed", len(r.RetryPolicy), MaxPolicyBytes))
	}
	return errs.Fields(all...)
}

func checkConfig(field string, config map[string]any) error {
	if n, ok := jsonvalue.Bound(config); ok && n <= MaxConfigBytes {
		return nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return errs.Field(field, "is not JSON: %w", err)
	}
	if len(text) > MaxConfigBytes {
		return errs.Field(field, "has %d bytes as JSON, at most %d are allowed", len(text), MaxConfigBytes)
	}
	return nil
}

func (r *Report) checkEvidence() error {
	e := r.Evidence
	var all []error
	if e.Reason < failure.ReasonNone || e.Reason > failure.Lost {
		all = append(all, errs.Field("evidence.termination_reason", "%d is no termination reason", int(e.Reason)))
	}
	if e.LimitBytes < 0 {
		all = append(all, errs.Field("evidence.memory_limit_bytes", "%d is negative", e.LimitBytes))
	}
	if e.PeakBytes != nil && *e.PeakBytes < 0 {
		all = append(all, errs.Field("evidence.peak_memory_bytes", "%d is negative", *e.PeakBytes))
	}
	if e.InputBytes < 0 {
		all = append(all, errs.Field("evidence.input_bytes", "%d is negative", e.InputBytes))
	}
	all = append(all, e.Shape.Validate("evidence.shape"))
	if e.Duration < 0 {
		all = append(all, errs.Field("evidence.duration", "%v is negative", e.Duration))
	}
	return errs.Fields(all...)
}

// masked is r without secrets; its evidence is the collector's.
func (r Report) masked() Report {
	r.Config = redact.Config(r.Config)
	if r.AttemptConfig == nil {
		r.AttemptConfig = r.Config
	} else {
		r.AttemptConfig = redact.Config(r.AttemptConfig)
	}
	labels := make(map[string]string, len(r.Labels))
	for k, v := range r.Labels {
		labels[k] = redact.Text(v)
	}
	r.Labels, r.Owner = labels, redact.Text(r.Owner)
	return r
}

func (f *Failure) warn(format string, args ...any) {
	if len(f.Warnings) < maxWarnings {
		f.Warnings = append(f.Warnings[:len(f.Warnings):len(f.Warnings)], fmt.Sprintf(format, args...))
	}
}
