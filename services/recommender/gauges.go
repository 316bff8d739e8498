package recommender

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/pkg/gauge"
	"github.com/redrive-io/redrive/services/recommender/internal/drift"
)

// registerDrift shows how far what is asked, and what comes of it, is from what
// the serving model was trained and judged on. With too few decisions there is
// nothing to show.
func registerDrift(r prometheus.Registerer, w *drift.Watch) error {
	outcomes := func(of func(drift.Drift) float64) func(context.Context, gauge.Set) error {
		return func(ctx context.Context, set gauge.Set) error {
			d, err := w.Look(ctx, time.Now())
			if err == nil && d.Outcomes >= drift.Fewest {
				set(of(d))
			}
			return err
		}
	}
	return gauge.Register(
		r,
		gauge.Gauge{
			Name:   "redrive_recommender_drift_stability_index",
			Help:   "Population stability index of a feature of the newest decisions, against what the serving model was trained on." + gauge.Shared,
			Labels: []string{"feature"},
			Read: func(ctx context.Context, set gauge.Set) error {
				d, err := w.Look(ctx, time.Now())
				for _, f := range d.Features {
					set(f.Index, f.Name)
				}
				return err
			},
		},
		gauge.Gauge{
			Name: "redrive_recommender_drift_brier_score", Help: "Brier score of the newest predictions whose outcome is known." + gauge.Shared,
			Read: outcomes(func(d drift.Drift) float64 { return d.Brier }),
		},
		gauge.Gauge{
			Name: "redrive_recommender_drift_calibration_error",
			Help: "Expected calibration error of the newest predictions whose outcome is known." + gauge.Shared,
			Read: outcomes(func(d drift.Drift) float64 { return d.CalibrationError }),
		},
		gauge.Gauge{
			Name: "redrive_recommender_audit_calibration_error", Help: "Expected calibration error that the audit of the serving model measured." + gauge.Shared,
			Read: outcomes(func(d drift.Drift) float64 { return d.AuditCalibrationError }),
		},
	)
}
