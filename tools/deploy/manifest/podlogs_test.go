package manifest_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

// TestOnlyTheClassifierReadsPods adds the component pod-logs to each overlay.
func TestOnlyTheClassifierReadsPods(t *testing.T) {
	tree := t.TempDir()
	if err := os.CopyFS(tree, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	for overlay, reader := range map[string]string{"single": "redrive", "distributed": "classifier", "distributed-tls": "classifier"} {
		folder := filepath.Join(tree, "overlays", "own-"+overlay)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		own := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../" + overlay + "]\ncomponents: [../../components/pod-logs]\n"
		if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		objects, err := manifest.Render(folder)
		if err != nil {
			t.Fatal(err)
		}
		workloads, err := manifest.Workloads(objects)
		if err != nil {
			t.Fatal(err)
		}
		var readers []string
		for _, w := range workloads {
			spec := w.Pod().Spec
			if spec.ServiceAccountName == "redrive-logs" && *spec.AutomountServiceAccountToken && slices.Contains(spec.Containers[0].Args, "--log-source=k8s://") {
				readers = append(readers, w.Name)
			} else if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
				t.Errorf("%s: %s gets a token", overlay, w.Name)
			}
		}
		if !slices.Equal(readers, []string{reader}) {
			t.Errorf("%s: %q read pods, want %s alone", overlay, readers, reader)
		}
	}
}
