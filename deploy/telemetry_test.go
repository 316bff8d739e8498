// Package deploy_test checks that the dashboard, the rules and the operator's
// manual speak of metrics that there are, and of all of them.
package deploy_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const manual = "../docs/operations.md"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// row is a line of the manual's table of metrics.
var row = regexp.MustCompile("(?m)^\\| `(redrive_[a-z0-9_]+)` \\| (counter|gauge|gauge, shared|histogram) \\|([a-z, ]*)\\| (.+) \\|$")

// documented are the metrics of the manual.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(read(t, manual), -1) {
		if all[m[1]] {
			t.Errorf("%s has two rows", m[1])
		}
		all[m[1]] = true
	}
	if len(all) == 0 {
		t.Fatal("the manual has no table of metrics")
	}
	return all
}

// TestTheManualHasEveryMetric compares the table with the names in the code:
// also of metrics that are only registered in some deployments.
func TestTheManualHasEveryMetric(t *testing.T) {
	code := map[string]string{}
	for _, root := range []string{"../pkg", "../services", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if pair, ok := n.(*ast.KeyValueExpr); ok {
					if name := metricName(pair); name != "" {
						code[name] = path
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	table := documented(t)
	for name, path := range code {
		if !table[name] {
			t.Errorf("%s of %s is not in the table of %s", name, path, manual)
		}
	}
	for name := range table {
		if code[name] == "" {
			t.Errorf("%s is in the table of %s and nowhere in the code", name, manual)
		}
	}
}

// metricName returns the name in `Name: "redrive_…"`.
func metricName(pair *ast.KeyValueExpr) string {
	key, isName := pair.Key.(*ast.Ident)
	value, isText := pair.Value.(*ast.BasicLit)
	if !isName || !isText || key.Name != "Name" || value.Kind != token.STRING {
		return ""
	}
	name, err := strconv.Unquote(value.Value)
	if err != nil || !strings.HasPrefix(name, "redrive_") {
		return ""
	}
	return name
}

// used finds the metrics in an expression, and recorded the names of rules.
var (
	used     = regexp.MustCompile(`\bredrive_[a-z0-9_]+`)
	recorded = regexp.MustCompile(`\bredrive:[a-z0-9_]+:[a-z0-9_]+`)
	series   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// check complains of what an expression uses and nobody makes.
func check(t *testing.T, where, expr string, metrics, rules map[string]bool) {
	t.Helper()
	for _, name := range used.FindAllString(expr, -1) {
		if !metrics[name] && !metrics[series.ReplaceAllString(name, "")] {
			t.Errorf("%s uses %s, which there is not", where, name)
		}
	}
	for _, name := range recorded.FindAllString(expr, -1) {
		if !rules[name] {
			t.Errorf("%s uses %s, which no rule records", where, name)
		}
	}
}

// rules are the groups of rules.
type rules struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels              map[string]string
			Annotations         map[string]string
		}
	}
}

func loadRules(t *testing.T) (r rules, names map[string]bool) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/redrive.rules.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	names = map[string]bool{}
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			if name := rule.Record + rule.Alert; names[name] {
				t.Errorf("there are two rules %s", name)
			} else {
				names[name] = true
			}
		}
	}
	return r, names
}

func TestRulesUseWhatThereIs(t *testing.T) {
	r, names := loadRules(t)
	metrics, headings := documented(t), anchors(read(t, manual))
	told := map[string]bool{}
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			check(t, rule.Record+rule.Alert, rule.Expr, metrics, names)
			if rule.Alert == "" {
				continue
			}
			if s := rule.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
				t.Errorf("%s has severity %q", rule.Alert, s)
			}
			file, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
			if file != "docs/operations.md" || !headings[anchor] {
				t.Errorf("%s has the runbook %q, which there is not", rule.Alert, rule.Annotations["runbook"])
			}
			told[anchor] = true
			if !strings.Contains(read(t, manual), "`"+rule.Alert+"`") {
				t.Errorf("%s is not in its runbook", rule.Alert)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s says too little", rule.Alert)
			}
		}
	}
	for anchor := range headings {
		if strings.HasPrefix(anchor, "runbook-") && !told[anchor] {
			t.Errorf("no alert leads to #%s", anchor)
		}
	}
	for _, name := range regexp.MustCompile("`(Redrive[A-Za-z]+)`").FindAllStringSubmatch(read(t, manual), -1) {
		if !names[name[1]] {
			t.Errorf("the manual speaks of the alert %s, which there is not", name[1])
		}
	}
}

// anchors are those of the headings, and of links within the manual.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return all
}

func TestTheManualsLinks(t *testing.T) {
	text := read(t, manual)
	headings := anchors(text)
	for _, m := range regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`).FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			if _, err := os.Stat(filepath.Join("../docs", m[1])); err != nil {
				t.Errorf("a link leads to %s: %v", m[1], err)
			}
		} else if !headings[m[2]] {
			t.Errorf("a link leads to #%s, which there is not", m[2])
		}
	}
}

// panel is a panel of a dashboard.
type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		Expr, RefID string
		Datasource  struct{ UID string }
	}
}

func TestTheDashboardUsesWhatThereIs(t *testing.T) {
	var d struct {
		UID, Title string
		Panels     []panel
		Templating struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/redrive.json")), &d); err != nil {
		t.Fatal(err)
	}
	_, names := loadRules(t)
	metrics := documented(t)
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if !slices.Contains(variables, "datasource") || !slices.Contains(variables, "instance") {
		t.Errorf("the dashboard has the variables %q", variables)
	}
	ids, shown := map[int]bool{}, map[string]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have id %d", p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H < 1 {
			t.Errorf("%s does not fit: %+v", p.Title, p.GridPos)
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("%s has %d queries of the source %q", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks the source %q", p.Title, q.Datasource.UID)
			}
			check(t, p.Title, q.Expr, metrics, names)
			for _, name := range used.FindAllString(q.Expr, -1) {
				shown[series.ReplaceAllString(name, "")] = true
			}
		}
	}
	overlaps(t, d.Panels)
	if len(shown) < len(metrics)/2 {
		t.Errorf("the dashboard shows %d of %d metrics: %q", len(shown), len(metrics), slices.Sorted(maps.Keys(shown)))
	}
}

func overlaps(t *testing.T, panels []panel) {
	t.Helper()
	taken := map[[2]int]string{}
	for _, p := range panels {
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}
