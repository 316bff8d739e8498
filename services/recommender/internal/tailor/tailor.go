// Package tailor fits the memory of job types to what their runs need. What to
// do is decided in package rightsize; here it is done, also when calls fail,
// replicas race and everything is told twice.
package tailor

import (
	"context"
	"log/slog"
	"reflect"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/recent"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
)

// Sizings keeps the right-sizing of job types.
type Sizings interface {
	// Get is errs.NotFound for a type of which nothing is kept.
	Get(ctx context.Context, t failure.Type) (rightsize.Sizing, error)
	// Put is errs.Conflict when it has changed since it was read.
	Put(ctx context.Context, z rightsize.Sizing) error
	// Due returns those that are to be looked at, the longest due first.
	Due(ctx context.Context, now time.Time, most int) ([]rightsize.Sizing, error)
}

// Histories is what is known of job types; Get is errs.NotFound for one of
// which nothing is.
type Histories interface {
	Get(ctx context.Context, t failure.Type) (history.History, error)
}

// Draft is a proposal for all jobs of a type.
type Draft struct {
	Type       failure.Type
	Operations []engine.Operation
	Reason     string
	Saving     rightsize.Saving
	MadeOn     string // the patch that applies to the type, which it is to replace; empty for none
	Request    string // the same request makes one patch, however often it is told
}

// Patch is a patch of the config service.
type Patch struct {
	Name  string
	State rightsize.PatchState
	Found rightsize.Found // what it says, where right-sizing proposed it
}

// Patches is the config service. Every call may be told again.
type Patches interface {
	// Resolve returns what jobs of a type with a configuration run with, and the
	// patch that applies to the type, if only to other configurations; empty for none.
	Resolve(ctx context.Context, t failure.Type, config map[string]any) (present map[string]any, active string, err error)
	// Propose is errs.FailedPrecondition when another patch applies than the draft
	// says, and errs.Invalid when there can be no such patch: none is made then.
	Propose(ctx context.Context, d Draft) (Patch, error)
	// Approve is errs.FailedPrecondition when the patch has ended, or was made on
	// another than the one that applies.
	Approve(ctx context.Context, name, reason string) (Patch, error)
	// Get returns a patch that is Gone when it does not exist.
	Get(ctx context.Context, name string) (Patch, error)
	// End takes back a patch, one that applies or one that waits. What applied
	// before the first step applies again. One that has ended is no error; one that
	// was approved meanwhile is errs.Conflict.
	End(ctx context.Context, name string, applies bool, reason string) error
}

// Settings are those for one job type.
type Settings func(t failure.Type) rightsize.Settings

// Action is what was done, for metrics.
type Action string

// The actions.
const (
	Proposed  Action = "proposed"
	Approved  Action = "approved" // by policy
	Withdrawn Action = "withdrawn"
	Reverted  Action = "reverted"
)

// Tailor looks after the right-sizing of all job types.
type Tailor struct {
	sizings   Sizings
	histories Histories
	patches   Patches
	settings  Settings
	observe   func(Action)
	log       *slog.Logger
	due       *recent.Values[known] // by type
}

// known is what was known of a type: until when a run is no news that asked for
// the configuration that is sized, and lacked nothing.
type known struct {
	until  time.Time
	config map[string]any
}

// mostDue bounds the types of which it is remembered that they are due.
const mostDue = 4096

// New returns a tailor. observe is told of what it does.
func New(z Sizings, h Histories, p Patches, s Settings, observe func(Action), log *slog.Logger) *Tailor {
	return &Tailor{sizings: z, histories: h, patches: p, settings: s, observe: observe, log: log, due: recent.New[known](mostDue)}
}

// races bounds how often what lost a race is done again at once.
const races = 5

// change reads what is kept of a type, changes and writes it. Of a type that is
// not known yet change gets the type alone.
func (t *Tailor) change(ctx context.Context, of failure.Type, change func(rightsize.Sizing) (rightsize.Sizing, bool, error)) (rightsize.Sizing, error) {
	for race := 1; ; race++ {
		z, err := t.sizings.Get(ctx, of)
		if errs.Is(err, errs.NotFound) {
			z, err = rightsize.Sizing{Type: of}, nil
		}
		if err != nil {
			return z, err
		}
		z, changed, err := change(z)
		if err == nil && changed {
			err = t.sizings.Put(ctx, z)
		}
		if !errs.Is(err, errs.Conflict) || race == races {
			return z, err
		}
	}
}

// Heard takes in how a run ended. Told again it changes nothing.
func (t *Tailor) Heard(ctx context.Context, of failure.Type, o rightsize.Outcome, now time.Time) error {
	if len(o.Own) == 0 {
		return nil // nothing to size
	}
	key := of.Key()
	if k, ok := t.due.Get(key); ok && now.Before(k.until) && o.Lacked == engine.NoPart && reflect.DeepEqual(o.Config, k.config) {
		return nil
	}
	z, err := t.change(ctx, of, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
		z, changed := z.Heard(o, now)
		return z, changed, nil
	})
	if err == nil {
		t.due.Put(key, known{z.Due, z.Config})
	}
	return err
}

// Changed takes in what became of a patch for a job type.
func (t *Tailor) Changed(ctx context.Context, of failure.Type, patch string, state rightsize.PatchState, now time.Time) error {
	_, err := t.change(ctx, of, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
		answered, changed := z.Answered(patch, state, now)
		if !changed && state != rightsize.Waits {
			answered, changed = z.Beside(patch, now)
		}
		return answered, changed, nil
	})
	return err
}

// batch is how many types are looked at between two readings of what is due.
const batch = 100

// putOff is when a type is looked at again that could not be looked at.
const putOff = 10 * time.Minute

// Sweep looks at all types that are due. What cannot be looked at for itself is
// put off; when nothing can be reached, Sweep returns why.
func (t *Tailor) Sweep(ctx context.Context, now time.Time) error {
	for {
		due, err := t.sizings.Due(ctx, now, batch)
		if err != nil {
			return err
		}
		for _, z := range due {
			err := t.look(ctx, z.Type, now)
			if errs.Is(err, errs.Unavailable) || ctx.Err() != nil {
				return err
			}
			if err == nil {
				continue
			}
			t.log.WarnContext(ctx, "right-sizing put off", "workflow", z.Type.Workflow, "step", z.Type.Step, "error", err)
			if _, err := t.change(ctx, z.Type, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
				z.Due = now.Add(putOff)
				return z, true, nil
			}); err != nil {
				return err
			}
		}
		if len(due) < batch {
			return nil
		}
	}
}

// look looks at a type, unless somebody else has meanwhile.
func (t *Tailor) look(ctx context.Context, of failure.Type, now time.Time) error {
	s := t.settings(of)
	z, err := t.change(ctx, of, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
		if z.Due.IsZero() || z.Due.After(now) {
			return z, false, nil
		}
		z, err := t.tend(ctx, z, s, now)
		return z, true, err
	})
	if err == nil {
		_, err = t.asked(ctx, z, s, now)
	}
	return err
}

// asked makes what z says is to be proposed, now that it is noted.
func (t *Tailor) asked(ctx context.Context, z rightsize.Sizing, s rightsize.Settings, now time.Time) (rightsize.Sizing, error) {
	if z.Asking == nil {
		return z, nil
	}
	return t.change(ctx, z.Type, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
		if z.Asking == nil {
			return z, false, nil
		}
		z, err := t.ask(ctx, z, s, now)
		return z, true, err
	})
}

// Propose looks at a type now and returns what waits for an answer then. When
// there is nothing to propose it is errs.FailedPrecondition and says why.
func (t *Tailor) Propose(ctx context.Context, of failure.Type, now time.Time) (rightsize.Sizing, error) {
	s := t.settings(of)
	if s.Mode == rightsize.Off {
		s.Mode = rightsize.Propose // somebody asks for it
	}
	z, err := t.change(ctx, of, func(z rightsize.Sizing) (rightsize.Sizing, bool, error) {
		if z.Config == nil {
			return z, false, errs.New(errs.NotFound, "no run of step %q of workflow %q on engine %q has told what memory its configuration gives", of.Step, of.Workflow, of.Engine)
		}
		z, err := t.tend(ctx, z, s, now)
		return z, true, err
	})
	if err == nil {
		z, err = t.asked(ctx, z, s, now)
	}
	if err == nil && z.Waiting == nil && z.State != rightsize.Applied {
		return z, errs.Because("NOTHING_TO_PROPOSE", errs.New(errs.FailedPrecondition, "nothing to propose: %s", z.Reason))
	}
	return z, err
}
