package server

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/configsvc/internal/patch"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
	"github.com/redrive-io/redrive/services/configsvc/internal/wire"
)

// draft reads the patch that a caller asks for; what it means is checked by
// package patch.
func draft(req *redrivev1.CreatePatchRequest) (patch.Draft, error) {
	p := req.GetPatch()
	if p == nil {
		return patch.Draft{}, errs.Field("patch", "is required")
	}
	d := patch.Draft{
		Scope: wire.Scope(p.GetScope()), Type: failure.TypeFromProto(p.GetType()),
		Failure: p.GetFailure(), Reason: p.GetReason(), Saving: wire.Saving(p.GetSaving()), Propose: req.GetPropose(), MadeOn: p.MadeOn,
	}
	var jobErr, opsErr, ttlErr error
	if d.Scope.OfJob() {
		d.Scope.Job, jobErr = patch.JobName("patch.scope.job", d.Scope.Job)
	}
	d.Operations, opsErr = wire.Operations("patch.operations", p.GetOperations())
	d.TTL, ttlErr = lifetime(req.GetTtl())
	return d, errs.Fields(outputOnly(p), jobErr, opsErr, ttlErr)
}

// outputOnly names the fields that a caller has set and may not.
func outputOnly(p *redrivev1.Patch) error {
	var wrong []error
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"name", p.GetName() != ""},
		{"state", p.GetState() != 0},
		{"promoted_from", p.GetPromotedFrom() != ""},
		{"create_time", p.GetCreateTime() != nil},
		{"update_time", p.GetUpdateTime() != nil},
		{"expire_time", p.GetExpireTime() != nil},
		{"revision", p.GetRevision() != 0},
		{"etag", p.GetEtag() != ""},
		{"revoke_reason", p.GetRevokeReason() != ""},
		{"approve_reason", p.GetApproveReason() != ""},
		{"approve_time", p.GetApproveTime() != nil},
		{"restores", p.GetRestores() != nil},
	} {
		if f.set {
			wrong = append(wrong, errs.Field("patch."+f.name, "is output only; it must be unset"))
		}
	}
	return errs.Fields(wrong...)
}

// lifetime reads a ttl; 0 when unset.
func lifetime(p *durationpb.Duration) (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	ttl := p.AsDuration()
	if p.CheckValid() != nil || ttl <= 0 || ttl > patch.MaxTTL {
		return 0, errs.Field("ttl", "must be more than 0 and at most %v", patch.MaxTTL)
	}
	return ttl, nil
}

// targetOf reads what a configuration is asked for.
func targetOf(req *redrivev1.ResolveRequest) (patch.Target, error) {
	t := patch.Target{Type: failure.TypeFromProto(req.GetType())}
	var jobErr error
	if req.GetJob() != "" {
		t.Job, jobErr = patch.JobName("job", req.GetJob())
	}
	return t, errs.Fields(t.Type.Validate("type"), jobErr)
}

// filter reads which patches are asked for.
func filter(req *redrivev1.ListPatchesRequest) (store.Filter, error) {
	f := store.Filter{State: patch.State(req.GetState()), Workflow: req.GetWorkflow()}
	var stateErr, jobErr, workflowErr error
	if _, known := redrivev1.Patch_State_name[int32(req.GetState())]; !known {
		stateErr = errs.Field("state", "%d is no state of a patch", req.GetState())
	}
	if req.GetJob() != "" {
		f.Job, jobErr = patch.JobName("job", req.GetJob())
	}
	if len(f.Workflow) > 128 {
		workflowErr = errs.Field("workflow", "must have at most 128 characters, has %d", len(f.Workflow))
	}
	return f, errs.Fields(stateErr, jobErr, workflowErr)
}

// revisionOf reads an etag; 0 when unset.
func revisionOf(etag string) (int64, error) {
	if etag == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(etag, 10, 64)
	if err != nil || n < 1 || wire.Etag(n) != etag {
		return 0, errs.Field("etag", "%.40q is not the etag of a patch", etag)
	}
	return n, nil
}
