package plot

import (
	"fmt"
	"strings"
)

// marks draws the amounts that matter, each with its words in a row of its own,
// so that they never cover one another.
func (d *drawing) marks() {
	d.mark("bad", "4 3", d.f.Failed, 96, "failed with "+Bytes(d.f.Failed))
	d.mark("faint", "1 3", d.f.Asked, 96, "the configuration says "+Bytes(d.f.Asked))
	if d.f.Ceiling > 0 && float64(d.f.Ceiling) > d.x.high {
		d.text("ink", "end", right, 112, 12, "ceiling "+Bytes(d.f.Ceiling)+" →")
	} else {
		d.mark("ink", "1 3", d.f.Ceiling, 112, "ceiling "+Bytes(d.f.Ceiling))
	}
	if c := d.f.Chosen; c != nil {
		d.mark("choice", "", c.Memory, 128, fmt.Sprintf("chosen %s: P %s, cost %s", Bytes(c.Memory), percent(c.FailProbability), dollars(c.ExpectedCost)))
		return
	}
	// On the side where no line crosses it.
	if d.x.at(float64(d.f.Failed)) > (left+right)/2 {
		d.text("bad", "start", left+5, 128, 12, "no candidate is worth a retry")
	} else {
		d.text("bad", "end", right, 128, 12, "no candidate is worth a retry")
	}
}

// mark draws a vertical line through both panels, from the row of its words.
func (d *drawing) mark(class, dashes string, bytes int64, y float64, words string) {
	if bytes <= 0 {
		return
	}
	x := d.x.at(float64(bytes))
	d.line(class, x, y-10, x, upperBottom, 1.5, dashes)
	d.line(class, x, lowerTop, x, lowerBottom, 1.5, dashes)
	if x > (left+right)/2 {
		d.text(class, "end", x-5, y, 12, words)
		return
	}
	d.text(class, "start", x+5, y, 12, words)
}

// curves draws the three lines.
func (d *drawing) curves() {
	d.curve("risk", "", "", d.risk, func(p Point) float64 { return p.FailProbability })
	d.curve("cost", "7 4", "lower", d.dollars, func(p Point) float64 { return p.ExpectedCost })
	d.curve("sum", "", "lower", d.dollars, func(p Point) float64 { return p.Objective })
}

// curve draws one line; clip names the panel that it may leave.
func (d *drawing) curve(class, dashes, clip string, y axis, of func(Point) float64) {
	var path strings.Builder
	for i, p := range d.f.Curve {
		command := "L"
		if i == 0 {
			command = "M"
		}
		// A line that leaves the panel needs no place far away.
		v := min(of(p), y.high*2)
		path.WriteString(command + px(d.x.at(float64(p.Memory))) + " " + px(y.at(v)))
	}
	clipped := ""
	if clip != "" {
		clipped = ` clip-path="url(#` + clip + `)"`
	}
	d.printf(`<path class="%s-line" stroke="%s" d="%s" fill="none" stroke-width="2" stroke-linejoin="round"%s%s/>`+"\n",
		class, light(class), path.String(), dashed(dashes), clipped)
}

// candidates draws the best few, and the chosen one as a full dot.
func (d *drawing) candidates() {
	for i := len(d.f.Best) - 1; i >= 0; i-- {
		d.dot(d.f.Best[i], "sum", "paper", 3.5)
	}
	if d.f.Chosen != nil {
		d.dot(*d.f.Chosen, "choice", "choice", 5)
	}
}

func (d *drawing) dot(p Point, line, fill string, radius float64) {
	for _, y := range []float64{d.risk.at(p.FailProbability), d.dollars.at(p.Objective)} {
		if y < lowerTop && y > upperBottom || y < upperTop {
			continue // beyond its panel
		}
		d.printf(`<circle class="%s %s-line" fill="%s" stroke="%s" cx="%s" cy="%s" r="%s" stroke-width="1.5"/>`+"\n",
			fill, line, light(fill), light(line), px(d.x.at(float64(p.Memory))), px(y), px(radius))
	}
}

// table lists the best few in numbers.
func (d *drawing) table() {
	columns := []float64{left + 100, left + 320, left + 400, left + 500, left + 590}
	row := func(class string, y float64, cells ...string) {
		for i, cell := range cells {
			d.text(class, "end", columns[i], y, 12, cell)
		}
	}
	row("faint", tableTop, cut(d.f.Part, 24), "with", "P(it fails)", "expected cost", "objective")
	for i, p := range d.f.Best[:min(len(d.f.Best), maxRows)] {
		class, y := "ink", tableTop+rowHeight*float64(i+1)
		if d.f.Chosen != nil && p == *d.f.Chosen {
			class = "choice"
			d.text(class, "start", columns[4]+8, y, 12, "← chosen")
		}
		row(class, y, Bytes(p.Memory), cut(p.With, 34), percent(p.FailProbability), dollars(p.ExpectedCost), dollars(p.Objective))
	}
}
