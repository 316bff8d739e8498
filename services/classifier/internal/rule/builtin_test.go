package rule_test

import (
	"sync"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/rules"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// load loads the packs that come with Redrive, once.
var load = sync.OnceValues(func() (*rule.Set, error) {
	packs, err := rule.LoadPacks(rules.FS)
	if err != nil {
		return nil, err
	}
	var all []*rule.Compiled
	for _, p := range packs {
		all = append(all, p.Rules...)
	}
	return rule.NewSet(all...)
})

func builtIn(t testing.TB) *rule.Set {
	t.Helper()
	set, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestBuiltInSamplesAreWonByTheirClass(t *testing.T) {
	set := builtIn(t)
	for _, c := range set.Rules() {
		if c.Rule.Sample == "" {
			continue
		}
		matches := set.Match(c.Rule.SampleInput())
		if len(matches) == 0 {
			t.Errorf("%s: no rule matches its sample", c.Rule.ID)
			continue
		}
		if got := matches[0]; got.Class != c.Rule.Class {
			t.Errorf("%s: its sample is won by %s (order %d, class %s, line %d %q), want class %s",
				c.Rule.ID, got.Rule, got.Order, got.Class, got.Line, got.Text, c.Rule.Class)
		}
	}
}

func TestBuiltInPatternsHaveLiterals(t *testing.T) {
	for _, c := range builtIn(t).Rules() {
		for _, p := range c.Blind() {
			t.Errorf("%s: %q has no run of characters to search for that every match has", c.Rule.ID, p)
		}
	}
}

func TestBuiltInRulesLeaveOrdinaryLinesAlone(t *testing.T) {
	set := builtIn(t)
	for _, text := range []string{
		"", "INFO all is well\n", "2026-01-02 03:04:05 INFO TaskSetManager: Finished task 3.0 in stage 2.0 (TID 11) in 210 ms on host-7 (4/200)",
		"0 errors, 0 warnings", "retries=3 timeout=30s", "Loading checkpoint shards: 100%",
	} {
		if m := set.Match(rule.Input{Texts: []rule.Text{{Source: "stdout", Text: text, FirstLine: 1}}, Reason: failure.Exited}); len(m) > 0 {
			t.Errorf("%q is matched by %s (%s)", text, m[0].Rule, m[0].Class)
		}
	}
}
