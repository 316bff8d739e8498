//go:build failpoint

package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/outbox"
)

// The whole way of an event, killed at every step: a process puts jobs with
// their events, and handles the events by putting an effect where there is none.
// Whatever step the first process dies at, the next one ends with every job and
// with each effect once.

const crashJobs = 4

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

func TestACrashAtAnyStepLosesNothingAndDoublesNothing(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "hits")
	if err := runChild(t, dir, "REDRIVE_FAILPOINT_LOG="+log); err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	hits, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, name := range strings.Fields(string(hits)) {
		counts[name]++
	}
	for name, n := range counts {
		// The first hit and the second. How many there are depends on what
		// gathers in a batch.
		for at := 1; at <= n && at <= 2; at++ {
			point := fmt.Sprintf("%s#%d", name, at)
			t.Run(point, func(t *testing.T) {
				dir := t.TempDir()
				err := runChild(t, dir, "REDRIVE_FAILPOINT="+point)
				if err == nil && at > 1 {
					t.Skip("this time there was one batch less")
				}
				exit, ok := errors.AsType[*exec.ExitError](err)
				if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the first process ended with %v, want SIGKILL", err)
				}
				if err := runChild(t, dir); err != nil {
					t.Fatalf("the second process: %v", err)
				}
				checkCrash(t, dir)
			})
		}
	}
	for _, want := range []string{"commit.before:test.job+test.outbox", "commit.after:test.outbox", "publish.after:job.finished", "ack.before:crash", "ack.after:crash"} {
		if counts[want] == 0 {
			t.Errorf("step %s was never there; steps: %v", want, counts)
		}
	}
}

func runChild(t *testing.T, dir string, env ...string) error {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(append(os.Environ(), "CRASH_TEST_DIR="+dir), env...)
	child.Stderr = io.Discard
	if testing.Verbose() {
		child.Stderr = os.Stderr
	}
	return child.Run()
}

func checkCrash(t *testing.T, dir string) {
	t.Helper()
	store, err := pebblestore.Open(filepath.Join(dir, "test.db"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for i := range crashJobs {
		for _, kind := range []string{"test.job", "test.effect"} {
			doc, err := store.Get(t.Context(), kind, fmt.Sprint(i))
			if err != nil || doc.Revision != 1 {
				t.Errorf("%s %d = revision %d, %v; want it written once", kind, i, doc.Revision, err)
			}
		}
	}
	if page, err := store.List(t.Context(), docstore.Query{Kind: "test.outbox"}); err != nil || len(page.Docs) != 0 {
		t.Errorf("the outbox has %d entries, %v; want none", len(page.Docs), err)
	}
}

// crashChild does what is left to do and ends when all effects are there.
func crashChild(dir string) (err error) {
	store, err := pebblestore.Open(filepath.Join(dir, "test.db"), pebblestore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	server, err := natsserver.Start(natsserver.Options{Dir: dir, Port: -1, RedrivePassword: "p"})
	if err != nil {
		return err
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: server, User: natsserver.UserRedrive, Password: "p", AckWait: time.Second})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Provision(ctx); err != nil {
		return err
	}
	o := outbox.New(store, b, "test", nil, nil)
	running, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { _ = o.Run(running) })
	handled := make(chan struct{}, 100)
	parts.Go(func() {
		_ = b.Consume(running, bus.Consumer{Name: "crash", Types: []bus.Type{bus.JobFinished}}, func(ctx context.Context, e bus.Event) error {
			err := store.Commit(ctx, docstore.Write{Kind: "test.effect", ID: e.ID, Revision: docstore.Absent, Value: []byte("done")})
			if errs.Is(err, errs.Conflict) {
				err = nil // handled before
			}
			handled <- struct{}{}
			return err
		})
	})
	for i := range crashJobs {
		id := fmt.Sprint(i)
		e := bus.Event{ID: id, Source: "redrive/test", Type: bus.JobFinished, Time: time.Now(), ContentType: bus.ContentProto}
		err := o.Commit(ctx, []bus.Event{e}, docstore.Write{Kind: "test.job", ID: id, Value: []byte("job")})
		if err != nil && !errs.Is(err, errs.Conflict) {
			return err
		}
	}
	return waitForEffects(ctx, store, o, handled)
}

// waitForEffects looks again whenever something was handled, and now and then
// for what is deleted after that.
func waitForEffects(ctx context.Context, store docstore.Store, o *outbox.Outbox, handled <-chan struct{}) error {
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		page, err := store.List(ctx, docstore.Query{Kind: "test.effect"})
		if err != nil {
			return err
		}
		left, err := o.Backlog(ctx)
		if err != nil {
			return err
		}
		if len(page.Docs) == crashJobs && left == 0 {
			return nil
		}
		select {
		case <-handled:
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("%d effects, %d events left: %w", len(page.Docs), left, ctx.Err())
		}
	}
}
