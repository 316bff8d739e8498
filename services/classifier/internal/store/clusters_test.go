package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/gather"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

// unknown is the failure of a job's attempt that ran for a time and ended with
// a line, after start.
func unknown(job, line string, ran, after time.Duration) record.Record {
	e := failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: line + "\n"}}, Duration: ran, LimitBytes: 2 << 30, ExitCode: new(3)}
	r := record.Report{Attempt: failure.Attempt{Source: "acme", Job: job, Number: 1}, Type: failure.Type{Workflow: "w", Step: "s", Engine: "process"}, Config: map[string]any{}, Evidence: e}
	return record.Record{Failure: record.Failure{
		Report: r, State: record.Final, Result: finalize.Finalize(nil, rule.NewInput(e, "process")), CreateTime: start.Add(after), UpdateTime: start.Add(after),
	}}
}

// age is how old clusters get.
const age = 24 * time.Hour

func rules(t *testing.T, all ...rule.Rule) *rule.Set {
	t.Helper()
	var compiled []*rule.Compiled
	for _, r := range all {
		r.Class, r.Summary = failure.CodeBug, "s"
		c, err := rule.Compile("rule", r)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, c)
	}
	set, err := rule.NewSet(compiled...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// flaky commits at most some times, and after that does and says that it did
// not, or does not, in turn.
type flaky struct {
	*store.Clusters
	commits, good int
}

func (f *flaky) Commit(ctx context.Context, c gather.Cursor, changed, gone []*cluster.Cluster) error {
	f.commits++
	if f.commits <= f.good {
		return f.Clusters.Commit(ctx, c, changed, gone)
	}
	if f.commits%2 == 0 {
		if err := f.Clusters.Commit(ctx, c, changed, gone); err != nil {
			return err
		}
	}
	return errs.New(errs.Unavailable, "the store is gone")
}

// TestEachFailureIsCountedOnce by replicas that take turns, crash between any
// two commits, and count while failures come and clusters make room.
func TestEachFailureIsCountedOnce(t *testing.T) {
	s := storetest.Open(t)
	failures := store.NewFailures(s, &committer{store: s})
	kept := store.NewClusters(s, failures)
	r := rand.New(rand.NewPCG(1, 2))
	bounds := cluster.Bounds{Clusters: 8, Leaf: 4}
	none := func() *rule.Set { return rules(t) }
	replicas := []*gather.Gatherer{gather.New(kept, none, bounds, age), gather.New(kept, none, bounds, age)}
	const all = 700
	for n := range all {
		line := fmt.Sprintf("%s%c ran into %d of %s", []string{"alpha", "beta", "gamma"}[n%3], 'a'+n%5, n, strings.Repeat("x", 1+n%9))
		rec := unknown(fmt.Sprint("job-", n%150), line, time.Duration(n%7)*time.Second, time.Duration(n)*time.Second)
		rec.Attempt.Number = 1 + n/150
		if _, err := failures.Put(t.Context(), rec, false); err != nil {
			t.Fatal(err)
		}
		if n%40 != 0 {
			continue
		}
		now := start.Add(time.Duration(n)*time.Second + gather.Settled/2)
		if err := replicas[r.IntN(2)].Step(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		crashing := gather.New(&flaky{Clusters: kept, good: r.IntN(2)}, none, bounds, age)
		if err := crashing.Step(t.Context(), now.Add(time.Second)); err != nil && !errs.Is(err, errs.Unavailable) {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, g := range replicas {
			if err := g.Step(t.Context(), start.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	known, err := kept.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, err := kept.Cursor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := at.Forgotten
	for _, c := range known {
		count += c.Count
	}
	if count != all || at.Counted != all || at.Forgotten == 0 || len(known) > bounds.Clusters || !at.Time.Equal(start.Add((all-1)*time.Second)) {
		t.Errorf("%d failures in %d clusters or forgotten, counted %d, %d of them forgotten, until %v; want %d", count, len(known), at.Counted, at.Forgotten, at.Time, all)
	}
}

func TestWhatIsYoungOrKnownIsNotCounted(t *testing.T) {
	s := storetest.Open(t)
	failures := store.NewFailures(s, &committer{store: s})
	kept := store.NewClusters(s, failures)
	g := gather.New(kept, func() *rule.Set { return rules(t) }, cluster.DefaultBounds, age)
	for i, rec := range []record.Record{unknown("a", "ERROR it broke", time.Minute, 0), made("b", 1, failure.CodeBug, "w", time.Second), unknown("c", "ERROR it broke", time.Minute, time.Minute)} {
		if _, err := failures.Put(t.Context(), rec, false); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, tc := range []struct {
		now  time.Duration
		want int64
	}{{time.Second, 0}, {gather.Settled, 0}, {gather.Settled + 1, 1}, {gather.Settled + time.Minute, 1}, {time.Hour, 2}} {
		if err := g.Step(t.Context(), start.Add(tc.now)); err != nil {
			t.Fatal(err)
		}
		if at, err := kept.Cursor(t.Context()); err != nil || at.Counted != tc.want {
			t.Errorf("after %v %d failures are counted (%v), want %d", tc.now, at.Counted, err, tc.want)
		}
	}
	p, err := docstore.NewPaging(0, "", "x")
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := kept.List(t.Context(), false, p)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d clusters (%v), want one", len(all), err)
	}
	if c := all[0]; c.Seconds != 120 || c.GBSeconds != 240 || c.Cost != 240 || len(c.Jobs) != 2 || len(c.Examples) != 2 || c.Examples[0].Line != "ERROR it broke" {
		t.Errorf("cluster %+v", c)
	}
}

// TestClustersFollowTheRules that are enforced: resolved while one decides all
// examples, on the list without it, and back when a failure comes that it does
// not know.
func TestClustersFollowTheRules(t *testing.T) {
	s := storetest.Open(t)
	failures := store.NewFailures(s, &committer{store: s})
	kept := store.NewClusters(s, failures)
	set := rules(t)
	g := gather.New(kept, func() *rule.Set { return set }, cluster.DefaultBounds, age)
	put := func(job, line string, after time.Duration) record.Record {
		rec, err := failures.Put(t.Context(), unknown(job, line, time.Minute, after), false)
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	gone := put("a", "ERROR reactor 1 is too hot", 0)
	put("b", "ERROR reactor 2 is too hot", time.Second)
	look := func(state cluster.State, by string) *cluster.Cluster {
		t.Helper()
		if err := g.Step(t.Context(), start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		all, err := kept.Load(t.Context())
		if err != nil || len(all) != 1 || all[0].State != state || all[0].Rule != by {
			t.Fatalf("%d clusters (%v), the first %+v; want it in state %v by %q", len(all), err, all[0], state, by)
		}
		return all[0]
	}
	hot := rule.Rule{ID: "hot", Any: []string{`reactor \d+ is too hot`}, Mode: rule.Enforce}
	shadow := hot
	shadow.Mode = rule.Shadow
	look(cluster.Open, "")
	set = rules(t, shadow)
	look(cluster.Open, "")
	c := look(cluster.Open, "")
	c.Accept("hot")
	if err := kept.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	look(cluster.Accepted, "hot")
	set = rules(t, hot)
	look(cluster.Resolved, "hot")
	if n, err := failures.Purge(t.Context(), gone.CreateTime.Add(time.Millisecond), 100); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	set = rules(t, hot, rule.Rule{ID: "other", Any: []string{"something else"}, Mode: rule.Enforce})
	look(cluster.Resolved, "hot")
	set = rules(t)
	look(cluster.Open, "")
	one := rule.Rule{ID: "one", Any: []string{`reactor [12] is`}, Mode: rule.Enforce}
	set = rules(t, one)
	look(cluster.Resolved, "one")
	put("c", "ERROR reactor 3 is too hot", time.Minute)
	c = look(cluster.Open, "")
	c.Dismiss("we know")
	if err := kept.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	set = rules(t, hot)
	if c = look(cluster.Dismissed, ""); c.Count != 3 || c.DismissReason != "we know" {
		t.Errorf("cluster %+v", c)
	}
	c.Undismiss()
	if err := kept.Put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	look(cluster.Resolved, "hot")
}

func TestOldClustersAreDeleted(t *testing.T) {
	s := storetest.Open(t)
	failures := store.NewFailures(s, &committer{store: s})
	kept := store.NewClusters(s, failures)
	g := gather.New(kept, func() *rule.Set { return rules(t) }, cluster.DefaultBounds, age)
	for i, line := range []string{"ERROR alpha broke", "ERROR beta broke", "ERROR alpha broke"} {
		rec := unknown("a", line, time.Minute, time.Duration(i)*time.Hour)
		rec.Attempt.Number = i + 1
		if _, err := failures.Put(t.Context(), rec, false); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		now       time.Duration
		clusters  int
		forgotten int64
	}{{3 * time.Hour, 2, 0}, {age + time.Hour, 2, 0}, {age + time.Hour + 1, 1, 1}, {age + 3*time.Hour, 0, 3}, {age + 4*time.Hour, 0, 3}} {
		if err := g.Step(t.Context(), start.Add(tc.now)); err != nil {
			t.Fatal(err)
		}
		all, err := kept.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if at, err := kept.Cursor(t.Context()); err != nil || len(all) != tc.clusters || at.Forgotten != tc.forgotten {
			t.Errorf("after %v: %d clusters, %d failures forgotten (%v), want %d and %d", tc.now, len(all), at.Forgotten, err, tc.clusters, tc.forgotten)
		}
	}
}

func TestTheDearestClustersComeFirst(t *testing.T) {
	s := storetest.Open(t)
	kept := store.NewClusters(s, store.NewFailures(s, &committer{store: s}))
	for i, cost := range []float64{5, 1e20, 300, 0.001, 40} {
		c := &cluster.Cluster{ID: fmt.Sprint("c", i), Words: []string{"w"}, State: cluster.Open, Cost: cost}
		if i == 2 {
			c.State = cluster.Dismissed
		}
		if err := kept.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for all, want := range map[bool]string{false: "c1 c4 c0 c3", true: "c1 c2 c4 c0 c3"} {
		var got []string
		for token := ""; ; {
			p, err := docstore.NewPaging(2, token, "x")
			if err != nil {
				t.Fatal(err)
			}
			page, next, err := kept.List(t.Context(), all, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				got = append(got, c.ID)
			}
			if token = next; token == "" {
				break
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("List(all=%v) = %v, want %s", all, got, want)
		}
	}
	if _, err := kept.Get(t.Context(), "none"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Get of none = %v, want NotFound", err)
	}
}

// TestTheRingOfSuccessesIsBounded, and double and late tellings change nothing.
func TestTheRingOfSuccessesIsBounded(t *testing.T) {
	s := storetest.Open(t)
	kept := store.NewClusters(s, store.NewFailures(s, &committer{store: s}))
	for n := range 1500 {
		a := failure.Attempt{Source: failure.Own, Job: fmt.Sprint("j", n), Number: 1}
		for range 1 + n%2 {
			if err := kept.KeepSuccess(t.Context(), a, fmt.Sprintf("password=hunter2secret line of %d\n", n), start); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := kept.Successes(t.Context())
	if err != nil || len(all) > 500 || len(all) < 400 {
		t.Fatalf("%d logs are kept (%v), want nearly 500", len(all), err)
	}
	for _, x := range all {
		if strings.Contains(x.Text, "hunter2secret") || !strings.Contains(x.Text, "line of") {
			t.Errorf("%q is kept", x.Text)
		}
	}
}
