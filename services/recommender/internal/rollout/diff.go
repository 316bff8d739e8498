package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/recommender/internal/model"
)

// Difference is one thing that two models say otherwise, in words.
type Difference struct{ What, Before, After string }

// Diff returns what after says otherwise than before: answers that differ in the
// digits that are shown, the most general first.
func Diff(before, after model.Model) []Difference {
	var all []Difference
	add := func(what, b, a string) {
		if b != a {
			all = append(all, Difference{what, b, a})
		}
	}
	number := func(what, format string, of func(model.Model) float64) {
		add(what, fmt.Sprintf(format, of(before)), fmt.Sprintf(format, of(after)))
	}
	add("records learnt", fmt.Sprint(before.Records), fmt.Sprint(after.Records))
	add("told of until", told(before.Until), told(after.Until))
	number("run time of an attempt that lacks memory, in parts of the whole", "%.3f", func(m model.Model) float64 { return m.FailedShare() })
	number("interruptions of a spot machine an hour", "%.4f", func(m model.Model) float64 { return m.Interruptions() })
	for _, p := range []float64{0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95} {
		number(fmt.Sprintf("of retries predicted to fail with %g %%, fail", 100*p), "%.3f", func(m model.Model) float64 { return m.Calibrated(p) })
	}
	for _, engine := range engines(before, after) {
		for i, term := range []string{"serial", "shared by cores", "for want of memory", "of coordination"} {
			number("part of the run time on "+engine+" that is "+term, "%.3f", func(m model.Model) float64 { return m.Curve(engine)[i] })
		}
	}
	for _, key := range keys(before, after) {
		number(describe(key), "%.3f", func(m model.Model) float64 { return permanent(m, key) })
	}
	for _, v := range model.Values() {
		number("median of "+v.Name, "%.4g", func(m model.Model) float64 { return m.Histogram(v.Name).Quantile(0.5) })
	}
	return all
}

func told(until time.Time) string {
	if until.IsZero() {
		return "none"
	}
	return until.UTC().Format(time.RFC3339)
}

func engines(all ...model.Model) []string {
	var names []string
	for _, m := range all {
		for _, c := range m.Curves {
			names = append(names, c.Engine)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type key struct{ class, key string }

func keys(all ...model.Model) []key {
	var keys []key
	for _, m := range all {
		for _, r := range m.Retries {
			keys = append(keys, key{r.Class, r.Key})
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		return model.CompareRetries(model.Retries{Class: a.class, Key: a.key}, model.Retries{Class: b.class, Key: b.key})
	})
	return slices.Compact(keys)
}

func describe(k key) string {
	text := "retries after " + k.class
	switch name, value, _ := strings.Cut(k.key, "="); name {
	case "":
	case model.Proof:
		text += " with a proof"
	default:
		text += " with " + name + " " + value
	}
	return text + " that fail alike"
}

// permanent returns what a model expects of the retries of a key.
func permanent(m model.Model, k key) float64 {
	class, proof := failure.Class(k.class), k.key == model.Proof
	var exit *int32
	var owner string
	switch name, value, _ := strings.Cut(k.key, "="); name {
	case "exit":
		var code int32
		if _, err := fmt.Sscan(value, &code); err == nil {
			exit = &code
		}
	case "owner":
		owner = value
	}
	return m.Permanent(class, exit, owner, proof).Mean()
}
