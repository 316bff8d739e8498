package recommender_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc"
	"github.com/redrive-io/redrive/services/recommender"
)

// patches starts the config service on what a replica has, and returns a client.
func patches(t *testing.T, d recommender.Deps) redrivev1.ConfigServiceClient {
	t.Helper()
	s, err := configsvc.New(configsvc.Options{}, configsvc.Deps{Store: d.Store, Bus: d.Bus, Replica: d.Replica})
	if err != nil {
		t.Fatal(err)
	}
	return redrivev1.NewConfigServiceClient(served(t, "the config service", s))
}

// service is one of another package.
type service interface {
	Register(grpc.ServiceRegistrar)
	Run(ctx context.Context) error
}

// served runs a service until the test ends, and returns a connection to it.
func served(t *testing.T, what string, s service) *grpc.ClientConn {
	t.Helper()
	server, pipe := grpc.NewServer(grpc.UnaryInterceptor(statuses)), bufconn.Listen(1<<20)
	s.Register(server)
	go func() { _ = server.Serve(pipe) }()
	t.Cleanup(server.Stop)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	})
	conn, err := grpc.NewClient("passthrough:pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// statuses answers as pkg/serve does.
func statuses(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	res, err := handle(ctx, req)
	return res, errs.ToStatus(err)
}

// ran is the event of a job's first attempt that was given memory by a patch, of
// a job that asks for 1 GiB, and needed so much; everything in MiB.
func ran(t *testing.T, job int, given, needed int64) bus.Event {
	t.Helper()
	return ended(t, job, given, needed, time.Now().Add(-time.Hour).Add(time.Duration(job)*time.Second))
}

// ended is ran, of an attempt that ended at a time.
func ended(t *testing.T, job int, given, needed int64, end time.Time) bus.Event {
	t.Helper()
	a := failure.Attempt{Source: failure.Own, Job: fmt.Sprintf("job-%d", job), Number: 1}
	peak := min(given, needed) * mib
	e := failure.Evidence{Reason: failure.Exited, LimitBytes: given * mib, PeakBytes: &peak, End: end, Duration: time.Minute}
	own, had := config(t, 1024), config(t, float64(given))
	of, m := bus.AttemptSucceeded, proto.Message(&redrivev1.AttemptSucceeded{
		Attempt: a.Proto(), Type: kind.Proto(), Config: own, AttemptConfig: had, Evidence: e.Proto(),
	})
	if needed > given {
		e.Reason, e.Proof = failure.OutOfMemory, "oom_kill 1"
		of, m = bus.FailureClassified, &redrivev1.FailureClassified{Failure: &redrivev1.Failure{
			Attempt: a.Proto(), Type: kind.Proto(), Config: own, AttemptConfig: had, Evidence: e.Proto(), Class: "memory.container", Fingerprint: "f",
		}}
	}
	event, err := bus.NewEvent(of, a.FailureID(), "redrive/scheduler", a.JobName(), end, m)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// sized waits until the right-sizing of the type is as it should be.
func sized(t *testing.T, c redrivev1.RecommenderServiceClient, want func(*redrivev1.Rightsizing) bool) *redrivev1.Rightsizing {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		l, err := c.ListRightsizings(ctx, &redrivev1.ListRightsizingsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if all := l.GetRightsizings(); len(all) == 1 && want(all[0]) {
			return all[0]
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("the right-sizings stay %v", l)
		}
	}
}

// TestRightSizingFromTheFirstRunToTheFailureThatTakesItBack: runs use little of
// their memory; the step is proposed, approved, applies to the next jobs, and is
// taken back by the first that lacks memory with it. Everything is told twice.
func TestRightSizingFromTheFirstRunToTheFailureThatTakesItBack(t *testing.T) {
	d := recommender.Deps{Store: storetest.Open(t), Bus: bustest.New(t), Replica: "a"}
	c := replica(t, d)
	d.Replica = "b"
	other := replica(t, d)
	config := patches(t, recommender.Deps{Store: d.Store, Bus: d.Bus, Replica: "c"})
	tell := func(all ...bus.Event) {
		for i, e := range all {
			for twice := range 2 {
				e.ID = fmt.Sprintf("%s-%d-%d", e.ID, i, twice)
				if err := d.Bus.Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var first []bus.Event
	for i := range 12 {
		first = append(first, ran(t, i, 1024, 180+int64(i)))
	}
	tell(first...)
	model(t, c, 12)
	sized(t, c, func(*redrivev1.Rightsizing) bool { return true })
	ask := &redrivev1.ProposeRightsizingRequest{Type: kind.Proto()}
	z, err := c.ProposeRightsizing(t.Context(), ask)
	if err != nil || z.GetState() != redrivev1.Rightsizing_STATE_PROPOSED || z.GetNextBytes() != 768*mib || z.GetSaving().GetDollarsPerMonth() <= 0 {
		t.Fatalf("proposed %v, %v", z, err)
	}
	again, err := other.ProposeRightsizing(t.Context(), ask)
	if err != nil || again.GetPatch() != z.GetPatch() {
		t.Fatalf("asked again: %v, %v, want %s", again, err, z.GetPatch())
	}
	resolved := func() float64 {
		r, err := config.Resolve(t.Context(), &redrivev1.ResolveRequest{Type: kind.Proto(), Config: &structpb.Struct{
			Fields: map[string]*structpb.Value{"memory_mb": structpb.NewNumberValue(1024)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetConfig().GetFields()["memory_mb"].GetNumberValue()
	}
	if got := resolved(); got != 1024 {
		t.Fatalf("jobs run with %v MiB before the answer", got)
	}
	if _, err := config.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: z.GetPatch(), Reason: "ann: fine"}); err != nil {
		t.Fatal(err)
	}
	if got := resolved(); got != 768 {
		t.Fatalf("jobs run with %v MiB after the answer, want 768", got)
	}
	applied := sized(t, c, func(z *redrivev1.Rightsizing) bool { return z.GetState() == redrivev1.Rightsizing_STATE_APPLIED })
	if applied.GetAppliedDollarsPerMonth() <= 0 || applied.GetPresentBytes() != 768*mib {
		t.Errorf("applied: %v", applied)
	}
	// It fails of something that the patch has nothing to do with: it asked for no more.
	tell(ran(t, 50, 768, 300))
	tell(ran(t, 60, 768, 900))
	reverted := sized(t, c, func(z *redrivev1.Rightsizing) bool { return z.GetState() == redrivev1.Rightsizing_STATE_REVERTED })
	if reverted.GetReverts() != 1 || reverted.GetFloorBytes() <= 768*mib {
		t.Errorf("reverted: %v", reverted)
	}
	if got := resolved(); got != 1024 {
		t.Errorf("jobs run with %v MiB after the failure, want 1024 again", got)
	}
	p, err := config.GetPatch(t.Context(), &redrivev1.GetPatchRequest{Name: z.GetPatch()})
	if err != nil || p.GetState() != redrivev1.Patch_STATE_REVOKED {
		t.Errorf("the patch: %v, %v", p, err)
	}
	if _, err := c.ProposeRightsizing(t.Context(), ask); err == nil || !strings.Contains(err.Error(), "0 of the 10 runs") {
		t.Errorf("asked right after: %v, want that it takes 10 more runs", err)
	}
}

func TestRightsizingsNameWhatIsWrong(t *testing.T) {
	_, c, _ := run(t)
	_, list := c.ListRightsizings(t.Context(), &redrivev1.ListRightsizingsRequest{State: 77})
	_, page := c.ListRightsizings(t.Context(), &redrivev1.ListRightsizingsRequest{PageSize: -1})
	_, none := c.ProposeRightsizing(t.Context(), &redrivev1.ProposeRightsizingRequest{Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "ray"}})
	_, unknown := c.ProposeRightsizing(t.Context(), &redrivev1.ProposeRightsizingRequest{Type: kind.Proto()})
	for name, err := range map[string]error{"state": list, "page": page, "engine": none, "type": unknown} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestRightSizingOnTopOfAPromotedPatch: jobs ask for 1 GiB, a human promoted 2,
// and right-sizing takes away from that. A failure takes the type back to what was
// promoted, and a proposal is not approved over a promotion that it does not know.
func TestRightSizingOnTopOfAPromotedPatch(t *testing.T) {
	d := recommender.Deps{Store: storetest.Open(t), Bus: bustest.New(t), Replica: "a"}
	c := replica(t, d)
	cfg := patches(t, recommender.Deps{Store: d.Store, Bus: d.Bus, Replica: "c"})
	ids := 0
	tell := func(all ...bus.Event) {
		for _, e := range all {
			for range 2 {
				ids++
				e.ID = fmt.Sprintf("%s-%d", e.ID, ids)
				if err := d.Bus.Publish(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	promote := func(mb float64) string {
		t.Helper()
		p, err := cfg.CreatePatch(t.Context(), &redrivev1.CreatePatchRequest{Patch: &redrivev1.Patch{
			Scope: &redrivev1.PatchScope{Job: "jobs/job-0"}, Type: kind.Proto(),
			Operations: []*redrivev1.PatchOperation{
				{Op: "test", Path: "/memory_mb", Value: structpb.NewNumberValue(1024)},
				{Op: "replace", Path: "/memory_mb", Value: structpb.NewNumberValue(mb)},
			},
		}})
		if err == nil {
			p, err = cfg.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: p.GetName()})
		}
		if err != nil {
			t.Fatal(err)
		}
		return p.GetName()
	}
	resolved := func() float64 {
		t.Helper()
		r, err := cfg.Resolve(t.Context(), &redrivev1.ResolveRequest{Type: kind.Proto(), Config: config(t, 1024)})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetConfig().GetFields()["memory_mb"].GetNumberValue()
	}
	// propose lets enough runs succeed with what jobs have, and returns the proposal.
	run := 0
	propose := func() *redrivev1.Rightsizing {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			run++
			tell(ended(t, run, int64(resolved()), 180+int64(run%12), time.Now()))
			z, err := c.ProposeRightsizing(ctx, &redrivev1.ProposeRightsizingRequest{Type: kind.Proto()})
			if err == nil && z.GetState() == redrivev1.Rightsizing_STATE_PROPOSED {
				return z
			}
			if ctx.Err() != nil {
				t.Fatalf("nothing is proposed: %v, %v", z, err)
			}
		}
	}
	promoted := promote(2048)
	z := propose()
	if z.GetNextBytes() != 1536*mib {
		t.Fatalf("proposed %v, want 1536 MiB", z)
	}
	p, err := cfg.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: z.GetPatch(), Reason: "ann: fine"})
	if err != nil || p.GetMadeOn() != promoted || p.GetRestores().GetName() != promoted || resolved() != 1536 {
		t.Fatalf("approved %v, %v; jobs run with %v MiB", p, err, resolved())
	}
	sized(t, c, func(z *redrivev1.Rightsizing) bool { return z.GetState() == redrivev1.Rightsizing_STATE_APPLIED })
	run++
	tell(ended(t, run, 1536, 1700, time.Now()))
	reverted := sized(t, c, func(z *redrivev1.Rightsizing) bool { return z.GetState() == redrivev1.Rightsizing_STATE_REVERTED })
	if got := resolved(); got != 2048 || reverted.GetReverts() != 1 || reverted.GetPresentBytes() != 2048*mib {
		t.Errorf("jobs run with %v MiB after the failure, want the promoted 2048: %v", got, reverted)
	}
	z = propose()
	other := promote(3072)
	// Until right-sizing has heard of it and takes the proposal back, and after.
	for range 2 {
		_, err = cfg.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: z.GetPatch()})
		if status.Code(err) != codes.FailedPrecondition {
			t.Fatalf("ApprovePatch after another promotion = %v, want FailedPrecondition", err)
		}
		sized(t, c, func(z *redrivev1.Rightsizing) bool { return z.GetState() != redrivev1.Rightsizing_STATE_PROPOSED })
	}
	if !strings.Contains(err.Error(), "another patch applies by now") || resolved() != 3072 {
		t.Errorf("ApprovePatch = %v, jobs run with %v MiB, want the promoted 3072 (%s)", err, resolved(), other)
	}
}
