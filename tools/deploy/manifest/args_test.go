package manifest_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

// binary is the redrive that was built from this tree.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("REDRIVE_BINARY")
	if path == "" {
		t.Fatal("REDRIVE_BINARY is not set: run make check-deploy")
	}
	return path
}

func dummySecret(name, key string) string { return name + "/" + key }

// parse lets the program read the arguments without doing what they say, and
// returns what it complained about.
func parse(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary(t), append(args, "--help")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return stderr.String() + err.Error()
	}
	return ""
}

// The arguments of every pod are flags and values that the program accepts.
func TestTheProgramKnowsTheArguments(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		configs := manifest.ConfigMaps(objects)
		for _, w := range workloads(t, objects) {
			c := w.Template.Spec.Containers[0]
			if c.Name != "redrive" {
				continue
			}
			env, err := manifest.Environment(c, configs, dummySecret, w.Name+"-0")
			if err != nil {
				t.Errorf("%s: %v", w.Name, err)
				continue
			}
			args := make([]string, len(c.Args))
			for i, a := range c.Args {
				if args[i], err = manifest.Expand(a, env); err != nil {
					t.Errorf("%s: %s: %v", w.Name, a, err)
				}
			}
			if complaint := parse(t, args...); complaint != "" {
				t.Errorf("%s: redrive %s: %s", w.Name, strings.Join(args, " "), complaint)
			}
		}
	})
}

// And the program complains about what it does not know.
func TestTheProgramRefusesOtherArguments(t *testing.T) {
	for _, args := range [][]string{{"serve", "--no-such-flag=1"}, {"serve", "--stop-timeout=soon"}} {
		if parse(t, args...) == "" {
			t.Errorf("redrive %s was accepted", strings.Join(args, " "))
		}
	}
}
