//go:build cluster

// Package cluster tests Redrive as it is deployed: three NATS servers, a Redis,
// two replicas of every service and of the gateway, each a process of its own on
// this machine. Processes are killed and stopped while jobs run; then every job
// must have ended rightly, and every failure been decided on once.
package cluster

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes the test binary two programs: the tests, and the tasks of the
// jobs that they submit.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "task" {
		os.Exit(task(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// task is the program of a job: it notes in a witness file that it ran, and
// then does what its name says.
func task(name string, args []string) int {
	attempt, err := strconv.Atoi(os.Getenv("REDRIVE_ATTEMPT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "REDRIVE_ATTEMPT:", err)
		return 2
	}
	run := os.Getenv("REDRIVE_RUN_ID")
	if err := witness(args[0], run); err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		return 2
	}
	switch name {
	case "blip": // fails the first time as a network does
		if attempt == 1 {
			fmt.Fprintln(os.Stderr, blip)
			return 1
		}
	case "memory": // needs 200 MiB, and says what Python says
		if mb, _ := strconv.Atoi(args[1]); mb < enough {
			fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\n  File \"etl.py\", line 3, in <module>\n    rows = load()\nMemoryError")
			return 1
		}
	case "stay": // the first time it runs until it is killed
		lock, err := os.OpenFile(args[1], os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			if err := witness(args[0], run+"-beside-another"); err != nil {
				fmt.Fprintln(os.Stderr, "witness:", err)
			}
			return 2
		}
		for attempt == 1 {
			_ = unix.Pause() // it returns when a signal comes that does not kill
		}
	default:
		fmt.Fprintln(os.Stderr, "no such task:", name)
		return 2
	}
	return 0
}

// witness notes a line for good, such as the attempt that runs: whatever is
// killed later.
func witness(file, line string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
