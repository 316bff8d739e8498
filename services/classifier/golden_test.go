package classifier

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/finalize"
	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

// Each log in testdata/golden begins with what is to be said of it: its class,
// and a part of the decisive line or of the summary. Those that begin with
// "spark-" are of real applications on Spark 3.5, shortened, but for
// spark-executor-heap.log.
func TestGoldenLogs(t *testing.T) {
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("testdata/golden/*.log")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d logs, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, log := map[string]string{}, string(data)
			for strings.HasPrefix(log, "# ") {
				var head string
				head, log, _ = strings.Cut(log, "\n")
				key, value, _ := strings.Cut(strings.TrimPrefix(head, "# "), ": ")
				want[key] = value
			}
			in := rule.NewInput(collect.Text(log), "")
			matches := o.set.Match(in)
			got := finalize.Finalize(matches, in)
			if string(got.Class) != want["class"] || !strings.Contains(got.Summary, want["summary"]) {
				t.Errorf("class %s by %q, summary %q, want %v", got.Class, got.Rule, got.Summary, want)
			}
			if line := want["line"]; line != "" {
				for _, m := range matches {
					if m.Rule == got.Rule && !strings.Contains(m.Text, line) {
						t.Errorf("decided by %q, want %q", m.Text, line)
					}
				}
			}
			if strings.Contains(strings.Join(got.Excerpt, "\n"), "hunter2") {
				t.Error("the excerpt has a secret")
			}
			if off := o.Classify("x", log); off.Class != string(got.Class) || off.Summary != got.Summary {
				t.Errorf("Classify = %+v, want the same", off)
			}
		})
	}
}

// Masking secrets must not hide from a rule what it looks for.
func TestSamplesAreStillWonWithTheirSecretsMasked(t *testing.T) {
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.set.Rules() {
		if c.Rule.Sample == "" {
			continue
		}
		in := c.Rule.SampleInput()
		in.Texts[0].Text = collect.Text(c.Rule.Sample).Logs[0].Head
		if got := finalize.Finalize(o.set.Match(in), in); got.Class != c.Rule.Class {
			t.Errorf("%s: class %s, want %s, of %q", c.Rule.ID, got.Class, c.Rule.Class, in.Texts[0].Text)
		}
	}
}
