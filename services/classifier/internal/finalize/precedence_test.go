package finalize

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func on(line int, class failure.Class, yieldsTo ...string) rule.Match {
	return rule.Match{Rule: string(class[:3]) + "-" + string(rune('a'+line)), Mode: rule.Enforce, Class: class, Source: "stderr", Line: line, YieldsTo: yieldsTo}
}

func after(m rule.Match, what rule.Aftermath) rule.Match {
	m.Aftermath = what
	return m
}

// The matches come in the order of their rules; the line says where they stand.
func TestWhichMatchSpeaks(t *testing.T) {
	elsewhere, facts, shadow := on(1, failure.CodeBug), on(0, failure.MemoryContainer), on(1, failure.MemoryDriver)
	elsewhere.Source, facts.Source, shadow.Mode = "driver", "", rule.Shadow
	for _, tc := range []struct {
		name    string
		matches []rule.Match
		want    failure.Class
	}{
		{"nothing", nil, ""},
		{"the first in order", []rule.Match{on(9, failure.DiskFull), on(1, failure.CodeBug)}, failure.DiskFull},
		{"lost shuffle output yields to the memory that killed its holder", []rule.Match{on(1, failure.ShuffleFetch), on(9, failure.MemoryExecutor)}, failure.MemoryExecutor},
		{"and to a full disk", []rule.Match{on(9, failure.ShuffleFetch), on(1, failure.DiskFull)}, failure.DiskFull},
		{"by way of the network to memory", []rule.Match{on(1, failure.ShuffleFetch), on(2, failure.NetworkTransient), on(3, failure.MemoryContainer)}, failure.MemoryContainer},
		{"to facts too", []rule.Match{on(1, failure.NetworkTransient), facts}, failure.MemoryContainer},
		{"not to a bug", []rule.Match{on(1, failure.ShuffleFetch), on(2, failure.CodeBug)}, failure.ShuffleFetch},
		{"not to shadow", []rule.Match{on(2, failure.ShuffleFetch), shadow}, failure.ShuffleFetch},
		{"a cancel yields to what came before", []rule.Match{on(9, failure.Cancelled), on(1, failure.SchemaMismatch)}, failure.SchemaMismatch},
		{"not to what came after", []rule.Match{on(1, failure.Cancelled), on(9, failure.SchemaMismatch)}, failure.Cancelled},
		{"not to what stands elsewhere", []rule.Match{on(9, failure.Cancelled), elsewhere}, failure.Cancelled},
		{"not to what may have healed", []rule.Match{on(9, failure.Cancelled), on(1, failure.NetworkTransient)}, failure.Cancelled},
		{"none yields to nothing", []rule.Match{on(9, failure.Cancelled, rule.Nothing), on(1, failure.SchemaMismatch)}, failure.Cancelled},
		{"a rule yields to a class by its own word", []rule.Match{on(1, failure.DiskFull, "code.bug"), on(2, failure.CodeBug)}, failure.CodeBug},
		{"to a group", []rule.Match{on(1, failure.DiskFull, "not_found.*"), on(2, failure.NotFoundData)}, failure.NotFoundData},
		{"to a rule", []rule.Match{on(1, failure.DiskFull, "rules/cod-c"), on(2, failure.CodeBug)}, failure.CodeBug},
		{"its own word outranks the table", []rule.Match{on(1, failure.MemoryDriver, "timeout"), on(2, failure.Timeout)}, failure.Timeout},
		{"a circle ends", []rule.Match{on(1, failure.DiskFull, "code.bug"), on(2, failure.CodeBug, "data.invalid"), on(3, failure.DataInvalid, "disk.full")}, failure.DataInvalid},
		{"what came right does not count", []rule.Match{after(on(1, failure.MemoryDriver), rule.Recovered), on(9, failure.CodeBug)}, failure.CodeBug},
		{"nor where it is all there is", []rule.Match{after(on(1, failure.MemoryDriver), rule.Recovered)}, ""},
		{"what was tried again yields to what failed later", []rule.Match{after(on(1, failure.Throttling), rule.Retried), on(9, failure.CodeBug)}, failure.CodeBug},
		{"but speaks alone", []rule.Match{after(on(1, failure.Throttling), rule.Retried)}, failure.Throttling},
		{"not to what failed before", []rule.Match{after(on(9, failure.Throttling), rule.Retried), on(1, failure.CodeBug)}, failure.Throttling},
		{"not to what follows from it", []rule.Match{after(on(1, failure.MemoryExecutor), rule.Retried), on(9, failure.ShuffleFetch)}, failure.MemoryExecutor},
		{"nothing yields to what was tried again", []rule.Match{on(9, failure.Timeout), after(on(1, failure.MemoryExecutor), rule.Retried)}, failure.Timeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := failure.Class("")
			if m := decide(tc.matches); m != nil {
				got = m.Class
			}
			if got != tc.want {
				t.Errorf("%q speaks, want %q", got, tc.want)
			}
		})
	}
}

func TestTheTableHasNoCircles(t *testing.T) {
	var walk func(from failure.Class, path []failure.Class)
	walk = func(from failure.Class, path []failure.Class) {
		if slices.Contains(path, from) {
			t.Fatalf("%v yields to itself, by %v", from, path)
		}
		for _, to := range failure.Classes() {
			for _, target := range yields[from].to {
				if rule.Covers(target, to) {
					walk(to, append(path, from))
				}
			}
		}
	}
	for class, y := range yields {
		walk(class, nil)
		for _, target := range y.to {
			if !slices.ContainsFunc(failure.Classes(), func(c failure.Class) bool { return rule.Covers(target, c) }) {
				t.Errorf("%s yields to %q, which is no class", class, target)
			}
		}
	}
}

func TestADependencyIsWhatIsCapturedByItsName(t *testing.T) {
	for _, tc := range []struct {
		captures map[string]string
		want     Dependency
	}{
		{nil, Dependency{}},
		{map[string]string{"what": "x", "limit": "3"}, Dependency{}},
		{map[string]string{"host": "db-1.example"}, Dependency{"host", "db-1.example"}},
		{map[string]string{"host": "db-1.example", "table": "`mart.orders`."}, Dependency{"table", "mart.orders"}},
		{map[string]string{"table": "''", "bucket": "lake"}, Dependency{"bucket", "lake"}},
	} {
		m := on(1, failure.NotFoundObject)
		m.Captures = tc.captures
		if got := Finalize([]rule.Match{m}, rule.Input{}).Dependency; got != tc.want {
			t.Errorf("%v: %+v, want %+v", tc.captures, got, tc.want)
		}
	}
}

// Whatever rules say of each other, one live match speaks, and the same one
// again.
func TestTheDecisionEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	classes := failure.Classes()
	slices.Sort(classes)
	for range 2000 {
		var matches []rule.Match
		live := 0
		for i := range random.IntN(12) {
			m := on(random.IntN(6), classes[random.IntN(len(classes))])
			for range random.IntN(3) {
				m.YieldsTo = append(m.YieldsTo, string(classes[random.IntN(len(classes))]), "rules/"+strconv.Itoa(random.IntN(12)))
			}
			m.Rule, m.Aftermath = strconv.Itoa(i), rule.Aftermath(random.IntN(3))
			if m.Aftermath != rule.Recovered {
				live++
			}
			matches = append(matches, m)
		}
		got := decide(matches)
		if (got == nil) != (live == 0) || got != nil && got.Aftermath == rule.Recovered || !reflect.DeepEqual(got, decide(slices.Clone(matches))) {
			t.Fatalf("decide(%+v) = %+v", matches, got)
		}
	}
}
