package patch

import (
	"math"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/redact"
)

// Saving is what a patch that was made to save is expected to bring.
type Saving struct {
	DollarsPerMonth float64 // negative where more memory is proposed
	Before, After   int64   // bytes of memory of a run
	// FailBefore and FailAfter are the probabilities that a run fails for want
	// of memory.
	FailBefore, FailAfter float64
	Runs                  int // that it rests on
}

func (s Saving) validate(field string) error {
	var dollars, before, after, failBefore, failAfter, runs error
	if math.IsNaN(s.DollarsPerMonth) || math.IsInf(s.DollarsPerMonth, 0) {
		dollars = errs.Field(field+".dollars_per_month", "must be a finite number")
	}
	size := func(name string, bytes int64) error {
		if bytes < 0 {
			return errs.Field(field+name, "%d bytes are less than none", bytes)
		}
		return nil
	}
	share := func(name string, p float64) error {
		if !(p >= 0 && p <= 1) {
			return errs.Field(field+name, "%v is not a probability: 0 to 1", p)
		}
		return nil
	}
	before, after = size(".before_bytes", s.Before), size(".after_bytes", s.After)
	failBefore, failAfter = share(".fail_probability_before", s.FailBefore), share(".fail_probability_after", s.FailAfter)
	if s.Runs < 0 {
		runs = errs.Field(field+".runs", "%d runs are less than none", s.Runs)
	}
	return errs.Fields(dollars, before, after, failBefore, failAfter, runs)
}

// Approve returns a proposal as the active patch that it asks for, and its time
// begins now: it lives as long as it would have waited for an answer. changed is
// false when it is active already. One that has ended is errs.FailedPrecondition.
func Approve(p Patch, reason string, now time.Time) (approved Patch, changed bool, err error) {
	if err := validateReason("reason", reason); err != nil {
		return Patch{}, false, err
	}
	switch p.At(now).State {
	case Active:
		return p, false, nil
	case Proposed:
		ttl := p.Expires.Sub(p.Created)
		p = p.become(Active, now)
		p.Expires, p.ApproveReason, p.Approved = p.Updated.Add(ttl), redact.Text(reason), p.Updated
		return p, true, nil
	}
	return Patch{}, false, answered(p.At(now), "approved")
}

// Reject returns a proposal ended by a caller; changed is false when it is
// already. One that is no proposal any more is errs.FailedPrecondition.
func Reject(p Patch, reason string, now time.Time) (rejected Patch, changed bool, err error) {
	if err := validateReason("reason", reason); err != nil {
		return Patch{}, false, err
	}
	switch p.At(now).State {
	case Rejected:
		return p, false, nil
	case Proposed:
		p = p.become(Rejected, now)
		p.RevokeReason = redact.Text(reason)
		return p, true, nil
	case Active:
		return Patch{}, false, errs.Because("PATCH_ACTIVE", errs.New(errs.FailedPrecondition, "%s is active; revoke it instead", p.Name()))
	}
	return Patch{}, false, answered(p.At(now), "rejected")
}

func answered(p Patch, done string) error {
	why := ""
	if p.RevokeReason != "" {
		why = " (" + p.RevokeReason + ")"
	}
	return errs.Because("PATCH_ENDED", errs.New(errs.FailedPrecondition, "%s is %s%s; only a proposed patch can be %s", p.Name(), p.State, why, done))
}

func notApproved(p Patch, done string) error {
	return errs.Because("PATCH_PROPOSED", errs.New(errs.FailedPrecondition, "%s is proposed and cannot be %s; approve or reject it", p.Name(), done))
}
