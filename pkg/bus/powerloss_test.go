package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
)

// TestWhatTheStreamLostIsHeardWhenItIsPublishedAgain cuts off what was not
// synced, as a loss of power may, with everything else kept: also the
// consumers' memory of having handled it.
func TestWhatTheStreamLostIsHeardWhenItIsPublishedAgain(t *testing.T) {
	for _, index := range []string{"kept", "lost"} {
		t.Run("index "+index, func(t *testing.T) {
			dir := t.TempDir()
			events := make(chan bus.Event, 100)
			start := func() (*natsserver.Server, *bus.Bus, func()) {
				s, err := natsserver.Start(natsserver.Options{Dir: dir, Port: -1, RedrivePassword: "p"})
				if err != nil {
					t.Fatal(err)
				}
				b, err := bus.Connect(t.Context(), bus.Config{InProcess: s, User: natsserver.UserRedrive, Password: "p", AckWait: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Provision(t.Context()); err != nil {
					t.Fatal(err)
				}
				return s, b, listen(t, b, finished, into(events, nil))
			}
			s, b, stop := start()
			synced, lost := []bus.Event{}, []bus.Event{}
			for i := range 5 {
				synced = append(synced, jobFinished(t, fmt.Sprint("synced ", i)))
				lost = append(lost, jobFinished(t, fmt.Sprint("lost ", i)))
			}
			publish(t, b, synced...)
			if err := b.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			sizes := map[string]int64{}
			for _, name := range blocksOf(t, dir) {
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				sizes[name] = info.Size()
			}
			publish(t, b, lost...)
			for range 10 {
				<-events
			}
			stop()
			b.Close()
			s.Stop()
			for name, size := range sizes {
				if err := os.Truncate(name, size); err != nil {
					t.Fatal(err)
				}
			}
			if index == "lost" {
				for _, name := range glob(t, dir, "jetstream/*/streams/*/msgs/index.db") {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
			s, b, stop = start()
			publish(t, b, lost...)
			want := map[string]bool{}
			for _, e := range lost {
				want[e.ID] = true
			}
			for len(want) > 0 {
				delete(want, (<-events).ID)
			}
			stop()
			b.Close()
			s.Stop()
		})
	}
}

func blocksOf(t *testing.T, dir string) []string {
	return glob(t, dir, "jetstream/*/streams/*/msgs/*.blk")
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}
