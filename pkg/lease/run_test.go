package lease_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
)

func TestRun(t *testing.T) {
	for _, name := range []string{"a b", "a\n", "\xff", strings.Repeat("x", 201)} {
		err := lease.New(storetest.Open(t), "test", name, lease.Options{}).Run(t.Context())
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "replica") {
			t.Errorf("Run of replica %q = %v, want Invalid that names the field", name, err)
		}
	}
	store := storetest.Open(t)
	registry := prometheus.NewRegistry()
	start := func(name string) (l *lease.Leases, stop func()) {
		l = lease.New(store, "test", name, lease.Options{TTL: time.Second, Metrics: registry})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		return l, func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		}
	}
	held := func(l *lease.Leases) int { return find(t, &replica{Leases: l}, l.Name()).Shards }
	until := func(l *lease.Leases, want int) {
		t.Helper()
		timeout := time.After(20 * time.Second)
		for {
			changed := l.Changed()
			if held(l) == want {
				return
			}
			select {
			case <-changed:
			case <-timeout:
				t.Fatalf("%s holds %d shards, want %d", l.Name(), held(l), want)
			}
		}
	}
	a, stopA := start("a")
	until(a, 16)
	b, stopB := start("b")
	until(b, 8)
	until(a, 8)
	if a.Renewed().IsZero() {
		t.Error("a never renewed")
	}
	stopA()
	if a.Holds("x") {
		t.Error("a holds after Run")
	}
	until(b, 16)
	stopB()
	families, err := registry.Gather()
	if err != nil || len(families) != 3 {
		t.Errorf("metrics = %v, %v; want shards, replicas, renewals", families, err)
	}
}

// Whatever happens in whatever order, with time passing and others acting in
// the middle of a commit, no shard is held by two; and when it ends, the shares
// become fair.
func TestNoShardIsEverHeldByTwo(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { chaos(t, rand.New(rand.NewPCG(seed, 3))) })
	}
}

func chaos(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	for i := range 4 {
		w.start(fmt.Sprint("r", i))
	}
	busy := map[*replica]bool{}
	depth := 0
	var act func()
	around := func() {
		depth++
		for depth < 3 && r.IntN(3) == 0 {
			act()
		}
		depth--
	}
	act = func() {
		p := w.replicas[r.IntN(len(w.replicas))]
		switch n := r.IntN(20); {
		case n < 11:
			if !p.gone && !busy[p] {
				busy[p] = true
				_ = p.Step(t.Context())
				delete(busy, p)
			}
		case n < 16:
			w.now = w.now.Add(rand.N(ttl / 2))
		case n == 16:
			w.now = w.now.Add(ttl)
		case n == 17:
			p.gone = !p.gone // stops for a while, or goes on
		case n == 18:
			w.down = !w.down && r.IntN(3) == 0
		case len(w.replicas) < 8 && !busy[p]:
			if !p.gone && r.IntN(2) == 0 {
				busy[p] = true
				p.Leave(t.Context())
				delete(busy, p)
			}
			p.gone = true
			w.start(p.name) // another process of that name, while the old one may come back
		}
		w.check()
	}
	w.before, w.after = around, around
	for range 300 {
		act()
	}
	w.before, w.after, w.down = nil, nil, false
	names := map[string]bool{}
	for _, p := range slices.Backward(w.replicas) {
		p.gone = names[p.name] // of each name the youngest process lives
		names[p.name] = true
	}
	w.steps(24)
	var shares []int
	for i, n := range w.shares() {
		if !w.replicas[i].gone {
			shares = append(shares, n)
		}
	}
	if slices.Min(shares) != 4 || slices.Max(shares) != 4 {
		t.Errorf("shares in the end = %v, want 4 each", shares)
	}
}
