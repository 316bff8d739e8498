package loop

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func TestLoop(t *testing.T) {
	r := launch(t, t.TempDir())
	seen := filepath.Join(t.TempDir(), "witness")
	memory := func() *redrivev1.Job {
		j := jobOf("memory", map[string]any{"memory_mb": 128.0}, "memory", seen, "{{config.memory_mb}}")
		j.InputBytes, j.Owner = 3<<30, "etl"
		return j
	}
	r.submit("ok", jobOf("ok", nil, "ok", seen))
	r.submit("flaky", jobOf("flaky", nil, "flaky", seen))
	r.submit("memory", memory())
	r.submit("bug", jobOf("bug", nil, "bug", seen))

	for _, tc := range []struct {
		id       string
		state    redrivev1.Job_State
		attempts int // 0: at least two
		class    string
		verdict  redrivev1.Verdict
	}{
		{"ok", redrivev1.Job_STATE_SUCCEEDED, 1, "", 0},
		{"flaky", redrivev1.Job_STATE_SUCCEEDED, 2, "network.transient", redrivev1.Verdict_VERDICT_RETRY},
		{"memory", redrivev1.Job_STATE_SUCCEEDED, 0, "memory.python", redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG},
		{"bug", redrivev1.Job_STATE_FAILED, 1, "code.bug", redrivev1.Verdict_VERDICT_DO_NOT_RETRY},
	} {
		j := r.await(tc.id)
		if n := len(j.GetAttempts()); j.GetState() != tc.state || (tc.attempts > 0 && n != tc.attempts) || (tc.attempts == 0 && n < 2) {
			t.Errorf("%s: %v after %d attempts (%s), want %v after %d", tc.id, j.GetState(), n, j.GetStateReason(), tc.state, tc.attempts)
		}
		failures := r.failures(j)
		for _, f := range failures {
			if f.GetClass() != tc.class || f.GetVerdict() != tc.verdict || f.GetState() != redrivev1.Failure_STATE_FINAL {
				t.Errorf("%s: failure is %s, %v, %v, want %s, %v, final", tc.id, f.GetClass(), f.GetVerdict(), f.GetState(), tc.class, tc.verdict)
			}
		}
		for _, f := range failures {
			asked := f.GetRecommendation().GetInputs().GetRequest()
			if tc.id == "memory" && (f.GetRecommendation().GetFeatures().GetInputBytes() != 3<<30 || asked.GetOwner() != "etl") {
				t.Errorf("%s: what its job reads and whose it is did not reach the recommendation: %v", tc.id, f.GetRecommendation().GetFeatures())
			}
		}
		decisions := r.decisions(j.GetName())
		if len(decisions) != len(failures) {
			t.Errorf("%s: %d decisions on %d failures", tc.id, len(decisions), len(failures))
		}
		r.replay(failures, decisions)
	}

	// What was learnt serves the next run, once a human has promoted it.
	last := r.await("memory").GetAttempts()
	patches := last[len(last)-1].GetAppliedPatches()
	if len(patches) != 1 {
		t.Fatalf("the last attempt has patches %v, want one", patches)
	}
	if _, err := r.config.PromotePatch(t.Context(), &redrivev1.PromotePatchRequest{Name: patches[0]}); err != nil {
		t.Fatal(err)
	}
	r.submit("memory-2", memory())
	if n := len(r.await("memory-2").GetAttempts()); n != 1 {
		t.Errorf("the second run took %d attempts, want one", n)
	}
	if text, err := os.ReadFile(seen); err != nil || len(text) == 0 {
		t.Errorf("no job ran: %v", err)
	}
}

// replay makes everything again from its record.
func (r *rig) replay(failures []*redrivev1.Failure, decisions []*redrivev1.Decision) {
	r.t.Helper()
	for _, f := range failures {
		res, err := r.classifier.ReplayFailure(r.t.Context(), &redrivev1.ReplayFailureRequest{Name: f.GetName()})
		if err != nil || !res.GetIdentical() {
			r.t.Errorf("%s made again differs: %v %v", f.GetName(), res.GetDifferences(), err)
		}
	}
	for _, d := range decisions {
		res, err := r.scheduler.ReplayDecision(r.t.Context(), &redrivev1.ReplayDecisionRequest{Name: d.GetName()})
		if err != nil || !res.GetIdentical() {
			r.t.Errorf("%s made again differs: %v", d.GetName(), err)
		}
	}
}

func TestRuleAddedMeanwhileActsOnTheNextFailure(t *testing.T) {
	r := launch(t, t.TempDir())
	_, err := r.classifier.CreateRule(t.Context(), &redrivev1.CreateRuleRequest{RuleId: "price-missing", Rule: &redrivev1.Rule{
		Order: 10, Any: []string{`KeyError: '(?P<column>price)'`}, Class: "schema.mismatch", Summary: "column {column} is gone",
		Mode: redrivev1.Rule_MODE_ENFORCE, Sample: "KeyError: 'price'",
	}, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := filepath.Join(t.TempDir(), "witness")
	r.submit("bug", jobOf("bug", nil, "bug", seen))
	f := r.failures(r.await("bug"))[0]
	if f.GetClass() != "schema.mismatch" || f.GetSummary() != "column price is gone" || len(f.GetMatches()) < 2 {
		t.Errorf("class %s, %q, %d matches; want the new rule's, and the built-in one on record", f.GetClass(), f.GetSummary(), len(f.GetMatches()))
	}
}

func TestAttemptsOutliveTheServer(t *testing.T) {
	data, gates := t.TempDir(), t.TempDir()
	seen := filepath.Join(t.TempDir(), "witness")
	r := launch(t, data)
	r.submit("long", jobOf("long", nil, "gate", seen, filepath.Join(gates, "open")))
	stream, err := r.scheduler.WatchJob(t.Context(), &redrivev1.WatchJobRequest{Name: "jobs/long"})
	if err != nil {
		t.Fatal(err)
	}
	for {
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if res.GetJob().GetState() == redrivev1.Job_STATE_RUNNING {
			break
		}
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(gates, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = launch(t, data)
	j := r.await("long")
	if j.GetState() != redrivev1.Job_STATE_SUCCEEDED || len(j.GetAttempts()) != 1 {
		t.Errorf("%v after %d attempts, want SUCCEEDED after one", j.GetState(), len(j.GetAttempts()))
	}
}

// A patch gives jobs of a type less than they ask for. The one that lacks memory
// then is retried with what it asks for, while the patch applies on.
func TestALoweredJobGetsItsOwnAgain(t *testing.T) {
	r := launch(t, t.TempDir())
	seen := filepath.Join(t.TempDir(), "witness")
	j := jobOf("lowered", map[string]any{"memory_mb": 256.0}, "memory", seen, "{{config.memory_mb}}")
	own, less := structpb.NewNumberValue(256), structpb.NewNumberValue(128)
	p, err := r.config.CreatePatch(t.Context(), &redrivev1.CreatePatchRequest{Propose: true, RequestId: "lower", Patch: &redrivev1.Patch{
		Scope: &redrivev1.PatchScope{Type: j.GetType()}, Type: j.GetType(),
		Operations: []*redrivev1.PatchOperation{{Op: "test", Path: "/memory_mb", Value: own}, {Op: "replace", Path: "/memory_mb", Value: less}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.config.ApprovePatch(t.Context(), &redrivev1.ApprovePatchRequest{Name: p.GetName(), Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	r.submit("lowered", j)
	ended := r.await("lowered")
	var had []float64
	for _, a := range ended.GetAttempts() {
		had = append(had, a.GetConfig().GetFields()["memory_mb"].GetNumberValue())
	}
	if ended.GetState() != redrivev1.Job_STATE_SUCCEEDED || !slices.Equal(had, []float64{128, 256}) {
		t.Errorf("%v after attempts with %v MiB (%s), want it to succeed after 128 and 256", ended.GetState(), had, ended.GetStateReason())
	}
}
