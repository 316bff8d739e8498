package need

import (
	"math"
	"slices"
	"sort"
)

// predictor is a cheap way to predict the peak of a run from its input size.
type predictor int

// The predictors. Each predicts by a constant, a line, a power law or its
// nearest inputs: what a program holds in memory is a fixed part, a part that
// grows with the input, or what its steps did before with such an input.
const (
	constant     predictor = iota // the median
	line                          // least squares
	offsetLine                    // the same, its errors taken as differences
	powerLaw                      // a line in logarithms
	neighbours                    // the mean of the nearest inputs
	relativeLine                  // least squares of relative errors
	predictors   = iota
)

var predictorNames = [predictors]string{
	"median", "line", "line with fixed error", "power law", "nearest inputs", "line of relative error",
}

// errorOf returns how far a peak lies from its prediction: as a factor, and for
// offsetLine in bytes.
func (p predictor) errorOf(predicted, peak float64) float64 {
	if p == offsetLine {
		return peak - predicted
	}
	return peak / predicted
}

// inverse returns the inverse of errorOf: a peak is factor × err + sum, and at
// least a byte.
func (p predictor) inverse(predicted float64) (factor, sum float64) {
	if p == offsetLine {
		return 1, predicted
	}
	return predicted, 0
}

// predict returns what each predictor says of an input, as far as the runs so
// far know; log is math.Log(x+1). A prediction whose errors are factors is at
// least half of the least peak: a line may reach 0.
func (e *Estimator) predict(x, log float64) (p [predictors]float64) {
	if len(e.peaks) == 0 {
		return p
	}
	least := e.peaks[0] / 2
	p[constant] = median(e.peaks)
	p[offsetLine] = e.fits.absolute.at(x)
	p[line] = max(p[offsetLine], least)
	p[powerLaw] = max(math.Exp(e.fits.logarithmic.at(log)), least)
	p[relativeLine] = max(e.fits.relative.at(x), least)
	p[neighbours] = e.inputs.near(log)
	for i := range p {
		if math.IsNaN(p[i]) || math.IsInf(p[i], 0) { // a power law far outside of what it saw
			p[i] = p[constant]
		}
	}
	return p
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// fits are the lines through all runs, as running sums.
type fits struct{ absolute, relative, logarithmic fit }

func (f *fits) add(r run) {
	f.absolute.add(r.input, r.peak, 1)
	f.relative.add(r.input, r.peak, 1/(r.peak*r.peak))
	f.logarithmic.add(r.log, math.Log(r.peak), 1)
}

// fit is a weighted least-squares line. The sums are taken around the running
// means, so that no digits are lost on large inputs.
type fit struct{ weight, meanX, meanY, varX, covXY, squaresX float64 }

func (f *fit) add(x, y, weight float64) {
	f.weight += weight
	dx := x - f.meanX
	f.meanX += dx * weight / f.weight
	f.meanY += (y - f.meanY) * weight / f.weight
	f.varX += weight * dx * (x - f.meanX)
	f.covXY += weight * dx * (y - f.meanY)
	f.squaresX += weight * x * x
}

// flat is the share of the squares of the inputs below which their scatter is
// rounding, and the line has no slope.
const flat = 1e-9

func (f *fit) at(x float64) float64 {
	if f.varX <= flat*f.squaresX {
		return f.meanY
	}
	return f.meanY + f.covXY/f.varX*(x-f.meanX)
}

// input is one run by its input size.
type input struct {
	log, peak float64
	slot      int
}

// inputs are the newest runs by input size, of the same size the newest first.
type inputs []input

func (in inputs) from(log float64) int {
	return sort.Search(len(in), func(i int) bool { return in[i].log >= log })
}

func (in *inputs) insert(a input) { *in = slices.Insert(*in, in.from(a.log), a) }

func (in *inputs) remove(log float64, slot int) {
	for i := in.from(log); i < len(*in); i++ {
		if (*in)[i].slot == slot {
			*in = slices.Delete(*in, i, i+1)
			return
		}
	}
}

// nearby is how many nearest inputs are averaged; closeness is the difference
// in size (a factor of 1.001) below which one is not nearer than another.
const (
	nearby    = 5
	closeness = 1e-3
)

// near returns the mean peak of the nearest inputs, in logarithms and weighted
// by nearness.
func (in inputs) near(log float64) float64 {
	var sum, weights float64
	low, high := in.around(log, nearby)
	for _, a := range in[low:high] {
		weight := 1 / (math.Abs(a.log-log) + closeness)
		sum, weights = sum+weight*math.Log(a.peak), weights+weight
	}
	return math.Exp(sum / weights)
}

// around returns the indices [low, high) of the n inputs nearest in size.
func (in inputs) around(log float64, n int) (low, high int) {
	low = in.from(log)
	high = low
	for high-low < n && (low > 0 || high < len(in)) {
		if high == len(in) || low > 0 && log-in[low-1].log < in[high].log-log {
			low--
		} else {
			high++
		}
	}
	return low, high
}

// residual is the error of one prediction, made before the peak was known.
type residual struct {
	err  float64
	slot int
}

// residuals are those of one predictor, ascending by error.
type residuals []residual

func (r *residuals) insert(a residual) {
	i := sort.Search(len(*r), func(i int) bool { return (*r)[i].err >= a.err })
	*r = slices.Insert(*r, i, a)
}

func (r *residuals) remove(slot int) {
	if i := slices.IndexFunc(*r, func(a residual) bool { return a.slot == slot }); i >= 0 {
		*r = slices.Delete(*r, i, i+1)
	}
}
