package rules_test

import (
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/rules"
)

type pack struct {
	Pack  string
	Rules []struct {
		ID, Class, Summary, Runbook, Sample string
		Order                               int
		Facts                               map[string]any
	}
}

// loadPacks reads the packs plainly; the engine's own tests load them strictly
// and try every sample and near miss.
func loadPacks(t *testing.T) map[string]pack {
	t.Helper()
	names, err := fs.Glob(rules.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	packs := map[string]pack{}
	for _, name := range names {
		data, err := fs.ReadFile(rules.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		var p pack
		if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		packs[name] = p
	}
	return packs
}

func TestPacksAreWhole(t *testing.T) {
	id := regexp.MustCompile(`^[a-z][a-z0-9-]{2,62}$`)
	owner, place := map[string]string{}, map[int]string{}
	for name, p := range loadPacks(t) {
		if got, want := p.Pack, strings.TrimSuffix(name, path.Ext(name)); got != want {
			t.Errorf("%s: pack is %q, want the file's name %q", name, got, want)
		}
		for _, r := range p.Rules {
			if !id.MatchString(r.ID) {
				t.Errorf("%s: the id %q is not of [a-z0-9-]", name, r.ID)
			}
			if other := owner[r.ID]; other != "" {
				t.Errorf("%s: %s is in %s too", name, r.ID, other)
			}
			owner[r.ID] = name
			if other := place[r.Order]; other != "" {
				t.Errorf("%s: %s has the order %d of %s: which one wins would hang on their names", name, r.ID, r.Order, other)
			}
			place[r.Order] = r.ID
			if r.Order < 1000 || r.Order > 9999 {
				t.Errorf("%s: %s has order %d, want 1000 to 9999", name, r.ID, r.Order)
			}
			if _, ok := failure.MeaningOf(failure.Class(r.Class)); !ok || r.Class == string(failure.Unknown) {
				t.Errorf("%s: %s has class %q, want a cause of the taxonomy", name, r.ID, r.Class)
			}
			for field, text := range map[string]string{"summary": r.Summary, "runbook": r.Runbook, "sample": r.Sample} {
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s: %s has no %s", name, r.ID, field)
				}
			}
		}
	}
}

func TestEveryClassHasARule(t *testing.T) {
	count := map[failure.Class]int{}
	for _, p := range loadPacks(t) {
		for _, r := range p.Rules {
			count[failure.Class(r.Class)]++
		}
	}
	for _, class := range failure.Classes() {
		if class != failure.Unknown && count[class] == 0 {
			t.Errorf("no rule says %s", class)
		}
	}
}

// A lost process and a bare exit code prove nothing, so no rule may rest on
// them; a kill at the limit of memory proves something.
func TestNoRuleRestsOnWhatProvesNothing(t *testing.T) {
	for name, p := range loadPacks(t) {
		for _, r := range p.Rules {
			for fact, value := range r.Facts {
				values, _ := value.([]any)
				for _, v := range values {
					if v == failure.Lost.String() || v == failure.Signaled.String() {
						t.Errorf("%s: %s rests on the termination reason %v", name, r.ID, v)
					}
					if r.Facts["peak_percent"] == nil && (fact == "exit_codes" && (v == 137 || v == 1) || fact == "signals" && v == 9) {
						t.Errorf("%s: %s rests on %s %v", name, r.ID, fact, v)
					}
				}
			}
		}
	}
}
