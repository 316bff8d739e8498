package audit

import (
	"math"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// slope looks whether what is predicted ever rises with memory.
type slope struct{ looked, compared, rose int64 }

// Bounds of what is looked at: failures, and sizes of each, a quarter of an octave
// apart, which is three octaves.
const (
	mostLooked = 200
	sizes      = 12
	perOctave  = 4
)

// rounding is what two predictions may differ by and be the same.
const rounding = 1e-9

// look compares what an opinion predicts for more and more memory.
func (l *slope) look(o opinion) error {
	if !o.memory() || l.looked == mostLooked {
		return nil
	}
	l.looked++
	last := math.Inf(1)
	for i := range sizes {
		size := engine.Size{Memory: int64(float64(o.setting.Memory) * math.Exp2(float64(i)/perOctave)), Cores: o.setting.Cores}
		c, err := o.predict(o.setting.Apply(size))
		if err != nil {
			return err
		}
		l.compare(last, c.FailProbability)
		last = c.FailProbability
	}
	return nil
}

// compare books one step towards more memory. What is no number rises.
func (l *slope) compare(before, after float64) {
	l.compared++
	if !(after <= before+rounding) || !(after > 0 && after < 1) {
		l.rose++
	}
}

// calibrated compares what a model makes of falling probabilities.
func (l *slope) calibrated(m model.Model) {
	const steps = 1000
	last := math.Inf(1)
	for i := steps - 1; i > 0; i-- {
		p := m.Calibrated(float64(i) / steps)
		l.compare(last, p)
		last = p
	}
}
