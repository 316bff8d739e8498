package store_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/backtest"
	"github.com/redrive-io/redrive/services/classifier/internal/outcome"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/stats"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

// matched puts a failure that rules matched.
func matched(t *testing.T, s *store.Failures, job string, number int, after time.Duration, matches ...rule.Match) record.Record {
	t.Helper()
	rec := made(job, number, failure.CodeBug, "w", after)
	rec.Matches, rec.State = matches, record.Final
	rec.Evidence.Duration = time.Minute
	rec.AttemptConfig = map[string]any{"memory_mb": 512.0}
	for _, m := range matches {
		if m.Mode == rule.Enforce {
			rec.Result.Rule, rec.Result.Class, rec.Result.Verdict = m.Rule, m.Class, m.Verdict
			break
		}
	}
	rec, err := s.Put(t.Context(), rec, false)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func by(id string, mode rule.Mode, class failure.Class, verdict failure.Verdict) rule.Match {
	return rule.Match{Rule: id, Mode: mode, Class: class, Verdict: verdict, Captures: map[string]string{}}
}

// counted counts until there is nothing more to count.
func counted(t *testing.T, s *store.Stats, now time.Time) map[string]stats.Counters {
	t.Helper()
	for {
		more, err := stats.Walker{Store: s}.Step(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	all, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEachFailureAndEachOutcomeIsCountedOnce(t *testing.T) {
	f, _, docs := open(t)
	s := store.NewStats(docs, f)
	decides := by("decides", rule.Enforce, failure.CodeBug, failure.DoNotRetry)
	shadow := by("shadow", rule.Shadow, failure.Throttling, failure.RetrySlowly)
	late := by("late", rule.Shadow, failure.DiskFull, failure.Retry)
	// Job 0 to 249 fail once; job 0 fails again at once, job 1 succeeds, job 2 is
	// given up, and put back to work later.
	for i := range 250 {
		matched(t, f, fmt.Sprint(i), 1, time.Duration(i)*time.Second, shadow, decides, late)
	}
	matched(t, f, "0", 2, 300*time.Second, decides)
	now := start.Add(time.Hour)
	note := func(job string, n outcome.Note, at time.Time) {
		t.Helper()
		for range 2 {
			if err := f.NoteOutcome(t.Context(), failure.Attempt{Source: "acme", Job: job, Number: 1}.FailureID(), n, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := outcome.ConfigName(map[string]any{"memory_mb": 512.0})
	note("1", outcome.Note{Outcome: outcome.Succeeded, Config: same}, start)
	note("2", outcome.Note{Outcome: outcome.Stopped}, start)
	note("none", outcome.Note{Outcome: outcome.Stopped}, start)

	counted(t, s, now)
	got := counted(t, s, now.Add(time.Minute)) // that the retry of 0 failed was noted on the way
	want := map[string]stats.Counters{
		"decides": {
			Matches: 251, Wins: 251, First: start, Last: start.Add(300 * time.Second), Right: 1, Wrong: 1,
			Outcomes: outcome.Counts{Succeeded: 1, Failed: 1, Stopped: 1},
		},
		"shadow": {
			Matches: 250, ShadowWins: 250, ShadowDisagreements: 250, First: start, Last: start.Add(249 * time.Second), Right: 1, Wrong: 1,
			Outcomes: outcome.Counts{Succeeded: 1, Failed: 1, Stopped: 1},
		},
		"late": {Matches: 250, First: start, Last: start.Add(249 * time.Second)},
	}
	if !maps.Equal(got, want) {
		t.Errorf("counters = %+v\nwant %+v", got, want)
	}
	if again := counted(t, s, now.Add(2*time.Minute)); !maps.Equal(again, want) {
		t.Errorf("counters, counted again = %+v\nwant %+v", again, want)
	}
	// By hand, with more memory.
	note("2", outcome.Note{Outcome: outcome.Succeeded, Config: "other"}, now)
	got = counted(t, s, now.Add(time.Hour))
	c := want["decides"]
	c.Outcomes, c.Wrong = outcome.Counts{Succeeded: 1, SucceededChanged: 1, Failed: 1}, 2
	if got["decides"] != c {
		t.Errorf("counters after a late success = %+v, want %+v", got["decides"], c)
	}
	place, err := s.Place(t.Context())
	if err != nil || !place.Since.Equal(start) || !place.Until.Equal(start.Add(300*time.Second)) {
		t.Errorf("Place = %+v, %v", place, err)
	}
}

func TestWhatIsYoungIsCountedLater(t *testing.T) {
	f, _, docs := open(t)
	s := store.NewStats(docs, f)
	m := by("r", rule.Enforce, failure.CodeBug, failure.DoNotRetry)
	matched(t, f, "a", 1, 0, m)
	if got := counted(t, s, start.Add(stats.Lag)); got["r"].Matches != 0 {
		t.Errorf("counted at once: %+v", got)
	}
	matched(t, f, "b", 1, -time.Millisecond, m) // stored late
	if got := counted(t, s, start.Add(2*stats.Lag)); got["r"].Matches != 2 {
		t.Errorf("counted later: %+v, want 2", got)
	}
}

func TestTwoThatCountDoNotCountTwice(t *testing.T) {
	f, _, docs := open(t)
	s := store.NewStats(docs, f)
	for i := range 30 {
		matched(t, f, fmt.Sprint(i), 1, 0, by("r", rule.Enforce, failure.CodeBug, failure.DoNotRetry))
	}
	done := make(chan error, 4)
	for range 4 {
		go func() {
			_, err := stats.Walker{Store: store.NewStats(docs, f)}.Step(t.Context(), start.Add(time.Hour))
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := counted(t, s, start.Add(time.Hour)); got["r"].Matches != 30 {
		t.Errorf("counted %d, want 30", got["r"].Matches)
	}
}

func TestOldCountersAndOutcomesArePurged(t *testing.T) {
	f, _, docs := open(t)
	s := store.NewStats(docs, f)
	matched(t, f, "a", 1, 0, by("gone", rule.Enforce, failure.CodeBug, failure.DoNotRetry), by("kept", rule.Shadow, failure.CodeBug, failure.DoNotRetry))
	if err := f.NoteOutcome(t.Context(), "x", outcome.Note{Outcome: outcome.Stopped}, start); err != nil {
		t.Fatal(err)
	}
	counted(t, s, start.Add(time.Hour))
	if n, err := s.PurgeStats(t.Context(), start.Add(time.Hour), func(id string) bool { return id == "kept" }); err != nil || n != 2 {
		t.Errorf("PurgeStats = %d, %v, want a rule and an outcome", n, err)
	}
	all, err := s.All(t.Context())
	if _, ok := all["kept"]; err != nil || len(all) != 1 || !ok {
		t.Errorf("All = %+v, %v", all, err)
	}
	if n, err := s.PurgeStats(t.Context(), start.Add(time.Hour), func(string) bool { return true }); err != nil || n != 0 {
		t.Errorf("PurgeStats again = %d, %v", n, err)
	}
}

func TestBacktestsAreKept(t *testing.T) {
	_, _, docs := open(t)
	s := store.NewBacktests(docs)
	b := backtest.Backtest{ID: "a", State: backtest.Running, Create: start, Digest: "d", Rule: &rule.Rule{ID: "r", Order: 3, Mode: rule.Shadow}, Cursor: "c", Tally: backtest.Tally{Total: 5}}
	b, err := s.Put(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if running, err := s.Running(t.Context()); err != nil || len(running) != 1 || running[0].Cursor != "c" || running[0].Total != 5 || running[0].Rule.Order != 3 {
		t.Errorf("Running = %+v, %v", running, err)
	}
	if _, err := s.Proof(t.Context(), "d"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Proof while it runs = %v, want NotFound", err)
	}
	old := b
	b.State, b.End = backtest.Done, start.Add(time.Second)
	if b, err = s.Put(t.Context(), b, backtest.Remark{Failure: "f", Said: backtest.Said{Rule: "r"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), old); !errs.Is(err, errs.Conflict) {
		t.Errorf("Put of an old version = %v, want Conflict", err)
	}
	if p, err := s.Proof(t.Context(), "d"); err != nil || p.ID != "a" || p.Rule.Mode != rule.Shadow {
		t.Errorf("Proof = %+v, %v", p, err)
	}
	for i := range 5 {
		if _, err := s.Put(t.Context(), backtest.Backtest{ID: fmt.Sprint("b", i), State: backtest.Cancelled, Create: start.Add(time.Duration(i+1) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (ids []string) {
		p, err := docstore.NewPaging(0, "", "x")
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := s.List(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range all {
			ids = append(ids, b.ID)
		}
		return ids
	}
	if got := fmt.Sprint(list()); got != "[b4 b3 b2 b1 b0 a]" {
		t.Errorf("List = %s", got)
	}
	if err := s.Purge(t.Context(), start.Add(150*time.Minute), 3); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(list()); got != "[b4 b3 b2]" {
		t.Errorf("List after Purge = %s", got)
	}
	if _, err := s.Get(t.Context(), "a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of a purged one = %v, want NotFound", err)
	}
}
