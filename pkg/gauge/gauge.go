// Package gauge shows in the metrics what is read only when somebody asks for
// them, such as the age of a queue in the store. What is read is bounded in time
// and kept for a moment, so that many askers cost what one does.
//
// A number that is read from the shared store is the same in every replica: its
// help says so, and whoever adds up replicas takes the largest instead.
package gauge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// readTimeout bounds the reading of all gauges of one Register.
	readTimeout = 2 * time.Second
	// keepFor is how long what was read is shown again.
	keepFor = 5 * time.Second
)

// Shared ends the help of a gauge that is read from the shared store or bus.
const Shared = " The same in every replica: take the largest, not the sum."

// Gauge is one metric.
type Gauge struct {
	Name, Help string
	// Labels are its label names; their values must be few.
	Labels []string
	// Of are labels that stay the same, such as the service; another Register may
	// use the same name with other values.
	Of map[string]string
	// Read calls set for each combination of label values, in the order of
	// Labels. When it fails the gauge is absent, and the failure is counted in
	// redrive_gauge_errors_total.
	Read func(ctx context.Context, set Set) error
}

// Set tells one value.
type Set func(value float64, labels ...string)

// Register registers gauges with r; nil registers nothing. They are read one after the other, each time
// that somebody gathers, but not more than once in five seconds.
func Register(r prometheus.Registerer, all ...Gauge) error {
	if r == nil {
		return nil
	}
	failed, err := counter(r)
	if err != nil {
		return err
	}
	c := &collector{failed: failed, gauges: all}
	for _, g := range all {
		c.descs = append(c.descs, prometheus.NewDesc(g.Name, g.Help, g.Labels, g.Of))
		failed.WithLabelValues(g.Name)
	}
	return r.Register(c)
}

// counter returns the one counter of a registry.
func counter(r prometheus.Registerer) (*prometheus.CounterVec, error) {
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "redrive_gauge_errors_total", Help: "Gauges that could not be read, and are absent meanwhile.",
	}, []string{"gauge"})
	err := r.Register(failed)
	if known, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := known.ExistingCollector.(*prometheus.CounterVec); ok {
			return same, nil
		}
	}
	return failed, err
}

// collector reads the gauges of one Register.
type collector struct {
	gauges []Gauge
	descs  []*prometheus.Desc
	failed *prometheus.CounterVec

	mu   sync.Mutex
	read time.Time
	kept []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Who comes while another reads waits
// for it.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	if c.read.IsZero() || time.Since(c.read) >= keepFor {
		c.kept = c.readAll()
		c.read = time.Now()
	}
	kept := c.kept
	c.mu.Unlock()
	for _, m := range kept {
		ch <- m
	}
}

func (c *collector) readAll() (all []prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	for i, g := range c.gauges {
		values, err := c.readOne(ctx, i)
		if err != nil {
			c.failed.WithLabelValues(g.Name).Inc()
			continue
		}
		all = append(all, values...)
	}
	return all
}

func (c *collector) readOne(ctx context.Context, i int) (values []prometheus.Metric, err error) {
	var seen [][]string
	err = c.gauges[i].Read(ctx, func(v float64, labels ...string) {
		m, bad := prometheus.NewConstMetric(c.descs[i], prometheus.GaugeValue, v, labels...)
		if bad != nil || slices.ContainsFunc(seen, func(s []string) bool { return slices.Equal(s, labels) }) {
			return // a gauge that gathers twice would spoil all other metrics
		}
		seen, values = append(seen, slices.Clone(labels)), append(values, m)
	})
	return values, err
}

// Age is how long ago a time is, in seconds; 0 for the zero time and for one to
// come.
func Age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(time.Since(since), 0).Seconds()
}

// Value returns the Read of a gauge without labels.
func Value(read func(ctx context.Context) (float64, error)) func(context.Context, Set) error {
	return func(ctx context.Context, set Set) error {
		v, err := read(ctx)
		if err == nil {
			set(v)
		}
		return err
	}
}

// Of returns the Read of a gauge without labels that nothing can go wrong with.
func Of(read func() float64) func(context.Context, Set) error {
	return func(_ context.Context, set Set) error {
		set(read())
		return nil
	}
}
