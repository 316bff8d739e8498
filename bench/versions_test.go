package main

import (
	"os"
	"regexp"
	"testing"
)

// What Redrive embeds is compared with itself, used bare: it must be the same.
func TestVersionsAreThoseOfRedrive(t *testing.T) {
	ours, theirs := required(t, "go.mod"), required(t, "../go.mod")
	for _, module := range []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go"} {
		if ours[module] == "" || ours[module] != theirs[module] {
			t.Errorf("%s is %q here and %q in Redrive: GOWORK=off go get %[1]s@%[3]s", module, ours[module], theirs[module])
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^\s+(\S+) (v\S+)`)

func required(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range requirement.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = m[2]
	}
	return all
}
