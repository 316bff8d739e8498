package rule_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// fill repeats s to 8 KiB: the race detector makes each byte dear.
func fill(s string) string {
	return strings.Repeat(s, 8<<10/len(s)+1)[:8<<10]
}

// TestHostileInputs ends: no pattern and no log can make matching more than
// linear, and none of these makes it panic.
func TestHostileInputs(t *testing.T) {
	patterns := []string{
		`(a+)+$`, `(a|aa)+b`, `(.*)(.*)(.*)(.*)=x`, `a{0,500}b`, `(?i)(x+x+)+y`, strings.Repeat("a?", 100) + strings.Repeat("a", 100), `[^\n]*[^\n]*z$`, `^(\w+\s?)*$`,
	}
	own, all := newSet(t, rule.Rule{ID: "hostile", Any: patterns}), builtIn(t)
	var samples strings.Builder
	for i, c := range all.Rules() {
		if i%10 > 0 {
			continue
		}
		samples.WriteString(strings.ReplaceAll(c.Rule.Sample, "\n", " ") + " ")
	}
	logs := []string{
		fill("a"), fill("\n"), fill("\r\n"), fill("\x00"), fill("\xff"), fill("a\n"), fill("x"), fill("error "), fill("Exception: "),
		fill("\u212a"), fill("é"), fill("aab "), samples.String() + fill("z"),
	}
	for _, log := range logs {
		for _, set := range []*rule.Set{own, all} {
			in := rule.Input{Texts: []rule.Text{text("stderr", log)}}
			for _, m := range set.Match(in) {
				if len(m.Text) > 500 || len(m.Summary) > 500 || m.Line < 0 {
					t.Errorf("match of %.20q is out of bounds: %+v", log, m)
				}
			}
			in.Notes()
		}
	}
}
