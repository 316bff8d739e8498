package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

// The files of an attempt's folder. Each is written once and never changed.
const (
	claimFile  = "claim"
	killFile   = "kill"
	exitFile   = "exit"
	reserved   = "exit.reserved" // becomes exitFile
	workFolder = "work"
	ownLog     = "supervisor.log"
)

// recordVersion is the version of all records. A reader refuses others.
const recordVersion = 1

// maxRecord bounds the size of a record in bytes, and is what a supervisor
// reserves on disk for its exit record.
const maxRecord = 64 << 10

// claim says who runs the attempt. It exists before anything is started.
type claim struct {
	Version    int               `json:"version"`
	Job        string            `json:"job"`
	Attempt    int               `json:"attempt"`
	Supervisor proctree.Identity `json:"supervisor"`
	// Void is set by Kill on an attempt that nothing may start any more.
	Void bool `json:"void,omitempty"`
	// Key marks the attempt's processes: it names their memory group and is the
	// value of keyVariable in their environment.
	Key        string         `json:"key"`
	Memory     memlimit.Place `json:"memory"`
	LimitBytes int64          `json:"limit_bytes,omitempty"`
	LogBytes   int64          `json:"log_bytes"`
	Node       string         `json:"node"`
	Time       time.Time      `json:"time"`
}

// keyVariable is the environment variable that marks an attempt's processes.
const keyVariable = "REDRIVE_ATTEMPT_KEY"

func (c claim) check() error {
	switch {
	case ID{c.Job, c.Attempt}.Validate() != nil:
		return errors.New("it names no attempt")
	case c.Supervisor.PID < 1 || c.Supervisor.Boot == "":
		return errors.New("it names no process")
	case len(c.Key) != keyLength:
		return errors.New("it has no key")
	case c.LogBytes < 1 || c.LimitBytes < 0:
		return errors.New("a bound is not positive")
	}
	return nil
}

// kill asks the supervisor to end the attempt.
type kill struct {
	Version int       `json:"version"`
	Reason  string    `json:"reason"`
	Time    time.Time `json:"time"`
}

func (k kill) check() error {
	_, err := k.reason()
	return err
}

func (k kill) reason() (failure.Reason, error) {
	for _, r := range []failure.Reason{failure.WasCancelled, failure.TimedOut, failure.Lost} {
		if r.String() == k.Reason {
			return r, nil
		}
	}
	return failure.ReasonNone, fmt.Errorf("reason %q is not one to kill for", k.Reason)
}

// exit says how the attempt ended. When it exists, nothing of the attempt runs
// any more.
type exit struct {
	Version      int           `json:"version"`
	Job          string        `json:"job"`
	Attempt      int           `json:"attempt"`
	Reason       string        `json:"reason"`
	Proof        string        `json:"proof,omitempty"`
	ExitCode     *int          `json:"exit_code,omitempty"`
	Signal       int           `json:"signal,omitempty"`
	PeakBytes    *int64        `json:"peak_bytes,omitempty"`
	LimitBytes   int64         `json:"limit_bytes,omitempty"`
	MemoryDriver string        `json:"memory_driver,omitempty"`
	Node         string        `json:"node"`
	Start        time.Time     `json:"start"`
	End          time.Time     `json:"end"`
	Duration     time.Duration `json:"duration_ns"`
	Stdout       logEnd        `json:"stdout"`
	Stderr       logEnd        `json:"stderr"`
}

// logEnd is what the file of a log does not tell.
type logEnd struct {
	// SizeBytes counts all that was written to the log, kept or not; 0 when
	// that is not known.
	SizeBytes int64 `json:"size_bytes,omitempty"`
	// Unsaved is the end of the log when it could not be written to its file.
	Unsaved []byte `json:"unsaved,omitempty"`
}

func (x exit) check() error {
	r, err := x.reason()
	switch {
	case err != nil:
		return err
	case ID{x.Job, x.Attempt}.Validate() != nil:
		return errors.New("it names no attempt")
	case r == failure.Exited && x.ExitCode == nil:
		return errors.New("it has no exit code")
	case x.PeakBytes != nil && *x.PeakBytes < 0 || x.LimitBytes < 0 || x.Duration < 0:
		return errors.New("a quantity is negative")
	}
	return nil
}

func (x exit) reason() (failure.Reason, error) {
	for r := failure.Exited; r <= failure.Lost; r++ {
		if r.String() == x.Reason {
			return r, nil
		}
	}
	return failure.ReasonNone, fmt.Errorf("%q is no reason", x.Reason)
}

type record interface{ check() error }

// encode returns the text of a record.
func encode[R record](r R) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("a %T would be corrupt: %w", r, err)
	}
	text, err := json.Marshal(r)
	if err == nil && len(text) > maxRecord {
		err = fmt.Errorf("a %T of %d bytes is larger than %d", r, len(text), maxRecord)
	}
	return text, err
}

// decode reads what encode wrote.
func decode[R record](text []byte) (R, error) {
	var version struct {
		Version int `json:"version"`
	}
	var r R
	if err := json.Unmarshal(text, &version); err != nil {
		return r, err
	}
	if version.Version != recordVersion {
		return r, fmt.Errorf("version %d is not %d", version.Version, recordVersion)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	return r, r.check()
}

// errCorrupt is wrapped by every error about a record that is there and cannot
// be read.
var errCorrupt = errors.New("the record is corrupt")

// read reads a record of the folder; os.ErrNotExist when it was not written.
func read[R record](folder, name string) (R, error) {
	var r R
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return r, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return r, err
	}
	if r, err = decode[R](text); err != nil {
		return r, fmt.Errorf("%s: %w: %w", filepath.Join(folder, name), errCorrupt, err)
	}
	return r, nil
}

// groupName is the name of the memory group of the attempt with this key.
func groupName(key string) string { return "redrive-" + key }
