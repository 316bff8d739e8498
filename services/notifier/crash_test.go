//go:build failpoint

package notifier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier"
)

// A whole notifier, killed at every step between the event and the receiver.
// Whatever step the first process dies at, the next one ends with one alert,
// its page and its end told, each with one key and in order.

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

func TestACrashAtAnyStepLosesNoNotification(t *testing.T) {
	dir, got := crashDir(t)
	log := filepath.Join(dir, "hits")
	if err := runChild(t, dir, "REDRIVE_FAILPOINT_LOG="+log); err != nil {
		t.Fatalf("without a crash: %v", err)
	}
	checkKeys(t, got, 1)
	hits, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, name := range strings.Fields(string(hits)) {
		counts[name]++
	}
	var crashed sync.Map // steps
	t.Run("at", func(t *testing.T) {
		for name, n := range counts {
			for at := 1; at <= min(n, 2); at++ {
				t.Run(fmt.Sprintf("%s#%d", name, at), func(t *testing.T) {
					t.Parallel()
					if crashAt(t, name, at) {
						crashed.Store(name, true)
					}
				})
			}
		}
	})
	for _, want := range []string{
		"notifier.send.before", "notifier.send.after", "ack.before:notifier-events", "ack.after:notifier-events", "commit.before:notifier.lane",
		"commit.after:notifier.lane", "commit.before:notifier.alert+notifier.history+notifier.lane+notifier.outbox",
		"commit.after:notifier.alert+notifier.history+notifier.lane+notifier.outbox",
	} {
		if _, ok := crashed.Load(want); !ok {
			t.Errorf("there was no crash at %s; steps: %v", want, counts)
		}
	}
}

// crashAt kills a process at a step and has another one end the work. It is
// false when the step was not there this time: events are handled several at a
// time, so not every run takes the same steps.
func crashAt(t *testing.T, step string, at int) bool {
	t.Helper()
	dir, got := crashDir(t)
	err := runChild(t, dir, fmt.Sprintf("REDRIVE_FAILPOINT=%s#%d", step, at))
	if err == nil {
		checkKeys(t, got, 1)
		return false
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the first process ended with %v, want SIGKILL", err)
	}
	if err := runChild(t, dir); err != nil {
		t.Fatalf("the second process: %v", err)
	}
	checkKeys(t, got, 2)
	return true
}

// crashDir makes a folder with a policy whose receiver is in this process.
func crashDir(t *testing.T) (dir string, got <-chan told) {
	t.Helper()
	dir = t.TempDir()
	url, got := listen(t, ok)
	policy := fmt.Appendf(nil, "receivers: [{name: hook, type: webhook, url: %s, timeout: 500ms}]\nroutes: [{severities: [page], receivers: [hook]}]", url)
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), policy, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, got
}

// checkKeys wants the page told, then the end, each at most a number of times.
func checkKeys(t *testing.T, got <-chan told, most int) {
	t.Helper()
	var order []string
	counts := map[string]int{}
	for len(got) > 0 {
		x := <-got
		_, what, _ := strings.Cut(x.key, "/")
		if counts[what]++; counts[what] == 1 {
			order = append(order, what)
		}
		if counts[what] > most {
			t.Errorf("%s was told %d times", x.key, counts[what])
		}
	}
	if len(order) != 2 || order[0] != "trigger/page" || order[1] != "resolve" {
		t.Errorf("told %v, want the page, then the end", order)
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

// crashChild tells a job's life to a notifier and ends when all is told.
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
	s, err := notifier.New(notifier.Options{PolicyFile: filepath.Join(dir, "policy.yaml")}, notifier.Deps{
		Store: store, Bus: b, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	parts.Go(func() { _ = s.Run(running) })
	all := history(failer{})
	if err := b.Publish(ctx, all[:4]...); err != nil {
		return err
	}
	if err := waitForLane(ctx, store, 1); err != nil {
		return err
	}
	if err := b.Publish(ctx, all[4:]...); err != nil {
		return err
	}
	return waitForLane(ctx, store, 2)
}

// waitForLane waits until at least count notifications are delivered and none
// is left.
func waitForLane(ctx context.Context, store docstore.Store, count int) error {
	ticks := time.NewTicker(10 * time.Millisecond)
	defer ticks.Stop()
	for {
		delivered, left := 0, 0
		page, err := store.List(ctx, docstore.Query{Kind: "notifier.lane"})
		if err != nil {
			return err
		}
		for _, doc := range page.Docs {
			var lane redrivev1.AlertLane
			if err := proto.Unmarshal(doc.Value, &lane); err != nil {
				return err
			}
			for _, n := range lane.GetNotifications() {
				if n.GetState() == redrivev1.Delivery_STATE_DELIVERED {
					delivered++
				} else {
					left++
				}
			}
		}
		if delivered >= count && left == 0 {
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("%d notifications delivered, %d left: %w", delivered, left, ctx.Err())
		}
	}
}

// failer is what history needs of a test where there is none.
type failer struct{ testing.TB }

// Helper does nothing.
func (failer) Helper() {}

// Fatal ends the process.
func (failer) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}
