package outbox

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
)

func event(id string) bus.Event {
	return bus.Event{
		ID: id, Source: "redrive/test", Type: bus.JobFinished, Subject: "jobs/" + id,
		Time: time.Unix(1, 2).UTC(), ContentType: bus.ContentProto, Data: []byte(id),
	}
}

func job(id string, rev int64) docstore.Write {
	return docstore.Write{Kind: "test.job", ID: id, Revision: rev, Value: []byte(id)}
}

// run runs the relay until the test ends or until stop has returned.
func run(t *testing.T, o *Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// line is a publisher that keeps what it gets in order, as the stream does:
// the same message twice is one. Its gate, when set, answers every batch
// before that.
type line struct {
	gate func([]bus.Event) error

	mu   sync.Mutex
	seen map[string]bool
	ids  []string
	more chan struct{}
}

func newLine() *line { return &line{seen: map[string]bool{}, more: make(chan struct{}, 1)} }

func (l *line) Publish(ctx context.Context, events ...bus.Event) error {
	if l.gate != nil {
		if err := l.gate(events); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		key := fmt.Sprint(e.ID, "/", e.Emission)
		if !l.seen[key] {
			l.seen[key] = true
			l.ids = append(l.ids, e.ID)
		}
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

func (l *line) Sync(ctx context.Context) error { return ctx.Err() }

// wait waits until n events have come, and returns their ids.
func (l *line) wait(n int) []string {
	for {
		l.mu.Lock()
		ids := l.ids
		l.mu.Unlock()
		if len(ids) >= n {
			return ids
		}
		<-l.more
	}
}

func commit(t *testing.T, o *Outbox, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := o.Commit(t.Context(), []bus.Event{event(id)}); err != nil {
			t.Fatalf("Commit %s: %v", id, err)
		}
	}
}

// empty waits until the store has no entries.
func empty(t *testing.T, o *Outbox) {
	t.Helper()
	for {
		n, err := o.Backlog(t.Context())
		if err != nil {
			t.Fatalf("Backlog: %v", err)
		}
		if n == 0 {
			return
		}
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%04d", i)
	}
	return all
}

func TestTheEventFollowsTheDocument(t *testing.T) {
	store, b := storetest.Open(t), bustest.New(t)
	o := New(store, b, "test", nil, nil)
	run(t, o)
	events := make(chan bus.Event, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = b.Consume(ctx, bus.Consumer{Name: "test", Types: []bus.Type{bus.JobFinished}, Concurrency: 1}, func(_ context.Context, e bus.Event) error {
			events <- e
			return nil
		})
	}()
	sent := event("a")
	sent.TraceParent = "00-trace"
	if err := o.Commit(t.Context(), []bus.Event{sent}, job("a", docstore.Absent)); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if _, err := store.Get(t.Context(), "test.job", "a"); err != nil {
		t.Errorf("the document is not there: %v", err)
	}
	got := <-events
	sent.Delivery = 1
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("event = %+v, want %+v", got, sent)
	}
	again := event("a")
	again.Emission = 1
	if err := o.Commit(t.Context(), []bus.Event{event("a"), again, event("b")}); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if e := <-events; e.ID != "a" || e.Emission != 1 {
		t.Errorf("next = %+v, want the second emission of a alone", e)
	}
	if e := <-events; e.ID != "b" {
		t.Errorf("next = %+v, want b", e)
	}
	empty(t, o)
}

func TestARefusedCommitSendsNothing(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	o := New(store, pub, "test", nil, nil)
	run(t, o)
	commit(t, o, "first")
	bad := event("bad")
	bad.Type = "job.exploded"
	for _, tc := range []struct {
		name   string
		events []bus.Event
		writes []docstore.Write
		want   errs.Kind
	}{
		{"a conflict", []bus.Event{event("x")}, []docstore.Write{job("a", 7)}, errs.Conflict},
		{"a bad event", []bus.Event{event("x"), bad}, []docstore.Write{job("a", docstore.Absent)}, errs.Invalid},
		{"a bad write", []bus.Event{event("x")}, []docstore.Write{{}}, errs.Invalid},
		{"a conflict without events", nil, []docstore.Write{job("a", 7)}, errs.Conflict},
	} {
		if err := o.Commit(t.Context(), tc.events, tc.writes...); !errs.Is(err, tc.want) {
			t.Errorf("%s: %v, want kind %v", tc.name, err, tc.want)
		}
	}
	if _, err := store.Get(t.Context(), "test.job", "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get = %v, want NotFound", err)
	}
	if err := o.Commit(t.Context(), nil, job("a", docstore.Absent)); err != nil {
		t.Errorf("Commit without events: %v", err)
	}
	commit(t, o, "last")
	if got := fmt.Sprint(pub.wait(2)); got != "[first last]" {
		t.Errorf("published = %s, want first and last alone", got)
	}
}

func TestEventsOfACrashAreSentFirst(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	crashed := New(store, pub, "test", nil, nil)
	want := numbers(600)
	commit(t, crashed, want[:500]...) // its relay never ran
	if n, err := crashed.Backlog(t.Context()); err != nil || n != 500 {
		t.Errorf("Backlog = %d, %v; want 500", n, err)
	}
	o := New(store, pub, "test", nil, nil)
	run(t, o)
	pub.wait(500)
	commit(t, o, want[500:]...)
	if got := pub.wait(600); !reflect.DeepEqual(got, want) {
		t.Errorf("published = %v, want the order of the commits", got)
	}
	empty(t, o)
}

func TestAnOutageDelaysAndLosesNothing(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	tries := 0
	pub.gate = func(events []bus.Event) error {
		if tries++; tries < 4 {
			return errs.New(errs.Unavailable, "no bus")
		}
		return nil
	}
	o := New(store, pub, "test", nil, nil)
	o.limits.backoffMost = time.Millisecond
	want := numbers(20)
	commit(t, o, want[:10]...)
	run(t, o)
	commit(t, o, want[10:]...)
	if got := pub.wait(20); !reflect.DeepEqual(got, want) {
		t.Errorf("published = %v, want all in order", got)
	}
	empty(t, o)
}

func TestRunFinishesTheBatchInFlight(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	started, finish := make(chan struct{}), make(chan struct{})
	pub.gate = func([]bus.Event) error {
		close(started)
		<-finish
		return nil
	}
	o := New(store, pub, "test", nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	commit(t, o, "a")
	go func() { ended <- o.Run(ctx) }()
	<-started
	commit(t, o, "b") // too late for this process
	cancel()
	close(finish)
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	page, err := store.List(t.Context(), docstore.Query{Kind: "test.outbox"})
	if err != nil || len(page.Docs) != 1 || fmt.Sprint(pub.ids) != "[a]" {
		t.Errorf("published %v, left %d, %v; want a published and deleted and b left", pub.ids, len(page.Docs), err)
	}
}

func TestRunEndsDuringAnOutage(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	failed := make(chan struct{}, 100)
	pub.gate = func([]bus.Event) error {
		failed <- struct{}{}
		return errs.New(errs.Unavailable, "no bus")
	}
	o := New(store, pub, "test", nil, nil)
	commit(t, o, "a")
	stop := run(t, o)
	<-failed
	stop()
	if n, err := o.Backlog(t.Context()); err != nil || n != 1 {
		t.Errorf("Backlog = %d, %v; want the event kept", n, err)
	}
}

func TestMoreThanFitsIntoMemory(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	o := New(store, pub, "test", nil, nil)
	o.limits.queue, o.limits.batch = 7, 3
	want := numbers(50)
	commit(t, o, want[:40]...)
	run(t, o)
	commit(t, o, want[40:]...)
	got := pub.wait(50)
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	if len(seen) != 50 {
		t.Errorf("published %d different events, want 50: %v", len(seen), got)
	}
	empty(t, o)
}

func TestAFullBacklogAcceptsNothing(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	o := New(store, pub, "test", nil, nil)
	o.limits.backlog = 3
	commit(t, o, "1", "2", "3")
	if err := o.Commit(t.Context(), []bus.Event{event("4")}, job("a", docstore.Absent)); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Commit = %v, want Unavailable", err)
	}
	if _, err := store.Get(t.Context(), "test.job", "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get = %v, want NotFound", err)
	}
	stop := run(t, o)
	empty(t, o)
	stop()
	commit(t, o, "5")
	// A process that starts with a full outbox knows it.
	second := New(store, newLine(), "test", nil, nil)
	second.limits.backlog = 1
	second.pub = pub
	pub.gate = func([]bus.Event) error { return errs.New(errs.Unavailable, "no bus") }
	second.look(t.Context(), time.Time{})
	if err := second.Commit(t.Context(), []bus.Event{event("6")}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Commit = %v, want Unavailable", err)
	}
}

func TestReplicasShareAStore(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	const each = 200
	var wait sync.WaitGroup
	for r := range 3 {
		o := New(store, pub, "test", nil, nil)
		o.limits.tick, o.limits.grace = time.Millisecond, 0 // they take from each other
		run(t, o)
		wait.Go(func() {
			for i := range each {
				if err := o.Commit(t.Context(), []bus.Event{event(fmt.Sprint(r, "-", i))}); err != nil {
					t.Errorf("Commit: %v", err)
				}
			}
		})
	}
	wait.Wait()
	if got := len(pub.wait(3 * each)); got != 3*each {
		t.Errorf("published %d events, want %d", got, 3*each)
	}
	empty(t, New(store, pub, "test", nil, nil))
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(event("a")))
	f.Add([]byte{layout, 0, 0, 200})
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			if !errs.Is(err, errs.Internal) {
				t.Errorf("error = %v, want Internal", err)
			}
			return
		}
		if again, err := decode(encode(e)); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%+v came back as %+v, %v", e, again, err)
		}
	})
}

// share is that of one replica.
type share map[string]bool

func (s share) Holds(instance string) bool { return s[instance] }

func TestWhatAnotherReplicaLeftIsSentByTheOneWhoseShareItIs(t *testing.T) {
	store, pub := storetest.Open(t), newLine()
	gone := New(store, newLine(), "test", nil, nil)
	other := New(store, newLine(), "test", nil, nil)
	commit(t, gone, "left")
	commit(t, other, "not mine")
	o := New(store, pub, "test", share{gone.instance: true}, nil)
	o.limits.tick, o.limits.grace = time.Millisecond, 0
	run(t, o)
	commit(t, o, "own")
	if got := pub.wait(2); len(got) != 2 || got[0] == "not mine" || got[1] == "not mine" {
		t.Errorf("published = %v, want left and own", got)
	}
	for {
		n, err := o.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			return // the other one's
		}
	}
}
