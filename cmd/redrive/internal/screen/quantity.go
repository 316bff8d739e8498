package screen

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Span writes a duration as people say it: "45 s", "12 min", "3 h", "5 d".
// Below ten it has one decimal where that says something.
func Span(d time.Duration) string {
	switch d = max(d, -d); {
	case d < time.Millisecond:
		return "0 s"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	default:
		return fmt.Sprintf("%.0f d", d.Hours()/24)
	}
}

// When writes t as seen from now: "3 min ago", "in 12 s", "now", and "" for no
// time at all.
func When(t, now time.Time) string {
	switch d := t.Sub(now); {
	case t.IsZero() || t.Unix() == 0:
		return ""
	case d > -time.Second && d < time.Second:
		return "now"
	case d > 0:
		return "in " + Span(d.Round(time.Second))
	default:
		return Span(d.Round(time.Second)) + " ago"
	}
}

// Bytes writes a size with a binary unit: "512 MiB", "1.5 GiB".
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for math.Abs(v) >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + units[u]
}

// Parts writes the peaks of parts, sorted: "driver.heap 63 MiB and executor.heap
// 252 MiB"; "" for none.
func Parts(peaks map[string]int64) string {
	var all []string
	for _, part := range slices.Sorted(maps.Keys(peaks)) {
		all = append(all, Clean(part)+" "+Bytes(peaks[part]))
	}
	return strings.Join(all, " and ")
}

// Count writes a number of things: "1 attempt", "2 attempts".
func Count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// Percent writes a probability; it never rounds what is possible to 0 % nor
// what is uncertain to 100 %.
func Percent(p float64) string {
	switch {
	case p > 0 && p < 0.01:
		return "< 1 %"
	case p < 1 && p > 0.99:
		return "> 99 %"
	default:
		return fmt.Sprintf("%.0f %%", p*100)
	}
}

// Risk writes a probability that is small as a rule: below 1 % with one digit
// that counts.
func Risk(p float64) string {
	if p > 0 && p < 0.01 {
		return strconv.FormatFloat(p*100, 'g', 1, 64) + " %"
	}
	return Percent(p)
}

// Dollars writes an amount with as many digits as it takes to see it.
func Dollars(v float64) string {
	switch {
	case v < 0:
		return "-" + Dollars(-v)
	case v == 0:
		return "$0"
	case v < 0.01:
		digits := 1 - int(math.Floor(math.Log10(v))) // two that count
		return "$" + strings.TrimRight(strconv.FormatFloat(v, 'f', min(digits, 12), 64), "0")
	default:
		return fmt.Sprintf("$%.2f", v)
	}
}
