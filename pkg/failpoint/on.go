//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var state struct {
	sync.Mutex
	read bool
	name string
	left int    // hits of name until the end; 0 when none is asked for
	once string // file that only the killed process makes; may be empty
	log  *os.File
}

// Enabled reports whether failpoints are built in.
const Enabled = true

// Hit says that the process is at the step called name. Details, such as the
// kinds of the documents that are written, make it one step of their own: they
// are sorted, each is taken once, and they follow the name after a colon with
// a plus between them.
func Hit(name string, details ...string) {
	if len(details) > 0 {
		name += ":" + strings.Join(slices.Compact(slices.Sorted(slices.Values(details))), "+")
	}
	state.Lock()
	defer state.Unlock()
	if !state.read {
		state.read = true
		configure(os.Getenv("REDRIVE_FAILPOINT"), os.Getenv("REDRIVE_FAILPOINT_LOG"))
	}
	if state.log != nil {
		if _, err := fmt.Fprintln(state.log, name); err != nil {
			panic(fmt.Sprintf("failpoint: write log: %v", err))
		}
	}
	if name != state.name || state.left == 0 {
		return
	}
	state.left--
	if state.left > 0 || !first(state.once) {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(fmt.Sprintf("failpoint: kill: %v", err))
	}
	select {} // the signal is on its way; no step after this one may run
}

// first reports whether no other process was killed before this one.
func first(once string) bool {
	if once == "" {
		return true
	}
	f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// configure panics on what it cannot read: a crash test that silently does not
// crash proves nothing.
func configure(point, logFile string) {
	if logFile != "" {
		f, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(fmt.Sprintf("failpoint: open log: %v", err))
		}
		state.log = f
	}
	if point == "" {
		return
	}
	name, count, numbered := strings.Cut(point, "#")
	n := 1
	if numbered {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			panic(fmt.Sprintf("failpoint: REDRIVE_FAILPOINT=%q: the count after # must be 1 or more", point))
		}
	}
	state.name, state.left, state.once = name, n, os.Getenv("REDRIVE_FAILPOINT_ONCE")
}
