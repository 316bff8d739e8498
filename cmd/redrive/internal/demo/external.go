package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// overGRPC runs examples/external-grpc, which knows nothing but the address and
// the token.
func overGRPC(ctx context.Context, s *stage) (outcome, error) {
	err := s.external(ctx, s.program("external-grpc"),
		"-server", s.sys.Endpoint().GRPC, "-token-file", s.sys.Folder().TokenFile(), "-memory-mb", "64", "--",
		s.program("aggregate"), "-rows", "600000")
	return s.seen(ctx, "acme-reports", err)
}

// overEvents runs examples/external-event, which knows nothing but the bus and
// its credentials.
func overEvents(ctx context.Context, s *stage) (outcome, error) {
	s.world.awayAgain()
	err := s.external(ctx, s.program("external-event"), "-credentials", s.sys.Folder().NATSClientFile(), "--",
		s.program("fetch"), s.world.url("/import"))
	return s.seen(ctx, "beacon-imports", err)
}

// external runs a program and tells what it prints.
func (s *stage) external(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s.live.Print("   " + s.live.Faint(filepath.Base(name)+"│ ") + screen.Clean(lines.Text()))
		}
		_, _ = io.Copy(io.Discard, out) // a line that is too long must not block the program
	}()
	err := cmd.Run()
	_ = w.Close() // never fails
	<-done
	return err
}

// seen returns what Redrive has on record of another scheduler's only job.
func (s *stage) seen(ctx context.Context, workflow string, err error) (outcome, error) {
	jobs, listErr := s.call.scheduler.ListJobs(ctx, &redrivev1.ListJobsRequest{Workflow: workflow})
	if err = errors.Join(err, listErr); err != nil {
		return outcome{}, err
	}
	if n := len(jobs.GetJobs()); n != 1 {
		return outcome{}, fmt.Errorf("%d jobs of %s are on record, want one", n, workflow)
	}
	j := jobs.GetJobs()[0]
	if last := j.GetAttempts()[len(j.GetAttempts())-1]; !last.GetSucceeded() {
		// The success comes as an event and may not have been read yet.
		if j, err = s.follow(ctx, s.teller(), j.GetName()); err != nil {
			return outcome{}, err
		}
	}
	decisions, err := s.call.scheduler.ListDecisions(ctx, &redrivev1.ListDecisionsRequest{Parent: j.GetName()})
	if err != nil {
		return outcome{}, err
	}
	failures := 0
	for _, a := range j.GetAttempts() {
		if a.GetFailure() != "" {
			failures++
		}
	}
	if got := len(decisions.GetDecisions()); got != failures || failures == 0 {
		err = fmt.Errorf("%d decisions on %d failures", got, failures)
	}
	return outcomeOf(j, "run by "+strings.TrimSpace(j.GetSource())), errors.Join(err, want(j, redrivev1.Job_STATE_SUCCEEDED))
}
