package lease_test

import (
	"context"
	"errors"
	"strings"
	"testing"

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
