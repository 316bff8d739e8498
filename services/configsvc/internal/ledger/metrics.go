package ledger

import (
	"context"
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/gauge"
	"github.com/redrive-io/redrive/services/configsvc/internal/store"
)

// What happens to patches, as the label action.
const (
	actionCreated    = "created"
	actionPromoted   = "promoted"
	actionSuperseded = "superseded"
	actionRevoked    = "revoked"
	actionExpired    = "expired"
	actionEvicted    = "evicted"
	actionPurged     = "purged"
)

type metrics struct {
	patches  *prometheus.CounterVec
	resolves *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, s *store.Store) (*metrics, error) {
	m := &metrics{
		patches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_configsvc_patches_total",
			Help: "Patches by what happened to them: created, promoted, superseded, revoked, expired, evicted, purged.",
		}, []string{"action"}),
		resolves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_configsvc_resolves_total",
			Help: "Configurations resolved, by whether a patch was applied.",
		}, []string{"applied"}),
	}
	for _, a := range []string{actionCreated, actionPromoted, actionSuperseded, actionRevoked, actionExpired, actionEvicted, actionPurged} {
		m.patches.WithLabelValues(a)
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.patches), reg.Register(m.resolves), gauge.Register(reg, gauge.Gauge{
		Name: "redrive_configsvc_active_patches", Help: "Patches that are active; at most 100000 are counted." + gauge.Shared,
		Read: gauge.Value(func(ctx context.Context) (float64, error) {
			n, err := s.CountActive(ctx)
			return float64(n), err
		}),
	}))
}

func (m *metrics) count(action string, n int) { m.patches.WithLabelValues(action).Add(float64(n)) }

func (m *metrics) resolved(applied bool) {
	m.resolves.WithLabelValues(strconv.FormatBool(applied)).Inc()
}
