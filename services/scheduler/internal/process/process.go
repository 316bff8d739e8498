// Package process runs attempts as processes of the scheduler's own host. Each
// attempt runs below a small supervisor process that outlives the scheduler, so
// that a scheduler which comes back finds its attempts, running or ended.
package process

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

// ID names one attempt.
type ID struct {
	Job     string // 1 to 128 of [a-z0-9-], starting with a letter or digit
	Attempt int    // counted from 1
}

var jobPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,127}$`)

// Validate names what is wrong with id: an Invalid error.
func (id ID) Validate() error {
	var job, attempt error
	if !jobPattern.MatchString(id.Job) {
		job = errs.Field("job", "%q is not 1 to 128 of [a-z0-9-] that starts with a letter or digit", id.Job)
	}
	if id.Attempt < 1 || id.Attempt > failure.MaxAttempt {
		attempt = errs.Field("attempt", "%d is not between 1 and %d", id.Attempt, failure.MaxAttempt)
	}
	return errs.Fields(job, attempt)
}

// String returns "jobs/{job}/attempts/{attempt}".
func (id ID) String() string { return fmt.Sprintf("jobs/%s/attempts/%d", id.Job, id.Attempt) }

// Spec is what an attempt runs.
type Spec struct {
	// Args is the program and its arguments, run without a shell. A program
	// without a slash is looked up in the PATH of Env.
	Args []string
	// Env is the complete environment, as "NAME=value".
	Env []string
	// WorkDir is an absolute path; when empty it is a new folder, "work" in the
	// attempt's own.
	WorkDir string
	// Files are there when the program starts, and gone when it has ended; see
	// FilePath.
	Files []File
	// Folders are made in the attempt's folder before the program starts, and
	// stay; they are named like files.
	Folders []string
	// MemoryLimit bounds the memory of the whole process tree, in bytes; 0 is
	// no limit.
	MemoryLimit int64
	// RunTimeout is how long the attempt may run; 0 is for ever.
	RunTimeout time.Duration
	// NotAfter is when it is too late to start, see Fence.Until; 0 is never. An
	// executor with a fence needs it.
	NotAfter Moment
}

// Options are the settings of an Executor; all but Root and Supervisor may be
// left zero.
type Options struct {
	// Root is the folder of the attempts' folders: {Root}/{job}/{attempt}.
	Root string
	// Supervisor is the command that calls Supervise with the arguments after
	// it, such as {"/proc/self/exe", "supervise"}.
	Supervisor []string
	// MemoryDriver enforces memory limits: "cgroup2", "cgroup1", "watchdog", or
	// empty for the first of these that works here.
	MemoryDriver string
	// Grace is the time between SIGTERM and SIGKILL; 5 s when 0.
	Grace time.Duration
	// LogBytes bounds each log file on disk: the first three quarters and the
	// last quarter of a longer log are kept. 64 MiB when 0.
	LogBytes int64
	// KeepFolders bounds the number of ended attempts' folders that Sweep
	// leaves; 1000 when 0.
	KeepFolders int
	// MaxAge bounds the age of ended attempts' folders that Sweep leaves; seven
	// days when 0.
	MaxAge time.Duration
	// Fence ends attempts when the lease of their scheduler is not renewed; nil
	// is none.
	Fence *Fence
	// Log is told what an operator may want to know; slog.Default() when nil.
	Log *slog.Logger
}

// Result is how an attempt ended.
type Result struct {
	// Succeeded is true when the main process exited by itself with code 0.
	Succeeded bool
	// Evidence is not redacted: whoever stores or sends it redacts it first.
	Evidence failure.Evidence
}

// State is where an attempt is in its life.
type State int

// The states of an attempt.
const (
	// Unclaimed attempts never ran; Start runs them.
	Unclaimed State = iota
	// Running attempts have a living supervisor.
	Running
	// Ended attempts have a Result that Wait returns at once.
	Ended
	// Lost attempts have neither a supervisor nor a Result; Wait kills what is
	// left of them and returns the reason LOST.
	Lost
)

// String returns the state in lower case.
func (s State) String() string {
	return [...]string{"unclaimed", "running", "ended", "lost"}[s]
}
