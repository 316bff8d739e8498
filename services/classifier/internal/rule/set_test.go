package rule_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func compile(t testing.TB, r rule.Rule) *rule.Compiled {
	t.Helper()
	if r.ID == "" {
		r.ID = "r"
	}
	if r.Class == "" {
		r.Class = failure.CodeBug
	}
	if r.Summary == "" {
		r.Summary = "it failed"
	}
	if r.Mode == rule.ModeNone {
		r.Mode = rule.Enforce
	}
	c, err := rule.Compile("rule", r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newSet(t testing.TB, rules ...rule.Rule) *rule.Set {
	t.Helper()
	var all []*rule.Compiled
	for _, r := range rules {
		all = append(all, compile(t, r))
	}
	s, err := rule.NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(source, s string) rule.Text { return rule.Text{Source: source, Text: s, FirstLine: 1} }

func TestMatch(t *testing.T) {
	one := 1
	for _, tc := range []struct {
		name string
		rule rule.Rule
		in   rule.Input
		want string // "source:line summary", or empty
	}{
		{"first line of any", rule.Rule{Any: []string{"beta", "alpha"}}, rule.Input{Texts: []rule.Text{text("stderr", "x\nalpha\nbeta")}}, "stderr:2 it failed"},
		{"no line of any", rule.Rule{Any: []string{"gamma"}}, rule.Input{Texts: []rule.Text{text("stderr", "alpha\nbeta")}}, ""},
		{"a pattern does not span lines", rule.Rule{Any: []string{`alpha\sbeta`}}, rule.Input{Texts: []rule.Text{text("stderr", "alpha\nbeta")}}, ""},
		{"anchors are the line's ends, also before CR", rule.Rule{Any: []string{`^beta$`}}, rule.Input{Texts: []rule.Text{text("stderr", "alpha\r\nbeta\r\n")}}, "stderr:2 it failed"},
		{"all over two logs", rule.Rule{All: []string{"alpha", "beta"}}, rule.Input{Texts: []rule.Text{text("a", "beta"), text("b", "alpha")}}, "b:1 it failed"},
		{"all but one", rule.Rule{All: []string{"alpha", "beta"}}, rule.Input{Texts: []rule.Text{text("a", "beta")}}, ""},
		{"none forbids", rule.Rule{Any: []string{"alpha"}, None: []string{"beta"}}, rule.Input{Texts: []rule.Text{text("a", "alpha"), text("b", "x\nbeta")}}, ""},
		{"none is not there", rule.Rule{Any: []string{"alpha"}, None: []string{"beta"}}, rule.Input{Texts: []rule.Text{text("a", "alpha")}}, "a:1 it failed"},
		{"other source", rule.Rule{Any: []string{"alpha"}, Sources: []string{"stderr"}}, rule.Input{Texts: []rule.Text{text("stdout", "alpha")}}, ""},
		{"right source", rule.Rule{Any: []string{"alpha"}, Sources: []string{"stderr"}}, rule.Input{Texts: []rule.Text{text("stdout", "alpha"), text("stderr", "-\nalpha")}}, "stderr:2 it failed"},
		{"facts alone", rule.Rule{Facts: rule.Facts{ExitCodes: []int{1, 2}}}, rule.Input{ExitCode: &one}, ":0 it failed"},
		{"facts that do not hold", rule.Rule{Any: []string{"alpha"}, Facts: rule.Facts{Reasons: []failure.Reason{failure.OutOfMemory}}}, rule.Input{Texts: []rule.Text{text("a", "alpha")}, Reason: failure.Exited}, ""},
		{"exit code 0 is not an unknown one", rule.Rule{Facts: rule.Facts{ExitCodes: []int{0}}}, rule.Input{}, ""},
		{"captures", rule.Rule{Any: []string{`table (?P<table>\S+) not found`}, Summary: "no table {table}"}, rule.Input{Texts: []rule.Text{text("a", "table db.t not found")}}, "a:1 no table db.t"},
		{"captures of all", rule.Rule{Any: []string{"failed"}, All: []string{`table (?P<table>\S+)`}, Summary: "no table {table}"}, rule.Input{Texts: []rule.Text{text("a", "failed\ntable db.t")}}, "a:1 no table db.t"},
		{"a capture of another alternative fills the gap", rule.Rule{Any: []string{"failed", `heap (?P<what>\w+)`}, Summary: "out of heap: {what}"}, rule.Input{Texts: []rule.Text{text("a", "failed\nheap space")}}, "a:1 out of heap: space"},
		{"an empty placeholder leaves nothing dangling", rule.Rule{Any: []string{"failed", `heap (?P<what>\w+)`}, Summary: "out of heap ({what}): {what}"}, rule.Input{Texts: []rule.Text{text("a", "failed")}}, "a:1 out of heap"},
		{"case does not matter when asked for", rule.Rule{Any: []string{"(?i)task KILLED"}}, rule.Input{Texts: []rule.Text{text("a", "tas\u212a killed")}}, "a:1 it failed"},
		{"case matters else", rule.Rule{Any: []string{"Killed"}}, rule.Input{Texts: []rule.Text{text("a", "killed")}}, ""},
		{"invalid bytes", rule.Rule{Any: []string{"a\uFFFDb"}}, rule.Input{Texts: []rule.Text{text("a", "xa\xffbx")}}, "a:1 it failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if m := newSet(t, tc.rule).Match(tc.in); len(m) > 0 {
				got = fmt.Sprintf("%s:%d %s", m[0].Source, m[0].Line, m[0].Summary)
			}
			if got != tc.want {
				t.Errorf("Match = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMatchesComeInOrderAndOffRulesDoNot(t *testing.T) {
	s := newSet(t,
		rule.Rule{ID: "late", Order: 20, Any: []string{"boom"}}, rule.Rule{ID: "b", Order: 10, Any: []string{"boom"}, Mode: rule.Shadow},
		rule.Rule{ID: "a", Order: 10, Any: []string{"boom"}}, rule.Rule{ID: "off", Order: 1, Any: []string{"boom"}, Mode: rule.Off})
	var got []string
	for _, m := range s.Match(rule.Input{Texts: []rule.Text{text("a", "boom")}}) {
		got = append(got, m.Rule+" "+m.Mode.String())
	}
	if want := []string{"a enforce", "b shadow", "late enforce"}; !reflect.DeepEqual(got, want) {
		t.Errorf("matches = %v, want %v", got, want)
	}
}

func TestLinesOfACutLogAreCountedOn(t *testing.T) {
	in := rule.NewInput(failure.Evidence{Logs: []failure.Log{{Source: "stderr", Head: "one\ntwo\n", Tail: "boom\n", Truncated: true}}}, "process")
	m := newSet(t, rule.Rule{Any: []string{"boom"}}).Match(in)
	if len(m) != 1 || m[0].Line != 3 || !m[0].Tail || m[0].Offset != 0 {
		t.Errorf("match = %+v, want line 3, at the beginning of the tail", m)
	}
}

func TestOffset(t *testing.T) {
	for pattern, want := range map[string]int{"boom": 9, "^two": 5, "m$": 12} {
		m := newSet(t, rule.Rule{Any: []string{pattern}}).Match(rule.Input{Texts: []rule.Text{text("a", "one\r\ntwo boom\r\n")}})
		if len(m) != 1 || m[0].Offset != want {
			t.Errorf("%q: match = %+v, want it at %d", pattern, m, want)
		}
	}
}

func TestVeryLongLine(t *testing.T) {
	gap := strings.Repeat("x", rule.MaxLine)
	in := rule.Input{Texts: []rule.Text{text("a", "first\nhead "+gap+" middle "+gap+" end\nlast")}}
	for pattern, want := range map[string]int{"head": 2, "end$": 2, "middle": 0, "^last": 3, "xxend": 0} {
		got := 0
		if m := newSet(t, rule.Rule{Any: []string{pattern}}).Match(in); len(m) > 0 {
			got = m[0].Line
			if len(m[0].Text) > 500 || !strings.Contains(m[0].Text, strings.Trim(pattern, "^$")) {
				t.Errorf("text of %q has %d bytes: %.40q, want at most 500 with the match", pattern, len(m[0].Text), m[0].Text)
			}
		}
		if got != want {
			t.Errorf("line of %q = %d, want %d", pattern, got, want)
		}
	}
	if notes := in.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "a line 2 has") {
		t.Errorf("Notes = %q, want one on line 2", notes)
	}
}

func TestRetryAfterIsCaptured(t *testing.T) {
	s := newSet(t, rule.Rule{Any: []string{`wait (?P<retry_after>\S+) seconds`}, RetryAfter: 7e9})
	for in, want := range map[string]string{"wait 30 seconds": "30s", "wait 1.5 seconds": "1.5s", "wait some seconds": "7s", "wait -3 seconds": "7s", "wait 1e99 seconds": "24h0m0s", "wait NaN seconds": "7s"} {
		if got := s.Match(rule.Input{Texts: []rule.Text{text("a", in)}})[0].RetryAfter.String(); got != want {
			t.Errorf("%q: RetryAfter = %s, want %s", in, got, want)
		}
	}
}

func TestNewSetRefusesTwoOfAnID(t *testing.T) {
	c := compile(t, rule.Rule{Any: []string{"x"}})
	if _, err := rule.NewSet(c, c); errs.KindOf(err) != errs.Invalid {
		t.Errorf("NewSet = %v, want Invalid", err)
	}
}

// plain is what a Set must agree with: every rule by itself, line by line.
func plain(s *rule.Set, in rule.Input) []rule.Match {
	var all []rule.Match
	for _, c := range s.Rules() {
		if m, missing := c.Explain(in); c.Rule.Mode != rule.Off && len(missing) == 0 {
			all = append(all, m)
		}
	}
	return all
}

func agree(t *testing.T, s *rule.Set, in rule.Input) {
	t.Helper()
	got, want := s.Match(in), plain(s, in)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Match = %+v\nwant %+v", got, want)
	}
}

func FuzzMatchAgreesWithPlainLoop(f *testing.F) {
	f.Add("alpha.*beta", "x\nalpha and beta")
	f.Add("(?i)disk full|50[34]", "DISK FULL\r\n503")
	f.Add(`(?:tim(?:ed out|eout))\b`, "timed out\ntimeout")
	f.Add("(?i)kill", "\u212aill")
	f.Add("(?i)s\u00e9", "\u017f\u00c9")
	f.Add(`\xff|[\x80-\xff]b`, "a\xffb")
	f.Add(`a{3}(b|c)?d+`, "aaabd aaad")
	f.Add(`^$`, "a\n\nb")
	f.Add("boom", "DEBUG x\njava.lang.Error: boom\n\tat x(")
	f.Add("refused", "refused, retrying in 3 s\nrefused\nAttempt 2 succeeded")
	f.Add("D[a-z]+", "where x = 'Dx'\nAb, Dx, Cd")
	f.Fuzz(func(t *testing.T, pattern, in string) {
		c, err := rule.Compile("rule", rule.Rule{ID: "r", Any: []string{pattern, "needle"}, None: []string{pattern + "never"}, Class: failure.CodeBug, Summary: "s", Mode: rule.Enforce})
		if err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Fatalf("Compile = %v, want Invalid", err)
			}
			return
		}
		s, err := rule.NewSet(c)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, s, rule.Input{Texts: []rule.Text{text("a", in), text("b", strings.ToUpper(in)+"\nneedle")}})
	})
}

func TestBuiltInsAgreeWithPlainLoop(t *testing.T) {
	s := builtIn(t)
	var logs strings.Builder
	for i, c := range s.Rules() {
		if i%50 == 0 { // the plain loop takes its time
			agree(t, s, c.Rule.SampleInput())
		}
		if logs.Len() < 8<<10 {
			logs.WriteString(c.Rule.Sample + "\n")
		}
	}
	in := rule.Input{Texts: []rule.Text{text("stderr", logs.String())}}
	agree(t, s, in)
}
