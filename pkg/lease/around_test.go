package lease_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/docstore/storetest"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/lease"
)

func TestAroundHoldsUntilTheWorkHasEnded(t *testing.T) {
	store := storetest.Open(t)
	first := lease.New(store, "s", "a", lease.Options{})
	ctx, stop := context.WithCancel(t.Context())
	failed := errors.New("the work failed")
	err := first.Around(ctx, func(ctx context.Context) error {
		for changed := first.Changed(); !first.Holds("k"); changed = first.Changed() {
			<-changed
		}
		stop()
		<-ctx.Done()
		if !first.Holds("k") {
			t.Error("it was given up before the work had ended")
		}
		return failed
	})
	if !errors.Is(err, failed) || first.Holds("k") {
		t.Errorf("error %v, holds %v; want the work's, and nothing held", err, first.Holds("k"))
	}
}

func TestAroundEndsWorkThatCannotHoldAnything(t *testing.T) {
	l := lease.New(storetest.Open(t), "s", strings.Repeat("x", 1000), lease.Options{})
	err := l.Around(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return nil })
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("around with a name that cannot be = %v, want Invalid", err)
	}
}

func TestEveryDoesItAtOneReplicaAtATime(t *testing.T) {
	store := storetest.Open(t)
	o := lease.Options{TTL: time.Second}
	did := make(chan string, 100)
	stops := map[string]func(){}
	for _, name := range []string{"a", "b"} {
		l := lease.New(store, "s", name, o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- l.Around(ctx, func(ctx context.Context) error {
				l.Every(ctx, "sweep", time.Hour, func(context.Context) { did <- name })
				return nil
			})
		}()
		stops[name] = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(stops[name])
	}
	first := <-did
	stops[first]()
	for second := first; second == first; {
		second = <-did // it may have had it twice, while the shares were settled
	}
}

func TestEveryRepeats(t *testing.T) {
	l := lease.New(storetest.Open(t), "s", "", lease.Options{})
	ctx, stop := context.WithCancel(t.Context())
	times := 0
	l.Every(ctx, "sweep", time.Millisecond, func(context.Context) {
		if times++; times == 3 {
			stop()
		}
	})
	if times != 3 {
		t.Errorf("done %d times, want 3", times)
	}
}
