package lease_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
)

func TestTheOnlyReplicaHoldsEverythingAndWritesNothing(t *testing.T) {
	store := storetest.Open(t)
	l := lease.New(store, "test", "", lease.Options{})
	if !l.Holds("a") || !l.Holds("b") || l.Renewed().IsZero() {
		t.Error("the only replica does not hold a key")
	}
	if all := l.Replicas(); len(all) != 1 || !all[0].Alive || all[0].Shards != lease.Shards {
		t.Errorf("Replicas = %+v, want one that is alive and holds all", all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
	if n, err := store.Count(t.Context(), docstore.Query{Kind: "test.lease"}, 0); err != nil || n != 0 {
		t.Errorf("documents = %d, %v; want none", n, err)
	}
}

func TestSharesBecomeFairAndLittleMoves(t *testing.T) {
	w := newWorld(t)
	w.start("a")
	w.wantShares("before the first step", 0)
	w.steps(1)
	w.wantShares("alone", 16)
	w.start("b")
	w.steps(2)
	w.wantShares("two", 8, 8)
	w.start("c")
	w.steps(3)
	w.wantShares("three", 6, 5, 5)
	for name := range strings.SplitSeq("defghijklmnopq", "") {
		w.start(name)
	}
	w.steps(3)
	shares := w.shares()
	if slices.Max(shares) != 1 || sum(shares) != lease.Shards {
		t.Errorf("shares of %d replicas = %v, want all 16 shards, one each", len(shares), shares)
	}
	before := w.shares()
	w.steps(8)
	w.wantShares("when nothing happens", before...)
}

func sum(all []int) int {
	n := 0
	for _, v := range all {
		n += v
	}
	return n
}

func TestADeadReplicasShardsAreTakenAfterTTLAndNotBefore(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a"), w.start("b")
	w.steps(3)
	w.wantShares("both", 8, 8)
	changed := b.Changed()
	a.gone = true
	w.steps(2)
	w.wantShares("before TTL", 8, 8)
	if r := find(t, b, "a"); !r.Alive || r.Unseen <= 0 || r.Shards != 8 {
		t.Errorf("a before TTL = %+v, want alive, not seen for some time, with its shards", r)
	}
	if closed(changed) {
		t.Error("a change is told before there is one")
	}
	w.steps(2)
	w.wantShares("after TTL", 0, 16)
	if r := find(t, b, "a"); r.Alive || r.Unseen < ttl || r.Shards != 0 {
		t.Errorf("a after TTL = %+v, want dead, not seen for TTL", r)
	}
	if !closed(changed) {
		t.Error("nobody is told that the shares changed")
	}
	unseen := find(t, b, "a").Unseen
	w.steps(10)
	if got, want := find(t, b, "a").Unseen, unseen+10*ttl/4; got != want {
		t.Errorf("a is not seen for %v, want %v: that it was marked is no sign of life", got, want)
	}
	a.gone = false
	w.steps(2)
	w.wantShares("a came back", 8, 8)
	if r := find(t, b, "a"); !r.Alive || r.Unseen > ttl/2 {
		t.Errorf("a that came back = %+v, want alive", r)
	}
}

func shareOf(r *replica) int {
	n := 0
	for s := range lease.Shards {
		if r.HoldsShard(s) {
			n++
		}
	}
	return n
}

func TestAHolderThatWasStoppedDoesNotBelieveThatItHolds(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	w.steps(1)
	key := "some key"
	if !a.Holds(key) {
		t.Fatal("a does not hold")
	}
	w.now = w.now.Add(ttl - ttl/4 - time.Nanosecond) // TTL counts from the renewal's begin, a quarter ago
	if !a.Holds(key) {
		t.Error("a does not hold a moment before TTL")
	}
	w.now = w.now.Add(time.Nanosecond)
	if a.Holds(key) {
		t.Error("a holds after TTL without a renewal")
	}
	if err := a.Step(t.Context()); err != nil || !a.Holds(key) {
		t.Errorf("a step later: %v, holds %v; want it to hold again", err, a.Holds(key))
	}
}

// The time that a Commit takes is on the holder's side: it counts from before.
func TestARenewalCountsFromItsBegin(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	w.after = func() { w.now = w.now.Add(ttl / 2) }
	if err := a.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !a.HoldsShard(0) {
		t.Error("a does not hold after a slow renewal")
	}
	w.now = w.now.Add(ttl / 2)
	if a.HoldsShard(0) {
		t.Error("a holds TTL after its renewal began")
	}
}

func TestAnOrderlyStopReleasesAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a"), w.start("b")
	w.steps(3)
	a.gone = true
	a.Leave(t.Context())
	w.wantShares("a left", 0, 8)
	w.steps(1)
	w.wantShares("a step later", 0, 16)
	if r := find(t, b, "a"); r.Alive || r.Shards != 0 {
		t.Errorf("a that left = %+v, want not alive, without shards", r)
	}
	again := w.start("a")
	w.steps(2)
	w.wantShares("a is back as another process, without waiting", 0, 8, 8)
	if !find(t, b, "a").Alive || !find(t, again, "b").Alive {
		t.Error("they do not see each other")
	}
}

func TestAProcessWaitsForTheOneBeforeOfItsName(t *testing.T) {
	w := newWorld(t)
	first := w.start("a")
	w.steps(1)
	second := w.start("a")
	w.now = w.now.Add(time.Second)
	if err := second.Step(t.Context()); !errs.Is(err, errs.FailedPrecondition) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("Step while the name is used = %v, want FailedPrecondition that names it", err)
	}
	w.steps(12)
	w.wantShares("both processes run", 16, 0)
	first.gone = true
	w.steps(6)
	w.wantShares("the first is dead", 0, 16)
	first.gone = false
	if err := first.Step(t.Context()); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("Step of the first, which was not dead after all = %v, want FailedPrecondition", err)
	}
	w.steps(8)
	w.wantShares("the first was not dead after all", 0, 16)
	second.gone = true
	first.gone = true
	first.Leave(t.Context())
	w.wantShares("the first leaves: nothing of the second's", 0, shareOf(second))
}

func TestAnOutageOfTheStore(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	w.start("b")
	w.steps(3)
	w.down = true
	changed := a.Changed()
	if err := a.Step(t.Context()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Step = %v, want Unavailable", err)
	}
	w.wantShares("at its beginning", 8, 8)
	w.steps(4)
	w.wantShares("after TTL", 0, 0)
	if err := a.Step(t.Context()); err == nil || !closed(changed) {
		t.Errorf("Step = %v; that a holds nothing is told: %v", err, closed(changed))
	}
	w.steps(100)
	w.down = false
	w.steps(1)
	w.wantShares("when it is over, without one taking all", 8, 8)
}

func TestALostRaceIsHarmless(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.start("a"), w.start("b"), w.start("c")
	w.steps(4)
	c.gone = true
	w.steps(3)
	w.now = w.now.Add(ttl / 4)
	// Both find c dead; b is faster, in the middle of what a does.
	w.before = func() {
		w.before = nil
		if err := b.Step(t.Context()); err != nil {
			t.Errorf("Step of b = %v", err)
		}
	}
	if err := a.Step(t.Context()); err != nil {
		t.Errorf("Step of a = %v, want it to try again", err)
	}
	w.check()
	w.wantShares("the same step", 8, 8, 0)
}

// The one that fell silent wakes up in the middle of being replaced, or is
// replaced in the middle of waking up: one of the two commits is a conflict.
func TestWakingUpAndBeingReplacedExcludeEachOther(t *testing.T) {
	for _, tc := range []struct {
		name         string
		first, inner int // who steps, and who in the middle of it
		want         []int
	}{
		{"it wakes up first", 1, 0, []int{8, 8}},
		{"it is replaced first", 0, 1, []int{0, 16}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.start("a"), w.start("b")
			w.steps(3)
			a.gone = true
			w.steps(2)
			w.now = w.now.Add(ttl / 2)
			w.before = func() {
				w.before = nil
				if err := w.replicas[tc.inner].Step(t.Context()); err != nil {
					t.Errorf("inner Step = %v", err)
				}
			}
			_ = w.replicas[tc.first].Step(t.Context())
			w.check()
			if got := []int{shareOf(a), shareOf(b)}; !slices.Equal(got, tc.want) {
				t.Errorf("shares = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestUnseenLooksNow(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a"), w.start("b")
	w.steps(3)
	unseen := func(name string) time.Duration {
		t.Helper()
		d, err := a.Unseen(t.Context(), name)
		if err != nil {
			t.Fatalf("Unseen of %s: %v", name, err)
		}
		return d
	}
	if err := b.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := find(t, a, "b").Unseen; got == 0 {
		t.Error("a knows that b renewed before it looked")
	}
	if got := unseen("b"); got != 0 {
		t.Errorf("b that has just renewed is unseen for %v", got)
	}
	w.now = w.now.Add(time.Minute)
	if got := unseen("b"); got != time.Minute {
		t.Errorf("b that did not renew for a minute is unseen for %v", got)
	}
	b.gone = true
	w.steps(8) // one TTL is added after a pause
	if find(t, a, "b").Alive || unseen("b") != time.Minute+2*ttl {
		t.Errorf("b that was marked is unseen for %v, want %v", unseen("b"), time.Minute+2*ttl)
	}
	w.wantShares("a looked in between", 16, 0)
	if _, err := a.Unseen(t.Context(), "nobody"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Unseen of nobody = %v, want NotFound", err)
	}
	w.down = true
	if _, err := a.Unseen(t.Context(), "b"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Unseen in an outage = %v, want Unavailable", err)
	}
	if _, err := lease.New(w, "test", "", lease.Options{}).Unseen(t.Context(), "b"); !errs.Is(err, errs.NotFound) {
		t.Errorf("Unseen by the only replica = %v, want NotFound", err)
	}
}

func TestWhoIsGoneForLongIsForgotten(t *testing.T) {
	w := newWorld(t)
	a, b := w.start("a"), w.start("b")
	w.steps(2)
	b.gone = true
	w.steps(6)
	if find(t, a, "b").Alive {
		t.Fatal("b is alive")
	}
	w.now = w.now.Add(lease.Remembered - ttl)
	w.steps(1)
	find(t, a, "b")
	w.now = w.now.Add(ttl)
	w.steps(2)
	if all := a.Replicas(); len(all) != 1 {
		t.Errorf("Replicas after a day = %+v, want a alone", all)
	}
	w.wantShares("in the end", 16, 0)
}

func TestTheNumberOfReplicasIsBounded(t *testing.T) {
	w := newWorld(t)
	a := w.start("a")
	w.steps(1)
	var writes []docstore.Write
	member := func(i int, state string) docstore.Write {
		value := fmt.Sprintf(`{"incarnation":"x","state":%q,"since":"2026-02-28T12:%02d:%02dZ"}`, state, i/60, i%60)
		return docstore.Write{Kind: "test.lease", ID: fmt.Sprintf("member/old-%03d", i), Revision: docstore.AnyRevision, Value: []byte(value)}
	}
	for i := range lease.MaxReplicas - 1 {
		writes = append(writes, member(i, "dead"))
	}
	if err := w.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	w.start("b")
	w.steps(2)
	w.wantShares("b makes room for itself", 8, 8)
	if all := a.Replicas(); len(all) != lease.MaxReplicas || slices.ContainsFunc(all, func(r lease.Replica) bool { return r.Name == "old-000" }) {
		t.Errorf("%d replicas are known, want %d without the one that is dead for longest", len(all), lease.MaxReplicas)
	}
	for i := range writes {
		writes[i] = member(i, "alive")
	}
	if err := w.Store.Commit(t.Context(), writes[1:]...); err != nil {
		t.Fatal(err)
	}
	c := w.start("c")
	if err := c.Step(t.Context()); !errs.Is(err, errs.Exhausted) {
		t.Errorf("Step of one too many = %v, want Exhausted", err)
	}
	w.check()
}

func TestKeysSpread(t *testing.T) {
	count := make([]int, lease.Shards)
	for i := range 1600 {
		count[lease.ShardOf(fmt.Sprintf("job-%d", i))]++
	}
	if slices.Min(count) < 60 || slices.Max(count) > 140 {
		t.Errorf("keys by shard = %v, want about 100 each", count)
	}
}
