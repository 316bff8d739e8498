package bus

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/gauge"
)

// registerGauges registers what the servers say of the streams and of the
// durable consumers, when somebody asks for the metrics: a request for each.
func (b *Bus) registerGauges(r prometheus.Registerer) error {
	err := gauge.Register(r,
		gauge.Gauge{
			Name: "redrive_bus_consumer_lag", Help: "Events that a consumer was not given yet." + gauge.Shared, Labels: []string{"consumer"},
			Read: b.ofConsumers(func(pending uint64, _ int) float64 { return float64(pending) }),
		},
		gauge.Gauge{
			Name: "redrive_bus_consumer_unsettled", Help: "Events that a consumer handles or that wait for their next try." + gauge.Shared, Labels: []string{"consumer"},
			Read: b.ofConsumers(func(_ uint64, unsettled int) float64 { return float64(unsettled) }),
		},
		gauge.Gauge{
			Name: "redrive_bus_stream_messages", Help: "Messages that a stream keeps; those of REDRIVE_DEAD_LETTERS were given up." + gauge.Shared, Labels: []string{"stream"},
			Read: b.ofStreams(func(messages, _ uint64) float64 { return float64(messages) }),
		},
		gauge.Gauge{
			Name: "redrive_bus_stream_bytes", Help: "Size of what a stream keeps." + gauge.Shared, Labels: []string{"stream"},
			Read: b.ofStreams(func(_, bytes uint64) float64 { return float64(bytes) }),
		},
	)
	if _, again := errors.AsType[prometheus.AlreadyRegisteredError](err); again {
		return nil // of another bus of this process, to the same servers
	}
	if err != nil {
		return errs.New(errs.Internal, "register the gauges of the bus: %w", err)
	}
	return nil
}

func (b *Bus) ofConsumers(value func(pending uint64, unsettled int) float64) func(context.Context, gauge.Set) error {
	return func(ctx context.Context, set gauge.Set) error {
		for _, c := range Consumers {
			if c.Ephemeral {
				continue
			}
			found, err := b.js.Consumer(ctx, c.stream(), c.Name)
			if err != nil {
				return callError(err, "look at consumer %s", c.Name)
			}
			info := found.CachedInfo()
			set(value(info.NumPending, info.NumAckPending), c.Name)
		}
		return nil
	}
}

func (b *Bus) ofStreams(value func(messages, bytes uint64) float64) func(context.Context, gauge.Set) error {
	return func(ctx context.Context, set gauge.Set) error {
		for _, name := range []string{EventStream, ReportStream, DeadLetterStream} {
			stream, err := b.js.Stream(ctx, name)
			if err != nil {
				return callError(err, "look at stream %s", name)
			}
			state := stream.CachedInfo().State
			set(value(state.Msgs, state.Bytes), name)
		}
		return nil
	}
}
