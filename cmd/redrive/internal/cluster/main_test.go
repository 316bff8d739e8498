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
	if err := witness(args[0]); err != nil {
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
	default:
		fmt.Fprintln(os.Stderr, "no such task:", name)
		return 2
	}
	return 0
}

// witness notes for good that an attempt runs: whatever is killed later.
func witness(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, os.Getenv("REDRIVE_RUN_ID")); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
