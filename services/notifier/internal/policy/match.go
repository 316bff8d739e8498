package policy

import (
	"regexp"
	"slices"
	"strings"
)

// Labels are the values that matchers look at, by name.
type Labels map[string]string

// Names of labels: routes see alerts, rules see failures.
var (
	routeLabels = []string{"class", "owner", "source", "job", "workflow", "step", "engine"}
	ruleLabels  = []string{"class", "category", "owner", "source", "workflow", "step", "engine"}
)

// Matcher compares one label.
type Matcher struct {
	label   string
	not     bool
	value   string
	pattern *regexp.Regexp // nil when value is compared
}

// Match is a list of matchers that must all hold; an empty one matches all.
type Match []Matcher

// Matches reports whether all matchers hold.
func (m Match) Matches(l Labels) bool {
	return !slices.ContainsFunc(m, func(x Matcher) bool { return !x.matches(l[x.label]) })
}

func (m Matcher) matches(value string) bool {
	if m.pattern != nil {
		return m.pattern.MatchString(value) != m.not
	}
	return (m.value == value) != m.not
}

// maxPattern bounds matchers, in bytes.
const maxPattern = 500

// parseMatcher reads "label=value", "!=", "=~" or "!~"; a pattern must match
// the whole value. It returns what is wrong as a text.
func parseMatcher(text string, labels []string) (m Matcher, wrong string) {
	const shape = `must look like owner=team-a, owner!=team-a, class=~memory\..* or class!~memory\..*`
	if len(text) > maxPattern {
		return m, "is longer than 500 characters"
	}
	i := strings.IndexAny(text, "=!")
	if i < 0 || len(text) < i+2 && text[i] == '!' {
		return m, shape
	}
	m.label = strings.TrimSpace(text[:i])
	op, value := "=", text[i+1:]
	switch {
	case strings.HasPrefix(text[i:], "=~"), strings.HasPrefix(text[i:], "!~"), strings.HasPrefix(text[i:], "!="):
		op, value = text[i:i+2], text[i+2:]
	case text[i] == '!':
		return m, shape
	}
	m.value, m.not = strings.TrimSpace(value), op[0] == '!'
	if len(m.value) > 1 && m.value[0] == '"' && m.value[len(m.value)-1] == '"' {
		m.value = m.value[1 : len(m.value)-1]
	}
	if !slices.Contains(labels, m.label) {
		return m, "the label " + quote(m.label) + " is not one of " + strings.Join(labels, ", ")
	}
	if op[1:] == "~" {
		pattern, err := regexp.Compile(`^(?:` + m.value + `)$`)
		if err != nil {
			return m, "is no RE2 pattern: " + err.Error()
		}
		m.pattern = pattern
	}
	return m, ""
}
