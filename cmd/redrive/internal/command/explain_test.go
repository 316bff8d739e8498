package command_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// books is a server that has the record of one failure.
type books struct {
	redrivev1.UnimplementedSchedulerServiceServer
	redrivev1.UnimplementedClassifierServiceServer
	redrivev1.UnimplementedConfigServiceServer
	failure  *redrivev1.Failure
	decision *redrivev1.Decision
	job      *redrivev1.Job
	patch    *redrivev1.Patch
	// What a replay gives.
	again        *redrivev1.Decision
	differences  []string
	replayedName string
}

func found[T any](t *T, name, want string) (*T, error) {
	if t == nil || name != want {
		return nil, errs.New(errs.NotFound, "there is no %s", name)
	}
	return t, nil
}

func (b *books) GetFailure(_ context.Context, r *redrivev1.GetFailureRequest) (*redrivev1.Failure, error) {
	return found(b.failure, r.GetName(), b.failure.GetName())
}

func (b *books) GetJob(_ context.Context, r *redrivev1.GetJobRequest) (*redrivev1.Job, error) {
	return found(b.job, r.GetName(), b.job.GetName())
}

func (b *books) GetDecision(_ context.Context, r *redrivev1.GetDecisionRequest) (*redrivev1.Decision, error) {
	return found(b.decision, r.GetName(), b.decision.GetName())
}

func (b *books) GetPatch(_ context.Context, r *redrivev1.GetPatchRequest) (*redrivev1.Patch, error) {
	return found(b.patch, r.GetName(), b.patch.GetName())
}

func (b *books) ReplayFailure(_ context.Context, r *redrivev1.ReplayFailureRequest) (*redrivev1.ReplayFailureResponse, error) {
	b.replayedName = r.GetName()
	return &redrivev1.ReplayFailureResponse{Failure: b.failure, Identical: b.differences == nil, Differences: b.differences}, nil
}

func (b *books) PlotFailure(_ context.Context, r *redrivev1.PlotFailureRequest) (*redrivev1.PlotFailureResponse, error) {
	if r.GetName() != b.failure.GetName() {
		return nil, errs.New(errs.FailedPrecondition, "there is nothing to draw")
	}
	return &redrivev1.PlotFailureResponse{Svg: "<svg/>\n"}, nil
}

func (b *books) ReplayDecision(context.Context, *redrivev1.ReplayDecisionRequest) (*redrivev1.ReplayDecisionResponse, error) {
	return &redrivev1.ReplayDecisionResponse{Decision: b.again, Identical: proto.Equal(b.again, b.decision)}, nil
}

// memoryBooks is the record of a job that ran out of memory.
func memoryBooks(t *testing.T) *books {
	small, large := structOf(t, map[string]any{"memory_mb": 128}), structOf(t, map[string]any{"memory_mb": 256})
	now := timestamppb.New(time.Now().Add(-2 * time.Minute).Truncate(time.Second))
	b := &books{
		failure: &redrivev1.Failure{
			Name: "failures/f1", Attempt: &redrivev1.AttemptRef{Source: "redrive", Job: "etl", Attempt: 1},
			Type:   &redrivev1.JobType{Workflow: "sales", Step: "load", Engine: "process"},
			Config: small, AttemptConfig: small, State: redrivev1.Failure_STATE_FINAL, CreateTime: now,
			Class: "memory.container", Verdict: redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG, Rule: "rules/memory-limit",
			Summary: "killed at the memory limit", Runbook: "Raise memory_mb.", Patch: "patches/p1", Excerpt: []string{"loading", "Killed"},
			Evidence: &redrivev1.Evidence{
				TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, TerminationProof: "oom_kill 1",
				Signal: 9, MemoryLimitBytes: 128 << 20, PeakMemoryBytes: new(int64(127 << 20)), Duration: durationpb.New(2100 * time.Millisecond), MemoryDriver: "cgroup2",
			},
			Matches: []*redrivev1.RuleMatch{
				{Rule: "rules/memory-limit", Class: "memory.container", Verdict: redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG, Mode: redrivev1.Rule_MODE_ENFORCE},
				{
					Rule: "rules/killed", Class: "unknown", Verdict: redrivev1.Verdict_VERDICT_UNKNOWN, Mode: redrivev1.Rule_MODE_SHADOW,
					Source: "stderr", Line: 12, Text: "Killed", Captures: map[string]string{"pid": "77"},
				},
			},
			Recommendation: &redrivev1.Recommendation{
				Outcome: redrivev1.Recommendation_OUTCOME_CHANGE, Reason: "256 MiB costs least", CandidateCount: 12, ModelVersion: "peaks-1",
				Chosen:     &redrivev1.Candidate{MemoryBytes: 256 << 20, Cores: 1, FailProbability: 0.081, ExpectedCost: 0.0001, Objective: 0.0811, Seconds: 2.1},
				Current:    &redrivev1.Candidate{MemoryBytes: 128 << 20, Cores: 1, FailProbability: 0.995, ExpectedCost: 0.00005, Objective: 0.995},
				Candidates: []*redrivev1.Candidate{{MemoryBytes: 256 << 20, Cores: 1, FailProbability: 0.081}, {MemoryBytes: 512 << 20, Cores: 1, FailProbability: 0.02, ExpectedCost: 0.1, Objective: 0.12, Seconds: 3}},
				Inputs:     &redrivev1.RecommendationInputs{Observations: 3},
				Factors: []*redrivev1.Factor{
					{Name: "input size", Value: "1.5 GiB", FailProbabilityWithout: 0.35, MemoryBytesWithout: 384 << 20},
					{Name: "runs of this type", Value: "3", FailProbabilityWithout: 0.5},
				},
			},
		},
		decision: &redrivev1.Decision{
			Name: "jobs/etl/decisions/1", Job: "jobs/etl", Attempt: 1, Action: redrivev1.Decision_ACTION_RETRY_WITH_CONFIG, DueTime: now,
			Reason: "retry 1 of 3 after memory.container, with the configuration of patches/p1", RetriesUsed: 1, RetryLimit: 3, Inputs: &redrivev1.DecisionInputs{Now: now}, CreateTime: now,
		},
		job: &redrivev1.Job{Name: "jobs/etl", Attempts: []*redrivev1.Attempt{
			{Number: 1, Failure: "failures/f1", Config: small}, {Number: 2, Config: large},
		}},
		patch: &redrivev1.Patch{Name: "patches/p1", State: redrivev1.Patch_STATE_ACTIVE, Scope: &redrivev1.PatchScope{Job: "jobs/etl"}, Operations: []*redrivev1.PatchOperation{
			{Op: "test", Path: "/memory_mb", Value: structpb.NewNumberValue(128)}, {Op: "replace", Path: "/memory_mb", Value: structpb.NewNumberValue(256)},
		}},
	}
	b.again = b.decision
	return b
}

func (b *books) start(t *testing.T) string {
	return start(t, services{scheduler: b, classifier: b, config: b})
}

func TestExplainTellsTheWholeStoryOfAFailure(t *testing.T) {
	b := memoryBooks(t)
	dir := b.start(t)
	want := `failures/f1  memory.container  RETRY_WITH_CONFIG
  jobs/etl, attempt 1 of sales/load (process), 2 min ago

What happened
  killed at the memory limit
  killed at its memory limit of 128 MiB, after 2.1 s, peak memory 127 MiB, enforced by cgroup2 (oom_kill 1)
  │ loading
  │ Killed

What a human can do
  Raise memory_mb.

What matched
  → rules/memory-limit  memory.container  RETRY_WITH_CONFIG
      matched on the facts
  s rules/killed  unknown  UNKNOWN
      stderr line 12: Killed
      captured pid=77
  → decided; the others matched as well, and come later, give way to it (docs/rules.md), or are in shadow (s)

What was considered
  256 MiB costs least
  12 candidates, 3 observations of this job type, model peaks-1
                    MEMORY   CORES  TIME   P(FAIL)  COST      OBJECTIVE
  → chosen          256 MiB  1      2.1 s  8 %      $0.0001   $0.08
    it failed with  128 MiB  1      –      > 99 %   $0.00005  $0.99
                    512 MiB  1      3 s    2 %      $0.10     $0.12

What moved it
  KNOWN              P(FAIL) WITHOUT IT  MEMORY CHOSEN WITHOUT IT  VALUE
  input size         35 %                384 MiB                   1.5 GiB
  runs of this type  50 %                –                         3

What was decided
  retry 1 of 3 after memory.container, with the configuration of patches/p1, at once
  decided 2 min ago, jobs/etl/decisions/1

Configuration
  it failed with  memory_mb=128
  next attempt    memory_mb 128 → 256
  patches/p1, ACTIVE, for jobs/etl
`
	for _, arg := range []string{"failures/f1", "f1", "jobs/etl", "etl"} {
		r := run(t, "", "--data", dir, "explain", arg)
		if r.check(t, command.ExitOK, nil, nil); strings.ReplaceAll(r.stdout, "120 s ago", "2 min ago") != want {
			t.Errorf("explain %s:\n%s\nwant\n%s", arg, r.stdout, want)
		}
	}
	r := run(t, "", "--data", dir, "explain", "etl", "-o", "json")
	var doc struct{ Failure, Decision, Patch struct{ Name string } }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || doc.Failure.Name != "failures/f1" || doc.Decision.Name == "" || doc.Patch.Name == "" {
		t.Errorf("JSON (%v):\n%s", err, r.stdout)
	}
	run(t, "", "--data", dir, "explain", "jobs/other").check(t, command.ExitNegative, nil, []string{"there is no jobs/other"})
	run(t, "", "--data", dir, "explain", "failures/f1", "--attempt", "2").check(t, command.ExitUsage, nil, []string{"--attempt is of a job"})
	run(t, "", "--data", dir, "explain", "etl", "--attempt", "2").check(t, command.ExitNegative, nil, []string{"attempt 2 of jobs/etl did not fail"})
}

func TestExplainOfWhatIsNotDoneYet(t *testing.T) {
	b := memoryBooks(t)
	b.failure.State, b.failure.Recommendation, b.failure.Matches, b.failure.Rule = redrivev1.Failure_STATE_RECOMMENDING, nil, nil, ""
	b.decision, b.patch, b.job = nil, nil, nil
	dir := b.start(t)
	run(t, "", "--data", dir, "explain", "failures/f1").check(t, command.ExitOK, []string{
		"It is being classified", "no rule: the failure is unclassified", "the recommender was not asked", "nothing yet", "no change is planned",
	}, nil)
}

func TestExplainDraws(t *testing.T) {
	dir := memoryBooks(t).start(t)
	file := filepath.Join(t.TempDir(), "f1.svg")
	run(t, "", "--data", dir, "explain", "etl", "--plot", file).check(t, command.ExitOK, nil, []string{file + " shows failures/f1"})
	if b, err := os.ReadFile(file); err != nil || string(b) != "<svg/>\n" {
		t.Errorf("the file has %q, %v, want the picture", b, err)
	}
	if r := run(t, "", "--data", dir, "explain", "etl", "--plot", "-"); r.stdout != "<svg/>\n" {
		t.Errorf("standard output has %q, want the picture", r.stdout)
	}
	run(t, "", "--data", dir, "explain", "failures/f2", "--plot", file).check(t, command.ExitNegative, nil, []string{"there is nothing to draw"})
	run(t, "", "--data", dir, "explain", "etl", "--plot", file, "--replay").check(t, command.ExitUsage, nil, []string{"replay", "plot"})
}

func TestReplaySaysWhetherTheSameComesOut(t *testing.T) {
	b := memoryBooks(t)
	dir := b.start(t)
	run(t, "", "--data", dir, "explain", "etl", "--replay").check(t, command.ExitOK,
		[]string{"classification and recommendation: identical\n", "decision: identical\n"}, nil)
	if b.replayedName != "failures/f1" {
		t.Errorf("replayed %q, want failures/f1", b.replayedName)
	}
	b.again = proto.Clone(b.decision).(*redrivev1.Decision)
	b.again.RetryLimit, b.again.Reason = 5, ""
	run(t, "", "--data", dir, "explain", "etl", "--replay").check(t, command.ExitNegative,
		[]string{"decision: different\n", "reason: was \"retry 1 of 3 after memory.container, with the configuration of patches/p1\", is not set", "retryLimit: was 3, is 5"}, nil)
	b.again, b.differences = b.decision, []string{"class: was memory.container, is unknown"}
	run(t, "", "--data", dir, "explain", "etl", "--replay").check(t, command.ExitNegative,
		[]string{"recommendation: different\n  class: was memory.container", "decision: identical\n"}, nil)
}
