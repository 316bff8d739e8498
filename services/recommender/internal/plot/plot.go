// Package plot draws what a search saw: over the memory of a retry the
// probability that it fails, what it costs and the sum that was made least, with
// the amount that failed, the ceiling and the choice. It is a picture for people
// who must trust the choice; docs/recommender.md says what is in it.
//
// The same figure gives the same bytes. The picture is SVG without scripts and
// without anything from elsewhere, reads on light and dark backgrounds, tells
// its lines apart by form as well as by colour, and says in words what it shows.
package plot

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Point is a size of the retry's memory and its prediction.
type Point struct {
	Memory          int64  // bytes of the part that ran out
	With            string // what shares it, in words, such as "4 cores"
	FailProbability float64
	ExpectedCost    float64 // US dollars
	Objective       float64 // US dollars
}

// Figure is what is drawn.
type Figure struct {
	// Title says of what, such as "Retry of sales/load after attempt 1".
	Title string
	// Part is what ran out, in words, such as "memory" or "the heap".
	Part string
	// Reason is the answer in one sentence.
	Reason string
	// Curve has at least two points, ascending in memory.
	Curve []Point
	// Best are the candidates of least objective, best first; Chosen is nil when
	// none was worth a retry.
	Best   []Point
	Chosen *Point
	// Failed is what the failed attempt had, Proven what is known not to suffice,
	// Asked what the configuration of a first attempt says, and Ceiling the most
	// that may be given, in bytes; 0 for none.
	Failed, Proven, Asked, Ceiling int64
	// NotFeasible is the probability of failing above which nothing is retried; 0
	// where there is no such bound.
	NotFeasible float64
	// Weight is what a failed retry costs besides its resources, in US dollars.
	Weight float64
}

// The sheet, in pixels.
const (
	width       = 760
	left, right = 90, 730

	upperTop, upperBottom = 150, 310 // the panel of the probability
	lowerTop, lowerBottom = 372, 532 // the panel of the dollars

	tableTop  = lowerBottom + 66
	rowHeight = 18
	maxRows   = 5
)

// palette are the colours on light backgrounds, as attributes, and on dark ones,
// as a style sheet. Text has a contrast of at least 4.5 to 1 in both.
var palette = []struct{ class, light, dark string }{
	{"paper", "#ffffff", "#0d1117"},
	{"ink", "#1f2328", "#e6edf3"},
	{"faint", "#59636e", "#9198a1"},
	{"grid", "#d1d9e0", "#3d444d"},
	{"risk", "#0550ae", "#79c0ff"},
	{"cost", "#8250df", "#d2a8ff"},
	{"sum", "#953800", "#ffa657"},
	{"choice", "#116329", "#56d364"},
	{"bad", "#a40e26", "#ff7b72"},
}

func light(class string) string {
	for _, c := range palette {
		if c.class == class {
			return c.light
		}
	}
	return "none"
}

// styles makes the dark colours those of readers who want them.
func styles() string {
	var b strings.Builder
	b.WriteString("<style>@media (prefers-color-scheme:dark){")
	for _, c := range palette {
		fmt.Fprintf(&b, ".%s{fill:%s}.%s-line{stroke:%s}", c.class, c.dark, c.class, c.dark)
	}
	b.WriteString("}</style>\n")
	return b.String()
}

// SVG draws f. Whatever the numbers in it, it is a picture.
func SVG(f Figure) string {
	f = f.drawable()
	d := drawing{f: f, x: memoryAxis(f), risk: axis{low: 0, high: 1, top: upperTop, bottom: upperBottom}}
	d.dollars = axis{low: 0, high: ceilingOfDollars(f), top: lowerTop, bottom: lowerBottom}
	height := tableTop + rowHeight*min(len(f.Best), maxRows) + 24
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc"`+
		` font-family="system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif" font-size="12">`+"\n", width, height, width, height)
	d.printf("<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escape(f.Title), escape(f.words()))
	d.out.WriteString(styles())
	d.printf(`<clipPath id="lower"><rect x="%d" y="%d" width="%d" height="%d"/></clipPath>`+"\n", left, lowerTop, right-left, lowerBottom-lowerTop)
	d.printf(`<rect class="paper" fill="%s" width="%d" height="%d" rx="8"/>`+"\n", light("paper"), width, height)
	d.header()
	d.proven()
	d.upper()
	d.lower()
	d.memoryTicks()
	d.marks()
	d.hopeless()
	d.curves()
	d.candidates()
	d.table()
	d.out.WriteString("</svg>\n")
	return d.out.String()
}

// drawable returns f with all its numbers within what an axis can show. The
// curve is not that of f.
func (f Figure) drawable() Figure {
	curve := []Point{{Memory: 1}, {Memory: 1}}
	if len(f.Curve) > 1 {
		curve = slices.Clone(f.Curve)
	}
	f.Curve, f.Best = curve, slices.Clone(f.Best)
	for _, points := range [][]Point{f.Curve, f.Best} {
		for i, p := range points {
			points[i] = p.drawable()
		}
	}
	if f.Chosen != nil {
		chosen := f.Chosen.drawable()
		f.Chosen = &chosen
	}
	f.Weight = amount(f.Weight)
	return f
}

// drawable sets what is beyond the bounds to the bound.
func (p Point) drawable() Point {
	p.Memory = max(p.Memory, 1)
	p.ExpectedCost, p.Objective = amount(p.ExpectedCost), amount(p.Objective)
	p.FailProbability = min(amount(p.FailProbability), 1)
	return p
}

// amount makes a number of dollars that can be drawn of any.
func amount(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), 1e15)
}

// words say what the picture shows to those who do not see it.
func (f Figure) words() string {
	var b strings.Builder
	first, last := f.Curve[0], f.Curve[len(f.Curve)-1]
	fmt.Fprintf(&b, "Over %s, from %s to %s on a logarithmic axis: the probability that the attempt fails, from %s to %s, and its expected cost and objective in US dollars.",
		f.Part, Bytes(first.Memory), Bytes(last.Memory), percent(first.FailProbability), percent(last.FailProbability))
	if f.Failed > 0 {
		fmt.Fprintf(&b, " The failed attempt had %s; %s is known not to suffice.", Bytes(f.Failed), Bytes(f.Proven))
	}
	if f.Asked > 0 {
		fmt.Fprintf(&b, " The configuration says %s.", Bytes(f.Asked))
	}
	if f.Ceiling > 0 {
		fmt.Fprintf(&b, " At most %s may be given.", Bytes(f.Ceiling))
	}
	if f.Chosen != nil {
		fmt.Fprintf(&b, " Chosen: %s.", f.Chosen.words())
	} else {
		b.WriteString(" Nothing is chosen.")
	}
	b.WriteString(" " + f.Reason)
	return b.String()
}

func (p Point) words() string {
	return fmt.Sprintf("%s, which fails with %s and costs %s", Bytes(p.Memory), percent(p.FailProbability), dollars(p.ExpectedCost))
}
