package process

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
)

// Executor starts attempts and waits for them. Any number of Executors, in any
// number of processes of the same host, may share one Root. Its methods may be
// called at once.
type Executor struct {
	options Options
	memory  memlimit.Driver
	node    string
}

// The defaults of Options.
const (
	DefaultGrace       = 5 * time.Second
	DefaultLogBytes    = 64 << 20
	DefaultKeepFolders = 1000
	DefaultMaxAge      = 7 * 24 * time.Hour
)

// minLogBytes keeps the parts of a log larger than one line.
const minLogBytes = 64 << 10

// New returns an Executor on o.Root, which it makes when needed. It tries the
// folder and the memory driver for real: what does not work here is
// FailedPrecondition, an unknown driver Invalid.
func New(o Options) (*Executor, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	var err error
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return nil, fmt.Errorf("find the attempts' folder: %w", err)
	}
	if err := os.MkdirAll(o.Root, 0o700); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "make the attempts' folder: %w", err)
	}
	// A claim needs a file system with links.
	probe := ".probe-" + newKey()
	if _, err := create(o.Root, probe, nil); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "the attempts' folder cannot be used: %w", err)
	}
	if err := os.Remove(filepath.Join(o.Root, probe)); err != nil {
		return nil, errs.New(errs.FailedPrecondition, "the attempts' folder cannot be used: %w", err)
	}
	e := &Executor{options: o}
	if e.memory, err = memlimit.Find(o.MemoryDriver); err != nil {
		return nil, err
	}
	if e.node, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("find the name of this host: %w", err)
	}
	o.Log.Info("process executor", "root", o.Root, "memory_driver", e.MemoryDriver())
	return e, nil
}

// complete checks o and fills in the defaults.
func (o *Options) complete() error {
	var all []error
	if o.Root == "" {
		all = append(all, errs.Field("root", "must name a folder"))
	}
	if len(o.Supervisor) == 0 || o.Supervisor[0] == "" {
		all = append(all, errs.Field("supervisor", "must be a command that calls Supervise"))
	}
	if o.Grace < 0 || o.MaxAge < 0 {
		all = append(all, errs.Field("grace", "grace %s and max age %s must not be negative", o.Grace, o.MaxAge))
	}
	if o.LogBytes < 0 || o.LogBytes > 0 && o.LogBytes < minLogBytes {
		all = append(all, errs.Field("log_bytes", "%d is less than %d", o.LogBytes, minLogBytes))
	}
	if o.KeepFolders < 0 {
		all = append(all, errs.Field("keep_folders", "%d is negative", o.KeepFolders))
	}
	setDefault(&o.Grace, DefaultGrace)
	setDefault(&o.LogBytes, DefaultLogBytes)
	setDefault(&o.KeepFolders, DefaultKeepFolders)
	setDefault(&o.MaxAge, DefaultMaxAge)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return errs.Fields(all...)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// MemoryDriver returns the name of the driver that enforces memory limits.
func (e *Executor) MemoryDriver() string { return e.memory.Place().Driver }
