package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/bustest"
)

func TestReplayReadsWhatTheStreamHasInOrder(t *testing.T) {
	b := bustest.New(t)
	types := []bus.Type{bus.AttemptSucceeded, bus.FailureClassified}
	if n, err := b.Replay(t.Context(), types, nil); n != 0 || err != nil {
		t.Errorf("replay of nothing = %d, %v", n, err)
	}
	var want []string
	for i := range 1300 {
		e := bus.Event{ID: fmt.Sprint(i), Type: bus.AttemptSucceeded, Source: "redrive/test", Time: time.Now(), ContentType: "application/protobuf", Data: []byte("x")}
		switch i % 3 {
		case 1:
			e.Type = bus.FailureClassified
		case 2:
			e.Type = bus.JobFinished // none that is asked for
		}
		if i%3 != 2 {
			want = append(want, e.ID)
		}
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // nothing is used up
		var got []string
		n, err := b.Replay(t.Context(), types, func(_ context.Context, e bus.Event) error {
			got = append(got, e.ID)
			return nil
		})
		if err != nil || int(n) != len(want) || !slices.Equal(got, want) {
			t.Fatalf("replay told %d events, %v; want %d in their order", n, err, len(want))
		}
	}
	enough := errors.New("enough")
	n, err := b.Replay(t.Context(), types, func(context.Context, bus.Event) error { return enough })
	if n != 1 || !errors.Is(err, enough) {
		t.Errorf("replay with an error at once = %d, %v", n, err)
	}
}
