// Package rollout makes models and decides which one serves: a training on the
// records makes a model, an audit says whether it may serve, a promotion makes
// it serve on every replica, and a rollback makes the one before it do so again.
package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// Model is a model as it is kept.
type Model struct {
	model.Model
	Created  time.Time
	Training string        // the id of the training that made it
	Audit    *audit.Report // nil for the built-in one
	// When it was last made to serve, why, and whether although its audit failed.
	Promoted time.Time
	Reason   string
	Forced   bool
	// Revision is that of its document; 0 for one that is not kept yet.
	Revision int64
}

// State is whether a model may serve, as in proto/redrive/v1/model.proto.
type State int

// The states.
const (
	NoState State = iota
	Ready
	Rejected
	Serves
	Retired
)

// Builtin returns the built-in model as it is kept.
func Builtin() Model { return Model{Model: model.Builtin()} }

// State returns the state of m while another one, or m, serves.
func (m Model) State(serving string) State {
	switch {
	case m.Name == serving:
		return Serves
	case m.Audit != nil && !m.Audit.Passed:
		return Rejected
	case !m.Promoted.IsZero():
		return Retired
	}
	return Ready
}

// MaxServed bounds the models that a rollback can go back to.
const MaxServed = 50

// Serving is which model serves, and which did so before it.
type Serving struct {
	Names []string // the last one serves; none: the built-in one does
	// Held: somebody rolled back. The next training would learn again what was
	// taken back, so none makes a model serve by itself until one was promoted.
	Held bool
	// Revision is that of its document.
	Revision int64
}

// Name returns the name of the model that serves.
func (s Serving) Name() string {
	if len(s.Names) == 0 {
		return model.BuiltinName
	}
	return s.Names[len(s.Names)-1]
}

// Promote returns s with m serving, because of reason. A model that did not pass
// its audit is errs.FailedPrecondition unless force is true.
func (s Serving) Promote(m Model, reason string, force bool, now time.Time) (Serving, Model, error) {
	passed := m.Audit == nil || m.Audit.Passed
	if !passed && !force {
		return s, m, errs.Because("AUDIT_FAILED", errs.New(errs.FailedPrecondition,
			"%s did not pass its audit: %s; force makes it serve all the same", Name(m.Name), findings(m.Audit)))
	}
	m.Promoted, m.Reason, m.Forced = now, reason, !passed
	s.Held = false
	if s.Name() != m.Name {
		names := append(slices.Clone(s.Names), m.Name)
		s.Names = names[max(len(names)-MaxServed, 0):]
	}
	return s, m, nil
}

// Rollback returns s with the model serving that did so before, and held. It is
// errs.FailedPrecondition when none did.
func (s Serving) Rollback() (Serving, error) {
	if len(s.Names) == 0 {
		return s, errs.New(errs.FailedPrecondition, "no model served before %s", Name(s.Name()))
	}
	s.Names, s.Held = s.Names[:len(s.Names)-1], true
	return s, nil
}

func findings(r *audit.Report) string {
	for _, f := range r.Findings {
		if f.Fatal {
			return f.Message
		}
	}
	return "see its findings"
}

// Name returns the resource name of a model.
func Name(model string) string { return "models/" + model }

// Training is one pass over the records.
type Training struct {
	ID      string
	State   TrainingState
	Created time.Time
	Ended   time.Time
	Full    bool // it begins from nothing
	Promote bool // the model is to serve when it passes, whatever the settings say
	Reason  string
	// Begun counts how often a process took it up, those aside that gave it back
	// in order: see MaxBegun.
	Begun   int
	Records int64  // that were read
	Model   string // what came of it
	Error   string
	// Promoted: it serves, because it passed.
	Promoted bool
	Revision int64 // of its document
}

// TrainingState is how far a training is, as in proto/redrive/v1/model.proto.
type TrainingState int

// The states of a training.
const (
	NoTraining TrainingState = iota
	Running
	Auditing
	Done
	Failed
)

// Ends reports whether nothing changes any more.
func (t Training) Ends() bool { return t.State == Done || t.State == Failed }

// MaxBegun bounds how often a training is taken up. A process that is killed in
// it, for want of memory say, takes with it all that it serves besides; so may
// the next one.
const MaxBegun = 3

// givenUp is the error of a training that was begun MaxBegun times.
const givenUp = "it was begun %d times and never came to an end: each time the process was gone before, as one is that was killed for want of memory; " +
	"give the recommender more, or mend what else its log says, then: redrive models train"

// running returns the training that has not ended; newest are the trainings so
// far, the newest first.
func running(newest []Training) (t Training, ok bool) {
	if i := slices.IndexFunc(newest, func(t Training) bool { return !t.Ends() }); i >= 0 {
		return newest[i], true
	}
	return t, false
}

// idAfter returns the id of the training after the newest ones. It is their number,
// so that of two that are begun at once one finds its id taken. The ids are in
// the order of the numbers.
func idAfter(newest []Training) string {
	var n int
	if len(newest) > 0 {
		digits, _, _ := strings.Cut(newest[0].ID, "-") // a time followed once
		n, _ = strconv.Atoi(digits)                    // 0 for what is no number
	}
	return fmt.Sprintf("%08d", n+1)
}

// Scheduled is the Reason of a training that the schedule began.
const Scheduled = "schedule"

const (
	// everyDay is how long after a scheduled training the next one is due.
	everyDay = 24 * time.Hour
	// everyWeek is how long after a full one the next one is full: it forgets
	// what is older than the records.
	everyWeek = 7 * everyDay
)

// due returns the training that the schedule asks for now; ok is false when none
// is due. newest are the trainings so far, the newest first.
func due(newest []Training, now time.Time) (t Training, ok bool) {
	t = Training{Reason: Scheduled, Full: true}
	for _, other := range newest {
		if other.Reason == Scheduled && now.Sub(other.Created) < everyDay {
			return t, false
		}
		if other.Full && other.State == Done && now.Sub(other.Created) < everyWeek {
			t.Full = false
		}
	}
	return t, true
}
