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
	actionProposed   = "proposed"
	actionApproved   = "approved"
	actionRejected   = "rejected"
	actionPromoted   = "promoted"
	actionSuperseded = "superseded"
	actionRevoked    = "revoked"
	actionRestored   = "restored"
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
			Help: "Patches by what happened to them: created, proposed, approved, rejected, promoted, superseded, revoked, restored, expired, evicted, purged.",
		}, []string{"action"}),
		resolves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "redrive_configsvc_resolves_total",
			Help: "Configurations resolved, by whether a patch was applied.",
		}, []string{"applied"}),
	}
	for _, a := range []string{
		actionCreated, actionProposed, actionApproved, actionRejected, actionPromoted, actionSuperseded, actionRevoked, actionRestored, actionExpired,
		actionEvicted, actionPurged,
	} {
		m.patches.WithLabelValues(a)
	}
	if reg == nil {
		return m, nil
	}
	count := func(n func(context.Context) (int, error)) func(context.Context, gauge.Set) error {
		return gauge.Value(func(ctx context.Context) (float64, error) {
			n, err := n(ctx)
			return float64(n), err
		})
	}
	const bound = "; at most 100000 are counted." + gauge.Shared
	return m, errors.Join(reg.Register(m.patches), reg.Register(m.resolves), gauge.Register(
		reg,
		gauge.Gauge{Name: "redrive_configsvc_active_patches", Help: "Patches that are active" + bound, Read: count(s.CountActive)},
		gauge.Gauge{
			Name: "redrive_configsvc_proposed_patches", Help: "Patches that wait to be approved or rejected" + bound, Read: count(s.CountProposed),
		},
	))
}

func (m *metrics) count(action string, n int) { m.patches.WithLabelValues(action).Add(float64(n)) }

func (m *metrics) resolved(applied bool) {
	m.resolves.WithLabelValues(strconv.FormatBool(applied)).Inc()
}
