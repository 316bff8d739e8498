package lint

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestIncludes(t *testing.T) {
	for _, tc := range []struct {
		narrow string
		wide   []string
		want   answer
	}{
		{`connection reset by peer`, []string{`connection reset`}, yes},
		{`connection reset`, []string{`connection reset by peer`}, no},
		{`Connection reset`, []string{`(?i)connection RESET`}, yes},
		{`(?i)connection reset`, []string{`connection reset`}, no},
		{`HTTP (?P<code>403|404)`, []string{`HTTP \d+`}, yes},
		{`HTTP (403|404)`, []string{`HTTP 403`, `HTTP 404`}, yes},
		{`HTTP 40[0-9]`, []string{`HTTP 403`, `HTTP 404`}, no},
		{`\bfoo\b`, []string{`foo`}, yes},
		{`foo`, []string{`\bfoo\b`}, no},
		{`^foo bar$`, []string{`\bfoo\b`}, yes},
		{`^\s*at .*Exception`, []string{`Exception`}, yes},
		{`a.*b`, []string{`a.+b`}, no},
		{`a.+b`, []string{`a.*b`}, yes},
		{`a[^,]*b`, []string{`a.*b`}, yes},
		{`foo$`, []string{`foo`}, yes},
		{`foo`, []string{`foo$`}, no},
		{`foo`, []string{`foo$`, `foo.`}, yes},
		{`x`, []string{``}, yes},
		{``, []string{`x`}, no},
		{`\w+`, []string{`\pL|\d|_`}, yes},
		{`é`, []string{`[^\x00-\x7f]`}, yes},
		{`(?i)k`, []string{`[kK]`}, no}, // the Kelvin sign
		{`(?i)k`, []string{`[kK\x{212a}]`}, yes},
		{`\Bx`, []string{`\wx`}, yes},
		{`(a|b)*abb(a|b){40}`, []string{`(a|b)*a(a|b){20}c`}, no},
		{`(a|b)+`, []string{`a(a|b){30}|b|a`}, yes},
	} {
		if got := includes(tc.wide, tc.narrow); got != tc.want {
			t.Errorf("includes(%q, %q) = %v, want %v", tc.wide, tc.narrow, got, tc.want)
		}
	}
	if got := includes([]string{`a(a|b){60}c`}, `(a|b){400}c`); got == yes {
		t.Errorf("a hard question = %v", got)
	}
}

// TestIncludesIsSound compares with what the patterns do to random lines.
func TestIncludesIsSound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", " ", "ab", ".", "[ab]", `\b`, "^", "$", "(a|b)", "a*", "b+", "b?", `\w`, `\s`, "(?i:A)", "(ab){1,2}", `\B`, "[^a]"}
	pattern := func() string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	count := map[answer]int{}
	for range 3000 {
		wide, narrow := pattern(), pattern()
		w, n := regexp.MustCompile(wide), regexp.MustCompile(narrow)
		got := includes([]string{wide}, narrow)
		count[got]++
		differs := ""
		for i := 0; i < 400 && differs == ""; i++ {
			line := make([]byte, r.IntN(7))
			for j := range line {
				line[j] = "abAB _\xff"[r.IntN(7)]
			}
			if n.Match(line) && !w.Match(line) {
				differs = string(line)
			}
		}
		if got == yes && differs != "" {
			t.Fatalf("includes(%q, %q) = yes, but %q", wide, narrow, differs)
		}
	}
	if count[yes] < 100 || count[no] < 100 {
		t.Errorf("answers = %v", count)
	}
}

func FuzzIncludes(f *testing.F) {
	f.Add("ab", "a", "xaby")
	f.Add(`\bx`, "x|y", " x")
	f.Fuzz(func(t *testing.T, wide, narrow, line string) {
		if len(wide)+len(narrow) > 100 || strings.Contains(line, "\n") {
			return
		}
		w, err := regexp.Compile(wide)
		if err != nil {
			return
		}
		n, err := regexp.Compile(narrow)
		if err != nil {
			return
		}
		if includes([]string{wide}, narrow) == yes && n.MatchString(line) && !w.MatchString(line) {
			t.Errorf("includes(%q, %q), but not of %q", wide, narrow, line)
		}
	})
}
