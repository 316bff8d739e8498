package recommender

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/rightsize"
	"github.com/redrive-io/redrive/services/recommender/internal/server"
	"github.com/redrive-io/redrive/services/recommender/internal/store"
	"github.com/redrive-io/redrive/services/recommender/internal/tailor"
)

// RightSizing says what becomes of job types whose runs succeed with more memory
// than they need. Zero fields mean the defaults.
type RightSizing struct {
	// Mode is "propose" (the default: a human approves), "apply" (what is proposed
	// is approved at once) or "off" (what applies is still watched).
	Mode string
	// MinRuns is how many measured runs it takes before the first step, and with a
	// step before the next: 20. It is at most 1000.
	MinRuns int
	// MaxRisk is the most that a step may leave as probability that a run lacks
	// memory: 0.01. More memory is proposed beyond twice that.
	MaxRisk float64
	// Floor is the least memory in bytes that is proposed: 64 MiB. Less than that
	// saves a quarter of a dollar a month where a run never ends.
	Floor int64
	// MinDollars is the least saving a month that is proposed: 0.01.
	MinDollars float64
}

// Defaults of right-sizing.
const (
	defaultMinRuns    = 20
	defaultMaxRisk    = 0.01
	defaultFloor      = 64 << 20
	defaultMinDollars = 0.01
	mostMinRuns       = 1000
)

var rightSizingModes = map[string]rightsize.Mode{"": rightsize.Propose, "propose": rightsize.Propose, "apply": rightsize.Apply, "off": rightsize.Off}

func (r RightSizing) validate() error {
	var mode, runs, risk, floor, dollars error
	if _, ok := rightSizingModes[r.Mode]; !ok {
		mode = errs.Field("right_sizing.mode", `%q is none of "propose", "apply" and "off"`, r.Mode)
	}
	if r.MinRuns < 0 || r.MinRuns > mostMinRuns {
		runs = errs.Field("right_sizing.min_runs", "%d is not between 1 and %d; 0 is the default", r.MinRuns, mostMinRuns)
	}
	if !(r.MaxRisk >= 0 && r.MaxRisk <= 0.5) || r.MaxRisk > 0 && r.MaxRisk < 0.001 {
		risk = errs.Field("right_sizing.max_risk", "%v is not between 0.001 and 0.5; 0 is the default", r.MaxRisk)
	}
	if r.Floor < 0 {
		floor = errs.Field("right_sizing.floor", "%d bytes are less than none", r.Floor)
	}
	if !(r.MinDollars >= 0) {
		dollars = errs.Field("right_sizing.min_dollars_per_month", "%v is not a number of at least 0; 0 is the default", r.MinDollars)
	}
	return errs.Fields(mode, runs, risk, floor, dollars)
}

// settings returns the settings of right-sizing, with prices and ceilings as those
// of a recommendation after a kill for memory.
func (r RightSizing) settings(of server.Settings, m server.Serving) tailor.Settings {
	return func(t failure.Type) rightsize.Settings {
		s := of(t, "", failure.MemoryContainer)
		return rightsize.Settings{
			MaxMemory: s.MaxMemory, Step: s.Step, Allowed: s.Allowed, Nodes: s.Nodes,
			Mode: rightSizingModes[r.Mode], MinRuns: cmp.Or(r.MinRuns, defaultMinRuns), MaxRisk: cmp.Or(r.MaxRisk, defaultMaxRisk),
			Floor: cmp.Or(r.Floor, defaultFloor), MinDollars: cmp.Or(r.MinDollars, defaultMinDollars),
			Weight: s.Weight, PerGiBHour: s.PerGiBHour, PerCoreHour: s.PerCoreHour, MinSeconds: s.MinSeconds, FailedShare: m.Serving().FailedShare(),
		}
	}
}

// sweepEvery is how often is looked for job types that are due: failures that a
// patch caused are due at once.
const sweepEvery = 2 * time.Second

// rightSizing is what right-sizing consists of.
type rightSizing struct {
	known  *store.Rightsizings
	tailor *tailor.Tailor
	log    *slog.Logger
}

func newRightSizing(d Deps, histories *store.Histories, settings tailor.Settings, m *metrics) rightSizing {
	known, log := store.NewRightsizings(d.Store), d.Log.With("service", "recommender")
	return rightSizing{known, tailor.New(known, histories, server.NewPatches(d.Config), settings, m.rightsized, log), log}
}

// sweep looks at what is due. When it fails, it is done again soon.
func (r rightSizing) sweep(ctx context.Context) {
	if err := r.tailor.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "right-sizing waits", "error", err)
	}
}
