package server_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/outbox"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/ledger"
	"github.com/redrive-io/redrive/services/configsvc/internal/server"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

type away struct{}

func (away) Publish(context.Context, ...bus.Event) error { return errs.New(errs.Unavailable, "away") }

func (away) Sync(context.Context) error { return errs.New(errs.Unavailable, "away") }

func open(t testing.TB) *server.Server {
	t.Helper()
	docs := storetest.Open(t)
	l, err := ledger.New(store.New(docs, outbox.New(docs, away{}, "configsvc", nil, slog.New(slog.DiscardHandler))), ledger.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return server.New(l)
}

func number(n float64) *structpb.Value { return structpb.NewNumberValue(n) }

// request is a good request for a job, changed.
func request(change func(*redrivev1.CreatePatchRequest)) *redrivev1.CreatePatchRequest {
	r := &redrivev1.CreatePatchRequest{Patch: &redrivev1.Patch{
		Scope: &redrivev1.PatchScope{Job: "jobs/etl-7"},
		Type:  &redrivev1.JobType{Workflow: "etl", Step: "load", Engine: "process"},
		Operations: []*redrivev1.PatchOperation{
			{Op: "test", Path: "/memory_mb", Value: number(512)},
			{Op: "replace", Path: "/memory_mb", Value: number(1024)},
		},
		Failure: "failures/f1", Reason: "it needs more",
	}}
	if change != nil {
		change(r)
	}
	return r
}

func create(t testing.TB, s *server.Server, change func(*redrivev1.CreatePatchRequest)) *redrivev1.Patch {
	t.Helper()
	p, err := s.CreatePatch(t.Context(), request(change))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPatchFromItsCreationToItsEnd(t *testing.T) {
	s := open(t)
	p := create(t, s, nil)
	if !strings.HasPrefix(p.GetName(), "patches/p") || p.GetState() != redrivev1.Patch_STATE_ACTIVE || p.GetRevision() != 1 || p.GetEtag() == "" {
		t.Errorf("created %v", p)
	}
	if life := p.GetExpireTime().AsTime().Sub(p.GetCreateTime().AsTime()); life != 30*24*time.Hour {
		t.Errorf("it lives %v, want 30 days", life)
	}
	if got, err := s.GetPatch(t.Context(), &redrivev1.GetPatchRequest{Name: p.GetName()}); err != nil || !proto.Equal(got, p) {
		t.Errorf("GetPatch = %v, %v\nwant %v", got, err, p)
	}
	resolve := func() *redrivev1.ResolveResponse {
		r, err := s.Resolve(t.Context(), &redrivev1.ResolveRequest{Job: "redrive/etl-7", Type: p.GetType(), Config: &structpb.Struct{
			Fields: map[string]*structpb.Value{"memory_mb": number(512), "input": structpb.NewStringValue("a.csv")},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := resolve()
	if got := r.GetConfig().AsMap(); got["memory_mb"] != 1024.0 || got["input"] != "a.csv" || !slices.Equal(r.GetApplied(), []string{p.GetName()}) {
		t.Errorf("Resolve = %v", r)
	}
	promoted, err := s.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: p.GetName(), Reason: "it held", Ttl: durationpb.New(time.Hour)})
	if err != nil || promoted.GetPromotedFrom() != p.GetName() || promoted.GetScope().GetType().GetWorkflow() != "etl" || promoted.GetScope().GetJob() != "" {
		t.Errorf("PromotePatch = %v, %v", promoted, err)
	}
	for range 2 {
		revoked, err := s.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: p.GetName(), Reason: "ann", Etag: p.GetEtag()})
		if err != nil || revoked.GetState() != redrivev1.Patch_STATE_REVOKED || revoked.GetEtag() == p.GetEtag() {
			t.Errorf("RevokePatch = %v, %v", revoked, err)
		}
	}
	r = resolve()
	if len(r.GetSkipped()) != 1 || r.GetSkipped()[0].GetPatch() != p.GetName() || !slices.Equal(r.GetApplied(), []string{promoted.GetName()}) {
		t.Errorf("Resolve after = %v, want the promoted patch applied and the revoked one skipped", r)
	}
	if _, err := s.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: promoted.GetName(), Etag: "7"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("RevokePatch with another etag = %v, want Conflict", err)
	}
}

func TestWrongFieldsAreNamed(t *testing.T) {
	s := open(t)
	type patch = redrivev1.CreatePatchRequest
	kind := request(nil).GetPatch().GetType()
	inf := &structpb.Struct{Fields: map[string]*structpb.Value{"x": number(math.Inf(1))}}
	createWith := func(change func(*patch)) func() error {
		return func() error { _, err := s.CreatePatch(t.Context(), request(change)); return err }
	}
	for _, tc := range []struct {
		name string
		call func() error
		want []string
	}{
		{"no patch", createWith(func(r *patch) { r.Patch = nil }), []string{"patch"}},
		{"output-only fields", createWith(func(r *patch) {
			p := r.GetPatch()
			p.Name, p.State, p.PromotedFrom, p.Revision, p.Etag, p.RevokeReason = "patches/x", 1, "patches/y", 1, "1", "z"
			p.ApproveReason, p.ApproveTime, p.Restores = "z", timestamppb.Now(), &redrivev1.Patch{}
			p.CreateTime, p.UpdateTime, p.ExpireTime = timestamppb.Now(), timestamppb.Now(), timestamppb.Now()
		}), []string{
			"patch.name", "patch.state", "patch.promoted_from", "patch.create_time", "patch.update_time",
			"patch.expire_time", "patch.revision", "patch.etag", "patch.revoke_reason", "patch.approve_reason", "patch.approve_time", "patch.restores",
		}},
		{"bad job", createWith(func(r *patch) { r.Patch.Scope.Job = "etl" }), []string{"patch.scope.job"}},
		{"no scope", createWith(func(r *patch) { r.Patch.Scope = nil }), []string{"patch.scope"}},
		{"no type", createWith(func(r *patch) { r.Patch.Type = nil }), []string{"patch.type.workflow", "patch.type.step", "patch.type.engine"}},
		{"no operations", createWith(func(r *patch) { r.Patch.Operations = nil }), []string{"patch.operations"}},
		{"no value", createWith(func(r *patch) { r.Patch.Operations[0].Value = nil }), []string{"patch.operations[0].value"}},
		{"not a number", createWith(func(r *patch) { r.Patch.Operations[0].Value = number(math.NaN()) }), []string{"patch.operations[0].value"}},
		{"beyond the engine", createWith(func(r *patch) { r.Patch.Operations[1].Value = number(1e12) }), []string{"patch.operations[1].value"}},
		{"no life", createWith(func(r *patch) { r.Ttl = durationpb.New(0) }), []string{"ttl"}},
		{"too long a life", createWith(func(r *patch) { r.Ttl = &durationpb.Duration{Seconds: math.MaxInt64} }), []string{"ttl"}},
		{"long request id", createWith(func(r *patch) { r.RequestId = strings.Repeat("x", 129) }), []string{"request_id"}},
		{"get a bad name", func() error { _, err := s.GetPatch(t.Context(), nil); return err }, []string{"name"}},
		{"promote a bad name", func() error {
			_, err := s.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: "x"})
			return err
		}, []string{"name"}},
		{"promote for too long", func() error {
			_, err := s.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: "patches/p", Ttl: durationpb.New(366 * 24 * time.Hour)})
			return err
		}, []string{"ttl"}},
		{"revoke a bad name", func() error {
			_, err := s.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: "x"})
			return err
		}, []string{"name"}},
		{"revoke with a bad etag", func() error {
			_, err := s.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: "patches/p", Etag: "+1"})
			return err
		}, []string{"etag"}},
		{"approve a bad name, reject with a bad etag", func() error {
			_, approve := s.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: "x"})
			_, reject := s.RejectPatch(t.Context(), &redrivev1.RejectPatchRequest{Name: "patches/p", Etag: "+1"})
			return errs.Fields(approve, reject)
		}, []string{"name", "etag"}},
		{"a saving that cannot be", createWith(func(r *patch) { r.Patch.Saving = &redrivev1.Saving{Runs: -1} }), []string{"patch.saving.runs"}},
		{"list badly", func() error {
			_, err := s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{State: 77, Job: "x", Workflow: strings.Repeat("w", 129)})
			return err
		}, []string{"state", "job", "workflow"}},
		{"a negative page", func() error {
			_, err := s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{PageSize: -1})
			return err
		}, []string{"page_size"}},
		{"resolve no type", func() error { _, err := s.Resolve(t.Context(), nil); return err }, []string{"type.workflow", "type.step", "type.engine"}},
		{"resolve a bad job", func() error {
			_, err := s.Resolve(t.Context(), &redrivev1.ResolveRequest{Type: kind, Job: "x"})
			return err
		}, []string{"job"}},
		{"resolve what is not JSON", func() error {
			_, err := s.Resolve(t.Context(), &redrivev1.ResolveRequest{Type: kind, Config: inf})
			return err
		}, []string{"config"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.call()
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Kind != errs.Invalid {
				t.Fatalf("error = %v, want Invalid", err)
			}
			var got []string
			for _, v := range e.Violations {
				got = append(got, v.Field)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("wrong fields = %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := open(t)
	for name, call := range map[string]func() error{
		"get": func() error {
			_, err := s.GetPatch(t.Context(), &redrivev1.GetPatchRequest{Name: "patches/p1"})
			return err
		},
		"promote": func() error {
			_, err := s.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: "patches/p1"})
			return err
		},
		"approve": func() error {
			_, err := s.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: "patches/p1"})
			return err
		},
		"reject": func() error {
			_, err := s.RejectPatch(t.Context(), &redrivev1.RejectPatchRequest{Name: "patches/p1"})
			return err
		},
		"revoke": func() error {
			_, err := s.RevokePatch(t.Context(), &redrivev1.RevokePatchRequest{Name: "patches/p1"})
			return err
		},
	} {
		if err := call(); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "patches/p1") {
			t.Errorf("%s = %v, want NotFound of patches/p1", name, err)
		}
	}
}

func TestAProposalIsAnswered(t *testing.T) {
	s := open(t)
	propose := func(r *redrivev1.CreatePatchRequest) {
		r.Propose, r.Patch.Scope = true, &redrivev1.PatchScope{Type: r.GetPatch().GetType()}
		r.Patch.Saving = &redrivev1.Saving{DollarsPerMonth: 12.5, BeforeBytes: 2 << 30, AfterBytes: 1 << 30, FailProbabilityAfter: 0.01, Runs: 20}
	}
	p := create(t, s, propose)
	if p.GetState() != redrivev1.Patch_STATE_PROPOSED || p.GetSaving().GetDollarsPerMonth() != 12.5 {
		t.Errorf("proposed %v", p)
	}
	approved, err := s.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: p.GetName(), Reason: "ann: fine", Etag: p.GetEtag()})
	if err != nil || approved.GetState() != redrivev1.Patch_STATE_ACTIVE || approved.GetApproveReason() != "ann: fine" || !proto.Equal(approved.GetSaving(), p.GetSaving()) {
		t.Errorf("ApprovePatch = %v, %v", approved, err)
	}
	next := create(t, s, propose)
	rejected, err := s.RejectPatch(t.Context(), &redrivev1.RejectPatchRequest{Name: next.GetName(), Reason: "ann: no"})
	if err != nil || rejected.GetState() != redrivev1.Patch_STATE_REJECTED || rejected.GetRevokeReason() != "ann: no" {
		t.Errorf("RejectPatch = %v, %v", rejected, err)
	}
	l, err := s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{State: redrivev1.Patch_STATE_REJECTED})
	if err != nil || len(l.GetPatches()) != 1 || l.GetPatches()[0].GetName() != next.GetName() {
		t.Errorf("ListPatches = %v, %v", l, err)
	}
}

func TestAJobOfAnotherSchedulerIsTheSameUnderBothNames(t *testing.T) {
	s := open(t)
	p := create(t, s, func(r *redrivev1.CreatePatchRequest) { r.Patch.Scope.Job = "airflow/daily/load" })
	name := failure.Attempt{Source: "airflow", Job: "daily/load"}.JobName()
	if got := p.GetScope().GetJob(); got != name {
		t.Errorf("scope = %q, want %q", got, name)
	}
	for _, job := range []string{"airflow/daily/load", name} {
		r, err := s.Resolve(t.Context(), &redrivev1.ResolveRequest{Job: job, Type: p.GetType(), Config: &structpb.Struct{Fields: map[string]*structpb.Value{"memory_mb": number(512)}}})
		if err != nil || len(r.GetApplied()) != 1 {
			t.Errorf("Resolve of %s = %v, %v", job, r, err)
		}
		l, err := s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{Job: job})
		if err != nil || len(l.GetPatches()) != 1 {
			t.Errorf("ListPatches of %s = %v, %v", job, l, err)
		}
	}
}

func TestValidateOnlyReturnsWhatWouldBe(t *testing.T) {
	s := open(t)
	p := create(t, s, func(r *redrivev1.CreatePatchRequest) { r.ValidateOnly = true })
	if p.GetName() != "" || p.GetEtag() != "" || p.GetState() != redrivev1.Patch_STATE_ACTIVE {
		t.Errorf("validate_only = %v, want an active patch without a name", p)
	}
	if l, err := s.ListPatches(t.Context(), nil); err != nil || len(l.GetPatches()) != 0 {
		t.Errorf("ListPatches = %v, %v, want none", l, err)
	}
}

func TestListPatches(t *testing.T) {
	s := open(t)
	var want []string // newest first
	for i := range 7 {
		p := create(t, s, func(r *redrivev1.CreatePatchRequest) {
			r.Patch.Scope.Job = []string{"jobs/a", "jobs/b"}[i%2]
			if i%2 == 1 {
				r.Patch.Type.Workflow = "reports"
			}
		})
		want = append([]string{p.GetName()}, want...)
	}
	pages := func(req *redrivev1.ListPatchesRequest) (got []string) {
		t.Helper()
		for range 20 {
			l, err := s.ListPatches(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range l.GetPatches() {
				got = append(got, p.GetName())
			}
			if req.PageToken = l.GetNextPageToken(); req.PageToken == "" {
				return got
			}
		}
		t.Fatal("the pages do not end")
		return nil
	}
	for _, tc := range []struct {
		name string
		req  *redrivev1.ListPatchesRequest
		want []string
	}{
		{"all", &redrivev1.ListPatchesRequest{}, want},
		{"pages of 3", &redrivev1.ListPatchesRequest{PageSize: 3}, want},
		{"active", &redrivev1.ListPatchesRequest{State: redrivev1.Patch_STATE_ACTIVE, PageSize: 1}, want[:2]},
		{"superseded of a job", &redrivev1.ListPatchesRequest{State: redrivev1.Patch_STATE_SUPERSEDED, Job: "jobs/a", PageSize: 2}, []string{want[2], want[4], want[6]}},
		{"of a workflow", &redrivev1.ListPatchesRequest{Workflow: "reports"}, []string{want[1], want[3], want[5]}},
		{"of a job and another workflow", &redrivev1.ListPatchesRequest{Job: "jobs/a", Workflow: "reports"}, nil},
		{"of a job whose name begins alike", &redrivev1.ListPatchesRequest{Job: "jobs/aa"}, nil},
		{"revoked", &redrivev1.ListPatchesRequest{State: redrivev1.Patch_STATE_REVOKED}, nil},
	} {
		if got := pages(tc.req); !slices.Equal(got, tc.want) {
			t.Errorf("%s = %v\nwant %v", tc.name, got, tc.want)
		}
	}
	l, err := s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{PageSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{PageSize: 3, Job: "jobs/a", PageToken: l.GetNextPageToken()})
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("a token with other arguments = %v, want Invalid", err)
	}
}
