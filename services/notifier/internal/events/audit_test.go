package events_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
	"github.com/redrive-io/redrive/services/notifier/internal/events"
	"github.com/redrive-io/redrive/services/notifier/internal/ledger/ledgertest"
)

// audited is the event about the n-th audit.
func audited(t testing.TB, n int64, passed bool) bus.Event {
	m := &redrivev1.ModelAudited{
		Model: fmt.Sprintf("models/m%d", n), Training: fmt.Sprintf("trainings/t%d", n),
		Audit: &redrivev1.Audit{Passed: passed, Time: timestamppb.New(time.Unix(1000+n, 0))},
	}
	m.Audit.Findings = []*redrivev1.AuditFinding{{Check: "records", Message: "only 7 failures"}}
	if !passed {
		m.Audit.Findings = append(m.Audit.Findings, &redrivev1.AuditFinding{Check: "doubling", Fatal: true, Message: "costs $3 more"})
	}
	return event(t, bus.ModelAudited, m.GetModel(), "redrive/recommender", m)
}

// Audits that fail are one alert until one passes, in whatever order they are
// heard of and however often.
func TestAnAuditThatFailsIsAnAlertUntilOnePasses(t *testing.T) {
	all := []bus.Event{audited(t, 1, false), audited(t, 2, false), audited(t, 3, true), audited(t, 4, false)}
	for _, order := range orders(4) {
		w := ledgertest.On(t, storetest.Open(t), ledgertest.Receivers)
		h := events.New(w.Ledger)
		for i, at := range order {
			handleAll(t, h, []bus.Event{all[at], all[order[i/2]]})
		}
		open := map[alert.State]alert.Alert{}
		for _, a := range w.All(t) {
			if a.Severity != alert.Warning || a.Job != alert.Models {
				t.Errorf("order %v: alert of %s is %s, want a warning about models", order, a.Job, a.Severity)
			}
			if _, twice := open[a.State]; twice {
				t.Errorf("order %v: two alerts are %s", order, a.State)
			}
			open[a.State] = a
		}
		firing, over := open[alert.Firing], open[alert.Resolved]
		if firing.Summary != "models/m4 failed its audit: doubling: costs $3 more" || !strings.Contains(firing.Action, "goes on") ||
			!strings.Contains(firing.SafeToRetry, "redrive models train") {
			t.Errorf("order %v: what fires is %+v", order, firing)
		}
		if over.Summary != "models/m2 failed its audit: doubling: costs $3 more" || !strings.HasSuffix(over.Action, "a later audit passed.") {
			t.Errorf("order %v: what is over is %+v", order, over)
		}
		if told := w.Queue(t, firing.ID, "oncall"); !slices.Equal(told, []string{"trigger/warning"}) {
			t.Errorf("order %v: oncall is told %v", order, told)
		}
	}
}

// untrained is the event about a training that failed at the n-th time.
func untrained(t testing.TB, n int64) bus.Event {
	name := fmt.Sprintf("trainings/t%d", n)
	return event(t, bus.TrainingFailed, name, "redrive/recommender", &redrivev1.TrainingFailed{Training: &redrivev1.Training{
		Name: name, State: redrivev1.Training_STATE_FAILED, EndTime: timestamppb.New(time.Unix(1000+n, 0)), Error: "a record is damaged",
	}})
}

// Trainings and audits that fail are one alert until an audit passes, in whatever
// order they are heard of and however often.
func TestATrainingThatFailsIsAnAlertUntilAnAuditPasses(t *testing.T) {
	for passes, want := range map[bool]alert.State{false: alert.Firing, true: alert.Resolved} {
		all := []bus.Event{untrained(t, 1), audited(t, 2, false), untrained(t, 3), audited(t, 4, passes)}
		if !passes {
			all[3] = untrained(t, 4)
		}
		for _, order := range orders(4) {
			w := ledgertest.On(t, storetest.Open(t), ledgertest.Receivers)
			h := events.New(w.Ledger)
			for i, at := range order {
				handleAll(t, h, []bus.Event{all[at], all[order[i/2]]})
			}
			a := w.Only(t)
			last := 3
			if !passes {
				last = 4
			}
			if a.State != want || a.Severity != alert.Warning || a.Job != alert.Models || a.Summary != fmt.Sprintf("trainings/t%d failed: a record is damaged", last) ||
				!strings.Contains(a.Action, "goes on") || !strings.Contains(a.SafeToRetry, "redrive models train") {
				t.Errorf("order %v: alert %+v", order, a)
			}
			told := w.Queue(t, a.ID, "oncall")
			if triggers := len(told) - len(slices.DeleteFunc(slices.Clone(told), func(s string) bool { return s == "trigger/warning" })); triggers > 1 || !passes && triggers != 1 {
				t.Errorf("order %v: oncall is told %v", order, told)
			}
		}
	}
}

func TestAuditsThatPassTellNobody(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	handleAll(t, events.New(w.Ledger), []bus.Event{audited(t, 1, true), audited(t, 2, true)})
	if all := w.All(t); len(all) != 0 {
		t.Errorf("alerts = %+v, want none", all)
	}
}

// A job may have any name that a job can have, and an alert of its own.
func TestAJobIsNeverTakenForTheModels(t *testing.T) {
	w := ledgertest.Open(t, ledgertest.Receivers)
	handleAll(t, events.New(w.Ledger), []bus.Event{audited(t, 1, false), decided(t, "models/-", 1, redrivev1.Decision_ATTENTION_PERMANENT)})
	jobs := map[string]bool{}
	for _, a := range w.All(t) {
		jobs[a.Job] = true
	}
	if len(jobs) != 2 || !jobs[alert.Models] || !jobs["jobs/models/-"] {
		t.Errorf("alerts are about %v", jobs)
	}
}

func TestAnAuditOrATrainingWithoutATimeIsInvalid(t *testing.T) {
	h := events.New(ledgertest.Open(t, "").Ledger)
	for _, e := range []bus.Event{
		event(t, bus.ModelAudited, "x", "redrive/recommender", &redrivev1.ModelAudited{}),
		event(t, bus.TrainingFailed, "x", "redrive/recommender", &redrivev1.TrainingFailed{Training: &redrivev1.Training{Name: "trainings/x"}}),
	} {
		if err := h.Handle(t.Context(), e); !errs.Is(err, errs.Invalid) {
			t.Errorf("Handle %s = %v, want Invalid", e.Type, err)
		}
	}
}
