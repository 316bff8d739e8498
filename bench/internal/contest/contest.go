package contest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Contestant is one of those that are compared. Run measures it once, in
// processes of its own.
type Contestant struct {
	Name string
	Run  func(ctx context.Context) (Result, error)
}

// Rounds are the results of all contestants, of each one a round.
type Rounds map[string][]Result

// Hold measures all contestants in turns, round by round, and says on w how far
// it is.
func Hold(ctx context.Context, w io.Writer, all []Contestant, rounds int) (Rounds, error) {
	results := Rounds{}
	for round := range rounds {
		for _, c := range all {
			r, err := c.Run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			results[c.Name] = append(results[c.Name], r)
			if _, err := fmt.Fprintf(w, "round %d of %d: %-24s %8.0f/s\n", round+1, rounds, c.Name, r.Rate()); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

// Table prints what every contestant did, in the given order: medians over the
// rounds, and of the rate the smallest and the largest.
func (rs Rounds) Table(w io.Writer, all []Contestant) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := fmt.Fprintln(t, "contestant\tcycles/s\tmin\tmax\tCPU ms/cycle\twait p50 ms\tp99 ms\t"); err != nil {
		return err
	}
	for _, c := range all {
		r := rs[c.Name]
		rates := valuesOf(r, Result.Rate)
		if _, err := fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.3f\t%.2f\t%.2f\t\n", c.Name, Median(rates), slices.Min(rates), slices.Max(rates),
			Median(valuesOf(r, milliseconds(Result.CPUPerCycle))), Median(valuesOf(r, milliseconds(p50))), Median(valuesOf(r, milliseconds(p99)))); err != nil {
			return err
		}
	}
	return t.Flush()
}

func p50(r Result) time.Duration { return r.Wait(0.50) }
func p99(r Result) time.Duration { return r.Wait(0.99) }

func milliseconds(of func(Result) time.Duration) func(Result) float64 {
	return func(r Result) float64 { return of(r).Seconds() * 1e3 }
}

func valuesOf(r []Result, of func(Result) float64) []float64 {
	values := make([]float64, len(r))
	for i := range r {
		values[i] = of(r[i])
	}
	return values
}

// Median returns the middle of some values, at least one.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
