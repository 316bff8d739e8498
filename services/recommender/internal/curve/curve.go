// Package curve says how the run time of a workload depends on the cluster that
// it runs on:
//
//	seconds = serial + shared × 32/cores + memory × 128 GiB/memory + coordination × (32/cores)²
//
// the part that does not share (Amdahl), the part that does, what it takes to do
// with little memory, and what a small cluster loses beyond its share. None of
// the terms is negative, so more cores or more memory never take longer. It is the
// form of Ernest (Venkataraman and others, NSDI 2016), without its terms that rise
// with the number of machines and with one for memory.
package curve

import "math"

// Run is a run that succeeded on a cluster: all its cores and all its memory.
type Run struct {
	Cores   float64
	Memory  float64 // bytes
	Seconds float64
}

// Terms are serial, shared, memory and coordination.
type Terms [4]float64

// Prior is the shape before any run was seen, in parts of the run time at the
// reference: a fifth that does not share.
var Prior = Terms{0.2, 0.8}

// The reference, at which every term is what its name says: 32 cores and 128 GiB.
const (
	referenceCores  = 32
	referenceMemory = 128 << 30
)

// at returns what each term is multiplied by on a cluster.
func at(cores, memory float64) Terms {
	c := referenceCores / cores
	return Terms{1, c, referenceMemory / memory, c * c}
}

// Seconds returns the run time on a cluster.
func (t *Terms) Seconds(cores, memory float64) float64 {
	c := referenceCores / cores
	return t[0] + c*(t[1]+c*t[3]) + t[2]*referenceMemory/memory
}

// Shape returns the shape in parts of the run time at the reference.
func (t *Terms) Shape() Terms {
	sum := t[0] + t[1] + t[2] + t[3]
	return Terms{t[0] / sum, t[1] / sum, t[2] / sum, t[3] / sum}
}

// rounds of coordinate descent; four unknowns settle long before.
const rounds = 500

// Fit returns the terms of a workload: those of least squared relative error to
// its runs and, with the weight of one run, to a shape of the same mean level.
// Without runs it is the shape.
func Fit(runs []Run, shape Terms) Terms {
	level, n := 0.0, 0.0
	for _, r := range runs {
		if r.usable() {
			level, n = level+math.Log(r.Seconds), n+1
		}
	}
	if n == 0 {
		return shape
	}
	level = math.Exp(level / n)
	// The normal equations of the relative errors.
	var squares [4]Terms
	var products, terms Terms
	for _, r := range runs {
		if !r.usable() {
			continue
		}
		x := at(r.Cores, r.Memory)
		for i := range x {
			products[i] += x[i] / r.Seconds
			for j := range x {
				squares[i][j] += x[i] * x[j] / (r.Seconds * r.Seconds)
			}
		}
	}
	for i := range terms {
		terms[i] = shape[i] * level
		squares[i][i] += 1 / (level * level)
		products[i] += terms[i] / (level * level)
	}
	for range rounds {
		for i := range terms {
			rest := products[i]
			for j := range terms {
				if j != i {
					rest -= squares[i][j] * terms[j]
				}
			}
			terms[i] = max(rest/squares[i][i], 0)
		}
	}
	return terms
}

func (r Run) usable() bool {
	return r.Seconds > 0 && r.Cores > 0 && r.Memory > 0 && !math.IsInf(r.Seconds+r.Cores+r.Memory, 0)
}

// Shape returns the shape of the run times of one job type, in parts of its run
// time at the reference; ok is false when none of its runs tells.
func Shape(runs []Run) (terms [4]float64, ok bool) {
	for _, r := range runs {
		if r.usable() {
			t := Fit(runs, Prior)
			return t.Shape(), true
		}
	}
	return terms, false
}

// FitAll returns the terms of several workloads, each drawn to the mean shape of
// all of them, which counts shape as one more.
func FitAll(runs [][]Run, shape Terms) []Terms {
	mean, n := shape, 1.0
	for _, of := range runs {
		if alone, ok := Shape(of); ok {
			for i := range mean {
				mean[i] += alone[i]
			}
			n++
		}
	}
	for i := range mean {
		mean[i] /= n
	}
	all := make([]Terms, len(runs))
	for i, of := range runs {
		all[i] = Fit(of, mean)
	}
	return all
}
