// Package ledger changes the stored patches and answers from them. What a patch
// may be is decided in package patch; here it is made true, also when callers
// race and repeat themselves.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// Options bound the patches. Zero fields mean the defaults.
type Options struct {
	Ceilings patch.Ceilings
	// KeepFor is how long an ended patch is kept; 90 days. It is also how long
	// a request_id is remembered after its patch ended.
	KeepFor time.Duration
	// Keep is how many patches are kept: beyond the newest Keep, ended ones are
	// deleted and those of single jobs are ended first; 100,000. Active patches
	// of job types always stay: there is one a job type.
	Keep int
}

func (o Options) withDefaults() Options {
	if o.KeepFor <= 0 {
		o.KeepFor = 90 * 24 * time.Hour
	}
	if o.Keep <= 0 {
		o.Keep = 100_000
	}
	return o
}

// attempts bounds how often a change is tried again after a lost race. Each
// race that is lost is won by somebody else.
const attempts = 100

// Ledger changes the stored patches and answers from them.
type Ledger struct {
	store   *store.Store
	o       Options
	metrics *metrics
}

// New returns the ledger of the patches in s.
func New(s *store.Store, o Options, reg prometheus.Registerer) (*Ledger, error) {
	m, err := newMetrics(reg, s)
	return &Ledger{store: s, o: o.withDefaults(), metrics: m}, err
}

// Create stores the patch that a draft asks for and ends the active patch of
// the same scope, at once; a proposal ends the one before it, and leaves what is
// active alone: that must be what it was made on. A request id that was used
// before returns the first patch, whatever became of it. With dryRun the patch is checked and returned
// without a name, and nothing is written.
func (l *Ledger) Create(ctx context.Context, d patch.Draft, requestID string, dryRun bool, now time.Time) (patch.Patch, error) {
	if len(requestID) > 128 {
		return patch.Patch{}, errs.Field("request_id", "must have at most 128 bytes, has %d", len(requestID))
	}
	p, err := patch.New(d, idOf(requestID), l.o.Ceilings, now)
	if err != nil {
		return patch.Patch{}, err
	}
	if dryRun {
		p.ID = ""
		return p, nil
	}
	return retry(ctx, func() (patch.Patch, error) {
		slot, newest, err := l.newest(ctx, p.Scope, d.Propose)
		if err != nil {
			return patch.Patch{}, err
		}
		if newest != nil && newest.ID == p.ID {
			return newest.At(now), nil
		}
		created, err := l.create(ctx, d, p, store.Change{Slot: slot}, newest, now)
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.FailedPrecondition) {
			// The request may be an old one, told again: its patch is there.
			if first, err := l.Get(ctx, p.ID, now); !errs.Is(err, errs.NotFound) {
				return first, err
			}
		}
		return created, err
	})
}

// create stores the patch of a draft in the slot of change, in place of the newest.
func (l *Ledger) create(ctx context.Context, d patch.Draft, p patch.Patch, change store.Change, newest *patch.Patch, now time.Time) (patch.Patch, error) {
	action := actionCreated
	if d.Propose {
		action = actionProposed
		_, below, err := l.newest(ctx, p.Scope, false)
		if err != nil {
			return patch.Patch{}, err
		}
		if p, err = patch.Made(p, below, d.MadeOn, now); err != nil {
			return patch.Patch{}, err
		}
	}
	change.New = &p
	return l.put(ctx, change, newest, action, now)
}

// idOf returns the id of the patch of a request, another each time for the
// empty one.
func idOf(requestID string) string {
	if requestID == "" {
		requestID = uuid.NewString()
	}
	sum := sha256.Sum256([]byte(requestID))
	return "p" + hex.EncodeToString(sum[:12])
}

// put stores change.New in the slot of its scope, in place of the newest, both
// as they were read: what was decided on them holds when nothing is lost.
func (l *Ledger) put(ctx context.Context, change store.Change, newest *patch.Patch, action string, now time.Time) (patch.Patch, error) {
	if newest != nil {
		if old, changed := patch.Supersede(*newest, now); changed {
			change.Ended = append(change.Ended, old)
		}
	}
	if err := l.store.Commit(ctx, change, now); err != nil {
		return patch.Patch{}, err
	}
	l.metrics.count(action, 1)
	l.metrics.count(actionSuperseded, len(change.Ended))
	p := *change.New
	p.Revision++
	return p, nil
}

// newest returns the slot of a scope, or of its proposals, and the patch in it;
// nil for none.
func (l *Ledger) newest(ctx context.Context, scope patch.Scope, proposed bool) (store.Slot, *patch.Patch, error) {
	slot, err := l.store.Slot(ctx, scope, proposed)
	if err != nil || slot.PatchID == "" {
		return slot, nil, err
	}
	p, err := l.store.Get(ctx, slot.PatchID)
	if errs.Is(err, errs.NotFound) {
		// Purged between the two reads; the slot went with it.
		return slot, nil, errs.New(errs.Conflict, "%s was deleted meanwhile", slot.PatchID)
	}
	return slot, &p, err
}

// Promote makes the patch of a job apply to all jobs of its type, as a new
// patch. While that one is active, promoting again returns it.
func (l *Ledger) Promote(ctx context.Context, id, reason string, ttl time.Duration, now time.Time) (patch.Patch, error) {
	return retry(ctx, func() (patch.Patch, error) {
		source, err := l.store.Get(ctx, id)
		if err != nil {
			return patch.Patch{}, err
		}
		slot, promoted, err := l.newest(ctx, patch.Scope{Type: source.Type}, false)
		if err != nil {
			return patch.Patch{}, err
		}
		// A scope has one active patch, so the newest is the only one that can
		// be the promoted one and active.
		if promoted != nil && promoted.PromotedFrom == source.Name() && promoted.At(now).State == patch.Active {
			return *promoted, nil
		}
		_, newest, err := l.newest(ctx, source.Scope, false)
		if err != nil {
			return patch.Patch{}, err
		}
		successor := source.Name()
		if newest != nil {
			successor = newest.Name()
		}
		p, err := patch.Promote(source, successor, idOf(""), reason, ttl, now)
		if err != nil {
			return patch.Patch{}, err
		}
		return l.put(ctx, store.Change{New: &p, Slot: slot}, promoted, actionPromoted, now)
	})
}

// Get returns a patch as it is at a time.
func (l *Ledger) Get(ctx context.Context, id string, now time.Time) (patch.Patch, error) {
	p, err := l.store.Get(ctx, id)
	return p.At(now), err
}

// List returns a page of patches as they are at a time, newest first.
func (l *Ledger) List(ctx context.Context, f store.Filter, page docstore.Paging, now time.Time) ([]patch.Patch, string, error) {
	return l.store.List(ctx, f, page, now)
}

// Resolve returns the configuration that a job is to run with. It writes
// nothing.
func (l *Ledger) Resolve(ctx context.Context, t patch.Target, original map[string]any, now time.Time) (patch.Resolution, error) {
	scopes := []patch.Scope{{Type: t.Type}}
	if t.Job != "" {
		scopes = append(scopes, patch.Scope{Job: t.Job})
	}
	var patches []patch.Patch
	for _, scope := range scopes {
		newest, err := retry(ctx, func() (*patch.Patch, error) {
			_, p, err := l.newest(ctx, scope, false)
			if err == nil && p != nil && p.State == patch.Superseded {
				return nil, errs.New(errs.Conflict, "%s was superseded meanwhile", p.Name())
			}
			return p, err
		})
		if err != nil {
			return patch.Resolution{}, err
		}
		if newest != nil {
			patches = append(patches, *newest)
		}
	}
	r, err := patch.Resolve(patches, t, original, l.o.Ceilings, now)
	if err == nil {
		l.metrics.resolved(len(r.Applied) > 0)
	}
	return r, err
}

// lost is a conflict that the caller must know of: trying again is no help.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// retry does f again while it loses races.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for i := 1; ; i++ {
		v, err := f()
		if _, told := errors.AsType[lost](err); told || !errs.Is(err, errs.Conflict) || i == attempts || ctx.Err() != nil {
			return v, err
		}
	}
}
