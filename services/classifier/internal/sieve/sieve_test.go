package sieve

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
)

func pattern(t testing.TB, text string) Pattern {
	t.Helper()
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	return Pattern{Text: text, Needs: Analyze(tree)}
}

func sieveOf(t testing.TB, texts ...string) *Sieve {
	t.Helper()
	var all []Pattern
	for _, text := range texts {
		all = append(all, pattern(t, text))
	}
	s, err := New(all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lets returns the lines that a sieve lets through, by pattern.
func lets(s *Sieve, text string) map[int]map[int]bool {
	all := map[int]map[int]bool{}
	s.Scan(text, func(p, at int) {
		if all[p] == nil {
			all[p] = map[int]bool{}
		}
		all[p][strings.Count(text[:at], "\n")] = true
	})
	return all
}

// holdsBackNothing wants every line that matches to be let through, by the
// sieve, the patterns' checks and their automata.
func holdsBackNothing(t *testing.T, texts []string, log string) {
	t.Helper()
	s := sieveOf(t, texts...)
	through := lets(s, log)
	for p, text := range texts {
		re := regexp.MustCompile(text)
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		a, err := NewAutomaton(50, tree)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
			if log == "" || !re.MatchString(line) {
				continue
			}
			if !through[p][n] {
				t.Errorf("%q: line %d %q is held back", text, n, line)
			}
			if needs := s.patterns[p].Needs; needs.Next(line, 0) < 0 && line != "" {
				t.Errorf("%q: Next holds back %q", text, line)
			}
			if needs := s.patterns[p].Needs; !needs.On(line, func() string { return Lower(line) }) {
				t.Errorf("%q: the checks hold back %q", text, line)
			}
			if !a.May(line) {
				t.Errorf("%q: the automaton holds back %q", text, line)
			}
		}
	}
}

var tricky = []struct{ pattern, log string }{
	{`connection refused`, "x\nthe connection refused\nconnection refuse"},
	{`(?i)task killed`, "TASK KILLED\nta\u017fk \u212aILLED\ntask kille"},
	{`(?i)[k-t]ask`, "\u212aask"},
	{`\b[A-Z]{2}123\d{4}[a-z]{3}\b`, "AB1230000xyz .\nab AB1230000xyz"},
	{`^\s*[a-z]+\s+417\s+[A-Z]{3}\s+\d+$`, "\n  step 417 ABC 12\nstep\t417\tXYZ\t9"},
	{`\d{3}~[a-f0-9]{4}~417`, "999~beef~417"},
	{`=429`, "code=429\n=42"},
	{`=429`, "=429"},
	{`abcdef`, "abcdef"},
	{`^\s*\w+$`, "one\n two\n\nthree four"},
	{`^$`, "a\n\nb"},
	{`a*`, "b"},
	{`\xff|[\x80-\xff]b`, "a\xffb\na\u00e9b"},
	{"a\uFFFDb", "xa\xffbx"},
	{`(?:DB2|TNS)-\d{5}: .*lost`, "TNS-12345: it is lost"},
	{`x(yz)?w{2,}v`, "xyzwwwv\nxwwv\nxwv"},
	{`[^"]+" failed`, `the "thing" failed`},
	{`.*`, "anything"},
	{`(?s).b`, "ab"},
	{`h[\x{e9}e]llo`, "h\u00e9llo hello"},
}

func TestNothingThatMatchesIsHeldBack(t *testing.T) {
	var all []string
	var logs strings.Builder
	for _, tc := range tricky {
		holdsBackNothing(t, []string{tc.pattern}, tc.log)
		all = append(all, tc.pattern)
		logs.WriteString(tc.log + "\n")
	}
	holdsBackNothing(t, all, logs.String())
	// Long enough for all lanes, and each place of a line at each place of a turn.
	long := strings.Repeat("an ordinary line of a log\n", 170)
	for i := range 4 {
		holdsBackNothing(t, all, long+strings.Repeat("-", i)+"\n"+logs.String()+long)
	}
}

func TestWhatIsLearntChangesNothing(t *testing.T) {
	s := sieveOf(t, `connection refused`, `\b[A-Z]{2}123\d{4}`, `^\w+$`)
	log := strings.Repeat("connection reset\nAB1230000\n", 4<<10) + "connection refused\nword\n"
	before := fmt.Sprint(lets(s, log))
	first := s.now.Load()
	for !s.learner.done.Load() {
		s.Scan(log, func(int, int) {})
	}
	if s.now.Load() == first {
		t.Error("the sieve was not built anew")
	}
	if after := fmt.Sprint(lets(s, log)); after != before {
		t.Errorf("lines = %.300s, were %.300s", after, before)
	}
}

func TestHowPatternsAreLookedFor(t *testing.T) {
	for text, want := range map[string]int{
		`lost the license`: 4, `ORA-\d{5}: .*`: 2, `(?i)disk quota`: 4, `=429\b`: 2, `#123-`: 2, `\b123[A-Z]\d+:`: 2,
		`[A-Z]+\d+`: 0, `^\s*$`: 0, `ab`: 0, `foo|\d`: 0,
	} {
		p := pattern(t, text)
		if got := p.Needs.Stride(); got != want {
			t.Errorf("Stride of %q = %d, want %d", text, got, want)
		}
	}
}

func TestAutomatonOutOfStates(t *testing.T) {
	// Each of these doubles the states.
	text := `[ab]{3,}c[ab]{12}d|(?:a|b)*a(?:a|b){10}`
	log := strings.Repeat("abbabaab", 2000) + "\n" + strings.Repeat("ab", 40) + "\n"
	holdsBackNothing(t, []string{text}, log)
}

func FuzzNothingThatMatchesIsHeldBack(f *testing.F) {
	for _, tc := range tricky {
		f.Add(tc.pattern, "needle in the hay", tc.log)
	}
	f.Fuzz(func(t *testing.T, a, b, log string) {
		if len(log) > 4<<10 || len(a) > 100 || len(b) > 100 {
			return
		}
		for _, text := range []string{a, b} {
			if re, err := regexp.Compile(text); err != nil || re.NumSubexp() > 20 {
				return
			}
		}
		holdsBackNothing(t, []string{a, b}, log)
		holdsBackNothing(t, []string{a, b}, strings.Repeat(".\n", 3<<10)+log)
	})
}

// TestRandomPatterns makes patterns of parts that need each other's
// neighbourhood, and lines of the same parts.
func TestRandomPatterns(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	parts := []string{`a`, `b`, `1`, `\d`, `[a-c]`, `\s`, `.*`, `x+`, `(?:ab|cd)`, `y?`, `[A-Z]{2}`, `\w`, `: `, `(?i:K)`, `error`, `-`, `\b`}
	words := []string{"a", "b", "1", "7", "c", " ", "x", "xx", "ab", "cd", "y", "QR", "w", ": ", "k", "K", "\u212a", "error", "-", "\n"}
	for range 150 {
		var patterns []string
		for range 1 + rng.IntN(8) {
			var p strings.Builder
			for range 2 + rng.IntN(8) {
				p.WriteString(parts[rng.IntN(len(parts))])
			}
			patterns = append(patterns, p.String())
		}
		var log strings.Builder
		for range 400 {
			log.WriteString(words[rng.IntN(len(words))])
		}
		holdsBackNothing(t, patterns, log.String())
	}
}
