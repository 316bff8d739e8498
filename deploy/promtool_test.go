package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promtool runs promtool, whose path is in $PROMTOOL; `make check-telemetry` gets
// one.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	path := os.Getenv("PROMTOOL")
	if path == "" {
		t.Skip("PROMTOOL is not set: run `make check-telemetry`")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolTakesTheRules(t *testing.T) {
	promtool(t, "prometheus", "check", "rules", "redrive.rules.yaml")
}

func TestPromtoolTestsTheRules(t *testing.T) {
	promtool(t, "prometheus", "test", "rules", "redrive_test.yaml")
}

// TestPromtoolTakesTheDashboard makes rules of the dashboard's queries.
func TestPromtoolTakesTheDashboard(t *testing.T) {
	var d struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "grafana/redrive.json")), &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$instance", ".*")
	type rule struct{ Record, Expr string }
	type group struct {
		Name  string
		Rules []rule
	}
	var all []rule
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all = append(all, rule{fmt.Sprintf("panel%d:%s", p.ID, q.RefID), variables.Replace(q.Expr)})
		}
	}
	b, err := yaml.Marshal(map[string][]group{"groups": {{"dashboard", all}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dashboard.yaml"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "dashboard.yaml")
}
