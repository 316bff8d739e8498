package process

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failpoint"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// Kill asks that attempt id ends for reason r, WasCancelled, TimedOut or Lost, with
// its whole process tree: SIGTERM, then SIGKILL after Options.Grace. It returns
// when the request is durable; Wait tells when the attempt is gone. An id that
// was never claimed ends at once and never starts. An attempt that has ended,
// or whose end was asked for, is left as it is. Errors: Invalid for another
// reason; Unavailable when the request could not be written.
func (e *Executor) Kill(ctx context.Context, id ID, r failure.Reason) error {
	if err := id.Validate(); err != nil {
		return err
	}
	request, err := encode(kill{Version: recordVersion, Reason: r.String(), Time: time.Now()})
	if err != nil {
		return errs.Field("reason", "%s is neither CANCELLED nor TIMEOUT nor LOST", r)
	}
	if has(e.folder(id), exitFile) {
		return nil
	}
	folder, err := e.makeFolder(id)
	if err != nil {
		return errs.New(errs.Unavailable, "make the folder of %s: %w", id, err)
	}
	failpoint.Hit("executor.kill.before")
	if _, err := create(folder, killFile, request); err != nil {
		return errs.New(errs.Unavailable, "ask for the end of %s: %w", id, err)
	}
	failpoint.Hit("executor.kill.after")
	// A supervisor that claims after this line finds the request before it
	// starts anything.
	if err := e.claimVoid(id, folder); err != nil {
		return errs.New(errs.Unavailable, "prevent the start of %s: %w", id, err)
	}
	c, err := e.claimOf(id)
	if err != nil || !c.Void {
		return err
	}
	_, err = e.recover(ctx, id, c)
	return err
}

// claimVoid claims an attempt that nobody has claimed, so that nobody will.
// recover ends it for the request to kill, here or in Wait after a crash.
func (e *Executor) claimVoid(id ID, folder string) error {
	if has(folder, claimFile) {
		return nil
	}
	self, err := proctree.Self()
	if err != nil {
		return err
	}
	text, err := encode(claim{
		Version: recordVersion, Job: id.Job, Attempt: id.Attempt, Supervisor: self, Void: true, Key: newKey(),
		Memory: e.memory.Place(), LogBytes: e.options.LogBytes, Node: e.node, Time: time.Now(),
	})
	if err != nil {
		return err
	}
	_, err = create(folder, claimFile, text)
	return err
}

func has(folder, name string) bool {
	_, err := os.Lstat(filepath.Join(folder, name))
	return err == nil
}
