// Package memlimit bounds and measures the memory of a process tree, by the
// best means that the host has.
package memlimit

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/redrive-io/redrive/pkg/errs"
)

// The names of the drivers, the best one first.
const (
	Cgroup2  = "cgroup2"
	Cgroup1  = "cgroup1"
	Watchdog = "watchdog"
)

// Driver makes groups. Its methods may be called at once.
type Driver interface {
	// Place says where the driver works, so that another process can have the
	// same driver by At.
	Place() Place
	// Open makes the group called name with a limit in bytes, 0 for none. The
	// caller is the parent of all that will be in the group and has made itself
	// the reaper of its orphans. A name that is in use is an error.
	Open(name string, limit int64) (Group, error)
	// Reclaim kills and removes what is left of the group called name, whose
	// opener is gone. It is no error when nothing is left. Killed processes may
	// take a moment to end; then it is an error that the group is still there.
	Reclaim(name string) error
}

// Group is the process tree of one attempt. Its methods are called by one
// goroutine at a time.
type Group interface {
	// Start calls start with attributes with which a process begins inside of
	// the group, so that the limit holds from its first instruction on. The
	// calling goroutine is locked to a thread that is not the process's first.
	Start(start func(*syscall.SysProcAttr) error) error
	// Sample measures the group.
	Sample() (Sample, error)
	// Kill sends SIGKILL to all that is in the group. What is started
	// meanwhile may be missed: the caller repeats until nothing is left.
	Kill() error
	// Close removes the group, in which nothing runs any more.
	Close() error
}

// Sample is the state of a group at one moment.
type Sample struct {
	// Anonymous is the anonymous memory of the whole tree in bytes: never page
	// cache.
	Anonymous int64
	// Exceeded is what proves that memory was refused or that a process was
	// killed for it; empty when none was.
	Exceeded string
	// AtLimit is true when Exceeded and the group's own limit was the cause,
	// not that of the host or of a container around it.
	AtLimit bool
}

// Place is a driver by name, and the folder below which it makes groups; empty
// for a driver that has none.
type Place struct {
	Driver string `json:"driver"`
	Parent string `json:"parent,omitempty"`
}

// At returns the driver of p, which was made by Find, maybe in another process.
func At(p Place) (Driver, error) {
	switch {
	case p.Driver == Cgroup2 && p.Parent != "":
		return cgroup2{p.Parent}, nil
	case p.Driver == Cgroup1 && p.Parent != "":
		return cgroup1{p.Parent}, nil
	case p.Driver == Watchdog:
		return watchdog{os.Getpid()}, nil
	}
	return nil, fmt.Errorf("no memory driver %q at %q", p.Driver, p.Parent)
}

// Find returns the driver called name, or the best that works here when name
// is empty. Each is tried for real. An unknown name is Invalid, one that does
// not work here FailedPrecondition.
func Find(name string) (Driver, error) {
	candidates := []struct {
		name string
		find func() (Driver, error)
	}{{Cgroup2, findCgroup2}, {Cgroup1, findCgroup1}, {Watchdog, findWatchdog}}
	var why []error
	known := false
	for _, c := range candidates {
		if name != "" && name != c.name {
			continue
		}
		known = true
		driver, err := c.find()
		if err == nil {
			return driver, nil
		}
		why = append(why, fmt.Errorf("%s: %w", c.name, err))
	}
	if !known {
		return nil, errs.Field("memory_driver", "%q is none of cgroup2, cgroup1, watchdog, or empty for the best that works", name)
	}
	return nil, errs.New(errs.FailedPrecondition, "no memory driver works here: %w", errors.Join(why...))
}

// checkName refuses names that would leave the driver's folder.
func checkName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return fmt.Errorf("%q is no name of a memory group", name)
	}
	return nil
}
