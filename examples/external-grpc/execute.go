package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// execute runs a program below a memory limit and returns what is known about
// its end.
func execute(args []string, limit int64) (*redrivev1.Evidence, bool, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = os.Stdout, io.MultiWriter(os.Stderr, &stderr)
	e := &redrivev1.Evidence{MemoryLimitBytes: limit, StartTime: timestamppb.Now()}
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- guard(cmd.Process, limit, done) }()
	err := cmd.Wait()
	close(done)
	most := <-peak
	e.EndTime, e.PeakMemoryBytes = timestamppb.Now(), &most
	e.Logs = []*redrivev1.Log{{Source: "stderr", Head: clip(stderr.String()), SizeBytes: int64(stderr.Len())}}

	var exit *exec.ExitError
	switch status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case err == nil:
		code := int32(0)
		e.ExitCode, e.TerminationReason = &code, redrivev1.TerminationReason_TERMINATION_REASON_EXITED
		return e, true, nil
	case !errors.As(err, &exit):
		return nil, false, err
	case limit > 0 && most > limit:
		e.TerminationReason = redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY
		e.TerminationProof = fmt.Sprintf("used %d bytes of %d, so it was killed", most, limit)
		e.Signal = int32(syscall.SIGKILL)
	case status.Signaled():
		e.Signal, e.TerminationReason = int32(status.Signal()), redrivev1.TerminationReason_TERMINATION_REASON_SIGNALED
	default:
		code := int32(exit.ExitCode())
		e.ExitCode, e.TerminationReason = &code, redrivev1.TerminationReason_TERMINATION_REASON_EXITED
	}
	return e, false, nil
}

// guard kills a process that uses more than limit, and returns the most that it
// saw it use.
func guard(p *os.Process, limit int64, done <-chan struct{}) (peak int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, anonymous(p.Pid))
		if limit > 0 && peak > limit {
			_ = p.Kill() // it may have ended just now
		}
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// anonymous returns the anonymous resident memory of a process in bytes; 0 when
// it is gone.
func anonymous(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// clip keeps the end of a long log: that is where programs say why they failed.
func clip(s string) string {
	const most = 64 << 10
	return s[max(0, len(s)-most):]
}
