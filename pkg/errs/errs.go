// Package errs gives errors a kind. A kind answers two questions at once:
// which gRPC code a caller sees, and whether the bus delivers an event again.
// Give an error its kind where it is known, add words with fmt.Errorf and %w on
// the way up, and let pkg/serve and pkg/bus translate it once.
package errs

import (
	"errors"
	"fmt"
	"time"
)

// Kind tells a caller what to do, and the bus whether to deliver again.
type Kind int

// The kinds. KindOf(nil) is None; an error that was never given a kind is
// Internal.
const (
	None Kind = iota
	// Internal is a defect or an unforeseen failure.
	Internal
	// Invalid is a request or an event that can never succeed as it is.
	Invalid
	// NotFound is a thing that does not exist, or does not exist yet.
	NotFound
	// AlreadyExists is a name that is taken by something else.
	AlreadyExists
	// Conflict is a lost race: read again and retry one level up.
	Conflict
	// FailedPrecondition is a request that the state of the thing forbids.
	FailedPrecondition
	// PermissionDenied is a known caller who may not.
	PermissionDenied
	// Unauthenticated is an unknown caller.
	Unauthenticated
	// Unavailable is a dependency that is down: the same call may succeed later.
	Unavailable
	// Exhausted is a bound that is reached, such as a queue that is full.
	Exhausted
)

// Violation is one field of a request that is wrong.
type Violation struct {
	Field       string // such as "job.type.workflow"
	Description string // what is wrong and what would be right
}

// Error is an error with a kind. Use New and Field to make one.
type Error struct {
	Kind       Kind
	Reason     string        // UPPER_SNAKE, stable, for programs; may be empty
	Violations []Violation   // of an Invalid error
	RetryAfter time.Duration // of an Unavailable or Exhausted error; 0 when unknown
	err        error
}

// Error returns the text for people.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return errors.Unwrap(e.err) }

// New returns an error of kind k. The format may wrap a cause with %w.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, err: fmt.Errorf(format, args...)}
}

// Field returns an Invalid error about one field of a request. The text says
// what is wrong with it and what would be right.
func Field(field, format string, args ...any) error {
	text := fmt.Errorf(format, args...)
	return &Error{
		Kind: Invalid, Reason: "INVALID_FIELD", err: fmt.Errorf("%s: %w", field, text),
		Violations: []Violation{{Field: field, Description: text.Error()}},
	}
}

// Within says that the fields that an Invalid error names are below a field of
// the request: "config.cores" within "job" is "job.config.cores". Other errors
// and nil stay as they are.
func Within(field string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Violations) == 0 {
		return err
	}
	all := make([]error, len(e.Violations))
	for i, v := range e.Violations {
		all[i] = Field(field+"."+v.Field, "%s", v.Description)
	}
	return Fields(all...)
}

// Fields joins Invalid errors made by Field, so that a caller sees all that is
// wrong at once. It returns nil when every error is nil.
func Fields(all ...error) error {
	texts := errors.Join(all...)
	if texts == nil {
		return nil
	}
	joined := &Error{Kind: Invalid, Reason: "INVALID_FIELD", err: texts}
	for _, err := range all {
		if e, ok := errors.AsType[*Error](err); ok {
			joined.Violations = append(joined.Violations, e.Violations...)
		}
	}
	return joined
}

// Because adds a reason for programs to an error that New made, and returns it.
func Because(reason string, err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // only the outermost error may be changed
		e.Reason = reason
	}
	return err
}

// Again returns an Unavailable error that says when to try again.
func Again(after time.Duration, format string, args ...any) error {
	return &Error{Kind: Unavailable, RetryAfter: after, err: fmt.Errorf(format, args...)}
}

// KindOf reports the outermost kind in err's chain.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return KindOf(err) == k }
