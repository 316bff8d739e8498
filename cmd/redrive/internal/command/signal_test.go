package command_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// slow runs a job that never ends.
type slow struct {
	desk
	watched chan struct{}
}

func (s *slow) WatchJob(_ *redrivev1.WatchJobRequest, stream grpc.ServerStreamingServer[redrivev1.WatchJobResponse]) error {
	if err := stream.Send(&redrivev1.WatchJobResponse{Job: &redrivev1.Job{Name: "jobs/etl", State: redrivev1.Job_STATE_RUNNING}}); err != nil {
		return err
	}
	close(s.watched)
	<-stream.Context().Done()
	return stream.Context().Err()
}

// interrupt sends this process a signal that somebody waits for.
func interrupt(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptEndsTheWaitingAndNotTheJob(t *testing.T) {
	s := &slow{watched: make(chan struct{})}
	s.books = &books{}
	dir := start(t, services{scheduler: s})
	go func() {
		<-s.watched
		interrupt(t, syscall.SIGINT)
	}()
	run(t, "", "--data", dir, "submit", "--wait", "--", "x").check(t, command.ExitNegative, nil, []string{"The job goes on", "redrive cancel jobs/etl"})
}

// announced tells when a text has been written.
type announced struct {
	mu   sync.Mutex
	b    bytes.Buffer
	text string
	seen chan struct{}
}

func (a *announced) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := strings.Contains(a.b.String(), a.text)
	n, err := a.b.Write(p)
	if !before && strings.Contains(a.b.String(), a.text) {
		close(a.seen)
	}
	return n, err
}

func TestServeServesUntilASignalAndStopsInOrder(t *testing.T) {
	t.Setenv("REDRIVE_TOKEN", "")
	dir := filepath.Join(t.TempDir(), "data")
	log := &announced{text: `"msg":"serving"`, seen: make(chan struct{})}
	status := make(chan int, 1)
	go func() {
		status <- command.Main(t.Context(), "", []string{
			"serve", "--data", dir, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0",
		}, strings.NewReader(""), &bytes.Buffer{}, log)
	}()
	select {
	case <-log.seen:
	case got := <-status:
		t.Fatalf("serve ended with %d:\n%s", got, log.b.String())
	}
	runHere(t, "", "--data", dir, "rules", "list", "--limit", "1").check(t, command.ExitOK, []string{"ORDER", "built-in"}, []string{"--limit shows more"})
	runHere(t, "", "--data", dir, "jobs", "list").check(t, command.ExitOK, nil, []string{"There are no such jobs."})
	interrupt(t, syscall.SIGTERM)
	if got := <-status; got != command.ExitOK {
		t.Errorf("serve ended with %d:\n%s", got, log.b.String())
	}
	if _, err := home.Folder(dir).Endpoint(); !errs.Is(err, errs.NotFound) {
		t.Errorf("Endpoint after the stop: %v, want NotFound", err)
	}
}
