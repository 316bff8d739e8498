package matcher

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
	"time"
)

// Ask is what an engine's process is asked, a line of JSON: to make an engine of
// patterns, or to look at a log so many times. Redrive's own contestant in
// services/classifier/internal/rule reads the same.
type Ask struct {
	Patterns string `json:"patterns,omitempty"` // a file, a pattern a line
	Log      string `json:"log,omitempty"`      // a file
	Times    int    `json:"times,omitempty"`
}

// Answer is what it says, a line of JSON.
type Answer struct {
	CPU   int64   `json:"cpu"`   // nanoseconds of the process, of all times together
	First int     `json:"first"` // the first pattern that matches, or -1
	Part  float64 `json:"part"`  // of the work that was done
	RSS   int64   `json:"rss"`   // bytes that the process has grown by since it began
	Error string  `json:"error,omitempty"`
}

// Serve answers for one engine until in ends.
func Serve(name string, in io.Reader, out io.Writer) error {
	s := &server{name: name, began: rss()}
	lines, enc := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var ask Ask
		if err := json.Unmarshal(lines.Bytes(), &ask); err != nil {
			return err
		}
		answer, err := s.answer(ask)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := enc.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

type server struct {
	name   string
	began  int64
	engine Engine
	file   string
	log    []byte
}

func (s *server) answer(ask Ask) (a Answer, err error) {
	if ask.Patterns != "" {
		text, err := os.ReadFile(ask.Patterns)
		if err != nil {
			return a, err
		}
		patterns := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		from := CPU()
		s.engine, err = New(s.name, patterns)
		a.CPU, a.First, a.Part = int64(CPU()-from), -1, 1
		if err != nil {
			return a, err
		}
	}
	if ask.Log != "" {
		if s.engine == nil {
			return a, fmt.Errorf("no patterns were given")
		}
		if s.file != ask.Log {
			if s.log, err = os.ReadFile(ask.Log); err != nil {
				return a, err
			}
			s.file = ask.Log
		}
		from := CPU()
		for range ask.Times {
			if a.First, a.Part, err = s.engine.First(s.log); err != nil {
				return a, err
			}
		}
		a.CPU += int64(CPU() - from)
	}
	runtime.GC()
	debug.FreeOSMemory()
	a.RSS = rss() - s.began - int64(len(s.log))
	return a, nil
}

// CPU is the time that the process has run for.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rss is the memory of the process that is in RAM, in bytes.
func rss() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n << 10
}
