package recommender

import (
	"context"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/services/recommender/internal/events"
	"github.com/redrive-io/redrive/services/recommender/internal/server"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
)

// rebuild adds the records of what the bus still has.
func rebuild(b *bus.Bus, records *store.Records) server.Rebuild {
	return func(ctx context.Context) (read, added int64, err error) { return events.Rebuild(ctx, b, records) }
}
