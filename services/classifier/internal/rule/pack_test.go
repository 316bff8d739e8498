package rule_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func rulesOf(packs []rule.Pack) (all []rule.Rule) {
	for _, p := range packs {
		for _, c := range p.Rules {
			all = append(all, c.Rule)
		}
	}
	return all
}

// again writes rules, parses what was written, and wants the same.
func again(t *testing.T, rules []rule.Rule) []byte {
	t.Helper()
	text, err := rule.WritePacks(rules)
	if err != nil {
		t.Fatal(err)
	}
	packs, err := rule.ParsePacks("yaml", text)
	if err != nil {
		t.Fatalf("what was written is not read: %v\n%s", err, text)
	}
	read := map[string]rule.Rule{}
	for _, r := range rulesOf(packs) {
		read[r.ID] = r
	}
	for _, want := range rules {
		got, ok := read[want.ID]
		if lines := rule.Changes(&want, &got); !ok || len(lines) > 0 {
			t.Errorf("%s is read as another: %q\n%s", want.ID, lines, text)
		}
	}
	if len(read) != len(rules) {
		t.Errorf("%d rules were read, want %d", len(read), len(rules))
	}
	return text
}

func TestTheBuiltInPacksAreWrittenAsTheyAreRead(t *testing.T) {
	var all []rule.Rule
	for _, c := range builtIn(t).Rules() {
		all = append(all, c.Rule)
	}
	text := again(t, all)
	if again := again(t, all); !bytes.Equal(text, again) {
		t.Error("the same rules are written in two ways")
	}
}

func TestWritePacks(t *testing.T) {
	full := rule.Rule{
		ID: "full", Order: 7, Sources: []string{"stderr"}, Any: []string{`a (?P<what>\d+): "x" 'y'`, "# no comment"}, All: []string{"b: "}, None: []string{"- c"},
		Facts: rule.Facts{ExitCodes: []int{0, -1}, Signals: []int{9}, Reasons: []failure.Reason{failure.OutOfMemory}, Engines: []string{"jvm"}, PeakPercent: 90},
		Class: failure.CodeBug, Verdict: failure.Retry, YieldsTo: []string{"memory.driver", "rules/x"}, Summary: "{what}: yes", Runbook: "1. do\n2. it", RetryAfter: 90 * time.Second,
		Remedy: []rule.Operation{{Op: "add", Path: "/x", Value: []byte("null")}, {Op: "add", Path: "/y", Value: []byte(`{"a":[1e+21,"<",true]}`)}, {Op: "remove", Path: "/z"}},
		Owner:  "yes", Mode: rule.Shadow, Sample: "a 1: \"x\" 'y'\n\tb: \n", NearMisses: []string{"  b:\n\n", "null", "\u0085\u2028\x1b[0m", "- c"}, Pack: "acme",
	}
	bare := rule.Rule{ID: "bare", Facts: rule.Facts{Signals: []int{9}}, Class: failure.CodeBug, Summary: "s", Mode: rule.Enforce}
	late := bare
	late.ID, late.Order, late.Mode = "a-late", 9, rule.Off
	text := string(again(t, []rule.Rule{full, late, bare}))
	if !strings.HasPrefix(text, "rules:\n  - id: bare\n    order: 0\n    facts: {signals: [9]}\n    class: code.bug\n    summary: s\n  - id: a-late\n") || !strings.Contains(text, "    mode: \"off\"\n---\npack: acme\nrules:\n  - id: full\n") {
		t.Errorf("written as:\n%s", text)
	}
	if text, err := rule.WritePacks(nil); err != nil || len(text) != 0 {
		t.Errorf("nothing is written as %q, %v", text, err)
	}
}

const appliedPack = `
pack: acme
rules:
  - {id: one, order: 1, any: [boom], class: code.bug, summary: s}
  - {id: two, order: 2, any: [boom], class: code.bug, summary: s, mode: shadow}
---
---
rules:
  - {id: three, order: 3, any: [boom], class: code.bug, summary: s}
`

func TestParsePacks(t *testing.T) {
	packs, err := rule.ParsePacks("yaml", []byte(appliedPack))
	if err != nil || len(packs) != 2 || packs[0].Name != "acme" || packs[1].Name != "" {
		t.Fatalf("ParsePacks = %+v, %v", packs, err)
	}
	if all := rulesOf(packs); len(all) != 3 || all[0].Pack != "acme" || all[1].Mode != rule.Shadow || all[0].BuiltIn || all[0].Revision != 0 || all[2].Pack != "" {
		t.Errorf("rules = %+v", all)
	}
	for name, tc := range map[string]struct{ old, change, want string }{
		"unknown key":        {"id: two", "id: two, colour: red", "yaml: two.colour: is no field of a rule, which are id, order,"},
		"wrong type":         {"order: 2, any: [boom]", "order: x, any: boom", "yaml: two.order: is x, must be a whole number, in line 5\nyaml: two.any: is boom, must be a list of texts, in line 5"},
		"wrong pack":         {"pack: acme", "pack: [acme]", "yaml: is no rule pack: is a list, must be a text, in line 2"},
		"unknown keys":       {"id: three", "id: three, colour: red", "yaml: three.colour"},
		"id of another pack": {"id: three", "id: one", "yaml: one.id: is taken by a rule of the pack \"acme\""},
		"id twice":           {"id: two", "id: one", "yaml: one.id: is in the pack twice"},
		"bad pattern":        {"any: [boom]", "any: ['(']", "yaml: one.any[0]"},
		"bad name":           {"pack: acme", "pack: Acme", "yaml: pack"},
		"no rules":           {"pack: acme\nrules:", "pack: acme\nrules: []\nrulez:", "yaml: rulez"},
		"empty":              {appliedPack, "# nothing\n", "yaml: is empty"},
		"no rules at all":    {appliedPack, "pack: acme", "yaml: rules: must have 1 to"},
		"no pack":            {appliedPack, "[1, 2]", "must be a mapping"},
		"no YAML":            {appliedPack, "rules: [", "yaml: is no rule pack: yaml: line 1"},
		"too long":           {appliedPack, strings.Repeat("#", rule.MaxPacks+1), "apply fewer packs"},
	} {
		_, err := rule.ParsePacks("yaml", []byte(strings.Replace(appliedPack, tc.old, tc.change, 1)))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: ParsePacks = %v, want Invalid with %q", name, err, tc.want)
		}
	}
}

func FuzzParsePacks(f *testing.F) {
	f.Add([]byte(appliedPack))
	f.Add([]byte(goodPack))
	f.Add([]byte("rules: [&a {id: x, order: 0, facts: {signals: [9]}, class: code.bug, summary: s}, {<<: [*a], id: y, remedy: [{op: add, path: /x, value: 0x10}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		packs, err := rule.ParsePacks("yaml", data)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("ParsePacks = %v, want Invalid", err)
			}
			return
		}
		again(t, rulesOf(packs))
	})
}

func FuzzWritePacks(f *testing.F) {
	f.Add("boom", "it is\nso", " x\n\n", `{"a": [1, null]}`, 3)
	f.Add("yes", "\t\u2028\ufeff", "---\n...", `"<>"`, -1)
	f.Fuzz(func(t *testing.T, pattern, sentence, text, value string, code int) {
		r := rule.Rule{
			ID: "r", Any: []string{pattern}, Facts: rule.Facts{ExitCodes: []int{code}}, Class: failure.CodeBug, Summary: sentence, Runbook: text, Owner: pattern,
			Remedy: []rule.Operation{{Op: "add", Path: "/" + pattern, Value: []byte(value)}}, Mode: rule.Shadow, NearMisses: []string{text, sentence},
		}
		if !json.Valid([]byte(value)) {
			return
		}
		for _, s := range []string{pattern, sentence, text, value} {
			if s != strings.ToValidUTF8(s, "") {
				return // no request has it
			}
		}
		if _, err := rule.Compile("rule", r); err != nil {
			return
		}
		out, err := rule.WritePacks([]rule.Rule{r})
		if err != nil {
			t.Fatal(err)
		}
		packs, err := rule.ParsePacks("yaml", out)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, out)
		}
		if lines := rule.Changes(&r, &packs[0].Rules[0].Rule); len(lines) > 0 {
			t.Errorf("it is read as another: %q\n%s", lines, out)
		}
	})
}
