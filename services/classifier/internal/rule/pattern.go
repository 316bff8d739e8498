package rule

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/sieve"
)

// pattern is one compiled RE2 pattern. It sees one line at a time.
type pattern struct {
	text  string
	names []string // of its captures, by number
	needs sieve.Needs
	// expression is compiled when a line is first tried: of thousands of patterns
	// few ever are.
	expression func() *regexp.Regexp
}

// match returns the submatch positions on line, or nil.
func (p *pattern) match(line string) []int { return p.expression().FindStringSubmatchIndex(line) }

// compilePattern names field in its errors.
func compilePattern(field, text string) (*pattern, error) {
	if n := utf8.RuneCountInString(text); n < 1 || n > MaxPatternChars {
		return nil, errs.Field(field, "must have 1 to %d characters, has %d", MaxPatternChars, n)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, errs.Field(field, "%w; patterns are RE2: no look-around, no back-references", err)
	}
	if size := programSize(tree); size > MaxProgram {
		return nil, errs.Field(field, "compiles to more than %d instructions: make its repetitions smaller, or write + or *", MaxProgram)
	}
	return &pattern{
		text: text, names: tree.CapNames(), needs: sieve.Analyze(tree),
		expression: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) }), // what can be parsed can be compiled
	}, nil
}

// captures adds the named captures that loc found on line, cut to
// maxCapture bytes; what is there already stays.
func (p *pattern) captures(into map[string]string, line string, loc []int) {
	for i, name := range p.names {
		if name == "" || loc[2*i] < 0 || into[name] != "" {
			continue
		}
		if s := strings.TrimSpace(line[loc[2*i]:loc[2*i+1]]); s != "" {
			into[name] = cut(s, maxCapture)
		}
	}
}

// programSize bounds from above how many instructions a parsed pattern
// compiles to, before anything is compiled: nested repetitions multiply.
func programSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpAlternate:
		size = 2 + len(re.Sub)
	}
	for _, sub := range re.Sub {
		size = min(size+programSize(sub), MaxProgram+1)
	}
	if re.Op == syntax.OpRepeat {
		size = min(size*max(re.Min, re.Max, 1), MaxProgram+1)
	}
	return size
}

// cut returns at most n bytes of s, whole characters only.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
