package rule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/failure"
)

// WritePacks writes rules as packs that ParsePacks reads: a YAML document for
// each pack, in the order of their names, rules that are in none first; within
// one in the order in which they are tried.
func WritePacks(rules []Rule) ([]byte, error) {
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b Rule) int {
		return cmp.Or(strings.Compare(a.Pack, b.Pack), cmp.Compare(a.Order, b.Order), strings.Compare(a.ID, b.ID))
	})
	var b bytes.Buffer
	for len(rules) > 0 {
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.Pack != rules[0].Pack })
		if n < 0 {
			n = len(rules)
		}
		if b.Len() > 0 {
			b.WriteString("---\n")
		}
		if err := writePack(&b, rules[:n]); err != nil {
			return nil, fmt.Errorf("write pack %q: %w", rules[0].Pack, err)
		}
		rules = rules[n:]
	}
	return b.Bytes(), nil
}

// writePack writes rules of one pack.
func writePack(b *bytes.Buffer, rules []Rule) error {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range rules {
		n, err := ruleNode(r)
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.ID, err)
		}
		list.Content = append(list.Content, n)
	}
	var pack mapping
	pack.text("pack", rules[0].Pack)
	pack.add("rules", list)
	enc := yaml.NewEncoder(b)
	enc.SetIndent(2)
	if err := enc.Encode(pack.node(0)); err != nil {
		return err
	}
	return enc.Close()
}

// ruleNode writes the fields of packRule that are set.
func ruleNode(r Rule) (*yaml.Node, error) {
	var m, facts mapping
	facts.list("exit_codes", nodes(r.Facts.ExitCodes, intNode))
	facts.list("signals", nodes(r.Facts.Signals, intNode))
	facts.list("termination_reasons", nodes(r.Facts.Reasons, func(r failure.Reason) *yaml.Node { return textNode(r.String()) }))
	facts.list("engines", nodes(r.Facts.Engines, textNode))
	if r.Facts.PeakPercent != 0 {
		facts.add("peak_percent", intNode(r.Facts.PeakPercent))
	}
	remedy := make([]*yaml.Node, len(r.Remedy))
	for i, op := range r.Remedy {
		var err error
		if remedy[i], err = operationNode(op); err != nil {
			return nil, err
		}
	}
	m.text("id", r.ID)
	m.add("order", intNode(r.Order))
	m.list("sources", nodes(r.Sources, textNode))
	m.list("any", nodes(r.Any, textNode))
	m.list("all", nodes(r.All, textNode))
	m.list("none", nodes(r.None, textNode))
	if len(facts) > 0 {
		m.add("facts", facts.node(yaml.FlowStyle))
	}
	m.text("class", string(r.Class))
	m.text("verdict", r.Verdict.String())
	m.list("yields_to", nodes(r.YieldsTo, textNode))
	m.text("summary", r.Summary)
	m.text("runbook", r.Runbook)
	m.text("retry_after", duration(r.RetryAfter))
	m.list("remedy", remedy)
	m.text("owner", r.Owner)
	if r.Mode != Enforce {
		m.text("mode", r.Mode.String())
	}
	m.text("sample", r.Sample)
	m.list("near_miss", nodes(r.NearMisses, textNode))
	return m.node(0), nil
}

func operationNode(op Operation) (*yaml.Node, error) {
	var m mapping
	m.text("op", op.Op)
	m.text("path", op.Path)
	if len(op.Value) > 0 {
		plain := plainJSON(op.Value)
		if !json.Valid(plain) {
			return nil, fmt.Errorf("the remedy's value at %s is not JSON", op.Path)
		}
		d := json.NewDecoder(bytes.NewReader(plain))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		m.add("value", jsonNode(value))
	}
	return m.node(0), nil
}

// mapping collects keys and values.
type mapping []*yaml.Node

func (m *mapping) add(key string, value *yaml.Node) { *m = append(*m, textNode(key), value) }

func (m *mapping) text(key, value string) {
	if value != "" {
		m.add(key, textNode(value))
	}
}

// list adds short things on one line, and patterns, texts and operations each on
// one of its own.
func (m *mapping) list(key string, values []*yaml.Node) {
	if len(values) == 0 {
		return
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Content: values}
	if key == "sources" || key == "yields_to" {
		n.Style = yaml.FlowStyle
	}
	m.add(key, n)
}

func (m *mapping) node(s yaml.Style) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: *m, Style: s}
}

func nodes[T any](values []T, write func(T) *yaml.Node) (all []*yaml.Node) {
	for _, v := range values {
		all = append(all, write(v))
	}
	return all
}

func intNode(n int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
}

// jsonNode writes a value of JSON, with numbers as json.Number.
func jsonNode(value any) *yaml.Node {
	switch v := value.(type) {
	case map[string]any:
		var m mapping
		for _, key := range slices.Sorted(maps.Keys(v)) {
			m.add(key, jsonNode(v[key]))
		}
		return m.node(0)
	case []any:
		return &yaml.Node{Kind: yaml.SequenceNode, Content: nodes(v, jsonNode)}
	case string:
		return textNode(v)
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}

// oldBooleans are words that other readers of YAML take for booleans.
var oldBooleans = []string{"y", "n", "yes", "no", "on", "off"}

// textNode writes text on several lines where it has some and nothing of it is
// lost by that, and with escapes where something would be.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	strange := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) || r == '\ufeff' }
	lines := strings.Contains(s, "\n")
	switch {
	case slices.Contains(oldBooleans, strings.ToLower(s)), strings.ContainsFunc(s, strange), !lines && strings.Contains(s, "\t"):
		n.Style = yaml.DoubleQuotedStyle
	case !lines:
	case strings.ContainsAny(s[:1], " \t\n"), strings.HasSuffix(s, "\n\n"), strings.Contains(s+"\n", " \n"), strings.Contains(s+"\n", "\t\n"):
		n.Style = yaml.DoubleQuotedStyle
	default:
		n.Style = yaml.LiteralStyle
	}
	return n
}
