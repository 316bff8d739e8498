package patch

import (
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
)

func TestJobNameIsTheSameForAllWaysToSayIt(t *testing.T) {
	outside := failure.Attempt{Source: "airflow", Job: "daily/load", Number: 3}.JobName()
	for _, tc := range []struct{ in, want string }{
		{"jobs/etl-7", "jobs/etl-7"},
		{"redrive/etl-7", "jobs/etl-7"},
		{"airflow/daily/load", outside},
		{outside, outside},
	} {
		if got, err := JobName("job", tc.in); err != nil || got != tc.want {
			t.Errorf("JobName(%q) = %q, %v, want %q", tc.in, got, err, tc.want)
		}
	}
	for _, in := range []string{"", "jobs", "jobs/", "etl-7", "/etl-7", "Airflow/x", "jobs/ x", "jobs/-x", "airflow/"} {
		if got, err := JobName("job", in); !errs.Is(err, errs.Invalid) {
			t.Errorf("JobName(%q) = %q, %v, want Invalid", in, got, err)
		}
	}
}

func TestParseName(t *testing.T) {
	if got, err := ParseName("name", "patches/p0a1"); err != nil || got != "p0a1" {
		t.Errorf("ParseName = %q, %v", got, err)
	}
	for _, in := range []string{"", "patches/", "p0a1", "patches/P", "patches/a/b", "patches/a b"} {
		if _, err := ParseName("name", in); !errs.Is(err, errs.Invalid) {
			t.Errorf("ParseName(%q) = %v, want Invalid", in, err)
		}
	}
}

func TestScopeKeysDiffer(t *testing.T) {
	one := failure.Type{Workflow: "a", Step: "b", Engine: "process"}
	other := failure.Type{Workflow: "ab", Step: "", Engine: "process"}
	keys := map[string]Scope{}
	for _, s := range []Scope{{Job: "jobs/a"}, {Job: "jobs/b"}, {Type: one}, {Type: other}} {
		if was, taken := keys[s.Key()]; taken {
			t.Errorf("%v and %v have the same key", s, was)
		}
		keys[s.Key()] = s
	}
}

func TestStatesHaveWords(t *testing.T) {
	for s, want := range map[State]string{NoState: "unspecified", Active: "active", Revoked: "revoked", Superseded: "superseded", Expired: "expired"} {
		if got := s.String(); got != want {
			t.Errorf("%d = %q, want %q", s, got, want)
		}
	}
}

func TestAtTheExpiryAPatchIsExpired(t *testing.T) {
	end := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		state State
		now   time.Time
		want  State
	}{
		{Active, end.Add(-1), Active},
		{Active, end, Expired},
		{Active, end.Add(time.Hour), Expired},
		{Revoked, end.Add(time.Hour), Revoked},
		{Superseded, end.Add(time.Hour), Superseded},
	} {
		if got := (Patch{State: tc.state, Expires: end}).At(tc.now).State; got != tc.want {
			t.Errorf("%v at %v = %v, want %v", tc.state, tc.now, got, tc.want)
		}
	}
}
