// Package outcome says what came after a failure: was it retried, and how did
// the retry end. It is pure.
package outcome

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
)

// Outcome is what came. Of two that are told of one failure the greater one is
// true: a stopped job may still be retried by hand.
type Outcome int

// The outcomes, as in proto/redrive/v1/rule_proof_record.proto.
const (
	Unknown   Outcome = iota // nothing is known, or not yet
	Stopped                  // no retry followed
	Failed                   // the retry failed
	Succeeded                // the retry succeeded
)

// Note is what is known of the retry after one failure.
type Note struct {
	Outcome Outcome
	// Config names the configuration that a retry that succeeded ran with.
	Config string
	// Seconds is how long a retry that failed ran.
	Seconds float64
}

// After returns what is known when n and other were told, in any order and
// however often.
func (n Note) After(other Note) Note {
	if other.Outcome > n.Outcome {
		return other
	}
	return n
}

// Changed reports whether the retry ran with another configuration than the
// attempt that failed.
func (n Note) Changed(failed map[string]any) bool {
	return n.Config != "" && n.Config != ConfigName(failed)
}

// ConfigName names a configuration: the same for the same one, whether its
// secrets are masked or not.
func ConfigName(config map[string]any) string {
	raw, err := json.Marshal(redact.Config(config))
	if err != nil || len(config) == 0 {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// Result is a note with what only the failure tells.
type Result struct {
	Note
	// Changed says that a retry that succeeded ran with another configuration.
	Changed bool
}

// Counts says how what came after some failures ended.
type Counts struct {
	Succeeded, SucceededChanged, Failed, Stopped, Unknown int64
}

// Add counts r n times; a negative n takes it back.
func (c *Counts) Add(r Result, n int64) {
	switch {
	case r.Outcome == Stopped:
		c.Stopped += n
	case r.Outcome == Failed:
		c.Failed += n
	case r.Outcome == Succeeded && r.Changed:
		c.SucceededChanged += n
	case r.Outcome == Succeeded:
		c.Succeeded += n
	default:
		c.Unknown += n
	}
}

// Judgement is whether a verdict proved right.
type Judgement int

// The judgements.
const (
	Open Judgement = iota // no retry ended that could tell
	Right
	Wrong
)

// Judge says whether v was right about a failure after which r came: a retry
// that it asks for succeeded, one that it forbids failed. RETRY_WITH_CONFIG asks
// for another configuration.
func Judge(v failure.Verdict, r Result) Judgement {
	var right bool
	switch {
	case r.Outcome != Failed && r.Outcome != Succeeded, v == failure.VerdictNone, v == failure.VerdictUnknown:
		return Open
	case v == failure.DoNotRetry:
		right = r.Outcome == Failed
	case v == failure.RetryWithConfig:
		right = r.Outcome == Succeeded && r.Changed
	default:
		right = r.Outcome == Succeeded
	}
	if right {
		return Right
	}
	return Wrong
}
