package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
)

var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// failed is the n-th failure, of one of seven jobs.
func failed(n int, line string) cluster.Failure {
	return cluster.Failure{
		ID: fmt.Sprint("f", n), Job: fmt.Sprint("jobs/j", n%7), Line: line, Time: start.Add(time.Duration(n) * time.Second),
		Ran: time.Duration(1+n%9) * time.Second, Memory: int64(n%3) << 30,
	}
}

// kinds are lines of six kinds of failures, as they differ from run to run.
func kinds(r *rand.Rand) string {
	word := []string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta"}[r.IntN(6)]
	n := r.IntN(100_000)
	return []string{
		fmt.Sprintf("2026-11-21 09:%02d:%02d ERROR could not reach license server lic-%d:27000 in time", n%60, n%59, n),
		fmt.Sprintf("FATAL module %s failed to load its table %q after %d tries", word, word, n),
		fmt.Sprintf("gmx_mpi: step %d: the energy of system %s is not finite", n, word),
		fmt.Sprintf("Error: checksum of /data/%s/part-%05d.bin does not agree with its index", word, n),
		fmt.Sprintf("worker %s left with status 3", word),
		"the simulation did not converge",
	}[r.IntN(6)]
}

func TestLinesOfOneKindComeTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tree := cluster.NewTree(cluster.DefaultBounds, 0)
	for n := range 3000 {
		tree.Add(failed(n, kinds(r)))
	}
	got := map[string]int64{}
	for _, c := range tree.All() {
		got[strings.Join(c.Words, " ")] = c.Count
		if len(c.Jobs) != 7 || len(c.Examples) != cluster.MaxExamples {
			t.Errorf("%v has %d jobs and %d examples, want 7 and %d", c.Words, len(c.Jobs), len(c.Examples), cluster.MaxExamples)
		}
		jobs := map[string]bool{}
		for _, e := range c.Examples {
			jobs[e.Job] = true
		}
		if len(jobs) != cluster.MaxExamples {
			t.Errorf("%v has examples of %d jobs", c.Words, len(jobs))
		}
	}
	for _, want := range []string{
		"<time> ERROR could not reach license server lic#:# in time", "FATAL module <*> failed to load its table <str> after # tries",
		"gmx_mpi: step #: the energy of system <*> is not finite", "Error: checksum of <path> does not agree with its index",
		"worker <*> left with status #", "the simulation did not converge",
	} {
		if got[want] == 0 {
			t.Errorf("no cluster is %q", want)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d clusters, want 6: %v", len(got), got)
	}
}

// TestOrderMayChangeTemplatesAndLosesNoFailure adds the same failures in many
// orders to trees of many sizes.
func TestOrderMayChangeTemplatesAndLosesNoFailure(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var all []cluster.Failure
	for n := range 400 {
		line := kinds(r)
		if n%3 == 0 {
			line = fmt.Sprintf("%s %s %s broke", word(r), word(r), word(r))
		}
		all = append(all, failed(n, line))
	}
	for round := range 30 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		b := cluster.Bounds{Clusters: 1 + r.IntN(100), Leaf: 1 + r.IntN(20)}
		tree := cluster.NewTree(b, 0)
		gone := int64(0)
		for _, f := range all {
			into, evicted := tree.Add(f)
			for _, c := range evicted {
				if gone += c.Count; c == into {
					t.Fatal("a cluster made room for itself")
				}
			}
			check(t, tree, b)
		}
		if kept := count(tree); kept+gone != int64(len(all)) {
			t.Errorf("round %d: %d failures are counted and %d gone, want %d", round, kept, gone, len(all))
		}
	}
}

func word(r *rand.Rand) string { return string(rune('a'+r.IntN(26))) + string(rune('a'+r.IntN(26))) }

func count(tree *cluster.Tree) (n int64) {
	for _, c := range tree.All() {
		n += c.Count
	}
	return n
}

// check looks at the bounds.
func check(t *testing.T, tree *cluster.Tree, b cluster.Bounds) {
	t.Helper()
	leaves, ids := map[string]int{}, map[string]bool{}
	for _, c := range tree.All() {
		leaves[c.Path]++
		if ids[c.ID] || leaves[c.Path] > b.Leaf || len(c.Examples) > cluster.MaxExamples || len(c.Jobs) > cluster.MaxJobs || len(c.Words) > cluster.MaxWords+1 {
			t.Fatalf("cluster %+v is beyond its bounds, or there twice", c)
		}
		ids[c.ID] = true
	}
	if tree.Len() > b.Clusters {
		t.Fatalf("%d clusters, at most %d are allowed", tree.Len(), b.Clusters)
	}
}

// TestATreeThatIsMadeAgainGoesOnAsBefore, whatever it was made from.
func TestATreeThatIsMadeAgainGoesOnAsBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	b := cluster.Bounds{Clusters: 20, Leaf: 5}
	tree, again := cluster.NewTree(b, 0), cluster.NewTree(b, 0)
	for n := range 2000 {
		f := failed(n, kinds(r))
		if n%4 == 0 {
			f.Line = word(r) + " " + word(r)
		}
		if n%50 == 0 {
			known := slices.Clone(again.All())
			r.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
			again = cluster.NewTree(b, again.Sequence(), known...)
		}
		x, _ := tree.Add(f)
		y, _ := again.Add(f)
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("failure %d is in %+v, and after it was made again in %+v", n, x, y)
		}
	}
}

func TestWhatIsWorthLeastMakesRoom(t *testing.T) {
	tree := cluster.NewTree(cluster.Bounds{Clusters: 4, Leaf: 4}, 0)
	add := func(n int, line string, ran time.Duration) (*cluster.Cluster, []*cluster.Cluster) {
		return tree.Add(cluster.Failure{ID: line, Job: "jobs/a", Line: line, Time: start.Add(time.Duration(n) * time.Second), Ran: ran})
	}
	dismissed, _ := add(1, "alpha is gone", time.Second)
	dismissed.State = cluster.Dismissed
	old, _ := add(2, "beta is gone", 5*time.Second)
	young, _ := add(3, "gamma is gone", 5*time.Second)
	dear, _ := add(4, "delta is gone", time.Hour)
	dear.State = cluster.Resolved
	for i, want := range []*cluster.Cluster{dear, old, young} {
		if _, evicted := add(10+i, strings.Repeat("x", i+1)+" came", 6*time.Second); len(evicted) != 1 || evicted[0] != want {
			t.Errorf("%v made room, want %v", evicted, want)
		}
	}
}

func FuzzTree(f *testing.F) {
	f.Add("a b c\na b d\nERROR x 12\n\n<*> <str>\n", uint8(3))
	f.Add("a b…\na b c…\n…\n(no-log) x", uint8(1))
	f.Fuzz(func(t *testing.T, log string, size uint8) {
		b := cluster.Bounds{Clusters: 1 + int(size)%16, Leaf: 1 + int(size)%5}
		tree := cluster.NewTree(b, 0)
		lines := strings.Split(log, "\n")
		gone := int64(0)
		for n, l := range lines {
			into, evicted := tree.Add(failed(n, l))
			for _, c := range evicted {
				gone += c.Count
			}
			if !cluster.Covers(into.Words, cluster.Words(l)) {
				t.Fatalf("%q is in the cluster of %q", l, into.Words)
			}
			check(t, tree, b)
		}
		if count(tree)+gone != int64(len(lines)) {
			t.Errorf("%d failures are counted and %d gone, want %d", count(tree), gone, len(lines))
		}
	})
}

// BenchmarkAdd adds lines to a tree that is full: those of its clusters, and
// one in a hundred for which another cluster has to go.
func BenchmarkAdd(b *testing.B) {
	bounds := cluster.Bounds{Clusters: 10_000, Leaf: 200}
	tree := cluster.NewTree(bounds, 0)
	r := rand.New(rand.NewPCG(7, 8))
	lines := make([]cluster.Failure, 20_000)
	for i := range lines {
		kind := i % 10_000 // 400 first words, and 25 kinds of each
		own := string(rune('a' + kind/400))
		lines[i] = failed(i, fmt.Sprintf("2026-11-21 09:00:00 ERROR unit%c%c: %sx %sy %sz %sq %sw part %d did not end",
			'a'+kind%20, 'a'+kind/20%20, own, own, own, own, own, r.IntN(1000)))
		if i < 10_000 {
			tree.Add(lines[i])
		}
	}
	if tree.Len() != bounds.Clusters {
		b.Fatalf("%d clusters, want %d", tree.Len(), bounds.Clusters)
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		f := lines[i%len(lines)]
		if i%100 == 0 {
			f.Line = fmt.Sprintf("new %c%c%c%c happened", 'a'+i/100%26, 'a'+i/2600%26, 'a'+i/67600%26, 'a'+i/1757600%26)
		}
		tree.Add(f)
	}
	b.ReportMetric(float64(tree.Len()), "clusters")
}
