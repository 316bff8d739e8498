package bus_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
)

// syncing returns a bus on a server that syncs every message.
func syncing(t *testing.T) *bus.Bus {
	t.Helper()
	server, err := natsserver.Start(natsserver.Options{Dir: t.TempDir(), Port: -1, RedrivePassword: bustest.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return bustest.Connect(t, server)
}

func TestWhatIsPublishedAtTheSameTimeStaysInItsOrder(t *testing.T) {
	b := syncing(t)
	const publishers, calls = 8, 10
	sizes := []int{1, 3, 12} // alone, with others, and enough for a batch
	var group sync.WaitGroup
	want := 0
	for p := range publishers {
		group.Go(func() {
			next := 0
			for c := range calls {
				var events []bus.Event
				for range sizes[(p+c)%len(sizes)] {
					events = append(events, jobFinished(t, fmt.Sprintf("%d/%d", p, next)))
					next++
				}
				if err := b.Publish(t.Context(), events...); err != nil {
					t.Errorf("publisher %d, call %d: %v", p, c, err)
				}
				// Told again: the server refuses the batch that it is in.
				if err := b.Publish(t.Context(), events[0]); err != nil {
					t.Errorf("publisher %d, call %d again: %v", p, c, err)
				}
			}
		})
		for c := range calls {
			want += sizes[(p+c)%len(sizes)]
		}
	}
	group.Wait()
	events := make(chan bus.Event, want)
	c := finished
	c.Concurrency = 1
	listen(t, b, c, into(events, nil))
	next := map[string]int{}
	for range want {
		publisher, text, _ := strings.Cut((<-events).ID, "/")
		if n, err := strconv.Atoi(text); err != nil || n != next[publisher] {
			t.Fatalf("event %s of publisher %s, want %d", text, publisher, next[publisher])
		}
		next[publisher]++
	}
}

func TestOnePublisherGivesUpAndTheOthersGoOn(t *testing.T) {
	b := syncing(t)
	gone, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for p := range 8 {
		group.Go(func() {
			ctx := t.Context()
			if p%2 == 0 {
				ctx = gone
			}
			for i := range 20 {
				err := b.Publish(ctx, jobFinished(t, fmt.Sprintf("%d/%d", p, i)))
				if err != nil && ctx.Err() == nil {
					t.Errorf("publisher %d: %v", p, err)
				}
				if p == 0 && i == 3 {
					cancel()
				}
			}
		})
	}
	group.Wait()
}

func TestCloseEndsWhatIsBeingPublished(t *testing.T) {
	b := syncing(t)
	var group sync.WaitGroup
	begun := make(chan struct{}, 4)
	for p := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				if err := b.Publish(t.Context(), jobFinished(t, fmt.Sprintf("%d/%d", p, i))); err != nil {
					if !errs.Is(err, errs.Unavailable) {
						t.Errorf("publisher %d: %v, want Unavailable", p, err)
					}
					return
				}
				if i == 0 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	b.Close()
	group.Wait()
}
