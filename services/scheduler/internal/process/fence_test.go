package process_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// fenced returns an executor behind a fence.
func fenced(t *testing.T, limit time.Duration) (*bench, *process.Fence) {
	root := t.TempDir()
	f, err := process.NewFence(root, "a", limit)
	if err != nil {
		t.Fatal(err)
	}
	return newBench(t, process.Options{Root: root, Fence: f}), f
}

func renew(t *testing.T, f *process.Fence) {
	t.Helper()
	if err := f.Renew(process.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestAnAttemptEndsWhenItsSchedulerIsSilent(t *testing.T) {
	const limit = time.Second
	b, f := fenced(t, limit)
	renew(t, f)
	id, m := process.ID{Job: "silent", Attempt: 1}, newMailbox(t)
	s := shell("trap '' TERM; echo $$ > " + m.path + "; sleep 1000 & wait; wait; sleep 1000")
	s.NotAfter = f.Until()
	b.start(id, s)
	tree := m.processes(1)
	renewed := process.Now()
	renew(t, f)
	got := b.wait(id).Evidence
	if silent := time.Duration(process.Now() - renewed); silent < limit {
		t.Errorf("it ended %v after the last renewal, want no less than %v", silent, limit)
	}
	if got.Reason != failure.Lost || !strings.Contains(got.Proof, "not renewed its lease") {
		t.Errorf("reason %v (%s), want LOST for its scheduler's silence", got.Reason, got.Proof)
	}
	allGone(t, tree)
}

func TestAnAttemptOutlivesManyRenewals(t *testing.T) {
	const limit = 2 * time.Second
	b, f := fenced(t, limit)
	renew(t, f)
	id, m := process.ID{Job: "renewed", Attempt: 1}, newMailbox(t)
	s := shell("echo $$ > " + m.path + "; sleep 1000")
	s.NotAfter = f.Until()
	b.start(id, s)
	m.next(1)
	tick := time.NewTicker(limit / 10)
	defer tick.Stop()
	for begin := process.Now(); time.Duration(process.Now()-begin) < limit+limit/2; <-tick.C {
		renew(t, f)
	}
	if state, err := b.State(t.Context(), id); state != process.Running || err != nil {
		t.Errorf("state %v (%v), want running, with renewals in time", state, err)
	}
	if err := b.Kill(t.Context(), id, failure.Lost); err != nil {
		t.Fatal(err)
	}
	if got := b.wait(id).Evidence; got.Reason != failure.Lost {
		t.Errorf("reason %v, want what it was killed for", got.Reason)
	}
}

func TestNothingStartsTooLate(t *testing.T) {
	b, f := fenced(t, time.Minute)
	id := process.ID{Job: "late", Attempt: 1}
	s := shell("exit 0")
	for name, late := range map[string]process.Moment{"before the first renewal": f.Until(), "after the last one is too old": process.Now() - 1} {
		s.NotAfter = late
		if err := b.Start(t.Context(), id, s); !errs.Is(err, errs.Unavailable) {
			t.Errorf("start %s = %v, want Unavailable", name, err)
		}
		if state, err := b.State(t.Context(), id); state != process.Unclaimed || err != nil {
			t.Errorf("state %v (%v), want unclaimed", state, err)
		}
	}
	renew(t, f)
	s.NotAfter = f.Until()
	if got := b.run(id, s); !got.Succeeded {
		t.Errorf("after a renewal: %+v", got.Evidence)
	}
}

func TestTheKeyOfAFolder(t *testing.T) {
	root := t.TempDir()
	first, err := process.FolderKey(root)
	again, errAgain := process.FolderKey(root)
	other, errOther := process.FolderKey(t.TempDir())
	if err != nil || errAgain != nil || errOther != nil || first != again || first == other || len(first) < 8 {
		t.Errorf("keys %q, %q and %q of another (%v, %v, %v)", first, again, other, err, errAgain, errOther)
	}
}

func TestFencesThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		replica string
		limit   time.Duration
	}{{"", time.Hour}, {"a/b", time.Hour}, {"..", time.Hour}, {"a", time.Millisecond}} {
		if _, err := process.NewFence(t.TempDir(), tc.replica, tc.limit); !errs.Is(err, errs.Invalid) {
			t.Errorf("fence of %q with %v = %v, want Invalid", tc.replica, tc.limit, err)
		}
	}
}
