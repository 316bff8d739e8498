// Package patch decides what a patch may say, where it applies and how long:
// guarded changes of job configurations, each with a scope and a lifetime.
// Everything here is pure; `now` is an argument.
package patch

import (
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// State is whether a patch applies. The numbers are those of the API.
type State int

// The states. A patch is Proposed at most once, then Active at most once, and
// neither again after it ended.
const (
	NoState    State = iota
	Active           // until its expiry
	Revoked          // ended by a caller
	Superseded       // replaced by a newer patch, or proposal, of the same scope
	Expired          // past its expiry
	Proposed         // until it is answered, or its expiry; does not apply
	Rejected         // a proposal to which a caller said no
)

// String returns the state in words, for reasons and metrics.
func (s State) String() string {
	return [...]string{"unspecified", "active", "revoked", "superseded", "expired", "proposed", "rejected"}[s]
}

// Bounds of a patch.
const (
	DefaultTTL        = 30 * 24 * time.Hour
	DefaultPromoteTTL = 365 * 24 * time.Hour
	MaxTTL            = 365 * 24 * time.Hour
	MaxReason         = 1024 // bytes of a reason
)

// Scope says which attempts a patch is for: exactly one of its fields is set.
type Scope struct {
	Job  string // "jobs/{job}": this job's remaining attempts
	Type failure.Type
}

// OfJob reports whether the scope is one job.
func (s Scope) OfJob() bool { return s.Job != "" }

// Key returns the scope as one string that is the same for the same scope alone.
func (s Scope) Key() string {
	if s.OfJob() {
		return s.Job
	}
	return "types/" + s.Type.Key()
}

// Patch is a guarded change of a configuration. A stored patch is never changed
// but in its state.
type Patch struct {
	ID           string
	Scope        Scope
	Type         failure.Type // what it is made for; of a scope by type the same
	Operations   []Operation
	State        State
	Failure      string // "failures/{failure}", or empty
	PromotedFrom string // "patches/{patch}", or empty
	Reason       string
	Created      time.Time
	Updated      time.Time
	Expires      time.Time
	Revision     int64 // counts its changes, from 1; 0 for one that is not stored
	// RevokeReason says who revoked or rejected it and why.
	RevokeReason  string
	ApproveReason string
	Approved      time.Time // of a proposal; zero for what was none
	// MadeOn names the active patch of the scope that a proposal was made on, empty
	// for none; nil for what is no proposal.
	MadeOn *string
	// Restores is, of an approved proposal, what its scope had before any proposal;
	// nil for none. It is kept whole: the patch itself may be purged.
	Restores *Patch
	// Saving is zero where none is expected.
	Saving Saving
}

// Name returns the resource name: "patches/{patch}".
func (p Patch) Name() string { return "patches/" + p.ID }

// Open reports whether p has not been ended: it applies, or may yet.
func (p Patch) Open() bool { return p.State == Active || p.State == Proposed }

// At returns p as it is at a time: an open patch past its expiry is Expired,
// whether or not somebody has written that down.
func (p Patch) At(now time.Time) Patch {
	if p.Open() && !now.Before(p.Expires) {
		p.State = Expired
	}
	return p
}

// ParseName returns the id in a resource name; field names it in errors.
func ParseName(field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, "patches/")
	if !ok || id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", errs.Field(field, `%.80q is not the name of a patch: "patches/{patch}"`, name)
	}
	return id, nil
}

// JobName returns the name of a job, "jobs/{job}", of that name itself or of
// "{source}/{job}", which names a job of another scheduler; field names it in
// errors.
func JobName(field, s string) (string, error) {
	source, job, _ := strings.Cut(s, "/")
	if source == "jobs" {
		source = failure.Own
	}
	a := failure.Attempt{Source: source, Job: job, Number: 1}
	if a.Validate(field) != nil {
		return "", errs.Field(field, `%.200q is not the name of a job: "jobs/{job}", or "{source}/{job}" of another scheduler`, s)
	}
	return a.JobName(), nil
}
