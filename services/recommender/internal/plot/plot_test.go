package plot_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/plot"
)

const mib, gib = 1 << 20, 1 << 30

var update = flag.Bool("update", false, "write testdata anew")

// doubling is the first kill at 1 GiB: the chance that it is not enough halves
// with each doubling.
func doubling() plot.Figure {
	f := plot.Figure{
		Title: "Retry of sales/load after attempt 1", Part: "memory", Failed: gib, Proven: gib, Ceiling: 6 * gib, NotFeasible: 0.9, Weight: 0.001,
		Reason: "raise memory from 1 GiB to 4 GiB: more than 1 GiB is needed; the retry fails with probability 0.29 and costs $0.014",
	}
	for i := range 104 {
		f.Curve = append(f.Curve, at(math.Exp2(30+float64(i)/40)))
	}
	for _, bytes := range []float64{4 * gib, 4.125 * gib, 3.875 * gib, 4.25 * gib, 3.75 * gib, 4.5 * gib} {
		f.Best = append(f.Best, at(bytes))
	}
	f.Chosen = &f.Best[0]
	return f
}

func at(bytes float64) plot.Point {
	p := plot.Point{Memory: int64(bytes), With: "1 core", FailProbability: min(1-0.95*(1-gib/bytes), 0.999)}
	p.ExpectedCost = (bytes/gib*0.005 + 0.04) / 6 / (1 - p.FailProbability)
	p.Objective = 0.001*p.FailProbability + p.ExpectedCost
	return p
}

// figures are the cases that look different from one another.
func figures() map[string]plot.Figure {
	hopeless := doubling()
	hopeless.Chosen, hopeless.Best, hopeless.Ceiling = nil, []plot.Point{at(gib)}, gib
	hopeless.Curve = hopeless.Curve[:41]
	hopeless.Reason = "memory of more than 1 GiB is needed, and at most 1 GiB in all may be given"
	far := doubling()
	far.Ceiling, far.Part = 2048*gib, "the executors' memory"
	far.Best[1].With = "2 cores, 20 executors, 400 partitions, and more"
	first := doubling()
	first.Title, first.Reason = "First attempt of sales/load", "give 4 GiB"
	first.Asked, first.Failed, first.Proven, first.NotFeasible = 5*gib, 0, 0, 0
	return map[string]plot.Figure{"first": first, "chosen": doubling(), "hopeless": hopeless, "far-ceiling": far}
}

func TestPicturesAreAsTheyWere(t *testing.T) {
	for name, f := range figures() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".svg")
			got := plot.SVG(f)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the picture differs from %s; look at both, and if it is meant: go test -update", file)
			}
			if again := plot.SVG(f); again != got {
				t.Error("the same figure gives another picture")
			}
		})
	}
}

// elements returns how often each element stands in the picture, and its text.
func elements(t *testing.T, svg string) (map[string]int, string) {
	t.Helper()
	count, text := map[string]int{}, strings.Builder{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count, text.String()
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			count[token.Name.Local]++
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("<%s> has the attribute %s", token.Name.Local, a.Name.Local)
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s> has %s=%q", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			text.Write(token)
			text.WriteByte('\n')
		}
	}
}

func TestPicturesSayWhatTheyShow(t *testing.T) {
	for name, want := range map[string][]string{
		"chosen": {
			"Retry of sales/load after attempt 1", "Chosen: 4 GiB, which fails with 29 %", "P(it fails)", "US dollars", "failed with 1 GiB", "ceiling 6 GiB",
			"chosen 4 GiB: P 29 %", "← chosen", "objective: $0.001 × P + cost", "no retry when all are above 90 %", "memory (each step doubles it)",
		},
		"first":       {"First attempt of sales/load", "the configuration says 5 GiB"},
		"hopeless":    {"Nothing is chosen.", "at most 1 GiB in all may be given", "ceiling 1 GiB", "no candidate is worth a retry"},
		"far-ceiling": {"ceiling 2 TiB →", "the executors' memory (each step"},
	} {
		count, text := elements(t, plot.SVG(figures()[name]))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
		if count["title"] != 1 || count["desc"] != 1 || count["path"] != 3 || count["script"]+count["image"]+count["foreignObject"]+count["a"] != 0 {
			t.Errorf("%s has %v, want a title, a description, three lines, and nothing that acts or comes from elsewhere", name, count)
		}
	}
}

func TestTextIsEscaped(t *testing.T) {
	f := doubling()
	f.Title, f.Reason, f.Part = `<script>alert(1)</script>`, "\"]]>&amp;</desc><b onload='x'>\x00\x1b[31m\xff "+strings.Repeat("long ", 200), "</text>&"
	count, text := elements(t, plot.SVG(f))
	if count["script"] != 0 || count["b"] != 0 || !strings.Contains(text, "<script>alert(1)</script>") {
		t.Errorf("elements %v, text %.200q", count, text)
	}
}

func TestFiguresAtTheEdgeAreDrawn(t *testing.T) {
	point := plot.Point{Memory: 5 * mib, FailProbability: 0.999, ExpectedCost: 1e-9, Objective: 1e-9}
	large := plot.Point{Memory: math.MaxInt64, FailProbability: 0.001, ExpectedCost: 1e30, Objective: 1e30}
	for name, f := range map[string]plot.Figure{
		"one size":         {Curve: []plot.Point{point, point}},
		"hardly any price": {Curve: []plot.Point{{Memory: 1, Objective: 5e-324}, {Memory: 2, Objective: 5e-324}}},
		"no price":         {Curve: []plot.Point{{Memory: 1, FailProbability: 1}, {Memory: 2}}, Proven: 1, Failed: 1},
		"all below":        {Curve: []plot.Point{point, point}, Proven: gib, Failed: gib, Ceiling: gib},
		"far too wide":     {Curve: []plot.Point{point, large}, Chosen: &large, Best: []plot.Point{large, point}, Ceiling: math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) { elements(t, plot.SVG(f)) })
	}
}

func FuzzSVG(f *testing.F) {
	f.Add("sales/load", "memory", "because", int64(gib), int64(2*gib), int64(3*gib), 0.5, 0.01, 0.02)
	f.Add("", "", "", int64(0), int64(-1), int64(math.MaxInt64), math.NaN(), math.Inf(1), -1.0)
	f.Fuzz(func(t *testing.T, title, part, reason string, low, high, ceiling int64, p, cost, objective float64) {
		a := plot.Point{Memory: low, FailProbability: p, ExpectedCost: cost, Objective: objective}
		b := plot.Point{Memory: high, With: part, FailProbability: 1 - p, ExpectedCost: objective, Objective: cost}
		elements(t, plot.SVG(plot.Figure{
			Title: title, Part: part, Reason: reason, Curve: []plot.Point{a, b}, Best: []plot.Point{b, a}, Chosen: &b,
			Failed: low, Proven: high, Ceiling: ceiling, NotFeasible: p, Weight: cost,
		}))
	})
}
