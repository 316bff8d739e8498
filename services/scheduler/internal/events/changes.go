package events

import (
	"context"
	"strings"

	"github.com/redrive-io/redrive/pkg/bus"
)

// RunChanges listens to what other replicas do with jobs, for those who wait for
// it here, until ctx is done.
func (h *Handler) RunChanges(ctx context.Context, b *bus.Bus) error {
	changes := bus.SchedulerChanges
	changes.Listening = h.runner.NoticedAll
	return b.Consume(ctx, changes, func(_ context.Context, e bus.Event) error {
		h.runner.Noticed(strings.TrimPrefix(e.Subject, "jobs/"))
		return nil
	})
}
