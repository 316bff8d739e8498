package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/recommender/internal/audit"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/rollout"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func named(name string, passed bool) rollout.Model {
	r := audit.Report{Passed: passed, Findings: []audit.Finding{{Check: audit.Doubling, Fatal: !passed, Message: "doubling is better"}}}
	return rollout.Model{Model: model.New(name, model.Content{}), Audit: &r}
}

func TestAModelServesUntilAnotherDoesOrItIsRolledBack(t *testing.T) {
	var s rollout.Serving
	if _, err := s.Rollback(); !errs.Is(err, errs.FailedPrecondition) || s.Name() != "builtin" {
		t.Errorf("rollback of %s = %v, want FailedPrecondition", s.Name(), err)
	}
	for _, name := range []string{"a", "b", "b", "c"} {
		var m rollout.Model
		var err error
		if s, m, err = s.Promote(named(name, true), "r", false, now); err != nil || s.Name() != name {
			t.Fatalf("promote %s: %s serves, %v", name, s.Name(), err)
		}
		if m.State(s.Name()) != rollout.Serves || m.State("other") != rollout.Retired || m.Reason != "r" || m.Forced {
			t.Errorf("promoted %+v", m)
		}
	}
	for _, want := range []string{"b", "a", "builtin"} {
		var err error
		if s, err = s.Rollback(); err != nil || s.Name() != want {
			t.Fatalf("rollback: %s serves, %v, want %s", s.Name(), err, want)
		}
	}
	for i := range 2 * rollout.MaxServed {
		s, _, _ = s.Promote(named(strings.Repeat("x", i+1), true), "", false, now)
	}
	if len(s.Names) != rollout.MaxServed {
		t.Errorf("%d names are remembered, want %d", len(s.Names), rollout.MaxServed)
	}
}

func TestAModelThatFailedItsAuditServesByForceAlone(t *testing.T) {
	var s rollout.Serving
	bad := named("a", false)
	if bad.State("builtin") != rollout.Rejected {
		t.Errorf("state %v, want Rejected", bad.State("builtin"))
	}
	if _, _, err := s.Promote(bad, "", false, now); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), "doubling is better") {
		t.Errorf("promote = %v, want FailedPrecondition with the finding", err)
	}
	s, m, err := s.Promote(bad, "", true, now)
	if err != nil || s.Name() != "a" || !m.Forced {
		t.Errorf("by force: %s serves, forced %v, %v", s.Name(), m.Forced, err)
	}
	if s, m, err = s.Promote(rollout.Builtin(), "", false, now); err != nil || s.Name() != "builtin" || m.Forced {
		t.Errorf("the built-in one: %s serves, %v", s.Name(), err)
	}
}

func TestWhenATrainingIsDue(t *testing.T) {
	day := 24 * time.Hour
	daily := func(ago time.Duration, full bool) rollout.Training {
		return rollout.Training{Reason: rollout.Scheduled, Created: now.Add(-ago), Full: full, State: rollout.Done}
	}
	for _, tc := range []struct {
		name      string
		newest    []rollout.Training
		due, full bool
	}{
		{"the first one", nil, true, true},
		{"within a day", []rollout.Training{daily(day-1, true)}, false, false},
		{"a day after", []rollout.Training{daily(day, true)}, true, false},
		{"a week after the last full one", []rollout.Training{daily(day, false), daily(7*day, true)}, true, true},
		{"one on demand does not put it off", []rollout.Training{{Created: now, Full: true, State: rollout.Done}, daily(day, false)}, true, false},
		{"a full one that failed is none", []rollout.Training{{Created: now.Add(-2 * day), Full: true, State: rollout.Failed, Reason: rollout.Scheduled}}, true, true},
	} {
		if got, due := rollout.Due(tc.newest, now); due != tc.due || due && got.Full != tc.full {
			t.Errorf("%s: due %v, full %v; want %v, %v", tc.name, due, got.Full, tc.due, tc.full)
		}
	}
}

func TestADiffSaysWhatIsOtherwise(t *testing.T) {
	a := model.New("a", model.Content{Records: 10, Retries: []model.Retries{{Class: "unknown", Failed: 9, Succeeded: 1}}})
	b := model.New("b", model.Content{Records: 20, Retries: []model.Retries{{Class: "unknown", Failed: 9, Succeeded: 1}, {Class: "unknown", Key: "exit=75", Succeeded: 9}}})
	if got := rollout.Diff(a, a); len(got) != 0 {
		t.Errorf("a model differs from itself: %v", got)
	}
	got := rollout.Diff(a, b)
	want := []rollout.Difference{{What: "records learnt", Before: "10", After: "20"}, {What: "retries after unknown with exit 75 that fail alike", Before: "0.885", After: "0.088"}}
	if !slices.Equal(got, want) {
		t.Errorf("differences %v, want %v", got, want)
	}
}
