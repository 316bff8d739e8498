package bus

import (
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
)

func TestSettle(t *testing.T) {
	c, err := Consumer{Name: "c", Types: []Type{AttemptFailed}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		kind errs.Kind
		s    situation
		want settlement
	}{
		{"no error", errs.None, situation{}, settlement{acknowledge, 0, "done", false}},
		{"malformed", errs.Invalid, situation{}, settlement{bury, 0, "dead", false}},
		{"dependency away", errs.Unavailable, situation{age: time.Hour}, settlement{again, 0, "unavailable", true}},
		{"not there, just now", errs.NotFound, situation{}, settlement{again, 100 * time.Millisecond, "not_yet", false}},
		{"not there for 4 s", errs.NotFound, situation{age: 4 * time.Second}, settlement{again, 2 * time.Second, "not_yet", false}},
		{"not there for 40 s", errs.NotFound, situation{age: 40 * time.Second}, settlement{again, 10 * time.Second, "not_yet", false}},
		{"not there just before the end", errs.NotFound, situation{age: 59 * time.Second}, settlement{again, 1100 * time.Millisecond, "not_yet", false}},
		{"not there too long", errs.NotFound, situation{age: time.Minute}, settlement{bury, 0, "dead", false}},
		{"first lost race", errs.Conflict, situation{conflicts: 1}, settlement{again, 20 * time.Millisecond, "conflict", false}},
		{"fourth lost race", errs.Conflict, situation{conflicts: 4}, settlement{again, 160 * time.Millisecond, "conflict", false}},
		{"99th lost race", errs.Conflict, situation{conflicts: 99}, settlement{again, 5 * time.Second, "conflict", false}},
		{"no race but a defect", errs.Conflict, situation{conflicts: 100}, settlement{bury, 0, "dead", false}},
		{"first failure", errs.Internal, situation{failures: 1}, settlement{again, 500 * time.Millisecond, "failed", false}},
		{"fourth failure", errs.Internal, situation{failures: 4}, settlement{again, 13500 * time.Millisecond, "failed", false}},
		{"last failure", errs.Internal, situation{failures: 5}, settlement{bury, 0, "dead", false}},
		{"conflicts are not failures", errs.Internal, situation{failures: 1, conflicts: 90}, settlement{again, 500 * time.Millisecond, "failed", false}},
		{"forbidden", errs.PermissionDenied, situation{failures: 5}, settlement{bury, 0, "dead", false}},
		{"precondition", errs.FailedPrecondition, situation{failures: 2}, settlement{again, 1500 * time.Millisecond, "failed", false}},
		{"a kind of tomorrow", errs.Kind(99), situation{failures: 1}, settlement{again, 500 * time.Millisecond, "failed", false}},
	} {
		if got := settle(tc.kind, tc.s, c); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestTriesCountFailuresAlone(t *testing.T) {
	var tr tries
	now := time.Unix(0, 0)
	for _, kind := range []errs.Kind{errs.Unavailable, errs.NotFound, errs.Internal, errs.Unavailable, errs.Conflict, errs.Conflict, errs.Exhausted} {
		tr.add(7, kind, 99, now)
	}
	if failures, conflicts := tr.add(7, errs.Internal, 99, now); failures != 3 || conflicts != 2 {
		t.Errorf("failures, conflicts = %d, %d; want 3, 2", failures, conflicts)
	}
	tr.settled(7)
	if failures, _ := tr.add(7, errs.Internal, 99, now); failures != 1 {
		t.Errorf("failures after it was settled = %d, want 1", failures)
	}
}

func TestTriesAreBounded(t *testing.T) {
	var tr tries
	now := time.Unix(0, 0)
	for i := range maxTries {
		tr.add(uint64(i), errs.Internal, 50, now.Add(time.Duration(i)))
	}
	if failures, _ := tr.add(maxTries, errs.Internal, 50, now); failures != 50 || len(tr.all) != maxTries {
		t.Errorf("with a full memory of %d: failures = %d, want the server's 50", len(tr.all), failures)
	}
	later := now.Add(forgetAfter + maxTries/2)
	if failures, _ := tr.add(maxTries, errs.Internal, 50, later); failures != 1 || len(tr.all) != maxTries/2+1 {
		t.Errorf("after an hour: failures = %d with a memory of %d, want 1 and half", failures, len(tr.all))
	}
}

func TestPauseGrowsByTry(t *testing.T) {
	var p pause
	now := time.Unix(1000, 0)
	const s = time.Second
	if got := p.grow(now, now, 0); got != s {
		t.Errorf("first outage = %v, want 1s", got)
	}
	// Fifteen more that were under way say nothing new.
	if got := p.grow(now.Add(-s), now.Add(s/2), 0); got != s/2 {
		t.Errorf("the same outage = %v, want what is left of it", got)
	}
	if got := p.grow(now, now.Add(20*s), 0); got != s/10 {
		t.Errorf("a try of then that ends now = %v, want a moment", got)
	}
	for _, want := range []time.Duration{2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s} {
		now = p.until.Add(1)
		if got := p.grow(now, now, 0); got != want {
			t.Errorf("next outage = %v, want %v", got, want)
		}
	}
	p.end(p.until.Add(-s))
	if p.length == 0 {
		t.Error("a try from before the pause ended it")
	}
	now = p.until.Add(1)
	p.end(now)
	if got := p.grow(now, now, 10*s); got != 10*s {
		t.Errorf("a new outage that asks for 10s = %v, want 10s", got)
	}
	now = p.until.Add(1)
	if got := p.grow(now, now, time.Hour); got != 30*s {
		t.Errorf("an outage that asks for an hour = %v, want 30s", got)
	}
}

func TestProgressResumesAtTheFirstOpenEvent(t *testing.T) {
	var p progress
	p.open(3) // of a durable consumer
	want := func(end, want uint64) {
		t.Helper()
		if got := p.resume(end); got != want {
			t.Errorf("resume = %d, want %d", got, want)
		}
	}
	want(10, 10)
	want(20, 10)
	p.open(10)
	p.open(14)
	p.open(12)
	want(20, 10)
	p.close(10)
	want(20, 12)
	p.close(14)
	p.close(12)
	want(20, 15)
	p.open(15)
	want(2, 2) // the stream was made anew
	want(9, 2)
}

func TestConsumersAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Consumers {
		if _, err := c.withDefaults(); err != nil {
			t.Error(err)
		}
		if seen[c.Name] {
			t.Errorf("two consumers are called %s", c.Name)
		}
		seen[c.Name] = true
	}
	ok := Consumer{Name: "ok", Types: []Type{AttemptFailed}}
	for _, change := range []func(*Consumer){
		func(c *Consumer) { c.Name = "" },
		func(c *Consumer) { c.Name = "a.b" },
		func(c *Consumer) { c.Types = nil },
		func(c *Consumer) { c.Types = []Type{"attempt.*"} },
		func(c *Consumer) { c.Concurrency = -1 },
		func(c *Consumer) { c.MaxFailures = -1 },
	} {
		bad := ok
		change(&bad)
		if _, err := bad.withDefaults(); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v, want Invalid", bad, err)
		}
	}
}
