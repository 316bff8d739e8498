package serve

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callMetrics counts calls. Labels are method names of the API, codes and
// callers, so their number is bounded.
type callMetrics struct {
	duration *prometheus.HistogramVec
	calls    *prometheus.CounterVec
	panics   prometheus.Counter
	refusals *prometheus.CounterVec
	up       *prometheus.GaugeVec
}

func newCallMetrics(r prometheus.Registerer) (*callMetrics, error) {
	m := &callMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "redrive_rpc_duration_seconds", Help: "How long calls took, streams included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_rpc_calls_total", Help: "Calls that ended, by code and caller.",
		}, []string{"method", "code", "caller"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "redrive_rpc_panics_total", Help: "Calls that panicked.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_http_refusals_total", Help: "HTTP requests refused before they became a call.",
		}, []string{"reason"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "redrive_dependency_up", Help: "1 while what this process stands on can be used: the store, the bus, and each peer.",
		}, []string{"dependency"}),
	}
	return m, errors.Join(r.Register(m.duration), r.Register(m.calls), r.Register(m.panics), r.Register(m.refusals), r.Register(m.up))
}

func (m *callMetrics) observe(c *call, code codes.Code, took time.Duration) {
	m.duration.WithLabelValues(c.label).Observe(took.Seconds())
	m.calls.WithLabelValues(c.label, code.String(), string(c.caller)).Inc()
}

func codeOf(err error) codes.Code { return status.Code(err) }
