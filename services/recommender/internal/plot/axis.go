package plot

import (
	"math"
	"strconv"
	"strings"
)

// axis is a straight vertical one: low is at the bottom.
type axis struct {
	low, high   float64
	top, bottom float64
}

func (a axis) at(v float64) float64 {
	return a.bottom - (v-a.low)/(a.high-a.low)*(a.bottom-a.top)
}

// ticks are at most five steps from low to high, of 1, 2 or 5 of a power of ten.
func (a axis) ticks() []float64 {
	step := roundStep((a.high - a.low) / 5)
	var all []float64
	for i := 0; ; i++ {
		v := a.low + float64(i)*step
		if v > a.high*(1+1e-9) {
			return all
		}
		all = append(all, v)
	}
}

// roundStep returns the least of 1, 2, 5 and 10 times a power of ten that is not
// less than x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logAxis is the horizontal one, in the logarithm of memory.
type logAxis struct{ low, high float64 }

func (a logAxis) at(bytes float64) float64 {
	part := math.Log2(bytes/a.low) / math.Log2(a.high/a.low)
	return left + part*(right-left)
}

// ticks are powers of two, at most nine.
func (a logAxis) ticks() []int64 {
	step := 1 + int(math.Log2(a.high/a.low))/9
	var all []int64
	for e := int(math.Ceil(math.Log2(a.low))); e <= int(math.Floor(math.Log2(a.high))) && e < 63; e++ {
		if e%step == 0 {
			all = append(all, int64(1)<<e)
		}
	}
	return all
}

// room is how much of the axis is left free on both sides.
const room = 1.15

// memoryAxis spans the curve and every mark on it.
func memoryAxis(f Figure) logAxis {
	a := logAxis{float64(f.Curve[0].Memory), float64(f.Curve[len(f.Curve)-1].Memory)}
	include := func(bytes int64) {
		if bytes > 0 {
			a.low, a.high = min(a.low, float64(bytes)), max(a.high, float64(bytes))
		}
	}
	include(f.Failed)
	include(f.Proven)
	include(f.Asked)
	for _, p := range f.Best {
		include(p.Memory)
	}
	if f.Ceiling <= 2*f.Curve[len(f.Curve)-1].Memory {
		include(f.Ceiling)
	}
	return logAxis{a.low / room, a.high * room}
}

// leastDollars is the least upper end that an axis of dollars is divided below:
// the steps of much smaller ones are rounded to nothing.
const leastDollars = 1e-15

// ceilingOfDollars is the upper end of the dollars: all that is near the least
// sum is seen; what rises far above it leaves the panel.
func ceilingOfDollars(f Figure) float64 {
	least, most := math.Inf(1), 0.0
	for _, p := range f.Curve {
		if p.Memory > f.Proven {
			least, most = min(least, p.Objective), max(most, p.Objective)
		}
	}
	if f.Chosen != nil {
		least = min(least, f.Chosen.Objective)
	}
	if math.IsInf(least, 1) || most <= 0 {
		least, most = f.Curve[0].Objective, f.Curve[0].Objective
	}
	high := min(most, 4*least) * 1.05
	if !(high >= leastDollars) || math.IsInf(high, 0) {
		return 1
	}
	return high
}

// Bytes writes an amount of memory with a binary unit, to three digits.
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	digits := 0
	switch {
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	scale := math.Pow(10, float64(digits))
	return strconv.FormatFloat(math.Round(v*scale)/scale, 'f', -1, 64) + " " + units[u]
}

// percent never rounds what is possible to 0 % nor what is uncertain to 100 %.
func percent(p float64) string {
	switch {
	case p > 0 && p < 0.01:
		return "< 1 %"
	case p < 1 && p > 0.99:
		return "> 99 %"
	}
	return strconv.FormatFloat(math.Round(p*100), 'f', 0, 64) + " %"
}

// dollars writes an amount to three digits that count.
func dollars(v float64) string {
	if !(v > 0) {
		return "$0"
	}
	digits := max(2, 2-int(math.Floor(math.Log10(v))))
	return "$" + strconv.FormatFloat(v, 'f', min(digits, 12), 64)
}

// plain writes an amount without zeros that say nothing.
func plain(v float64) string {
	text := dollars(v)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
