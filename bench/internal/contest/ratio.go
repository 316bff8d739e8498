package contest

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// Ratio compares two contestants. Its value is the median of what the rounds
// say, each of which compares neighbours in time.
type Ratio struct {
	Name   string
	Values []float64 // one a round
}

// Value is the median.
func (r Ratio) Value() float64 { return Median(r.Values) }

// Rates compares how many cycles ours does with how many theirs does.
func (rs Rounds) Rates(name, ours, theirs string) Ratio {
	return rs.ratio(name, ours, theirs, func(a, b Result) float64 { return a.Rate() / b.Rate() })
}

// CPU compares the CPU time of a cycle: theirs in ours.
func (rs Rounds) CPU(name, ours, theirs string) Ratio {
	return rs.ratio(name, ours, theirs, func(a, b Result) float64 { return b.CPUPerCycle().Seconds() / a.CPUPerCycle().Seconds() })
}

// Waits compares the time that this part of the waits stays below: theirs in
// ours.
func (rs Rounds) Waits(name, ours, theirs string, part float64) Ratio {
	return rs.ratio(name, ours, theirs, func(a, b Result) float64 { return b.Wait(part).Seconds() / a.Wait(part).Seconds() })
}

func (rs Rounds) ratio(name, ours, theirs string, of func(ours, theirs Result) float64) Ratio {
	r := Ratio{Name: name}
	for i, a := range rs[ours] {
		r.Values = append(r.Values, of(a, rs[theirs][i]))
	}
	return r
}

// PrintRatios prints the spread of all ratios and then, at the very end, a line
// for each for programs to read: "ratio NAME VALUE". A ratio that is no number
// is an error.
func PrintRatios(w io.Writer, all []Ratio) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := fmt.Fprintln(t, "ratio\tmedian\tmin\tmax\t"); err != nil {
		return err
	}
	for _, r := range all {
		if len(r.Values) == 0 || slices.ContainsFunc(r.Values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 }) {
			return fmt.Errorf("ratio %s is made of %v", r.Name, r.Values)
		}
		if _, err := fmt.Fprintf(t, "%s\t%.3g\t%.3g\t%.3g\t\n", r.Name, r.Value(), slices.Min(r.Values), slices.Max(r.Values)); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range all {
		if _, err := fmt.Fprintf(w, "ratio %s %.4g\n", r.Name, r.Value()); err != nil {
			return err
		}
	}
	return nil
}
