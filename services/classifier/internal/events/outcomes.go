package events

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
)

// Noter notes what came after failures, whatever the order and however often it
// is told. It is errs.Conflict when it is to be told again.
type Noter interface {
	NoteOutcome(ctx context.Context, failure string, n outcome.Note, now time.Time) error
}

// Keeper keeps the ends of logs of attempts that succeeded, a bounded number of
// them. Told again it changes nothing.
type Keeper interface {
	KeepSuccess(ctx context.Context, a failure.Attempt, text string, now time.Time) error
}

// Outcomes handles what tells how retries ended. That a retry failed needs no
// event: its failure is stored; and a job that is given up is finished.
type Outcomes struct {
	noter  Noter
	keeper Keeper
}

// NewOutcomes returns a handler that notes with n, and keeps with k what is told
// of successful logs.
func NewOutcomes(n Noter, k Keeper) *Outcomes { return &Outcomes{n, k} }

// Handle implements bus.Handler.
func (h *Outcomes) Handle(ctx context.Context, e bus.Event) error {
	a, n, log, err := told(e)
	if err != nil {
		return err
	}
	if log != "" {
		succeeded := a
		succeeded.Number++
		if err := succeeded.Validate("attempt"); err != nil {
			return err
		}
		if err := h.keeper.KeepSuccess(ctx, succeeded, log, time.Now()); err != nil {
			return err
		}
	}
	if n.Outcome == outcome.Unknown || a.Number < 1 {
		return nil
	}
	if err := a.Validate("attempt"); err != nil {
		return err
	}
	return h.noter.NoteOutcome(ctx, a.FailureID(), n, time.Now())
}

// told reads which failure an event tells of, and what; of a success the end of
// its log as well, where there is one.
func told(e bus.Event) (a failure.Attempt, n outcome.Note, log string, err error) {
	switch e.Type {
	case bus.JobFinished:
		var m redrivev1.JobFinished
		if err := e.Decode(&m); err != nil || m.GetState() != redrivev1.Job_STATE_FAILED && m.GetState() != redrivev1.Job_STATE_CANCELLED {
			return a, n, "", err
		}
		return failure.AttemptFromProto(m.GetAttempt()), outcome.Note{Outcome: outcome.Stopped}, "", nil
	case bus.AttemptSucceeded:
		var m redrivev1.AttemptSucceeded
		if err := e.Decode(&m); err != nil {
			return a, n, "", err
		}
		a = failure.AttemptFromProto(m.GetAttempt())
		a.Number-- // the failure is the one before it
		config := m.GetAttemptConfig()
		if len(config.GetFields()) == 0 {
			config = m.GetConfig()
		}
		return a, outcome.Note{Outcome: outcome.Succeeded, Config: outcome.ConfigName(config.AsMap())}, m.GetLogTail(), nil
	}
	return a, n, "", errs.New(errs.Invalid, "event type %q says nothing of a retry", e.Type)
}
