package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

// root is deploy/k8s.
const root = "../../../deploy/k8s"

// eachOverlay runs f for what a user may apply.
func eachOverlay(t *testing.T, f func(t *testing.T, objects []*unstructured.Unstructured)) {
	t.Helper()
	overlays, err := manifest.Overlays(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range overlays {
		t.Run(filepath.Base(o), func(t *testing.T) {
			objects, err := manifest.Render(o)
			if err != nil {
				t.Fatal(err)
			}
			f(t, objects)
		})
	}
}

func workloads(t *testing.T, objects []*unstructured.Unstructured) []manifest.Workload {
	t.Helper()
	all, err := manifest.Workloads(objects)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there is no workload")
	}
	return all
}

func TestNoSecretIsInTheTree(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		for _, o := range objects {
			if o.GetKind() == "Secret" {
				t.Errorf("Secret %s is rendered: refer to one that the user makes", o.GetName())
			}
		}
	})
}

// What is named by another object is there, but for Secrets.
func TestReferencesLeadSomewhere(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		has := map[string]bool{}
		for _, o := range objects {
			has[o.GetKind()+" "+o.GetName()] = true
		}
		need := func(who, what string) {
			if !has[what] {
				t.Errorf("%s refers to %s, which is not rendered", who, what)
			}
		}
		for _, w := range workloads(t, objects) {
			spec := w.Template.Spec
			need(w.Name, "ServiceAccount "+spec.ServiceAccountName)
			mounts := map[string]bool{}
			for _, v := range w.Pod().Spec.Volumes {
				mounts[v.Name] = true
				if v.ConfigMap != nil {
					need(w.Name, "ConfigMap "+v.ConfigMap.Name)
				}
			}
			for _, c := range spec.Containers {
				for _, m := range c.VolumeMounts {
					if !mounts[m.Name] {
						t.Errorf("%s mounts %s, which is no volume", w.Name, m.Name)
					}
				}
			}
		}
		for _, o := range objects {
			switch o.GetKind() {
			case "StatefulSet":
				name, _, _ := unstructured.NestedString(o.Object, "spec", "serviceName")
				need(o.GetName(), "Service "+name)
			case "HorizontalPodAutoscaler":
				kind, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "kind")
				name, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
				need(o.GetName(), kind+" "+name)
				if replicas, _, _ := unstructured.NestedFieldNoCopy(find(objects, kind, name).Object, "spec", "replicas"); replicas != nil {
					t.Errorf("%s %s has replicas and an autoscaler: each apply would undo what the autoscaler did", kind, name)
				}
			}
		}
	})
}

func find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	return &unstructured.Unstructured{}
}

// A Service, a NetworkPolicy or a PodDisruptionBudget that selects no pod does
// nothing, and says nothing.
func TestSelectorsSelectPods(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		all := workloads(t, objects)
		selects := func(labels map[string]string) (pods []manifest.Workload) {
			for _, w := range all {
				ok := true
				for k, v := range labels {
					ok = ok && w.Template.Labels[k] == v
				}
				if ok {
					pods = append(pods, w)
				}
			}
			return pods
		}
		path := map[string][]string{
			"Service":             {"spec", "selector"},
			"PodDisruptionBudget": {"spec", "selector", "matchLabels"},
			"NetworkPolicy":       {"spec", "podSelector", "matchLabels"},
		}
		for _, o := range objects {
			at, known := path[o.GetKind()]
			if !known {
				continue
			}
			labels, _, _ := unstructured.NestedStringMap(o.Object, at...)
			pods := selects(labels)
			if len(pods) == 0 {
				t.Errorf("%s %s selects no pod: %v", o.GetKind(), o.GetName(), labels)
			}
			if o.GetKind() == "PodDisruptionBudget" && len(pods) > 1 {
				t.Errorf("PodDisruptionBudget %s is about more than one workload", o.GetName())
			}
			if o.GetKind() == "Service" {
				checkTargets(t, o, pods)
			}
		}
	})
}

// checkTargets checks that the pods have the ports that the Service sends to.
func checkTargets(t *testing.T, service *unstructured.Unstructured, pods []manifest.Workload) {
	t.Helper()
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, p := range ports {
		target, _ := p.(map[string]any)["targetPort"].(string)
		for _, w := range pods {
			found := false
			for _, c := range w.Template.Spec.Containers {
				for _, have := range c.Ports {
					found = found || have.Name == target
				}
			}
			if !found {
				t.Errorf("Service %s sends to port %q, which %s does not have", service.GetName(), target, w.Name)
			}
		}
	}
}

// Every image has a tag that is not moved: only our own, which is built with the
// tree, is set by who applies it.
func TestImagesArePinned(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		for _, w := range workloads(t, objects) {
			for _, c := range w.Template.Spec.Containers {
				name, tag, _ := strings.Cut(c.Image, ":")
				if name != "redrive" && (tag == "" || tag == "latest" || strings.Count(tag, ".") < 2) {
					t.Errorf("%s: image %s is not pinned", w.Name, c.Image)
				}
			}
		}
	})
}

// What the API server does not ask for, and we do.
func TestPodsAreComplete(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []*unstructured.Unstructured) {
		for _, w := range workloads(t, objects) {
			spec := w.Template.Spec
			if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
				t.Errorf("%s gets a token of the API server", w.Name)
			}
			for _, label := range []string{"name", "component", "instance", "part-of"} {
				if w.Template.Labels["app.kubernetes.io/"+label] == "" {
					t.Errorf("%s has no label app.kubernetes.io/%s", w.Name, label)
				}
			}
			if len(spec.Containers) != 1 {
				t.Fatalf("%s has %d containers, and the patches are written for one", w.Name, len(spec.Containers))
			}
			c := spec.Containers[0]
			if c.StartupProbe == nil || c.ReadinessProbe == nil || c.LivenessProbe == nil {
				t.Errorf("%s lacks a probe", w.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s lacks requests of CPU and memory or a limit of memory", w.Name)
			}
			if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("%s can write to its root", w.Name)
			}
			if len(spec.TopologySpreadConstraints) == 0 && w.Name != "redis" {
				t.Errorf("%s is not spread", w.Name)
			}
		}
	})
}

// A rendering that cannot be is refused: the checks above are not of nothing.
func TestRenderRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"a file that is not there":  "resources: [nothing.yaml]",
		"a field that is not there": "resourcez: []",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(file+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := manifest.Render(dir); err == nil {
				t.Error("it was rendered")
			}
		})
	}
}

func TestWorkloadsRefuseUnknownFields(t *testing.T) {
	objects, err := manifest.Render(filepath.Join(root, "overlays", "single"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetKind() == "StatefulSet" {
			_ = unstructured.SetNestedField(o.Object, int64(1), "spec", "replicaz")
		}
	}
	if _, err := manifest.Workloads(objects); err == nil || !strings.Contains(err.Error(), "replicaz") {
		t.Errorf("got %v, want a complaint about replicaz", err)
	}
}
