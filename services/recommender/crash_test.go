//go:build failpoint

package recommender_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/recommender"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("CRASH_TEST_DIR"); dir != "" {
		if err := crashChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A whole recommender, killed each time when it has begun a training: the fourth
// process gives the training up, and is killed before it tells so. The fifth one
// tells it, once.
func TestATrainingThatKillsEveryProcessIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	db, err := pebblestore.Open(filepath.Join(dir, "test.db"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	asked := rollout.Training{ID: crashed, State: rollout.Running, Created: time.Now(), Reason: "a test"}
	_, err = store.NewModels(db, alone{db}).Put(t.Context(), asked)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	steps := slices.Repeat([]string{"recommender.training"}, rollout.MaxBegun)
	for n, step := range append(steps, "recommender.outbox+recommender.training") {
		err := crashRun(dir, "REDRIVE_FAILPOINT=commit.after:"+step)
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("process %d ended with %v, want SIGKILL", n, err)
		}
	}
	if err := crashRun(dir); err != nil {
		t.Fatal(err)
	}
}

const crashed = "00000001"

func crashRun(dir string, env ...string) error {
	child := exec.Command(os.Args[0])
	child.Env = append(append(os.Environ(), "CRASH_TEST_DIR="+dir), env...)
	child.Stderr = io.Discard
	if testing.Verbose() {
		child.Stderr = os.Stderr
	}
	return child.Run()
}

// crashChild runs a recommender until the training has failed and was told of;
// it fails when it was told otherwise than once.
func crashChild(dir string) (err error) {
	db, err := pebblestore.Open(filepath.Join(dir, "test.db"), pebblestore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	server, err := natsserver.Start(natsserver.Options{Dir: dir, Port: -1, RedrivePassword: "p"})
	if err != nil {
		return err
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: server, User: natsserver.UserRedrive, Password: "p"})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Provision(ctx); err != nil {
		return err
	}
	nobody, err := grpc.NewClient("passthrough:nobody", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = nobody.Close() }()
	s, err := recommender.New(recommender.Options{}, recommender.Deps{
		Store: db, Bus: b, Config: redrivev1.NewConfigServiceClient(nobody), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { _ = s.Run(running) })
	kept := store.NewModels(db, alone{db})
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		told, err := b.Replay(ctx, []bus.Type{bus.TrainingFailed}, func(context.Context, bus.Event) error { return nil })
		if err != nil {
			return err
		}
		got, err := kept.Training(ctx, crashed)
		switch {
		case err != nil:
			return err
		case told > 1 || told > 0 && !got.Ends():
			return fmt.Errorf("%d events tell of %+v", told, got)
		case told == 1 && got.State == rollout.Failed && got.Begun == rollout.MaxBegun && strings.Contains(got.Error, "begun 3 times"):
			return nil
		case got.Ends() && got.State != rollout.Failed:
			return fmt.Errorf("it ended as %+v", got)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("%d events tell of %+v: %w", told, got, ctx.Err())
		}
	}
}
