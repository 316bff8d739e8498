package wire_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/policy"
	"github.com/redrive-io/redrive/services/scheduler/internal/wire"
)

var effects = map[job.Effect]bus.Type{
	job.TellStarted: bus.AttemptStarted, job.TellFailed: bus.AttemptFailed, job.TellSucceeded: bus.AttemptSucceeded,
	job.TellDecided: bus.DecisionMade, job.TellFinished: bus.JobFinished,
}

func told() wire.Told {
	secret, err := job.NewConfig(map[string]any{"memory_mb": 64.0, "db.password": "hunter2"})
	if err != nil {
		panic(err) // the test's own values
	}
	return wire.Told{
		Attempt: 2, Decision: policy.Decision{Job: "etl", Attempt: 2, Action: policy.Stop},
		Job: job.Job{
			ID: "etl", Source: failure.Own, SourceJob: "etl", Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"},
			Config: secret, State: job.Classifying, Revision: 7, Emissions: 1,
			Attempts: []job.Attempt{{Number: 1, Config: secret}, {Number: 2, Config: secret}},
		},
	}
}

func TestEventsOfEveryEffect(t *testing.T) {
	ids := map[string]job.Effect{}
	for effect, kind := range effects {
		e, err := wire.Event(effect, told(), time.Now())
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if e.Type != kind || e.Source != "redrive/scheduler" || e.Subject != "jobs/etl" || e.Emission != 0 {
			t.Errorf("%s: %+v", kind, e)
		}
		if other, taken := ids[e.ID]; taken {
			t.Errorf("%s and %s have one id, %q", kind, effects[other], e.ID)
		}
		ids[e.ID] = effect
		if strings.Contains(string(e.Data), "hunter2") {
			t.Errorf("%s tells a secret of the configuration", kind)
		}
	}
}

// TestWhatIsToldAgainIsNotDropped: the stream drops an event with the id and
// the emission of one before.
func TestWhatIsToldAgainIsNotDropped(t *testing.T) {
	seen := map[[2]any]bool{}
	id := ""
	for emissions := 1; emissions <= 3; emissions++ {
		w := told()
		w.Job.Emissions = emissions
		e, err := wire.Event(job.TellFailed, w, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if id == "" {
			id = e.ID
		}
		if e.ID != id {
			t.Errorf("telling %d is another event: %q and %q", emissions, e.ID, id)
		}
		key := [2]any{e.ID, e.Emission}
		if seen[key] {
			t.Errorf("telling %d would be dropped", emissions)
		}
		seen[key] = true
	}
	w := told()
	if want := w.Job.Ref(2).FailureID(); id != want {
		t.Errorf("id %q, want that of the failure, %q", id, want)
	}
	first, _ := wire.Event(job.TellFinished, w, time.Now())
	w.Job.Revision++
	second, _ := wire.Event(job.TellFinished, w, time.Now())
	if first.ID == second.ID {
		t.Error("a job that ends again after a human's retry tells an event that is dropped")
	}
}

func TestAJobThatEndsBeforeItsFirstAttempt(t *testing.T) {
	w := told()
	w.Attempt, w.Job.Attempts, w.Job.State = 0, nil, job.Cancelled
	e, err := wire.Event(job.TellFinished, w, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var m redrivev1.JobFinished
	if err := e.Decode(&m); err != nil || m.GetState() != redrivev1.Job_STATE_CANCELLED || m.GetJobRevision() != 7 {
		t.Errorf("event %v (%v)", &m, err)
	}
}

// TestConfigurationsAreTold, those of other schedulers as they are kept.
func TestConfigurationsAreTold(t *testing.T) {
	for _, source := range []string{failure.Own, "airflow"} {
		for _, effect := range []job.Effect{job.TellStarted, job.TellFailed, job.TellSucceeded} {
			w := told()
			w.Job.Source = source
			w.Job.Attempts[1].Config, _ = job.NewConfig(map[string]any{"memory_mb": 128.0})
			e, err := wire.Event(effect, w, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var original, attempt *structpb.Struct
			switch effect {
			case job.TellStarted:
				var m redrivev1.AttemptStarted
				err = e.Decode(&m)
				attempt = m.GetAttemptConfig()
			case job.TellFailed:
				var m redrivev1.AttemptFailed
				err = e.Decode(&m)
				original, attempt = m.GetConfig(), m.GetAttemptConfig()
			case job.TellSucceeded:
				var m redrivev1.AttemptSucceeded
				err = e.Decode(&m)
				original, attempt = m.GetConfig(), m.GetAttemptConfig()
			}
			if err != nil || attempt.GetFields()["memory_mb"].GetNumberValue() != 128 {
				t.Errorf("%s tells that the attempt ran with %v (%v)", e.Type, attempt, err)
			}
			if effect != job.TellStarted && original.GetFields()["memory_mb"].GetNumberValue() != 64 {
				t.Errorf("%s tells the original configuration %v", e.Type, original)
			}
			w.Job.Config, w.Job.Attempts[1].Config = job.Config{}, job.Config{}
			if e, err = wire.Event(effect, w, time.Now()); err != nil || strings.Contains(string(e.Data), "memory_mb") {
				t.Errorf("%s tells a configuration that there is not (%v)", e.Type, err)
			}
		}
	}
}
