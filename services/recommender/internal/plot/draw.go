package plot

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// drawing is a picture in the making.
type drawing struct {
	f       Figure
	x       logAxis
	risk    axis
	dollars axis
	out     strings.Builder
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.out, format, args...) }

// escape makes text of anything that may stand in XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// px writes a place to a tenth of a pixel.
func px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// text writes one line of text; anchor is start, middle or end.
func (d *drawing) text(class, anchor string, x, y float64, size int, text string) {
	d.printf(`<text class="%s" fill="%s" x="%s" y="%s" font-size="%d" text-anchor="%s">%s</text>`+"\n",
		class, light(class), px(x), px(y), size, anchor, escape(text))
}

// upright writes the name of a panel's axis beside it, from below.
func (d *drawing) upright(top, bottom float64, text string) {
	d.printf(`<text class="ink" fill="%s" transform="translate(18 %s) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		light("ink"), px((top+bottom)/2), escape(text))
}

// line draws a straight line; dashes is empty for a solid one.
func (d *drawing) line(class string, x1, y1, x2, y2, wide float64, dashes string) {
	d.printf(`<line class="%s-line" stroke="%s" x1="%s" y1="%s" x2="%s" y2="%s" stroke-width="%s"%s/>`+"\n",
		class, light(class), px(x1), px(y1), px(x2), px(y2), px(wide), dashed(dashes))
}

func dashed(dashes string) string {
	if dashes == "" {
		return ""
	}
	return ` stroke-dasharray="` + dashes + `"`
}

// lettersOfLine is how many characters of 13 pixels fit into one line.
const lettersOfLine = 104

// header writes the title, and the answer in at most two lines.
func (d *drawing) header() {
	d.text("ink", "start", 24, 32, 16, cut(d.f.Title, 84))
	for i, line := range lines(d.f.Reason, lettersOfLine, 2) {
		d.text("faint", "start", 24, 54+18*float64(i), 13, line)
	}
}

// cut shortens text to n characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// lines breaks text between words into at most count lines of at most n
// characters; what is left over is cut.
func lines(text string, n, count int) []string {
	var all []string
	for word := range strings.FieldsSeq(text) {
		last := len(all) - 1
		if last >= 0 && len([]rune(all[last]))+1+len([]rune(word)) <= n {
			all[last] += " " + word
			continue
		}
		if len(all) == count {
			all[last] = cut(all[last]+" "+word+" …", n)
			break
		}
		all = append(all, cut(word, n))
	}
	return all
}

// proven shades what is known not to suffice.
func (d *drawing) proven() {
	if d.f.Proven <= 0 {
		return
	}
	until := d.x.at(float64(d.f.Proven))
	for _, a := range []axis{d.risk, d.dollars} {
		d.printf(`<rect class="bad" fill="%s" fill-opacity="0.1" x="%d" y="%s" width="%s" height="%s"/>`+"\n",
			light("bad"), left, px(a.top), px(max(until-left, 0)), px(a.bottom-a.top))
	}
}

func (d *drawing) upper() {
	d.upright(upperTop, upperBottom, "P(it fails)")
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		d.line("grid", left, d.risk.at(v), right, d.risk.at(v), 1, "")
		d.text("faint", "end", left-8, d.risk.at(v)+4, 12, strconv.FormatFloat(v*100, 'f', 0, 64)+" %")
	}
	if v := d.f.NotFeasible; v > 0 && v < 1 {
		d.line("faint", left, d.risk.at(v), right, d.risk.at(v), 1, "2 3")
	}
}

// hopeless names the line that upper drew, over whatever crosses it.
func (d *drawing) hopeless() {
	if v := d.f.NotFeasible; v > 0 && v < 1 {
		d.printf(`<text class="faint paper-line" fill="%s" stroke="%s" stroke-width="4" paint-order="stroke" x="%d" y="%s" font-size="11" text-anchor="end">no retry when all are above %s</text>`+"\n",
			light("faint"), light("paper"), right-4, px(d.risk.at(v)+14), percent(v))
	}
}

func (d *drawing) lower() {
	d.upright(lowerTop, lowerBottom, "US dollars")
	for _, v := range d.dollars.ticks() {
		d.line("grid", left, d.dollars.at(v), right, d.dollars.at(v), 1, "")
		d.text("faint", "end", left-8, d.dollars.at(v)+4, 12, plain(v))
	}
	at := float64(left)
	for _, key := range []struct{ class, dashes, words string }{
		{"sum", "", "objective: " + plain(d.f.Weight) + " × P + cost"}, {"cost", "7 4", "expected cost"},
	} {
		d.line(key.class, at, lowerTop-12, at+34, lowerTop-12, 2, key.dashes)
		d.text("ink", "start", at+41, lowerTop-8, 12, key.words)
		at += 250
	}
}

func (d *drawing) memoryTicks() {
	for _, bytes := range d.x.ticks() {
		x := d.x.at(float64(bytes))
		d.line("grid", x, upperTop, x, upperBottom, 1, "")
		d.line("grid", x, lowerTop, x, lowerBottom, 1, "")
		d.text("faint", "middle", x, lowerBottom+18, 12, Bytes(bytes))
	}
	d.text("ink", "middle", (left+right)/2, lowerBottom+38, 12, d.f.Part+" (each step doubles it)")
}
