package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestMain is the supervisor too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(Supervise(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// unpatched is a config service without patches.
type unpatched struct {
	redrivev1.ConfigServiceClient
}

func (unpatched) Resolve(_ context.Context, req *redrivev1.ResolveRequest, _ ...grpc.CallOption) (*redrivev1.ResolveResponse, error) {
	return &redrivev1.ResolveResponse{Config: req.GetConfig()}, nil
}

type world struct {
	*testing.T
	db  docstore.Store
	bus *bus.Bus
}

// run runs something until stop is called or the test ends.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("run: %v", err)
		}
	})
	w.Cleanup(stop)
	return stop
}

func (w *world) replica(name string) (*Service, func()) {
	w.Helper()
	s, err := New(Options{
		Attempts: w.TempDir(), Supervisor: []string{"/proc/self/exe", "supervise"}, MemoryDriver: "watchdog",
		MaxRunning: 4, LostAfter: MinLostAfter,
	}, Deps{
		Store: w.db, Bus: w.bus, Config: unpatched{}, Log: slog.New(slog.DiscardHandler), Replica: name,
	})
	if err != nil {
		w.Fatal(err)
	}
	return s, w.run(s.Run)
}

// classify answers every failure as a preemption, twice: retried at once.
func (w *world) classify(ctx context.Context) error {
	m, _ := failure.MeaningOf(failure.Preemption)
	return w.bus.Consume(ctx, bus.ClassifierFailures, func(ctx context.Context, e bus.Event) error {
		var f redrivev1.AttemptFailed
		if err := e.Decode(&f); err != nil {
			return err
		}
		a := failure.AttemptFromProto(f.GetAttempt())
		answer, err := bus.NewEvent(bus.FailureClassified, a.FailureID(), "redrive/classifier", a.JobName(), time.Now(), &redrivev1.FailureClassified{
			Failure: &redrivev1.Failure{
				Name: "failures/" + a.FailureID(), Attempt: f.GetAttempt(), Type: f.GetType(), Config: f.GetConfig(), AttemptConfig: f.GetAttemptConfig(),
				Class: string(failure.Preemption), Category: redrivev1.Category(m.Category), Verdict: redrivev1.Verdict(m.Verdict),
			},
		})
		if err != nil {
			return err
		}
		again := answer
		again.Emission = 1
		return w.bus.Publish(ctx, answer, again)
	})
}

func (w *world) submit(at *Service, id, script string) {
	w.Helper()
	_, err := at.server.SubmitJob(w.Context(), &redrivev1.SubmitJobRequest{JobId: id, Job: &redrivev1.Job{
		Type:    &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "process"},
		Process: &redrivev1.ProcessTask{Args: []string{"sh", "-c", script}},
	}})
	if err != nil {
		w.Fatal(err)
	}
}

// until waits at a replica for a job to satisfy want, as who watches it does.
func (w *world) until(at *Service, id string, want func(*redrivev1.Job) bool) *redrivev1.Job {
	w.Helper()
	changes, end, err := at.runner.Watch(id)
	if err != nil {
		w.Fatal(err)
	}
	defer end()
	for {
		j, err := at.server.GetJob(w.Context(), &redrivev1.GetJobRequest{Name: "jobs/" + id})
		if err != nil {
			w.Fatal(err)
		}
		if want(j) {
			return j
		}
		select {
		case <-changes:
		case <-w.Context().Done():
			w.Fatalf("%s stays %v: %s", id, j.GetState(), j.GetStateReason())
		}
	}
}

func in(state redrivev1.Job_State) func(*redrivev1.Job) bool {
	return func(j *redrivev1.Job) bool { return j.GetState() == state }
}

// TestReplicasOfTheSchedulerRunEveryAttemptOnce with real processes, leases and
// events.
func TestReplicasOfTheSchedulerRunEveryAttemptOnce(t *testing.T) {
	t.Parallel()
	w := &world{t, storetest.Open(t), bustest.New(t)}
	a, _ := w.replica("a")
	b, _ := w.replica("b")
	replicas := []*Service{a, b}
	w.run(w.classify)
	const jobs = 24
	witness := filepath.Join(t.TempDir(), "witness")
	for n := range jobs {
		w.submit(replicas[n%2], fmt.Sprintf("j%d", n), "echo $REDRIVE_RUN_ID >> "+witness+"; test $REDRIVE_ATTEMPT -ge 3")
	}
	var want []string
	ran := map[string]int{}
	for n := range jobs {
		id := fmt.Sprintf("j%d", n)
		j := w.until(replicas[(n+1)%2], id, in(redrivev1.Job_STATE_SUCCEEDED)) // the other one than was asked
		for i, a := range j.GetAttempts() {
			want = append(want, fmt.Sprintf("%s/%d", id, i+1))
			ran[strings.SplitN(a.GetReplica(), "-", 2)[0]]++
		}
	}
	text, err := os.ReadFile(witness)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(text))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("attempts that ran: %v\nwant %v", got, want)
	}
	if len(ran) != 2 || ran["a"] == 0 || ran["b"] == 0 {
		t.Errorf("attempts by replica: %v, want some at a and at b", ran)
	}
}

func TestACancelReachesTheReplicaThatRunsTheAttempt(t *testing.T) {
	t.Parallel()
	w := &world{t, storetest.Open(t), bustest.New(t)}
	a, _ := w.replica("a")
	b, _ := w.replica("b")
	w.submit(a, "etl", "sleep 1000")
	j := w.until(b, "etl", in(redrivev1.Job_STATE_RUNNING))
	other := a
	if strings.HasPrefix(j.GetAttempts()[0].GetReplica(), "a-") {
		other = b
	}
	if _, err := other.server.CancelJob(t.Context(), &redrivev1.CancelJobRequest{Name: "jobs/etl"}); err != nil {
		t.Fatal(err)
	}
	w.until(other, "etl", in(redrivev1.Job_STATE_CANCELLED))
}

// TestAReplicaThatStaysAway: its attempt ends by itself, and only then another
// replica starts the next one. It takes as long as MinLostAfter.
func TestAReplicaThatStaysAway(t *testing.T) {
	t.Parallel()
	w := &world{t, storetest.Open(t), bustest.New(t)}
	a, stop := w.replica("a")
	pid := filepath.Join(t.TempDir(), "pid")
	w.submit(a, "etl", "test $REDRIVE_ATTEMPT = 2 && ! kill -0 $(cat "+pid+") || { echo $$ > "+pid+"; sleep 1000; }")
	w.until(a, "etl", in(redrivev1.Job_STATE_RUNNING))
	b, _ := w.replica("b")
	w.run(w.classify)
	stop()
	j := w.until(b, "etl", in(redrivev1.Job_STATE_SUCCEEDED))
	first, second := j.GetAttempts()[0], j.GetAttempts()[1]
	if len(j.GetAttempts()) != 2 || !strings.HasPrefix(first.GetReplica(), "a-") || !strings.HasPrefix(second.GetReplica(), "b-") {
		t.Errorf("attempts = %v, want the first at a and the second at b", j.GetAttempts())
	}
	if e := first.GetEvidence(); e.GetTerminationReason() != redrivev1.TerminationReason_TERMINATION_REASON_LOST || !strings.Contains(e.GetTerminationProof(), "was not seen for") {
		t.Errorf("the first ended by %v", e)
	}
}

func TestReplicasThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*Options, *Deps){
		"a name for no file":      func(_ *Options, d *Deps) { d.Replica = "a/b" },
		"lost before it is known": func(o *Options, _ *Deps) { o.LostAfter = time.Second },
		"a negative time":         func(o *Options, _ *Deps) { o.LostAfter = -time.Hour },
	} {
		o := Options{Attempts: t.TempDir(), Supervisor: []string{"x"}}
		d := Deps{Store: storetest.Open(t), Log: slog.New(slog.DiscardHandler), Replica: "a"}
		change(&o, &d)
		if _, err := New(o, d); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}
