package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
)

func TestClassifyOneLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	const line = "java.lang.OutOfMemoryError: Java heap space\n"
	if err := os.WriteFile(file, []byte(strings.Repeat("nothing to see\n", 100_000)+line), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", "classify", file).check(t, command.ExitOK, []string{"class    memory.", "verdict  RETRY_WITH_CONFIG\n", "rule     ", "summary  "}, nil)
	r := run(t, line, "classify", "-", "-o", "json")
	var doc struct{ Class, Rule, Verdict string }
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || !strings.HasPrefix(doc.Class, "memory.") || doc.Rule == "" {
		t.Errorf("JSON (%v): %s", err, r.stdout)
	}
	run(t, "all is well\n", "classify", "-").check(t, command.ExitNegative, []string{"class    unknown\n", "verdict  UNKNOWN\n"}, nil)
	run(t, "", "classify").check(t, command.ExitUsage, nil, []string{"say which log"})
	run(t, "", "classify", "/no/such/log").check(t, command.ExitUsage, nil, []string{"/no/such/log"})
}

func TestClassifyLines(t *testing.T) {
	in := `{"id":"a","text":"java.lang.OutOfMemoryError: Java heap space"}` + "\n" + "{oops\n" + `{"id":"b","text":"all is well"}` + "\n"
	r := run(t, in, "classify", "--jsonl")
	r.check(t, command.ExitNegative, nil, []string{"error: line 2: not a JSON object"})
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], `{"id":"a","class":"memory.`) ||
		!strings.HasPrefix(lines[1], `{"id":"b","class":"unknown","rule":"","verdict":"UNKNOWN","summary":"`) {
		t.Errorf("answers:\n%s", r.stdout)
	}
	file := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(file, []byte(`{"id":1,"text":""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", "classify", "--jsonl", file).check(t, command.ExitOK, []string{`{"id":1,"class":"unknown"`}, nil)
}

func TestClassifyByOtherRules(t *testing.T) {
	pack := filepath.Join(t.TempDir(), "own.yaml")
	const doc = "pack: own\nrules:\n  - id: own-flux\n    order: 1500\n    any: ['flux (?P<what>\\S+)']\n    class: dependency.unavailable\n" +
		"    summary: \"no {what}\"\n    runbook: \"wait\"\n    sample: \"flux drive\"\n"
	if err := os.WriteFile(pack, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "flux capacitor", "classify", "-", "--rules", pack).check(t, command.ExitOK, []string{"rule     own-flux\n", "summary  no capacitor\n"}, nil)
	if err := os.WriteFile(pack, []byte("pack: own\nrulez: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "x", "classify", "-", "--rules", pack).check(t, command.ExitUsage, nil, []string{"own.yaml: rulez: is no field of a pack"})
}
