package tailor_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

// ledger is a config service in memory, for patches of one type. Now and then a
// call is answered with an error, before or after it took effect.
type ledger struct {
	mu      sync.Mutex
	r       *rand.Rand // nil: no errors
	patches []*entry
}

type entry struct {
	tailor.Patch
	request string
	memory  float64
	saving  rightsize.Saving
	made    tailor.Draft
	below   *entry // restored when it is taken back
}

func (l *ledger) fails(before bool) error {
	if l.r == nil || l.r.IntN(6) > 0 || l.r.IntN(2) == 0 == before {
		return nil
	}
	return errs.New(errs.Unavailable, "away")
}

// call does what a call does, and maybe fails before or after it.
func (l *ledger) call(do func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fails(true); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return l.fails(false)
}

func (l *ledger) named(name string) *entry {
	for _, e := range l.patches {
		if e.Name == name {
			return e
		}
	}
	return &entry{Patch: tailor.Patch{State: rightsize.Gone}}
}

func (l *ledger) Resolve(_ context.Context, _ failure.Type, config map[string]any) (present map[string]any, active string, err error) {
	present = maps.Clone(config)
	return present, active, l.call(func() error {
		if e := l.active(); e.Name != "" {
			present["memory_mb"], active = e.memory, e.Name
		}
		return nil
	})
}

// active returns the patch that applies.
func (l *ledger) active() *entry {
	for _, e := range l.patches {
		if e.State == rightsize.Applies {
			return e
		}
	}
	return &entry{}
}

// add adds a patch that applies or waits; the caller holds the lock.
func (l *ledger) add(e entry, s rightsize.PatchState) *entry {
	for _, other := range l.patches {
		if other.State == s {
			other.State = rightsize.Gone
		}
	}
	e.Name, e.State = fmt.Sprintf("patches/p%d", len(l.patches)), s
	l.patches = append(l.patches, &e)
	return &e
}

// promote makes a human's patch apply.
func (l *ledger) promote(mb float64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(entry{memory: mb}, rightsize.Applies).Name
}

func (l *ledger) Propose(_ context.Context, d tailor.Draft) (p tailor.Patch, err error) {
	return p, l.call(func() error {
		for _, e := range l.patches {
			if e.request == d.Request {
				p = e.Patch
				return nil
			}
		}
		if d.MadeOn != l.active().Name {
			return errs.New(errs.FailedPrecondition, "%q applies", l.active().Name)
		}
		p = l.add(entry{request: d.Request, memory: d.Operations[1].Value.(float64), saving: d.Saving, made: d}, rightsize.Waits).Patch
		return nil
	})
}

func (l *ledger) Approve(_ context.Context, name, _ string) (p tailor.Patch, err error) {
	err = l.call(func() error {
		e := l.named(name)
		if e.State != rightsize.Waits && e.State != rightsize.Applies {
			return errs.New(errs.FailedPrecondition, "it has ended")
		}
		below := l.active()
		if e != below && e.made.MadeOn != below.Name {
			return errs.New(errs.FailedPrecondition, "%q applies", below.Name)
		}
		if e != below && below.Name != "" {
			below.State = rightsize.Gone
			if e.below = below; below.request != "" {
				e.below = below.below
			}
		}
		e.State = rightsize.Applies
		e.Found = rightsize.Found{Patch: e.Name, MadeOn: e.made.MadeOn, Operations: e.made.Operations, Saving: e.saving, Approved: now}
		if e.below != nil {
			e.Found.Below = []engine.Operation{{Op: "replace", Path: "/memory_mb", Value: e.below.memory}}
		}
		p = e.Patch
		return nil
	})
	return p, err
}

func (l *ledger) Get(_ context.Context, name string) (p tailor.Patch, err error) {
	err = l.call(func() error { p = l.named(name).Patch; return nil })
	return p, err
}

func (l *ledger) End(_ context.Context, name string, applies bool, _ string) error {
	return l.call(func() error {
		e := l.named(name)
		switch {
		case e.State == rightsize.Applies && !applies:
			return errs.New(errs.Conflict, "approved meanwhile")
		case e.State == rightsize.Applies || e.State == rightsize.Waits:
			e.State = rightsize.Withdrawn
			if applies && e.below != nil {
				l.add(entry{memory: e.below.memory}, rightsize.Applies)
			}
		}
		return nil
	})
}

// count returns how many patches are in a state.
func (l *ledger) count(s rightsize.PatchState) (n int) {
	for _, e := range l.patches {
		if e.State == s {
			n++
		}
	}
	return n
}
