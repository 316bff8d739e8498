// Package drift says how far what is asked, and what comes of the answers, is
// from what a model was trained and judged on.
package drift

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/redrive-io/redrive/services/recommender/internal/calibration"
	"github.com/redrive-io/redrive/services/recommender/internal/history"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
	"github.com/redrive-io/redrive/services/recommender/internal/record"
)

// Looked is how many records are looked at: the newest. They are read from the
// store each time, so that every replica sees the same and nothing is lost with
// one.
const Looked = 2000

// Bounds of what counts as moved.
const (
	// Fewest decisions, or outcomes, say something: with ten groups, an index of
	// 0.05 comes of chance alone.
	Fewest = 200
	// moved is the population stability index from which on much has moved, by the
	// habit of credit scoring (Siddiqi, Credit Risk Scorecards, 2006).
	moved = 0.25
	// worse is the rise of the expected calibration error, over what the audit
	// measured, from which on probabilities mislead.
	worse = 0.1
)

// Feature is how far one feature moved.
type Feature struct {
	Name  string
	Index float64 // population stability index
}

// Drift is what was found.
type Drift struct {
	Model     string
	Time      time.Time
	Decisions int64 // that the features are of
	Features  []Feature
	Outcomes  int64 // that are known of decisions
	// Of these.
	Brier, CalibrationError float64
	// Of the audit of the model.
	AuditBrier, AuditCalibrationError float64
	Warnings                          []string // what is beyond its bound
}

// Judged is what the audit of a model measured; zero for one without.
type Judged struct{ Brier, CalibrationError float64 }

// Compare compares the newest records, in any order, with what a model was
// trained on and how its audit judged it.
func Compare(m model.Model, j Judged, newest []record.Record, now time.Time) Drift {
	d := Drift{Model: m.Name, Time: now, AuditBrier: j.Brier, AuditCalibrationError: j.CalibrationError}
	for _, r := range newest {
		if r.Features != nil {
			d.Decisions++
		}
	}
	if d.Decisions >= Fewest {
		d.compareFeatures(m, newest)
	}
	d.compareOutcomes(newest)
	return d
}

func (d *Drift) compareFeatures(m model.Model, newest []record.Record) {
	for _, v := range model.Values() {
		before := m.Histogram(v.Name).Buckets
		if len(before) == 0 {
			continue
		}
		now := map[int]int64{}
		for _, r := range newest {
			if r.Features != nil {
				now[model.BucketOf(v.Of(*r.Features))]++
			}
		}
		f := Feature{v.Name, index(before, now)}
		d.Features = append(d.Features, f)
		if f.Index > moved {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s moved: stability index %.2f, more than %.2f", f.Name, f.Index, moved))
		}
	}
}

// groups is how many groups of about equal share the index compares, as is the
// habit.
const groups = 10

// index returns the population stability index: the sum over groups of (now −
// before) × ln(now / before), in shares. Neighbouring buckets are one group until
// they hold a tenth of what was before. Half an observation more in each keeps an
// empty one finite.
func index(before []model.Bucket, now map[int]int64) float64 {
	total := 0.0
	for _, b := range before {
		total += float64(b.Count)
	}
	var bounds []int       // the last bucket of each group but the last one
	var expected []float64 // counts
	sum := 0.0
	for _, b := range before {
		if sum += float64(b.Count); sum >= total/groups {
			bounds, expected = append(bounds, b.Index), append(expected, sum)
			sum = 0
		}
	}
	if sum > 0 || len(bounds) == 0 {
		bounds, expected = append(bounds, math.MaxInt), append(expected, sum)
	}
	// Beyond the last bucket that was ever seen is a group of its own.
	if last := len(bounds) - 1; bounds[last] != math.MaxInt {
		bounds, expected = append(bounds, math.MaxInt), append(expected, 0)
	}
	actual, seen := make([]float64, len(bounds)), 0.0
	for bucket, n := range now {
		i, _ := slices.BinarySearch(bounds, bucket)
		actual[i] += float64(n)
		seen += float64(n)
	}
	psi, more := 0.0, 0.5*float64(len(bounds))
	for i := range bounds {
		e, a := (expected[i]+0.5)/(total+more), (actual[i]+0.5)/(seen+more)
		psi += (a - e) * math.Log(a/e)
	}
	return psi
}

// compareOutcomes looks at what came of the decisions that were followed.
func (d *Drift) compareOutcomes(newest []record.Record) {
	decided := map[string]record.Record{}
	for _, r := range newest {
		if r.Features != nil && r.Outcome == history.Failed && r.Recommended != record.NotFeasible {
			decided[r.ID] = r
		}
	}
	var t calibration.Tally
	for _, r := range newest {
		before, ok := decided[r.Previous]
		if !ok {
			continue
		}
		if again, told := r.Again(before); told && followed(before, r) {
			t.Add(before.Features.FailProbability, again)
		}
	}
	d.Outcomes, d.Brier, d.CalibrationError = t.Count(), t.Brier(), t.Error()
	if d.Outcomes >= Fewest && d.CalibrationError > d.AuditCalibrationError+worse && d.CalibrationError > t.Chance() {
		d.Warnings = append(d.Warnings, fmt.Sprintf("predictions of %d retries are %.2f off on average, %.2f when the model was audited",
			d.Outcomes, d.CalibrationError, d.AuditCalibrationError))
	}
}

// near is how far what a retry had may be from what was recommended, in parts:
// configurations are written in whole MiB.
const near = 0.01

// followed reports whether a retry had what was recommended.
func followed(before, r record.Record) bool {
	if before.Recommended != record.Change {
		return true
	}
	had, chosen := float64(r.Sizes[before.Features.Part]), float64(before.Features.Chosen)
	return math.Abs(had-chosen) <= near*chosen
}
