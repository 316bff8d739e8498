// Package events teaches the recommender from the events of the bus.
package events

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/wire"
)

// Learner keeps what is learnt, whatever the order and however often.
type Learner interface {
	Learn(ctx context.Context, r record.Record, now time.Time) error
}

// Watcher watches how runs end and what becomes of patches, however often it is
// told.
type Watcher interface {
	Heard(ctx context.Context, of failure.Type, o rightsize.Outcome, now time.Time) error
	Changed(ctx context.Context, of failure.Type, patch string, state rightsize.PatchState, now time.Time) error
}

// Handler handles failure.classified and attempt.succeeded, and with Patch
// patch.changed.
type Handler struct {
	learner  Learner
	watchers []Watcher
}

// New returns a handler that teaches l, and then tells ws.
func New(l Learner, ws ...Watcher) *Handler { return &Handler{l, ws} }

// Handle implements bus.Handler.
func (h *Handler) Handle(ctx context.Context, e bus.Event) error {
	o, ok, err := hear(e)
	if err != nil || !ok {
		return err
	}
	a := o.observed(e.Time)
	if err := h.learner.Learn(ctx, o.record(a, e.Time), time.Now()); err != nil {
		return err
	}
	return h.tell(ctx, o, a)
}

// read returns the record of what an event tells; none for an attempt that
// nothing is learnt from.
func read(e bus.Event) (record.Record, bool, error) {
	o, ok, err := hear(e)
	if err != nil || !ok {
		return record.Record{}, false, err
	}
	return o.record(o.observed(e.Time), e.Time), true, nil
}

// hear returns what an event tells; nothing for an attempt that nothing is
// learnt from.
func hear(e bus.Event) (observation, bool, error) {
	o, err := decode(e)
	if err != nil {
		return o, false, err
	}
	if err := errs.Fields(o.attempt.Validate("attempt"), o.kind.Validate("type")); err != nil {
		return o, false, err
	}
	if _, err := engine.Lookup(o.kind.Engine); err != nil {
		return o, false, nil // nothing is ever recommended for an engine without a profile
	}
	return o, true, nil
}

// observation is what an event tells.
type observation struct {
	attempt     failure.Attempt
	kind        failure.Type
	config      *structpb.Struct // what the attempt ran with
	own         *structpb.Struct // the job's own configuration
	evidence    failure.Evidence
	outcome     history.Outcome
	class       failure.Class
	fingerprint string
	setting     string
	owner       string
	// What was recommended after it, without candidates and inputs; nil for a
	// success.
	recommendation *redrivev1.Recommendation
}

func decode(e bus.Event) (observation, error) {
	switch e.Type {
	case bus.AttemptSucceeded:
		var p redrivev1.AttemptSucceeded
		err := e.Decode(&p)
		return observe(&p, history.Succeeded), err
	case bus.FailureClassified:
		var p redrivev1.FailureClassified
		err := e.Decode(&p)
		o := observe(p.GetFailure(), history.Failed)
		o.class, o.fingerprint = failure.Class(p.GetFailure().GetClass()), p.GetFailure().GetFingerprint()
		o.setting, o.owner, o.recommendation = p.GetFailure().GetSetting(), p.GetFailure().GetOwner(), p.GetFailure().GetRecommendation()
		return o, err
	}
	return observation{}, errs.New(errs.Invalid, "event type %q is none that the recommender learns from", e.Type)
}

// told is what both payloads have.
type told interface {
	GetAttempt() *redrivev1.AttemptRef
	GetType() *redrivev1.JobType
	GetConfig() *structpb.Struct
	GetAttemptConfig() *structpb.Struct
	GetEvidence() *redrivev1.Evidence
}

func observe(p told, outcome history.Outcome) observation {
	o := observation{
		attempt: failure.AttemptFromProto(p.GetAttempt()), kind: failure.TypeFromProto(p.GetType()),
		config: p.GetAttemptConfig(), own: p.GetConfig(), evidence: failure.FromProto(p.GetEvidence()), outcome: outcome,
	}
	if len(o.config.GetFields()) == 0 {
		o.config = p.GetConfig()
	}
	return o
}

// observed is what an event teaches; told is when it was sent.
func (o observation) observed(told time.Time) history.Attempt {
	e := o.evidence
	a := history.Attempt{
		ID: o.attempt.FailureID(), Outcome: o.outcome, End: e.End, Limit: engine.InForce(e.LimitBytes),
		Killed: o.outcome == history.Failed && e.Reason == failure.OutOfMemory, Class: o.class, Fingerprint: o.fingerprint,
		Seconds: max(e.Duration.Seconds(), 0), Sizes: o.sizes(),
		Input: max(e.InputBytes, 0), Peaks: wire.Parts(e.PartPeaks), Shape: e.Shape, TimedOut: e.Reason == failure.TimedOut,
	}
	if o.attempt.Number > 1 {
		before := o.attempt
		before.Number--
		a.Previous = before.FailureID()
	}
	if len(o.setting) <= history.MaxSetting {
		a.Setting = o.setting
	}
	if e.PeakBytes != nil {
		a.Peak = max(*e.PeakBytes, 0)
	}
	if a.End.IsZero() {
		a.End = told
	}
	if a.Seconds == 0 && !e.Start.IsZero() {
		a.Seconds = max(a.End.Sub(e.Start).Seconds(), 0)
	}
	a.End = a.End.UTC()
	return a
}

// sizes returns what each part was given.
func (o observation) sizes() map[engine.Part]int64 {
	profile, err := engine.Lookup(o.kind.Engine)
	if err != nil {
		return nil
	}
	return sizesOf(profile, wire.Config(o.config))
}

// sizesOf returns what a configuration gives to each part. One that cannot be
// read says nothing; what else the attempt taught is kept.
func sizesOf(profile engine.Profile, config map[string]any) map[engine.Part]int64 {
	all, err := profile.Sizes(config)
	if err != nil {
		return nil
	}
	sizes := map[engine.Part]int64{}
	for part, size := range all {
		sizes[part] = size.Memory
	}
	return sizes
}
