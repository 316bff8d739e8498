package command_test

import (
	"cmp"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// school has one model that failed its audit, beside the built-in one that
// serves, and three records.
type school struct {
	redrivev1.UnimplementedRecommenderServiceServer
	last  proto.Message
	asked int // for how far a training is
	// What becomes of a training and its model.
	ends   redrivev1.Training_State
	passes redrivev1.Model_State // unset for one that failed its audit
}

func (s *school) model() *redrivev1.Model {
	return &redrivev1.Model{
		Name: "models/0123456789abcdef", State: redrivev1.Model_STATE_REJECTED, CreateTime: ago(0), Training: "trainings/t",
		Content: &redrivev1.ModelContent{Records: 400, Until: ago(0)},
		Audit: &redrivev1.Audit{
			Records: 100, Brier: 0.25, CalibrationError: 0.2, MonotonicityChecked: 7,
			Findings:    []*redrivev1.AuditFinding{{Check: "calibration", Fatal: true, Message: "it is off by a fifth"}},
			Replay:      []*redrivev1.PolicyScore{{Policy: "model", Failures: 50, FixedFirst: 49, Dollars: 2, Regret: 0.5}},
			Reliability: []*redrivev1.CalibrationBin{{Predicted: 0.5, Observed: 0.7, Count: 10}},
		},
	}
}

func (s *school) ListModels(_ context.Context, r *redrivev1.ListModelsRequest) (*redrivev1.ListModelsResponse, error) {
	return &redrivev1.ListModelsResponse{Models: []*redrivev1.Model{s.model(), {Name: "models/builtin", State: redrivev1.Model_STATE_SERVING}}}, nil
}

func (s *school) GetModel(_ context.Context, r *redrivev1.GetModelRequest) (*redrivev1.Model, error) {
	if s.asked == 0 { // what else is asked for is the model of the training
		s.last = r
	}
	m := s.model()
	if s.passes != 0 {
		m.State, m.Audit.Passed = s.passes, true
	}
	return m, nil
}

func (s *school) PromoteModel(_ context.Context, r *redrivev1.PromoteModelRequest) (*redrivev1.Model, error) {
	s.last = r
	if !r.GetForce() {
		return nil, errs.New(errs.FailedPrecondition, "%s did not pass its audit", r.GetName())
	}
	return &redrivev1.Model{Name: r.GetName(), State: redrivev1.Model_STATE_SERVING}, nil
}

func (s *school) RollbackModel(_ context.Context, r *redrivev1.RollbackModelRequest) (*redrivev1.Model, error) {
	s.last = r
	return &redrivev1.Model{Name: "models/builtin", State: redrivev1.Model_STATE_SERVING}, nil
}

func (s *school) TrainModel(_ context.Context, r *redrivev1.TrainModelRequest) (*redrivev1.Training, error) {
	s.last = r
	return &redrivev1.Training{Name: "trainings/t", State: redrivev1.Training_STATE_RUNNING, Full: r.GetFull(), Promote: r.GetPromote(), Reason: "why"}, nil
}

func (s *school) GetTraining(context.Context, *redrivev1.GetTrainingRequest) (*redrivev1.Training, error) {
	t := &redrivev1.Training{Name: "trainings/t", State: redrivev1.Training_STATE_AUDITING, Records: 400}
	if s.asked++; s.asked > 1 {
		t.State, t.EndTime, t.Model, t.Promoted = cmp.Or(s.ends, redrivev1.Training_STATE_DONE), ago(0), "models/0123456789abcdef", true
	}
	return t, nil
}

func (s *school) DiffModels(_ context.Context, r *redrivev1.DiffModelsRequest) (*redrivev1.DiffModelsResponse, error) {
	s.last = r
	return &redrivev1.DiffModelsResponse{Differences: []*redrivev1.ModelDifference{{What: "records learnt", Before: "0", After: "400"}}}, nil
}

func (s *school) GetDrift(context.Context, *redrivev1.GetDriftRequest) (*redrivev1.Drift, error) {
	return &redrivev1.Drift{
		Model: "models/builtin", Decisions: 20, Features: []*redrivev1.FeatureDrift{{Feature: "input_bytes", StabilityIndex: 0.31}},
		Warnings: []string{"input_bytes moved much"},
	}, nil
}

func (s *school) ListRecords(_ context.Context, r *redrivev1.ListRecordsRequest) (*redrivev1.ListRecordsResponse, error) {
	s.last = r
	code := int32(137)
	record := &redrivev1.TrainingRecord{
		Id: "r1", Type: &redrivev1.JobType{Workflow: "w,\"1\"", Step: "s", Engine: "process"}, Attempt: 1, Outcome: redrivev1.TrainingRecord_OUTCOME_FAILED,
		EndTime: ago(0), Seconds: 60, PeakBytes: 3 << 30, ExitCode: &code, Class: "memory.container", Recommended: "change", Features: &redrivev1.Features{ChosenBytes: 77},
	}
	if r.GetPageToken() == "" {
		return &redrivev1.ListRecordsResponse{Records: []*redrivev1.TrainingRecord{record, record}, NextPageToken: "2"}, nil
	}
	return &redrivev1.ListRecordsResponse{Records: []*redrivev1.TrainingRecord{{Id: "r3", Outcome: redrivev1.TrainingRecord_OUTCOME_SUCCEEDED}}}, nil
}

func (s *school) RebuildRecords(ctx context.Context, _ *redrivev1.RebuildRecordsRequest) (*redrivev1.RebuildRecordsResponse, error) {
	if until, _ := ctx.Deadline(); time.Until(until) < 2*serve.DefaultDeadline {
		return nil, errs.New(errs.Invalid, "a rebuild until %v is cut off", until)
	}
	return &redrivev1.RebuildRecordsResponse{Events: 10, Added: 1}, nil
}

func TestModelsAndRecords(t *testing.T) {
	for _, tc := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr []string
		want           proto.Message
		ends           redrivev1.Training_State
		passes         redrivev1.Model_State
	}{
		{name: "list", args: []string{"models", "list"}, stdout: []string{"models/0123456789abcdef  REJECTED  now", "100 records  0.250  failed: it is off by a fifth\n", "models/builtin           SERVING"}},
		{
			name: "get", args: []string{"models", "get", "serving"}, want: &redrivev1.GetModelRequest{Name: "models/serving"},
			stdout: []string{"400 records", "Audit: failed: it is off by a fifth\n", "0 of 7 predictions", "calibration: it is off by a fifth\n", "POLICY  FAILURES  FIXED FIRST", "PREDICTED  FAILED  RETRIES\n"},
		},
		{
			name: "train", args: []string{"models", "train", "--full", "--promote", "--reason", "why"}, want: &redrivev1.TrainModelRequest{Full: true, Promote: true, Reason: "why"},
			stdout: []string{"trainings/t", "DONE", "models/0123456789abcdef", "audit       passed\n", "serves      yes\n"}, passes: redrivev1.Model_STATE_SERVING,
		},
		{
			name: "train while another training runs", args: []string{"models", "train"}, passes: redrivev1.Model_STATE_READY,
			stdout: []string{"serves      when it is promoted: redrive models promote models/0123456789abcdef\n"}, stderr: []string{"trainings/t runs already"},
		},
		{
			name: "train what fails its audit", args: []string{"models", "train", "--reason", "why"}, status: command.ExitNegative,
			stdout: []string{"audit       failed: it is off by a fifth\n", "serves      no\n"},
		},
		{
			name: "train what cannot be trained", args: []string{"models", "train", "--reason", "why", "-o", "json"}, status: command.ExitNegative,
			stdout: []string{`"state": "STATE_FAILED"`}, ends: redrivev1.Training_STATE_FAILED,
		},
		{name: "train alone", args: []string{"models", "train", "--detach", "-o", "json"}, stdout: []string{`"state": "STATE_RUNNING"`}},
		{name: "promote", args: []string{"models", "promote", "a"}, status: command.ExitNegative, stderr: []string{"did not pass its audit"}},
		{
			name: "by force", args: []string{"models", "promote", "a", "--force", "--reason", "r"}, stdout: []string{"models/a serves\n"},
			want: &redrivev1.PromoteModelRequest{Name: "models/a", Force: true, Reason: "r"},
		},
		{name: "rollback", args: []string{"models", "rollback", "--reason", "r"}, stdout: []string{"models/builtin serves\n"}, stderr: []string{"until one is promoted"}, want: &redrivev1.RollbackModelRequest{Reason: "r"}},
		{
			name: "diff", args: []string{"models", "diff", "a", "builtin"}, stdout: []string{"WHAT            BEFORE  AFTER\n", "records learnt  0       400\n"},
			want: &redrivev1.DiffModelsRequest{Name: "models/a", Against: "models/builtin"},
		},
		{name: "drift", args: []string{"models", "drift"}, stdout: []string{"20 decisions", "input_bytes  0.310\n"}, stderr: []string{"input_bytes moved much\n"}},
		{name: "records", args: []string{"records", "list"}, stdout: []string{"FAILED", "memory.container  60 s", "3 GiB", "change\n", "SUCCEEDED"}},
		{
			name: "records of a type", args: []string{"records", "list", "--workflow", "w", "--step", "s", "-o", "yaml"}, stdout: []string{"id: r3\n"},
			want: &redrivev1.ListRecordsRequest{PageSize: 100, PageToken: "2", Type: &redrivev1.JobType{Workflow: "w", Step: "s", Engine: "process"}},
		},
		{name: "records of half a type", args: []string{"records", "list", "--step", "s"}, status: command.ExitUsage, stderr: []string{"--workflow and --step go together"}},
		{name: "lines", args: []string{"records", "export", "--format", "jsonl"}, stdout: []string{`{"id":"r1",`, "\n{\"id\":\"r3\","}},
		{name: "no format", args: []string{"records", "export", "--format", "xls"}, status: command.ExitUsage, stderr: []string{"csv, parquet or jsonl"}},
		{name: "rebuild", args: []string{"records", "rebuild"}, stdout: []string{"10 events read, 1 record added\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &school{ends: tc.ends, passes: tc.passes}
			data := start(t, services{recommender: s})
			run(t, "", append([]string{"--data", data}, tc.args...)...).check(t, tc.status, tc.stdout, tc.stderr)
			if tc.want != nil && !proto.Equal(s.last, tc.want) {
				t.Errorf("asked %v, want %v", s.last, tc.want)
			}
		})
	}
}

func TestAnExportHasAllRecordsAndOverwritesNothing(t *testing.T) {
	data := start(t, services{recommender: &school{}})
	out := run(t, "", "--data", data, "records", "export")
	rows, err := csv.NewReader(strings.NewReader(out.stdout)).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][2] != `w,"1"` || rows[3][0] != "r3" {
		t.Fatalf("%d rows, %v:\n%s", len(rows), err, out.stdout)
	}
	of := map[string]string{}
	for i, name := range rows[0] {
		of[name] = rows[1][i]
	}
	if of["exit_code"] != "137" || of["chosen_bytes"] != "77" || of["peak_bytes"] != "3221225472" || of["outcome"] != "FAILED" || of["killed"] != "false" {
		t.Errorf("row %v", of)
	}
	name := filepath.Join(t.TempDir(), "records.parquet")
	args := []string{"--data", data, "records", "export", "--format", "parquet", "--file", name}
	run(t, "", args...).check(t, 0, nil, []string{"3 records in " + name})
	before, err := os.ReadFile(name)
	if err != nil || !strings.HasPrefix(string(before), "PAR1") {
		t.Fatalf("%d bytes, %v", len(before), err)
	}
	if again := run(t, "", args...); again.status == 0 {
		t.Error("an export overwrote a file")
	}
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, %v", err)
	}
}
