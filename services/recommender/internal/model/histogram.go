package model

import (
	"cmp"
	"math"
	"slices"

	"github.com/redrive-io/redrive/services/recommender/internal/features"
)

// Histogram is how often a feature had values of about the same size.
type Histogram struct {
	Name    string
	Buckets []Bucket // by Index
}

// Bucket counts values between 2^(Index/4) and 2^((Index+1)/4).
type Bucket struct {
	Index int // zeroBucket for 0 and less
	Count int64
}

const (
	bucketsPerOctave = 4
	zeroBucket       = -1000 // 2^-250
	lastBucket       = 1000
)

// BucketOf returns the index of the bucket of a value.
func BucketOf(x float64) int {
	if !(x > 0) {
		return zeroBucket
	}
	return min(max(int(math.Floor(bucketsPerOctave*math.Log2(x))), zeroBucket+1), lastBucket)
}

// Quantile returns the lower bound of the bucket in which the p-th part of the
// values ends; 0 when there are none.
func (h Histogram) Quantile(p float64) float64 {
	var all, sum int64
	for _, b := range h.Buckets {
		all += b.Count
	}
	for _, b := range h.Buckets {
		if sum += b.Count; float64(sum) >= p*float64(all) {
			if b.Index == zeroBucket {
				return 0
			}
			return math.Exp2(float64(b.Index) / bucketsPerOctave)
		}
	}
	return 0
}

// Histogram returns that of a feature, by its name; empty when nothing is known.
func (c Content) Histogram(name string) Histogram {
	i, ok := slices.BinarySearchFunc(c.Features, name, func(h Histogram, name string) int { return cmp.Compare(h.Name, name) })
	if !ok {
		return Histogram{Name: name}
	}
	return c.Features[i]
}

// Value is a feature that is watched.
type Value struct {
	Name string
	Of   func(features.Features) float64
}

// Values are the features that are watched for drift, by name.
func Values() []Value {
	return []Value{
		{"attempt", func(f features.Features) float64 { return float64(f.Attempt) }},
		{"chosen_bytes", func(f features.Features) float64 { return float64(f.Chosen) }},
		{"expected_seconds", func(f features.Features) float64 { return f.Seconds }},
		{"fail_probability", func(f features.Features) float64 { return f.FailProbability }},
		{"input_bytes", func(f features.Features) float64 { return float64(f.InputBytes) }},
		{"median_bytes", func(f features.Features) float64 { return float64(f.Median) }},
		{"observations", func(f features.Features) float64 { return float64(f.Observations) }},
		{"permanent_probability", func(f features.Features) float64 { return f.Permanent }},
		{"proven_bytes", func(f features.Features) float64 { return float64(f.Proven) }},
		{"same_failures", func(f features.Features) float64 { return float64(f.SameFailures) }},
	}
}
