package command_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// result is what a command line did.
type result struct {
	status         int
	stdout, stderr string
}

// run runs a command line in this process, on an environment without settings.
func run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	for _, name := range []string{"REDRIVE_DATA", "REDRIVE_SERVER", "REDRIVE_TOKEN"} {
		if _, set := os.LookupEnv(name); set {
			t.Setenv(name, "")
		}
	}
	return runHere(t, stdin, args...)
}

// runHere runs a command line on the environment as it is.
func runHere(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := command.Main(t.Context(), "v1.2.3", args, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// check compares parts of a result: each want must be in the text.
func (r result) check(t *testing.T, status int, stdout, stderr []string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d", r.status, status)
	}
	for _, want := range stdout {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("stdout lacks %q", want)
		}
	}
	for _, want := range stderr {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q", want)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

// services are the servers that a test gives; nil is one that has no method.
type services struct {
	scheduler  redrivev1.SchedulerServiceServer
	classifier redrivev1.ClassifierServiceServer
	config     redrivev1.ConfigServiceServer
	notifier   redrivev1.NotifierServiceServer

	recommender redrivev1.RecommenderServiceServer
}

// start serves what a test gives on a data folder, and returns the folder.
func start(t *testing.T, all services) string {
	t.Helper()
	lock, err := home.Folder(t.TempDir()).Open()
	if err != nil {
		t.Fatal(err)
	}
	token, err := serve.EnsureToken(lock.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(serve.Options{Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if all.scheduler != nil {
		redrivev1.RegisterSchedulerServiceServer(s, all.scheduler)
	}
	if all.classifier != nil {
		redrivev1.RegisterClassifierServiceServer(s, all.classifier)
	}
	if all.config != nil {
		redrivev1.RegisterConfigServiceServer(s, all.config)
	}
	if all.notifier != nil {
		redrivev1.RegisterNotifierServiceServer(s, all.notifier)
	}
	if all.recommender != nil {
		redrivev1.RegisterRecommenderServiceServer(s, all.recommender)
	}
	s.Start()
	if err := lock.Publish(home.Endpoint{PID: os.Getpid(), GRPC: s.GRPCAddr()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Drain(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	})
	return string(lock.Folder)
}

func structOf(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ago(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(-d)) }
