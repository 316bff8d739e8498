package advice

import (
	"math"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Bounds of a record: the points of a distribution and of a calibration.
const (
	maxPoints      = 1000
	maxCorrections = 100
)

// Validate names what is wrong with a record that came from outside; field is
// its name in the request.
func (rec Record) Validate(field string) error {
	amount := func(name string, x float64) error {
		if !(x >= 0) || math.IsInf(x, 0) {
			return errs.Field(field+"."+name, "%v is not a number of at least 0", x)
		}
		return nil
	}
	inside := func(name string, x float64) error {
		if !(x > 0 && x < 1) {
			return errs.Field(field+"."+name, "%v is not more than 0 and less than 1", x)
		}
		return nil
	}
	var share, dice error
	if !(rec.FailedShare >= 0 && rec.FailedShare <= 1) {
		share = errs.Field(field+".failed_share", "%v is not between 0 and 1", rec.FailedShare)
	}
	if !(rec.Dice >= 0 && rec.Dice < 1) {
		dice = errs.Field(field+".dice", "%v is not at least 0 and less than 1", rec.Dice)
	}
	return errs.Fields(
		rec.validateCalibration(field+".calibration"), rec.validateNeed(field+".memory_need"), share, dice, inside("permanent_probability", rec.Permanent),
		amount("expected_seconds", rec.Seconds), amount("observations", float64(rec.Observations)),
		amount("considered", float64(rec.Considered)), amount("proven_bytes", float64(rec.Proven)), amount("seen_bytes", float64(rec.Seen)),
		amount("reach_bytes", float64(rec.Reach)), amount("beyond_probability", rec.Beyond), rec.Settings.Validate(field+".settings"), rec.Clusters.validate(field+".shapes"),
	)
}

func (rec Record) validateNeed(field string) error {
	if len(rec.Need) > maxPoints {
		return errs.Field(field, "has %d points; at most %d are allowed", len(rec.Need), maxPoints)
	}
	for i, q := range rec.Need {
		switch {
		case !(q.Probability >= 0 && q.Probability < 1) || q.Bytes <= 0:
			return errs.Field(field, "point %d is not a probability of at least 0 and less than 1 with more than 0 bytes", i)
		case i > 0 && (q.Probability <= rec.Need[i-1].Probability || q.Bytes < rec.Need[i-1].Bytes):
			return errs.Field(field, "point %d does not come after the one before it", i)
		}
	}
	return nil
}

func (rec Record) validateCalibration(field string) error {
	if len(rec.Calibration) > maxCorrections {
		return errs.Field(field, "has %d points; at most %d are allowed", len(rec.Calibration), maxCorrections)
	}
	inside := func(p float64) bool { return p > 0 && p < 1 }
	for i, c := range rec.Calibration {
		switch {
		case !inside(c.Predicted) || !inside(c.Observed):
			return errs.Field(field, "point %d is not two probabilities of more than 0 and less than 1", i)
		case i > 0 && (c.Predicted <= rec.Calibration[i-1].Predicted || c.Observed < rec.Calibration[i-1].Observed):
			return errs.Field(field, "point %d does not come after the one before it", i)
		}
	}
	return nil
}
