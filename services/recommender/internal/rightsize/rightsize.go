// Package rightsize decides how much memory a job type whose runs succeed could
// do with: the next step, whether it may be proposed now, and what becomes of a
// step when it is approved, refused, or when a run fails for it. Everything here
// is pure; `now` is an argument. docs/rightsizing.md says why it is as it is.
package rightsize

import (
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/search"
)

// Mode is what happens to a step that is worth it.
type Mode int

// The modes.
const (
	Propose Mode = iota // a human approves it
	Off                 // none is proposed; what applies is still watched
	Apply               // it is approved at once
)

// Settings are an operator's choices. Zero fields are not the defaults.
type Settings struct {
	Mode    Mode
	MinRuns int // before the first step, and with a step before the next
	// MaxRisk is the most that a step may leave as probability that a run lacks
	// memory. More memory is proposed where it is more than twice that.
	MaxRisk float64
	Floor   int64 // bytes of a part; no proposal goes below
	// What may be given, as in search.Settings.
	MaxMemory  int64 // bytes of a process tree or container
	Step       int64 // what amounts are a multiple of, in bytes; 0 is any
	Allowed    []int64
	Nodes      []search.Node
	MinDollars float64 // a month; a step down that saves less is not proposed
	// What memory, cores and failures cost, in US dollars; see search.Settings.
	Weight, PerGiBHour, PerCoreHour float64
	MinSeconds                      float64 // the least time that is paid for
	FailedShare                     float64 // of the run time, what a run takes that lacks memory
}

// given returns what a search for a retry knows of what may be given.
func (s Settings) given() *search.Settings {
	return &search.Settings{MaxMemory: s.MaxMemory, Step: s.Step, Allowed: s.Allowed, Nodes: s.Nodes}
}

// Bounds of a step and of when it is one.
const (
	// MaxStep is the largest part of what runs have that one step takes away or
	// adds: a quarter. What a step risks is seen before the next one.
	MaxStep = 0.25
	// Converged is the part of what runs have below which a step is not worth it:
	// the noise of a measured peak.
	Converged = 0.05
	// hysteresis is how many times MaxRisk the present risk must be for more memory
	// to be proposed: an estimate that moves a little turns nothing round.
	hysteresis = 2
	// mostDoublings bounds how often reverts double the runs before the next step.
	mostDoublings = 6
)

// Voice begins the reasons that right-sizing itself gives for what becomes of a
// patch: such an end is no human's refusal.
const Voice = "right-sizing: "

// State is where the right-sizing of a job type stands, as in
// proto/redrive/v1/rightsizing.proto.
type State int

// The states.
const (
	NoState  State = iota
	Learning       // too few runs, or nothing measured
	Proposed       // a patch waits for an answer
	Applied        // a patch applies, and its runs are watched
	Reverted       // a failure took the patch back
	Settled        // the next step would change too little
	Rejected       // a human said no to what would be proposed
)

// Saving is what a step is expected to bring.
type Saving struct {
	DollarsPerMonth       float64 // of 30 days; negative where more is proposed
	Before, After         int64   // bytes of the part
	FailBefore, FailAfter float64 // probability that a run lacks memory
	Runs                  int     // that it rests on
}

// Refusal is a proposal to which a human said no.
type Refusal struct {
	Part  engine.Part
	Bytes int64
}

// MostRefusals bounds Sizing.Refused.
const MostRefusals = 16

// MostOthers bounds Sizing.Others.
const MostOthers = 8

// Blame is a failure that the applied patch caused.
type Blame struct {
	Failure string // "failures/{failure}"
	Part    engine.Part
	Bytes   int64 // what the run had, or needed at least
}

// Sizing is what is kept of the right-sizing of one job type.
type Sizing struct {
	Type   failure.Type
	State  State
	Reason string // in one sentence
	Part   engine.Part
	// Own, Present, Next, Target and Floor are bytes of the part: by the jobs' own
	// configuration, what runs have, the next step, where steps would end, and
	// below which none goes.
	Own, Present, Next, Target, Floor int64
	Saving                            Saving  // of the next step
	AppliedDollars                    float64 // a month, of what applies against the jobs' own configuration
	Patch                             string  // of the last proposal
	Runs                              int     // measured
	RunsPerDay                        float64
	Reverts                           int
	Created, Updated                  time.Time

	// Config is the jobs' own configuration that is sized: the members that the
	// engine knows. Offered is that of the last run that was heard of.
	Config, Offered map[string]any
	// Asking is to be proposed by the request of Rounds. It is noted before it is
	// told, so a patch that was made is known also when its making was not noted.
	Asking  *Step // nil for none, like the two below
	Waiting *Step // proposed
	Working *Step // applies
	// Active names the patch that applied to the type at the last look, whoever made
	// it; empty for none.
	Active  string
	Blame   *Blame
	Raised  map[engine.Part]int64 // floors that failures raised
	Refused []Refusal             // the newest MostRefusals
	// Doubted is when a run asked for another configuration than what was proposed
	// is for, until it is known which of them goes on; zero for never. Others are
	// those that were in use beside it, the newest MostOthers, each by its hash.
	Doubted  time.Time
	Others   []string
	Began    time.Time // when runs began to have what they have now
	Fresh    int       // successes with it since then
	Counted  time.Time // the end of the newest run that is in Fresh
	Rounds   int       // proposals so far
	Due      time.Time // when to look next; zero: after the next outcome
	Revision int64     // of the stored document
}

// enough returns how many runs with what they have now it takes before a step.
func (z Sizing) enough(s Settings) int { return s.MinRuns << min(z.Reverts, mostDoublings) }

// began returns z as of when runs began to have something else.
func (z Sizing) began(now time.Time) Sizing {
	z.Began, z.Fresh, z.Counted = now, 0, now
	return z
}

// with returns a copy of m with one amount more.
func with(m map[engine.Part]int64, part engine.Part, bytes int64) map[engine.Part]int64 {
	c := map[engine.Part]int64{part: bytes}
	for p, b := range m {
		if p != part {
			c[p] = b
		}
	}
	return c
}
