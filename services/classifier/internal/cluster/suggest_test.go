package cluster_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/cluster"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func free(string) bool { return false }

// only returns the one cluster that lines make.
func only(t *testing.T, lines ...string) *cluster.Cluster {
	t.Helper()
	tree := cluster.NewTree(cluster.DefaultBounds, 0)
	for n, l := range lines {
		tree.Add(failed(n, l))
	}
	if tree.Len() != 1 {
		t.Fatalf("%d clusters, want one of %q", tree.Len(), lines)
	}
	return tree.All()[0]
}

func TestSuggest(t *testing.T) {
	for name, tc := range map[string]struct {
		lines               []string
		id, pattern, says   string
		class               failure.Class
		misses, alsoMatches []string
	}{
		"a host that varies": {
			lines:   []string{"2026-11-21 09:00:01 ERROR could not reach license server lic-3:27000", "2026-11-22 11:30:01 ERROR could not reach license server lic-11:27000"},
			id:      "could-not-reach-license-server",
			pattern: `ERROR could not reach license server (?P<server>\S+)`, says: "ERROR could not reach license server {server}",
			class: failure.DependencyUnavailable, alsoMatches: []string{"ERROR could not reach license server lic-7:1"},
			misses: []string{"INFO reached license server lic-3:27000"},
		},
		"a word that varies, in quotes of two kinds": {
			lines:   []string{`FATAL: solver (dense) rejected its input "a b.dat"`, `FATAL: solver (sparse) rejected its input "c.dat"`},
			id:      "solver-rejected-its-input",
			pattern: `FATAL: solver \(\S+\) rejected its input "[^"]*"`, says: `FATAL: solver (…) rejected its input …`,
			misses: []string{"FATAL: solver rejected nothing"},
		},
		"a number that tells errors apart": {
			lines:   []string{"step copy exited with code 3 after 12 s", "step copy exited with code 3 after 9.5 s"},
			id:      "step-copy-exited-with-code-3",
			pattern: `step copy exited with code 3 after (?P<number>[-+]?\d+(?:[.,]\d+)*) s`, says: "step copy exited with code 3 after {number} s",
			misses: []string{"step copy exited with code 4 after 12 s"},
		},
		"little but what is quoted": {
			lines: []string{`KeyError: 'tenant_id'`, `KeyError: 'tenant_id'`}, id: "keyerror-tenant-id",
			pattern: `KeyError: 'tenant_id'`, says: "KeyError: 'tenant_id'", class: failure.CodeBug, misses: []string{"KeyError: 'other'"},
		},
		"a path": {
			lines:   []string{"cannot open mesh /data/a/m1.vtk: bad magic", "cannot open mesh /data/b/c/m2.vtk: bad magic"},
			id:      "cannot-open-mesh-bad-magic",
			pattern: `cannot open mesh (?P<path>[^\s:'"|,;()]+): bad magic`, says: "cannot open mesh {path}: bad magic",
		},
		"braces and a code": {
			lines: []string{"ACME-0417 {retry} of job 12"}, id: "acme-0417-retry-of-job", pattern: `ACME-0417 \{retry\} of job (?P<job>\d+)`, says: "ACME-0417 (retry) of job {job}",
			misses: []string{"ACME-0418 {retry} of job 12"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := only(t, tc.lines...).Suggest(free)
			if err != nil {
				t.Fatal(err)
			}
			r := d.Rule
			if r.ID != tc.id || r.Any[0] != tc.pattern || r.Summary != tc.says || r.Class != tc.class {
				t.Errorf("rule %s, class %q:\n  %s\n  %s\nwant %s, %q:\n  %s\n  %s", r.ID, r.Class, r.Any[0], r.Summary, tc.id, tc.class, tc.pattern, tc.says)
			}
			c := compiled(t, d)
			for _, line := range append(tc.alsoMatches, tc.lines...) {
				if !c.Hits(line) {
					t.Errorf("it does not match %q", line)
				}
			}
			for _, line := range tc.misses {
				if c.Hits(line) {
					t.Errorf("it matches %q", line)
				}
			}
		})
	}
}

// hitter is a rule that is tried on one line.
type hitter struct{ *rule.Compiled }

func (h hitter) Hits(line string) bool {
	_, missing := h.Explain(rule.Input{Texts: []rule.Text{{Text: line, FirstLine: 1}}})
	return len(missing) == 0
}

// compiled compiles the rule of a draft, which may yet be without a class.
func compiled(t *testing.T, d cluster.Draft) hitter {
	t.Helper()
	if d.Rule.Class == "" {
		d.Rule.Class = failure.CodeBug
	}
	c, err := rule.Compile("rule", d.Rule)
	if err != nil {
		t.Fatalf("the suggested rule %+v does not compile: %v", d.Rule, err)
	}
	return hitter{c}
}

func TestNoRuleOfNothing(t *testing.T) {
	for name, lines := range map[string][]string{
		"numbers alone": {"12 34 56", "1 2"}, "too short": {"a bc", "a bc"}, "nothing in common": {"x 1", "x 2"},
	} {
		if _, err := only(t, lines...).Suggest(free); !errs.Is(err, errs.FailedPrecondition) {
			t.Errorf("%s: Suggest = %v, want FailedPrecondition", name, err)
		}
	}
	tree := cluster.NewTree(cluster.DefaultBounds, 0)
	c, _ := tree.Add(cluster.Failure{ID: "f", Job: "jobs/a", Line: "its logs are empty: exit code 3", Bare: true})
	if _, err := c.Suggest(free); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("without logs: Suggest = %v, want FailedPrecondition", err)
	}
}

func TestIdsThatAreTakenAreNotGivenAgain(t *testing.T) {
	d, err := only(t, "the reactor is too hot").Suggest(func(id string) bool { return id == "the-reactor-is-too-hot" })
	if err != nil || d.Rule.ID != "the-reactor-is-too-hot-2" || len(d.Doubts) == 0 {
		t.Errorf("Suggest = %+v, %v", d, err)
	}
}

func TestVerdictComesFromRetries(t *testing.T) {
	for _, tc := range []struct {
		class     failure.Class
		ok, again int
		want      failure.Verdict
	}{
		{failure.CodeBug, 0, 0, failure.VerdictNone},
		{failure.CodeBug, 2, 0, failure.VerdictNone},
		{failure.CodeBug, 3, 1, failure.RetrySlowly},
		{failure.CodeBug, 1, 5, failure.VerdictNone},
		{failure.NetworkTransient, 0, 3, failure.RetrySlowly},
		{failure.NetworkTransient, 0, 20, failure.DoNotRetry},
		{failure.Permission, 0, 19, failure.VerdictNone},
		{failure.Permission, 0, 20, failure.DoNotRetry},
		{"", 0, 30, failure.VerdictNone},
		{failure.NetworkTransient, 3, 0, failure.VerdictNone},
		{failure.MemoryContainer, 0, 50, failure.VerdictNone},
	} {
		got, doubt := cluster.VerdictOf(tc.class, cluster.Retries{Succeeded: tc.ok, Failed: tc.again})
		if got != tc.want || (doubt == "") != (got == failure.VerdictNone) {
			t.Errorf("VerdictOf(%s, %d, %d) = %v, %q, want %v", tc.class, tc.ok, tc.again, got, doubt, tc.want)
		}
	}
}

// FuzzSuggest: a rule that is suggested compiles and matches its sample and all
// lines that it was made of, and has letters to be looked for.
func FuzzSuggest(f *testing.F) {
	f.Add("could not reach lic-3:27000\ncould not reach lic-4:1\ncould not reach [::1]:9 …")
	f.Add("open \"a b\" at /x/y/z 2026-11-21 09:00:01 failed\nopen 'c' at C:\\x 09:00:01 failed")
	f.Add("ERROR  a\tb {c} <str> \\d+ (?P<x>y) `q` was broken 0x1f\nERROR a b {d} <str> \\d+ (?P<x>y) `r` was broken 0x2f")
	f.Add("\u00a0é ünïcode 12…\n\u00a0é ünïcode 13…\nx\rabcdefgh 1")
	f.Fuzz(func(t *testing.T, log string) {
		if !strings.Contains(strings.ToValidUTF8(log, "\ufffd"), log) {
			return // logs are valid when they are kept
		}
		tree := cluster.NewTree(cluster.DefaultBounds, 0)
		for n, l := range strings.Split(log, "\n") {
			tree.Add(failed(n, strings.TrimRight(l[:min(len(l), 400)], " \t\r")))
		}
		for _, c := range tree.All() {
			d, err := c.Suggest(free)
			if errs.Is(err, errs.FailedPrecondition) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			r := compiled(t, d)
			for _, e := range c.Examples {
				if !r.Hits(strings.TrimSuffix(e.Line, "…")) {
					t.Errorf("%s does not match %q", r.Rule.Any[0], e.Line)
				}
			}
			if len(r.Blind()) > 0 {
				t.Errorf("%s has no letters to be looked for", r.Rule.Any[0])
			}
		}
	})
}
