package ledger

import (
	"context"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// Revoke ends a patch and, of an approved proposal, makes anew what applied
// before, at once. Revoking a revoked patch changes nothing. A revision other than
// 0 must be the patch's: errs.Conflict otherwise.
func (l *Ledger) Revoke(ctx context.Context, id, reason string, revision int64, now time.Time) (patch.Patch, error) {
	return l.answer(ctx, id, revision, func(p patch.Patch) (patch.Patch, bool, error) { return patch.Revoke(p, reason, now) },
		func(p patch.Patch) (patch.Patch, error) { return l.revoke(ctx, p, now) })
}

// revoke writes a patch that was revoked, and what takes its place.
func (l *Ledger) revoke(ctx context.Context, p patch.Patch, now time.Time) (patch.Patch, error) {
	restored, ok := patch.Restore(p, idOf(""), now)
	if !ok {
		return l.close(ctx, p, actionRevoked, now)
	}
	slot, err := l.store.Slot(ctx, p.Scope, false)
	if err != nil {
		return patch.Patch{}, err
	}
	if slot.PatchID != p.ID { // since it was read
		return patch.Patch{}, errs.New(errs.Conflict, "%s was superseded meanwhile", p.Name())
	}
	if err := l.store.Commit(ctx, store.Change{New: &restored, Slot: slot, Ended: []patch.Patch{p}}, now); err != nil {
		return patch.Patch{}, err
	}
	l.metrics.count(actionRevoked, 1)
	l.metrics.count(actionRestored, 1)
	p.Revision++
	return p, nil
}

// Reject ends a proposal. Rejecting it again changes nothing. A revision other
// than 0 must be the patch's: errs.Conflict otherwise.
func (l *Ledger) Reject(ctx context.Context, id, reason string, revision int64, now time.Time) (patch.Patch, error) {
	return l.answer(ctx, id, revision, func(p patch.Patch) (patch.Patch, bool, error) { return patch.Reject(p, reason, now) },
		func(p patch.Patch) (patch.Patch, error) { return l.close(ctx, p, actionRejected, now) })
}

// Approve makes a proposal the active patch of its scope and ends the one that
// was, at once. That must be the one it was made on: errs.FailedPrecondition
// otherwise. Approving it again changes nothing. A revision other than 0 must
// be the patch's: errs.Conflict otherwise.
func (l *Ledger) Approve(ctx context.Context, id, reason string, revision int64, now time.Time) (patch.Patch, error) {
	return l.answer(ctx, id, revision, func(p patch.Patch) (patch.Patch, bool, error) { return patch.Approve(p, reason, now) },
		func(p patch.Patch) (patch.Patch, error) {
			proposals, err := l.store.Slot(ctx, p.Scope, true)
			if err != nil {
				return patch.Patch{}, err
			}
			slot, newest, err := l.newest(ctx, p.Scope, false)
			if err != nil {
				return patch.Patch{}, err
			}
			if slot.PatchID == p.ID { // since it was read
				return patch.Patch{}, errs.New(errs.Conflict, "%s was approved meanwhile", p.Name())
			}
			if p, err = patch.Put(p, newest, now); err != nil {
				return patch.Patch{}, err
			}
			change := store.Change{New: &p, Slot: slot}
			if proposals.PatchID == p.ID {
				change.Left = &proposals
			}
			return l.put(ctx, change, newest, actionApproved, now)
		})
}

// answer decides on a stored patch and writes what it became, again while races
// are lost.
func (l *Ledger) answer(ctx context.Context, id string, revision int64,
	decide func(patch.Patch) (patch.Patch, bool, error), write func(patch.Patch) (patch.Patch, error),
) (patch.Patch, error) {
	return retry(ctx, func() (patch.Patch, error) {
		stored, err := l.store.Get(ctx, id)
		if err != nil {
			return patch.Patch{}, err
		}
		p, changed, err := decide(stored)
		if err == nil && !changed {
			return p, nil // the same call told twice has an old etag
		}
		if revision != 0 && revision != stored.Revision {
			return patch.Patch{}, lost{errs.New(errs.Conflict, "%s has changed since this etag; read it again", stored.Name())}
		}
		if err != nil {
			return patch.Patch{}, err
		}
		return write(p)
	})
}

// close writes a patch that has ended.
func (l *Ledger) close(ctx context.Context, p patch.Patch, action string, now time.Time) (patch.Patch, error) {
	if err := l.store.Commit(ctx, store.Change{Ended: []patch.Patch{p}}, now); err != nil {
		return patch.Patch{}, err
	}
	l.metrics.count(action, 1)
	p.Revision++
	return p, nil
}
