package rule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// TestMain makes a contestant of the test program: `rule.test matcher` answers
// questions on its standard input, as bench/internal/matcher asks them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "matcher" {
		if err := contest(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "matcher:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ask and answer are those of bench/internal/matcher.
type ask struct {
	Patterns, Log string
	Times         int
}

type answer struct {
	CPU   int64   `json:"cpu"`
	First int     `json:"first"`
	Part  float64 `json:"part"`
	RSS   int64   `json:"rss"`
	Error string  `json:"error,omitempty"`
}

func contest(in io.Reader, out io.Writer) error {
	began := resident()
	var set *rule.Set
	var log, file string
	lines, enc := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var q ask
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if q.Log != file && q.Log != "" {
			text, err := os.ReadFile(q.Log)
			if err != nil {
				return err
			}
			log, file = string(text), q.Log
		}
		a := answer{First: -1, Part: 1}
		from := cpuTime()
		if q.Patterns != "" {
			var err error
			if set, err = ranked(q.Patterns); err != nil {
				return err
			}
		}
		for range q.Times {
			a.First = -1
			if m := set.Match(rule.Input{Texts: []rule.Text{{Text: log, FirstLine: 1}}}); len(m) > 0 {
				a.First = m[0].Order
			}
		}
		a.CPU = cpuTime() - from
		runtime.GC()
		debug.FreeOSMemory()
		a.RSS = resident() - began - int64(len(log))
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

// ranked makes a rule of each line of a file, in this order.
func ranked(file string) (*rule.Set, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []*rule.Compiled
	for i, pattern := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		c, err := rule.Compile("rule", rule.Rule{
			ID: fmt.Sprintf("r%d", i), Order: i, Any: []string{pattern}, Class: failure.CodeBug, Summary: "it failed", Mode: rule.Enforce,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return rule.NewSet(all...)
}

// cpuTime is how long the process has run for, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// resident is the memory of the process that is in RAM, in bytes.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
