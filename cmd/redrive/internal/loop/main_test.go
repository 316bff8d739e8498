// Package loop tests the whole of Redrive: real jobs through the real services
// over the embedded store and bus, the doors for other schedulers, restarts,
// and, with the tag failpoint, crashes at every step.
package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/redrive-io/redrive/services/scheduler"
)

// TestMain makes the test binary several programs: the tests, the supervisor of
// their attempts, the tasks that the attempts run, one that is watched, and those
// that bench/ runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "supervise":
			os.Exit(scheduler.Supervise(os.Args[2:]))
		case "task":
			os.Exit(task(os.Args[2], os.Args[3:]))
		case "acks":
			os.Exit(commitAndPublish(os.Args[2]))
		case "cycles":
			os.Exit(contestant(os.Args[2:]))
		case "copies":
			os.Exit(copies(os.Args[2:]))
		case "open":
			os.Exit(leaveOpen(os.Args[2:]))
		case "start":
			os.Exit(startUp(os.Args[2:]))
		}
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
	if err := witness(args[0], "start"); err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		return 2
	}
	code := 0
	switch name {
	case "ok":
	case "flaky": // fails the first time as a network does
		if attempt == 1 {
			fmt.Fprintln(os.Stderr, "java.net.SocketException: Connection reset by peer")
			code = 1
		}
	case "memory": // needs 200 MiB, and says what Python says
		if mb, _ := strconv.Atoi(args[1]); mb < 200 {
			fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\n  File \"etl.py\", line 3, in <module>\n    rows = load()\nMemoryError")
			code = 1
		}
	case "bug":
		fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\n  File \"etl.py\", line 7, in <module>\n    total = row['price']\nKeyError: 'price'")
		code = 1
	case "gate": // runs until the gate file is there
		for {
			if _, err := os.Stat(args[1]); err == nil {
				break
			}
			waitForChange(filepath.Dir(args[1]))
		}
	}
	if err := witness(args[0], "end"); err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		return 2
	}
	return code
}

// witness notes one line for good: whatever is killed later, it ran.
func witness(file, what string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s %s\n", what, os.Getenv("REDRIVE_RUN_ID")); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
