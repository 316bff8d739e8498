package command_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// desks take what commands change, and keep the last request.
type desks struct {
	redrivev1.UnimplementedSchedulerServiceServer
	redrivev1.UnimplementedClassifierServiceServer
	redrivev1.UnimplementedConfigServiceServer
	redrivev1.UnimplementedNotifierServiceServer
	last proto.Message
}

func (d *desks) GetJob(_ context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
	return &redrivev1.Job{Name: r.GetName(), Process: &redrivev1.ProcessTask{Args: []string{"old"}, WorkDir: "/w", Env: map[string]string{"A": "b"}}}, nil
}

func (d *desks) RetryJob(_ context.Context, r *redrivev1.RetryJobRequest) (*redrivev1.Job, error) {
	d.last = r
	return &redrivev1.Job{Name: r.GetName(), State: redrivev1.Job_STATE_QUEUED}, nil
}

func (d *desks) CancelJob(_ context.Context, r *redrivev1.CancelJobRequest) (*redrivev1.Job, error) {
	d.last = r
	return &redrivev1.Job{Name: r.GetName(), State: redrivev1.Job_STATE_RUNNING, CancelRequested: true}, nil
}

func (d *desks) CreateRule(_ context.Context, r *redrivev1.CreateRuleRequest) (*redrivev1.Rule, error) {
	d.last = r
	if r.GetRuleId() == "taken" {
		return nil, errs.New(errs.AlreadyExists, "rules/taken exists")
	}
	return &redrivev1.Rule{Name: "rules/" + r.GetRuleId(), Revision: 1}, nil
}

func (d *desks) UpdateRule(_ context.Context, r *redrivev1.UpdateRuleRequest) (*redrivev1.Rule, error) {
	d.last = r
	return &redrivev1.Rule{Name: r.GetRule().GetName(), Revision: 2}, nil
}

func (d *desks) DeleteRule(_ context.Context, r *redrivev1.DeleteRuleRequest) (*redrivev1.DeleteRuleResponse, error) {
	d.last = r
	return &redrivev1.DeleteRuleResponse{}, nil
}

func (d *desks) TestRule(_ context.Context, r *redrivev1.TestRuleRequest) (*redrivev1.TestRuleResponse, error) {
	d.last = r
	if r.GetText() == "" {
		return &redrivev1.TestRuleResponse{Missing: []string{"any: no line matches 'x'"}}, nil
	}
	return &redrivev1.TestRuleResponse{Matched: true, Match: &redrivev1.RuleMatch{Summary: "it broke", Source: "log", Line: 3, Text: "x"}}, nil
}

func (d *desks) PromotePatch(_ context.Context, r *redrivev1.PromotePatchRequest) (*redrivev1.Patch, error) {
	d.last = r
	return &redrivev1.Patch{Name: "patches/p2", Scope: &redrivev1.PatchScope{Type: &redrivev1.JobType{Workflow: "w", Step: "s"}}}, nil
}

func (d *desks) RevokePatch(_ context.Context, r *redrivev1.RevokePatchRequest) (*redrivev1.Patch, error) {
	d.last = r
	return &redrivev1.Patch{Name: r.GetName(), State: redrivev1.Patch_STATE_REVOKED}, nil
}

func (d *desks) ApprovePatch(_ context.Context, r *redrivev1.ApprovePatchRequest) (*redrivev1.Patch, error) {
	d.last = r
	return &redrivev1.Patch{Name: r.GetName(), State: redrivev1.Patch_STATE_ACTIVE, Scope: &redrivev1.PatchScope{Type: &redrivev1.JobType{Workflow: "w", Step: "s"}}}, nil
}

func (d *desks) RejectPatch(_ context.Context, r *redrivev1.RejectPatchRequest) (*redrivev1.Patch, error) {
	d.last = r
	return &redrivev1.Patch{Name: r.GetName(), State: redrivev1.Patch_STATE_REJECTED}, nil
}

func (d *desks) AcknowledgeAlert(_ context.Context, r *redrivev1.AcknowledgeAlertRequest) (*redrivev1.Alert, error) {
	d.last = r
	return &redrivev1.Alert{Name: r.GetName(), AcknowledgedBy: r.GetBy()}, nil
}

func (d *desks) ResolveAlert(_ context.Context, r *redrivev1.ResolveAlertRequest) (*redrivev1.Alert, error) {
	d.last = r
	return nil, errs.New(errs.FailedPrecondition, "the alert is gone")
}

func TestCommandsThatChangeThings(t *testing.T) {
	rule := filepath.Join(t.TempDir(), "rule.yaml")
	const doc = "name: rules/lic\norder: 10\nany: ['x']\nclass: permission\nfacts: {termination_reasons: [TERMINATION_REASON_EXITED]}\n"
	if err := os.WriteFile(rule, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	facts := &redrivev1.RuleFacts{TerminationReasons: []redrivev1.TerminationReason{redrivev1.TerminationReason_TERMINATION_REASON_EXITED}}
	lic := &redrivev1.Rule{Order: 10, Any: []string{"x"}, Class: "permission", Facts: facts}
	named := proto.CloneOf(lic)
	named.Name = "rules/lic"
	for _, tc := range []struct {
		name, stdin string
		args        []string
		status      int
		want        proto.Message
		says        string
	}{
		{"retry", "", []string{"retry", "a", "--reason", "mended"}, 0, &redrivev1.RetryJobRequest{Name: "jobs/a", Reason: "mended"}, "jobs/a is QUEUED\n"},
		{
			"retry with another command", "",
			[]string{"retry", "jobs/a", "--", "new", "-x"},
			0,
			&redrivev1.RetryJobRequest{Name: "jobs/a", Process: &redrivev1.ProcessTask{Args: []string{"new", "-x"}, WorkDir: "/w", Env: map[string]string{"A": "b"}}}, "jobs/a is QUEUED\n",
		},
		{"cancel", "", []string{"cancel", "a", "--etag", "e"}, 0, &redrivev1.CancelJobRequest{Name: "jobs/a", Etag: "e"}, "jobs/a is being cancelled\n"},
		{"create a rule", "", []string{"rules", "create", rule, "--author", "ann", "--reason", "new", "--force"}, 0, &redrivev1.CreateRuleRequest{Rule: lic, RuleId: "lic", Author: "ann", Reason: "new", Force: true}, "rules/lic is at work (revision 1)\n"},
		{"update a rule from stdin", doc, []string{"rules", "update", "-", "--author", "ann"}, 0, &redrivev1.UpdateRuleRequest{Rule: named, Author: "ann"}, "rules/lic is at work (revision 2)\n"},
		{"delete a rule", "", []string{"rules", "delete", "lic", "--author", "ann"}, 0, &redrivev1.DeleteRuleRequest{Name: "rules/lic", Author: "ann"}, "rules/lic is deleted\n"},
		{
			"roll a rule back", "",
			[]string{"rules", "rollback", "lic", "--revision", "3", "--etag", "e", "--author", "ann"},
			0,
			&redrivev1.RollbackRuleRequest{Name: "rules/lic", Revision: 3, Etag: "e", Author: "ann"}, "rules/lic is as it was (revision 5)\n",
		},
		{
			"would roll an override back", "",
			[]string{"rules", "rollback", "heap", "--author", "ann", "--dry-run"},
			0,
			&redrivev1.RollbackRuleRequest{Name: "rules/heap", Author: "ann", ValidateOnly: true}, "rules/heap would be the built-in rule again (revision 5)\n",
		},
		{
			"test a rule of the server", "x\xffy",
			[]string{"rules", "test", "lic", "-", "--exit-code", "0"},
			0,
			&redrivev1.TestRuleRequest{Name: "rules/lic", Text: "x\ufffdy", Evidence: &redrivev1.Evidence{ExitCode: new(int32(0))}}, "  it matches: it broke\n  log line 3: x\n",
		},
		{
			"test a rule of a file", "",
			[]string{"rules", "test", rule, "-", "--engine", "jvm"},
			1,
			&redrivev1.TestRuleRequest{Rule: named, Engine: "jvm", Evidence: &redrivev1.Evidence{}}, "  it does not match:\n    any: no line matches 'x'\n",
		},
		{"promote a patch", "", []string{"patches", "promote", "p1", "--reason", "good"}, 0, &redrivev1.PromotePatchRequest{Name: "patches/p1", Reason: "good"}, "patches/p2 applies to all of w/s\n"},
		{"revoke a patch", "", []string{"patches", "revoke", "p1"}, 0, &redrivev1.RevokePatchRequest{Name: "patches/p1"}, "patches/p1 is REVOKED\n"},
		{"approve a patch", "", []string{"patches", "approve", "p1", "--reason", "ann: fine", "--etag", "1"}, 0, &redrivev1.ApprovePatchRequest{Name: "patches/p1", Reason: "ann: fine", Etag: "1"}, "patches/p1 applies to all of w/s\n"},
		{"reject a patch", "", []string{"patches", "reject", "p1", "--reason", "ann: no"}, 0, &redrivev1.RejectPatchRequest{Name: "patches/p1", Reason: "ann: no"}, "patches/p1 is REJECTED\n"},
		{"take an alert", "", []string{"alerts", "ack", "x", "--by", "me"}, 0, &redrivev1.AcknowledgeAlertRequest{Name: "alerts/x", By: "me"}, "alerts/x is in the hands of me\n"},
		{"resolve an alert", "", []string{"alerts", "resolve", "x", "--by", "me"}, 1, &redrivev1.ResolveAlertRequest{Name: "alerts/x", By: "me"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &desks{}
			dir := start(t, services{scheduler: d, classifier: d, config: d, notifier: d})
			r := run(t, tc.stdin, append([]string{"--data", dir}, tc.args...)...)
			r.check(t, tc.status, nil, nil)
			if r.stdout != tc.says {
				t.Errorf("stdout = %q, want %q", r.stdout, tc.says)
			}
			switch got := d.last.(type) {
			case *redrivev1.CreateRuleRequest:
				got.RequestId = "" // random
			case *redrivev1.UpdateRuleRequest:
				if got.GetUpdateMask().GetPaths()[0] != "*" {
					t.Errorf("update mask %v, want *", got.GetUpdateMask())
				}
				got.UpdateMask = nil
			}
			if !proto.Equal(d.last, tc.want) {
				t.Errorf("request %v\nwant    %v", d.last, tc.want)
			}
		})
	}
}

func TestARuleThatExistsIsUpdated(t *testing.T) {
	d := &desks{}
	dir := start(t, services{classifier: d})
	run(t, "name: rules/taken", "--data", dir, "rules", "create", "-").check(t, command.ExitNegative, nil,
		[]string{"error: rules/taken exists; `redrive rules update` changes it\n"})
}

func TestThingsAreShownInFull(t *testing.T) {
	b := memoryBooks(t)
	b.job.Type, b.job.Process = b.failure.GetType(), &redrivev1.ProcessTask{Args: []string{"python3", "load.py"}}
	b.job.Attempts[0].EndTime, b.job.Attempts[0].StartTime, b.job.Attempts[0].Evidence = ago(0), ago(0), b.failure.GetEvidence()
	b.job.State, b.job.Config = redrivev1.Job_STATE_RUNNING, structOf(t, map[string]any{"memory_mb": 128})
	b.patch.Operations = append(b.patch.Operations, &redrivev1.PatchOperation{Op: "add", Path: "/cores", Value: structpb.NewNumberValue(2)})
	b.patch.Saving = &redrivev1.Saving{DollarsPerMonth: 1.5, BeforeBytes: 2 << 30, AfterBytes: 1 << 30, FailProbabilityAfter: 0.002, Runs: 20}
	dir := b.start(t)
	run(t, "", "--data", dir, "jobs", "get", "etl").check(t, command.ExitOK, []string{
		"state          RUNNING\n", "command        python3 load.py\n", "configuration  memory_mb=128\n", "ATTEMPT  STARTED", "killed at its memory limit of 128 MiB  127 MiB  memory_mb=128  failures/f1", "memory_mb=256",
	}, nil)
	run(t, "", "--data", dir, "failures", "get", "f1").check(t, command.ExitOK, []string{"What matched"}, []string{"redrive explain failures/f1"})
	run(t, "", "--data", dir, "patches", "get", "p1").check(t, command.ExitOK, []string{"for       jobs/etl\n", "memory_mb 128 → 256\n  cores → 2 (added)\n", "$1.50 a month: 2 GiB → 1 GiB a run; a run fails for memory with 0 % → 0.2 %; from 20 runs\n"}, nil)
	run(t, "", "--data", dir, "patches", "get", "p1", "-o", "yaml").check(t, command.ExitOK, []string{"name: patches/p1\n", "operations:\n  - op: test\n"}, nil)
	b.patch.MadeOn, b.patch.Restores = new("patches/p0"), &redrivev1.Patch{Name: "patches/p0", Reason: "it held"}
	run(t, "", "--data", dir, "patches", "get", "p1").check(t, command.ExitOK, []string{"made on     patches/p0\n", "if revoked  patches/p0 applies again: it held\n"}, nil)
}
