package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/gauge"
)

// Register registers what is measured of the outbox with r; nil registers
// nothing.
func (o *Outbox) Register(r prometheus.Registerer) error {
	of := map[string]string{"service": o.service}
	return gauge.Register(r,
		gauge.Gauge{
			Name: "redrive_outbox_waiting", Help: "Events of a service that are committed and not known to be sent; at most 100000 are counted." + gauge.Shared, Of: of,
			Read: gauge.Value(func(ctx context.Context) (float64, error) {
				n, err := o.store.Count(ctx, docstore.Query{Kind: o.kind}, MaxBacklog)
				return float64(n), err
			}),
		},
		gauge.Gauge{
			Name: "redrive_outbox_oldest_seconds", Help: "Age of the oldest of them; 0 when there is none." + gauge.Shared, Of: of,
			Read: gauge.Value(func(ctx context.Context) (float64, error) {
				oldest, err := o.oldest(ctx)
				return gauge.Age(oldest), err
			}),
		},
	)
}

// oldest returns the time of the event that was put first; zero when none
// waits.
func (o *Outbox) oldest(ctx context.Context) (time.Time, error) {
	page, err := o.store.List(ctx, docstore.Query{Kind: o.kind, Limit: 1})
	if err != nil || len(page.Docs) == 0 {
		return time.Time{}, err
	}
	e, err := decode(page.Docs[0].Value)
	return e.Time, err
}
