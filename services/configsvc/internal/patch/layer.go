package patch

import (
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

// active returns the name of the newest patch of a scope, nil for none, if it is
// active at a time.
func active(newest *Patch, now time.Time) string {
	if newest == nil || newest.At(now).State != Active {
		return ""
	}
	return newest.Name()
}

// Made returns a proposal as it is made on the newest patch of its scope; nil for
// none. When want is another than the active one, what is proposed is not what its
// author looked at: errs.FailedPrecondition. A nil want is any.
func Made(p Patch, newest *Patch, want *string, now time.Time) (Patch, error) {
	on := active(newest, now)
	if want != nil && *want != on {
		return Patch{}, errs.Because("PATCH_OUTDATED", errs.New(errs.FailedPrecondition,
			"%s by now, and the proposal was made on %s; make it anew", applies(on), named(*want)))
	}
	p.MadeOn = &on
	return p, nil
}

// Put returns an approved proposal as it takes the place of the newest patch of
// its scope; nil for none. That one must be what the proposal was made on:
// errs.FailedPrecondition otherwise, since what was approved would undo a change
// that nobody had in view.
func Put(p Patch, newest *Patch, now time.Time) (Patch, error) {
	on := active(newest, now)
	if p.MadeOn != nil && *p.MadeOn != on {
		return Patch{}, errs.Because("PATCH_OUTDATED", errs.New(errs.FailedPrecondition,
			"%s by now, and %s was proposed on %s: it would undo what it does not know; reject it, and approve a newer proposal",
			applies(on), p.Name(), named(*p.MadeOn)))
	}
	switch {
	case on == "":
	case newest.Approved.IsZero():
		below := *newest
		p.Restores = &below
	default: // a step of several: what was before the first
		p.Restores = newest.Restores
	}
	return p, nil
}

func named(patch string) string {
	if patch == "" {
		return "none"
	}
	return patch
}

func applies(patch string) string {
	if patch == "" {
		return "no patch applies"
	}
	return patch + " applies"
}

// Restore returns the patch that a revoked one made way for, as a new one with
// the same end; false when there is none, or its end has come.
func Restore(revoked Patch, id string, now time.Time) (Patch, bool) {
	if revoked.Restores == nil || revoked.Restores.At(now).State != Active {
		return Patch{}, false
	}
	p := revoked.Restores.become(Active, now)
	reason := p.Name() + " again, since " + revoked.Name() + " was revoked"
	if p.Reason != "" {
		reason += ": " + p.Reason
	}
	p.ID, p.Revision, p.Created = id, 0, p.Updated
	p.Reason = strings.ToValidUTF8(reason[:min(len(reason), MaxReason)], "")
	return p, true
}
