// Package backtest tries rules on failures that are stored: what would change,
// what a rule takes from other rules, and how the retries of those failures
// ended. A backtest is a document that whichever replica holds the lease works
// on in small steps; it goes on after a crash.
package backtest

import (
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// State is how far a backtest is.
type State int

// The states, as in proto/redrive/v1/rule_proof.proto.
const (
	StateNone State = iota
	Running
	Done
	Cancelled
	Broken // it cannot be ended; Error says why
)

// Limits of backtests.
const (
	DefaultFailures = 10_000
	MaxFailures     = 100_000
	// MaxRunning of them may run at a time, MaxKept are kept, for KeptFor.
	MaxRunning = 8
	MaxKept    = 200
	KeptFor    = 30 * 24 * time.Hour

	maxChanges  = 500 // kinds of changes that are told apart
	maxExamples = 5   // failures named of one kind
)

// Backtest is one trial.
type Backtest struct {
	ID    string
	State State
	// Rule is what is tried, as though it were enforced; nil where today's rules
	// are run over failures of Class again.
	Rule   *rule.Rule
	Digest string // of Rule
	Class  failure.Class
	// DryRun says that what today's rules say is counted and not noted.
	DryRun      bool
	Create, End time.Time
	// Since bounds the failures; zero: all.
	Since   time.Time
	Error   string
	Cursor  string // behind the last failure that was looked at
	Version int64  // of the document; 0 is not stored
	Tally
}

// Tally is what was found.
type Tally struct {
	Examined, Total  int
	Matched, Won     int
	Changes          []Change
	OtherChanges     int // of kinds beyond those in Changes
	Outcomes, Others outcome.Counts
	SavedSeconds     float64
	LostSuccesses    int
	Unreadable       int
}

// Said is what rules say of a failure.
type Said struct {
	Rule    string // empty where none decides
	Class   failure.Class
	Verdict failure.Verdict
}

// Change is one kind of change.
type Change struct {
	From, To Said
	Count    int
	Failures []string // ids, at most 5
}

// Finding is what one failure shows.
type Finding struct {
	Failure string
	Now     Said // by today's rules, or what was noted last
	Then    Said // with the rule that is tried, or by today's rules
	// Matched and Won say what the rule that is tried does.
	Matched, Won bool
	Result       outcome.Result
}

// Add counts one failure.
func (t *Tally) Add(f Finding) {
	t.Examined++
	if f.Matched {
		t.Matched++
	} else {
		t.Others.Add(f.Result, 1)
	}
	if f.Won {
		t.Won++
		t.Outcomes.Add(f.Result, 1)
		if f.Then.Verdict == failure.DoNotRetry {
			switch f.Result.Outcome {
			case outcome.Failed:
				t.SavedSeconds += f.Result.Seconds
			case outcome.Succeeded:
				t.LostSuccesses++
			default:
			}
		}
	}
	if f.Now != f.Then {
		t.change(f)
	}
}

func (t *Tally) change(f Finding) {
	for i := range t.Changes {
		c := &t.Changes[i]
		if c.From != f.Now || c.To != f.Then {
			continue
		}
		c.Count++
		if len(c.Failures) < maxExamples {
			c.Failures = append(c.Failures, f.Failure)
		}
		return
	}
	if len(t.Changes) >= maxChanges {
		t.OtherChanges++
		return
	}
	t.Changes = append(t.Changes, Change{From: f.Now, To: f.Then, Count: 1, Failures: []string{f.Failure}})
}
