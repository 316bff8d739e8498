package search

import (
	"math"

	"github.com/redrive-io/redrive/pkg/engine"
)

// Name returns what a part is called for people.
func Name(p engine.Part) string { return names[p] }

// Curve scores n amounts of memory from low to high bytes, evenly spaced in their
// logarithm, all else being as it is in at. n is at least 2.
func (in Inputs) Curve(at engine.Size, low, high int64, n int) []Candidate {
	memory := make([]int64, n)
	for i := range memory {
		part := float64(i) / float64(n-1)
		memory[i] = int64(float64(low) * math.Pow(float64(high)/float64(low), part))
	}
	return in.along(at, memory...)
}

// Score predicts one size, whether it may be given or not.
func (in Inputs) Score(size engine.Size) Candidate {
	if in.Question == MoreMemory {
		return in.along(size, size.Memory)[0]
	}
	return in.current()
}

// Twice returns twice as many bytes, or as many as there can be.
func Twice(bytes int64) int64 { return times(bytes, 2) }

// Farthest returns the largest memory of the part in bytes that one step may go
// to, for a first attempt the most that is thought to be needed, as far as the
// settings allow it at this size.
func (in Inputs) Farthest(at engine.Size) int64 {
	far := in.reach()
	if in.First {
		far = in.enough()
	}
	if ceiling := in.Ceiling(at); ceiling > 0 {
		far = min(far, ceiling)
	}
	return far
}
