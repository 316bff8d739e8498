package classifier

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// sections reads a file of texts, each after a line "--- name".
func sections(t *testing.T, path string) (names, texts []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "--- "); ok {
			names, texts = append(names, name), append(texts, "")
			continue
		}
		texts[len(texts)-1] += lines.Text() + "\n"
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return names, texts
}

// What logs say without anything being wrong, and what proves no cause, must
// not be classified: start-up flags, configuration, quoted SQL, DEBUG lines,
// failures that came right.
func TestNothingIsMadeOfOrdinaryLogs(t *testing.T) {
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	names, texts := sections(t, "testdata/nothing.txt")
	if len(names) < 60 {
		t.Errorf("%d texts, want at least 60", len(names))
	}
	for i, text := range texts {
		if r := o.Classify("", text); r.Rule != "" {
			t.Errorf("%s: class %s by %s: %s", names[i], r.Class, r.Rule, r.Summary)
		}
	}
}

// Where a log has several failures, the one that the others follow from counts.
// A section's name begins with its class.
func TestTheRootCauseIsFound(t *testing.T) {
	o, err := NewOffline()
	if err != nil {
		t.Fatal(err)
	}
	names, texts := sections(t, "testdata/causes.txt")
	if len(names) < 40 {
		t.Errorf("%d texts, want at least 40", len(names))
	}
	for i, text := range texts {
		want, story, _ := strings.Cut(names[i], ": ")
		if r := o.Classify("", text); r.Class != want {
			t.Errorf("%s: class %s by %q (%s), want %s", story, r.Class, r.Rule, r.Summary, want)
		}
	}
}
