package loop

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// TestAllDoorsAtOnce tells one failure of another scheduler through every door
// at the same time, several times each.
func TestAllDoorsAtOnce(t *testing.T) {
	r := launch(t, t.TempDir())
	ref := failure.Attempt{Source: "acme", Job: "nightly/7", Number: 1}
	kind := &redrivev1.JobType{Workflow: "acme", Step: "nightly", Engine: "process"}
	config, err := structpb.NewStruct(map[string]any{"memory_mb": 256.0})
	if err != nil {
		t.Fatal(err)
	}
	evidence := func() *redrivev1.Evidence {
		return &redrivev1.Evidence{
			TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, TerminationProof: "oom_kill 1",
			Signal: 9, MemoryLimitBytes: 256 << 20,
		}
	}
	js := r.clientBus()
	var group sync.WaitGroup
	var mu sync.Mutex
	decisions, patches := map[string]int{}, map[string]int{}
	for range 4 {
		group.Go(func() {
			f, err := r.classifier.Classify(t.Context(), &redrivev1.ClassifyRequest{Attempt: ref.Proto(), Type: kind, Config: config, Evidence: evidence()})
			if err != nil {
				t.Errorf("Classify: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			patches[f.GetPatch()]++
		})
		group.Go(func() {
			res, err := r.scheduler.ReportFailure(t.Context(), &redrivev1.ReportFailureRequest{Attempt: ref.Proto(), Type: kind, Config: config, Evidence: evidence()})
			if err != nil {
				t.Errorf("ReportFailure: %v", err)
				return
			}
			d := res.GetDecision()
			mu.Lock()
			defer mu.Unlock()
			decisions[fmt.Sprint(d.GetAction(), d.GetDueTime().AsTime(), d.GetReason(), d.GetInputs().GetSeed())]++
		})
		group.Go(func() { tellByEvent(t, js, ref) })
	}
	group.Wait()
	if len(decisions) != 1 || len(patches) != 1 || patches[""] > 0 {
		t.Errorf("decisions %v and patches %v, want one of each", decisions, patches)
	}
	if got := r.decisions(ref.JobName()); len(got) != 1 || got[0].GetAction() != redrivev1.Decision_ACTION_RETRY_WITH_CONFIG {
		t.Errorf("decisions on record: %v, want one retry with configuration", got)
	}
	all, err := r.classifier.ListFailures(t.Context(), &redrivev1.ListFailuresRequest{Workflow: "acme"})
	if err != nil || len(all.GetFailures()) != 1 {
		t.Errorf("%d failures on record (%v), want one", len(all.GetFailures()), err)
	}
	stored, err := r.config.ListPatches(t.Context(), &redrivev1.ListPatchesRequest{Workflow: "acme"})
	if err != nil || len(stored.GetPatches()) != 1 {
		t.Errorf("%d patches on record (%v), want one", len(stored.GetPatches()), err)
	}
	res, err := r.config.Resolve(t.Context(), &redrivev1.ResolveRequest{Job: "acme/nightly/7", Type: kind, Config: config})
	if err != nil || res.GetConfig().GetFields()["memory_mb"].GetNumberValue() <= 256 {
		t.Errorf("Resolve by the other scheduler's own name = %v (%v), want more memory", res.GetConfig(), err)
	}
}

// clientBus connects as another scheduler does.
func (r *rig) clientBus() jetstream.JetStream {
	r.t.Helper()
	text, err := os.ReadFile(r.sys.Folder().NATSClientFile())
	if err != nil {
		r.t.Fatal(err)
	}
	var login struct{ URL, User, Password string }
	if err := json.Unmarshal(text, &login); err != nil {
		r.t.Fatal(err)
	}
	conn, err := nats.Connect(login.URL, nats.UserInfo(login.User, login.Password))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

func tellByEvent(t *testing.T, js jetstream.JetStream, ref failure.Attempt) {
	msg := &nats.Msg{Subject: "redrive.report.attempt.failed", Header: nats.Header{}}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": fmt.Sprintf("%s-%d", ref.Job, ref.Number), "ce-source": ref.Source, "ce-type": "attempt.failed",
		"ce-time": time.Now().UTC().Format(time.RFC3339Nano), "Content-Type": "application/json",
	} {
		msg.Header.Set(name, value)
	}
	msg.Data = []byte(`{"attempt":{"source":"acme","job":"nightly/7","attempt":1},
		"type":{"workflow":"acme","step":"nightly","engine":"process"},"config":{"memory_mb":256},
		"evidence":{"terminationReason":"TERMINATION_REASON_OUT_OF_MEMORY","terminationProof":"oom_kill 1","signal":9,"memoryLimitBytes":"268435456"}}`)
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Errorf("publish: %v", err)
	}
}
