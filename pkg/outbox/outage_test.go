package outbox

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

// doubtful is a store whose answers to commits get lost, though they are done.
type doubtful struct {
	docstore.Store
	mu   sync.Mutex
	lose int
}

func (d *doubtful) Commit(ctx context.Context, writes ...docstore.Write) error {
	err := d.Store.Commit(ctx, writes...)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lose > 0 {
		d.lose--
		return errs.New(errs.Unavailable, "the answer is lost")
	}
	return err
}

func TestACommitWithoutAnAnswerIsSentInTheEnd(t *testing.T) {
	store, pub := &doubtful{Store: storetest.Open(t), lose: 1}, newLine()
	o := New(store, pub, "test", nil, nil)
	o.limits.tick, o.limits.grace = time.Millisecond, 0
	run(t, o)
	if err := o.Commit(t.Context(), []bus.Event{event("a")}); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("Commit = %v, want Unavailable", err)
	}
	if got := pub.wait(1); got[0] != "a" {
		t.Errorf("published = %v, want a", got)
	}
	empty(t, o)
}

func TestADeleteWithoutAnAnswerIsDoneAgain(t *testing.T) {
	store, pub := &doubtful{Store: storetest.Open(t)}, newLine()
	o := New(store, pub, "test", nil, nil)
	commit(t, o, "a")
	store.lose = 2
	run(t, o)
	pub.wait(1)
	empty(t, o)
}

func TestWhatIsRefusedForEverStopsNobody(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	pub.gate = func(events []bus.Event) error {
		for _, e := range events {
			if e.ID == "0003" {
				return errs.New(errs.Invalid, "never")
			}
		}
		return nil
	}
	damaged := docstore.Write{Kind: "test.outbox", ID: "0", Value: []byte("?")}
	if err := store.Commit(t.Context(), damaged); err != nil {
		t.Fatal(err)
	}
	o := New(store, pub, "test", nil, nil)
	commit(t, o, numbers(6)...)
	stop := run(t, o)
	if got := fmt.Sprint(pub.wait(5)); got != "[0000 0001 0002 0004 0005]" {
		t.Errorf("published = %s, want all but 0003", got)
	}
	stop()
	if n, err := o.Backlog(t.Context()); err != nil || n != 2 {
		t.Errorf("Backlog = %d, %v; want the refused and the damaged kept", n, err)
	}
}
