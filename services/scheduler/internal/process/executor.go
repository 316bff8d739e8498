package process

import (
	"context"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// Executor starts attempts and waits for them. Any number of Executors, in any
// number of processes of the same host, may share one Root.
type Executor struct {
	options Options
	driver  string
}

var errUnsupported = errs.New(errs.Unavailable, "the process executor cannot run attempts yet")

// New returns an Executor on o.Root, which it makes when needed. It tries the
// memory driver for real: a driver that was asked for and does not work here
// is FailedPrecondition.
func New(o Options) (*Executor, error) { return &Executor{options: o}, nil }

// MemoryDriver returns the name of the driver that enforces memory limits.
func (e *Executor) MemoryDriver() string { return e.driver }

// Start starts attempt id and returns when its supervisor has claimed it. At
// most one execution per id ever happens, whoever calls and however often: it
// is no error to start an id that runs, has ended, or was killed before. After
// any error it is right to call Start again with the same id. Errors: Invalid
// for what can never start; Unavailable when the supervisor could not be
// started or could not claim. A program that cannot be started is no error but
// the attempt's end: NOT_STARTED.
func (e *Executor) Start(ctx context.Context, id ID, s Spec) error {
	if err := id.Validate(); err != nil {
		return err
	}
	return errUnsupported
}

// Wait blocks until attempt id ended, whichever process started it, and
// returns how. It may be called any number of times, also at once. An id that
// was never claimed is NotFound. An attempt whose supervisor is gone without a
// record ends as LOST, after what is left of its processes was killed.
func (e *Executor) Wait(ctx context.Context, id ID) (Result, error) {
	return Result{}, errUnsupported
}

// Kill asks that attempt id ends for reason r, WasCancelled or TimedOut, with
// its whole process tree. It returns when the request is durable; Wait tells
// when the attempt is gone. An id that was never claimed ends at once and never
// starts. An attempt that has ended, or whose end was asked for, is left as it
// is.
func (e *Executor) Kill(ctx context.Context, id ID, r failure.Reason) error {
	return errUnsupported
}

// State tells where attempt id is in its life.
func (e *Executor) State(ctx context.Context, id ID) (State, error) {
	return Unclaimed, errUnsupported
}

// Running lists the attempts that were claimed and have no result yet: those
// in state Running or Lost.
func (e *Executor) Running(ctx context.Context) ([]ID, error) { return nil, errUnsupported }

// Sweep removes the folders of ended attempts that are older than MaxAge or
// more than KeepFolders, oldest first, and keeps those for which keep is true.
// A removed id could be started anew: keep must be true for every attempt that
// may still be started or waited for.
func (e *Executor) Sweep(ctx context.Context, keep func(ID) bool) error { return errUnsupported }

// Supervise is the main function of the supervisor's process. It returns the
// exit code.
func Supervise(args []string) int { return 2 }
