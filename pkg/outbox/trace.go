package outbox

import (
	"context"
	"slices"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/trace"
)

// traced returns the events with the span that they are put in, so that they are
// published below it whenever that is. Without tracing they stay as they are.
func traced(ctx context.Context, events []bus.Event) []bus.Event {
	parent := trace.Parent(ctx)
	if parent == "" {
		return events
	}
	events = slices.Clone(events)
	for i := range events {
		if events[i].TraceParent == "" {
			events[i].TraceParent = parent
		}
	}
	return events
}
