package patch

import (
	"regexp"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
)

// Draft is a patch that somebody asks for.
type Draft struct {
	Scope      Scope
	Type       failure.Type
	Operations []Operation
	Failure    string
	Reason     string
	TTL        time.Duration // DefaultTTL when 0
	Saving     Saving
	// Propose asks for a proposal; see Approve.
	Propose bool
	// MadeOn names the active patch that a proposal is made on, empty for none; nil
	// for whichever is active.
	MadeOn *string
}

var failurePattern = regexp.MustCompile(`^failures/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// New returns the active patch, or the proposal, that a draft asks for, or errs.Invalid with all
// fields that are wrong, named as in CreatePatchRequest. No value may be beyond
// c. Secrets are taken out of the reason.
func New(d Draft, id string, c Ceilings, now time.Time) (Patch, error) {
	if d.TTL == 0 {
		d.TTL = DefaultTTL
	}
	var failureErr, madeOnErr error
	if d.MadeOn != nil {
		madeOnErr = d.validateMadeOn()
	}
	if d.Failure != "" && !failurePattern.MatchString(d.Failure) {
		failureErr = errs.Field("patch.failure", `%.80q is not the name of a failure: "failures/{failure}"`, d.Failure)
	}
	if err := errs.Fields(d.validateScope(), d.validateType(), d.validateOperations(c), failureErr,
		validateReason("patch.reason", d.Reason), d.Saving.validate("patch.saving"), validateTTL(d.TTL), madeOnErr); err != nil {
		return Patch{}, err
	}
	now = now.UTC().Round(0)
	state := Active
	if d.Propose {
		state = Proposed
	}
	return Patch{
		ID: id, Scope: d.Scope, Type: d.Type, Operations: d.Operations, State: state, Failure: d.Failure,
		Reason: redact.Text(d.Reason), Created: now, Updated: now, Expires: now.Add(d.TTL), Saving: d.Saving,
	}, nil
}

func (d Draft) validateScope() error {
	none := d.Scope.Type == failure.Type{}
	switch {
	case d.Scope.OfJob() == !none:
		return errs.Field("patch.scope", "exactly one of job and type must be set")
	case !none && d.Scope.Type != d.Type:
		return errs.Field("patch.scope.type", "is another type than patch.type; they must be the same")
	}
	return nil
}

func (d Draft) validateType() error {
	if err := d.Type.Validate("patch.type"); err != nil {
		return err
	}
	if _, err := engine.Lookup(d.Type.Engine); err != nil {
		return errs.Field("patch.type.engine", "%.80q has no keys that a patch may change; it must be one of %s", d.Type.Engine, strings.Join(engine.Names(), ", "))
	}
	return nil
}

// validateOperations leaves an unknown engine to validateType.
func (d Draft) validateOperations(c Ceilings) error {
	p, err := engine.Lookup(d.Type.Engine)
	if err != nil {
		return nil
	}
	return ValidateOperations("patch.operations", d.Operations, p, c)
}

func (d Draft) validateMadeOn() error {
	if !d.Propose {
		return errs.Field("patch.made_on", "must be unset in what is no proposal")
	}
	if *d.MadeOn == "" {
		return nil
	}
	_, err := ParseName("patch.made_on", *d.MadeOn)
	return err
}

func validateReason(field, s string) error {
	if len(s) > MaxReason {
		return errs.Field(field, "must have at most %d bytes, has %d", MaxReason, len(s))
	}
	return nil
}

func validateTTL(ttl time.Duration) error {
	if ttl < 0 || ttl > MaxTTL {
		return errs.Field("ttl", "%v is not more than 0 and at most %v", ttl, MaxTTL)
	}
	return nil
}

// Promote returns the patch that makes p apply to all jobs of its type. Its
// guards hold there because they are on the original configuration, which
// recurs. Only an active patch of a job can be promoted: errs.FailedPrecondition
// otherwise. A superseded one in particular was found wanting; newest is the
// name of the newest patch of its scope, for the error's text.
func Promote(p Patch, newest, id, reason string, ttl time.Duration, now time.Time) (Patch, error) {
	if ttl == 0 {
		ttl = DefaultPromoteTTL
	}
	if err := errs.Fields(validateReason("reason", reason), validateTTL(ttl)); err != nil {
		return Patch{}, err
	}
	switch {
	case !p.Scope.OfJob():
		return Patch{}, errs.Because("PATCH_NOT_OF_A_JOB", errs.New(errs.FailedPrecondition, "%s applies to all jobs of its type already", p.Name()))
	case p.At(now).State == Superseded && newest != p.Name():
		return Patch{}, errs.Because("PATCH_ENDED", errs.New(errs.FailedPrecondition, "%s is superseded by %s; promote that one", p.Name(), newest))
	case p.At(now).State == Proposed:
		return Patch{}, notApproved(p, "promoted")
	case p.At(now).State != Active:
		return Patch{}, ended(p.At(now), "promoted")
	}
	now = now.UTC().Round(0)
	if reason == "" {
		reason = p.Reason
	}
	return Patch{
		ID: id, Scope: Scope{Type: p.Type}, Type: p.Type, Operations: p.Operations, State: Active, Failure: p.Failure,
		PromotedFrom: p.Name(), Reason: redact.Text(reason), Created: now, Updated: now, Expires: now.Add(ttl),
	}, nil
}

// Revoke returns p ended by a caller; changed is false when it is already.
// A patch that ended otherwise is errs.FailedPrecondition.
func Revoke(p Patch, reason string, now time.Time) (revoked Patch, changed bool, err error) {
	if err := validateReason("reason", reason); err != nil {
		return Patch{}, false, err
	}
	switch p.At(now).State {
	case Revoked:
		return p, false, nil
	case Active:
		p = p.become(Revoked, now)
		p.RevokeReason = redact.Text(reason)
		return p, true, nil
	case Proposed:
		return Patch{}, false, notApproved(p, "revoked")
	}
	return Patch{}, false, ended(p.At(now), "revoked")
}

func ended(p Patch, done string) error {
	return errs.Because("PATCH_ENDED", errs.New(errs.FailedPrecondition, "%s is %s; only an active patch can be %s", p.Name(), p.State, done))
}

// Supersede returns p replaced by a newer patch of its scope, or a proposal by a
// newer proposal; changed is false when it has ended before.
func Supersede(p Patch, now time.Time) (superseded Patch, changed bool) {
	if !p.At(now).Open() {
		return p, false
	}
	return p.become(Superseded, now), true
}

// Expire writes down that p is past its expiry; changed is false when it is not,
// or has ended before.
func Expire(p Patch, now time.Time) (expired Patch, changed bool) {
	if !p.Open() || p.At(now).State != Expired {
		return p, false
	}
	return p.become(Expired, now), true
}

// Evict ends an open patch before its expiry, to keep the number of patches
// bounded; changed is false when it has ended before.
func Evict(p Patch, now time.Time) (evicted Patch, changed bool) {
	if !p.Open() {
		return p, false
	}
	p = p.become(Expired, now)
	p.Expires = p.Updated
	return p, true
}

// become returns p in a later state.
func (p Patch) become(s State, now time.Time) Patch {
	p.State, p.Updated = s, now.UTC().Round(0)
	return p
}
