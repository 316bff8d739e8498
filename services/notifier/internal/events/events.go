// Package events translates the events that the notifier listens to: decisions,
// successes and ends of jobs, audits of models and trainings that failed.
package events

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger"
	"github.com/redrive-io/redrive/services/notifier/internal/wire"
)

// Handler hands events to the ledger.
type Handler struct{ ledger *ledger.Ledger }

// New returns a handler.
func New(l *ledger.Ledger) *Handler { return &Handler{l} }

// Run listens until ctx is done.
func (h *Handler) Run(ctx context.Context, b *bus.Bus) error {
	return b.Consume(ctx, bus.NotifierEvents, h.Handle)
}

// Handle handles one event.
func (h *Handler) Handle(ctx context.Context, e bus.Event) error {
	switch e.Type {
	case bus.DecisionMade:
		return h.decision(ctx, e)
	case bus.AttemptSucceeded:
		return h.success(ctx, e)
	case bus.JobFinished:
		return h.finish(ctx, e)
	case bus.ModelAudited:
		return h.audit(ctx, e)
	case bus.TrainingFailed:
		return h.training(ctx, e)
	default:
		return errs.Field("type", "%q is nothing that the notifier listens to", e.Type)
	}
}

func (h *Handler) decision(ctx context.Context, e bus.Event) error {
	var m redrivev1.DecisionMade
	if err := e.Decode(&m); err != nil {
		return err
	}
	job, f, err := wire.Failure(&m)
	if err != nil {
		return err
	}
	return h.ledger.Failed(ctx, job, f, time.Now())
}

func (h *Handler) success(ctx context.Context, e bus.Event) error {
	var m redrivev1.AttemptSucceeded
	if err := e.Decode(&m); err != nil {
		return err
	}
	job, end, err := wire.Success(&m, e.Time)
	if err != nil {
		return err
	}
	return h.ledger.Ended(ctx, job, end, time.Now())
}

func (h *Handler) finish(ctx context.Context, e bus.Event) error {
	var m redrivev1.JobFinished
	if err := e.Decode(&m); err != nil {
		return err
	}
	job, end, stop, err := wire.Finished(&m, e.Time)
	switch {
	case err != nil:
		return err
	case end != nil:
		return h.ledger.Ended(ctx, job, *end, time.Now())
	case stop != nil:
		return h.ledger.Stopped(ctx, job, *stop, time.Now())
	}
	return nil
}

func (h *Handler) audit(ctx context.Context, e bus.Event) error {
	var m redrivev1.ModelAudited
	if err := e.Decode(&m); err != nil {
		return err
	}
	end, stop, err := wire.Audited(&m)
	switch {
	case err != nil:
		return err
	case stop != nil:
		return h.ledger.Stopped(ctx, alert.Models, *stop, time.Now())
	}
	return h.ledger.Ended(ctx, alert.Models, end, time.Now())
}

func (h *Handler) training(ctx context.Context, e bus.Event) error {
	var m redrivev1.TrainingFailed
	if err := e.Decode(&m); err != nil {
		return err
	}
	stop, err := wire.Untrained(&m)
	if err != nil {
		return err
	}
	return h.ledger.Stopped(ctx, alert.Models, stop, time.Now())
}
