package system_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
)

// onlyElsewhere are metrics of the manual that a system alone does not register.
var onlyElsewhere = []string{
	"redrive_trace_spans_total", // with a collector
}

// TestTheManualsTableIsTheRegistry compares what a system registers, with labels,
// with the table of docs/operations.md.
func TestTheManualsTableIsTheRegistry(t *testing.T) {
	s, err := system.Start(t.Context(), options(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	descs := make(chan *prometheus.Desc)
	go func() {
		s.Registry().Describe(descs)
		close(descs)
	}()
	// A Desc tells what it is as text alone.
	said := regexp.MustCompile(`fqName: "(redrive_[^"]+)", help: "(.*)", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	type metric struct {
		labels string
		shared bool
	}
	registered := map[string]metric{}
	for d := range descs {
		m := said.FindStringSubmatch(d.String())
		if m == nil {
			continue // of Go and the process
		}
		var labels []string
		for pair := range strings.SplitSeq(m[3], ",") {
			if name, _, ok := strings.Cut(pair, "="); ok {
				labels = append(labels, name)
			}
		}
		for name := range strings.SplitSeq(m[4], ",") {
			if name != "" {
				labels = append(labels, name)
			}
		}
		slices.Sort(labels)
		registered[m[1]] = metric{strings.Join(labels, " "), strings.Contains(m[2], "The same in every replica")}
	}
	manual, err := os.ReadFile("../../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(redrive_[a-z0-9_]+)` \\| ([a-z, ]+) \\|([a-z, ]*)\\|")
	documented := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(string(manual), -1) {
		documented[m[1]] = true
		r, there := registered[m[1]]
		if !there {
			if !slices.Contains(onlyElsewhere, m[1]) {
				t.Errorf("%s is in the manual and is not registered", m[1])
			}
			continue
		}
		labels := strings.FieldsFunc(m[3], func(c rune) bool { return c == ',' || c == ' ' })
		slices.Sort(labels)
		if got := strings.Join(labels, " "); got != r.labels {
			t.Errorf("%s has the labels %q in the manual and %q in fact", m[1], got, r.labels)
		}
		if shared := strings.HasSuffix(m[2], "shared"); shared != r.shared {
			t.Errorf("%s is shared: %v in the manual, %v in its help", m[1], shared, r.shared)
		}
	}
	for name := range registered {
		if !documented[name] {
			t.Errorf("%s is registered and not in the manual", name)
		}
	}
}
