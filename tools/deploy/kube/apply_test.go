package kube_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

const root = "../../../deploy/k8s"

// cluster is an API server and what asks it.
type cluster struct {
	dynamic dynamic.Interface
	typed   kubernetes.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

func newCluster(t *testing.T, config *rest.Config) *cluster {
	t.Helper()
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{dynamic: dyn, typed: typed, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}
}

// namespace makes one that accepts only pods of the level restricted.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := c.typed.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// apply is `kubectl apply --server-side --validate=strict`.
func (c *cluster) apply(t *testing.T, namespace string, o *unstructured.Unstructured) error {
	t.Helper()
	mapping, err := c.mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
	if err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	force := true
	_, err = c.dynamic.Resource(mapping.Resource).Namespace(namespace).Patch(t.Context(), o.GetName(), types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: "redrive-test", FieldValidation: metav1.FieldValidationStrict, Force: &force})
	return err
}

// judgePod asks what becomes of a pod: with PodSecurity, which judges pods and
// not what makes them.
func (c *cluster) judgePod(t *testing.T, namespace string, pod *corev1.Pod) error {
	t.Helper()
	_, err := c.typed.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	return err
}

// The API server takes every overlay, into a namespace that accepts only
// restricted pods, twice, and refuses what is broken.
func TestTheAPIServerTakesTheManifests(t *testing.T) {
	c := newCluster(t, startAPIServer(t))
	overlays, err := manifest.Overlays(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range overlays {
		name := filepath.Base(folder)
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Render(folder)
			if err != nil {
				t.Fatal(err)
			}
			c.namespace(t, name)
			for range 2 { // a second time changes nothing and is no error
				for _, o := range objects {
					if err := c.apply(t, name, o); err != nil {
						t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
					}
				}
			}
			all, err := manifest.Workloads(objects)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range all {
				if err := c.judgePod(t, name, w.Pod()); err != nil {
					t.Errorf("the pods of %s: %v", w.Name, err)
				}
			}
			t.Logf("%d objects applied, pods of %d workloads accepted", len(objects), len(all))
		})
	}
	t.Run("refusals", func(t *testing.T) { c.refuses(t) })
}

// refuses shows that the judgements above can be bad ones.
func (c *cluster) refuses(t *testing.T) {
	c.namespace(t, "refusals")
	objects, err := manifest.Render(filepath.Join(root, "overlays", "distributed"))
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range []struct {
		name, kind, want string
		breaks           func(o map[string]any) error
	}{
		{"a field that is not there", "Deployment", "replicaz", func(o map[string]any) error {
			return unstructured.SetNestedField(o, int64(1), "spec", "replicaz")
		}},
		{"a selector of other pods", "Deployment", "selector", func(o map[string]any) error {
			return unstructured.SetNestedField(o, "other", "spec", "selector", "matchLabels", "app.kubernetes.io/name")
		}},
		{"a value that cannot be", "PodDisruptionBudget", "maxUnavailable", func(o map[string]any) error {
			return unstructured.SetNestedField(o, "many", "spec", "maxUnavailable")
		}},
		{"a port that cannot be", "Service", "ports", func(o map[string]any) error {
			return unstructured.SetNestedSlice(o, []any{map[string]any{"name": "grpc", "port": int64(70000)}}, "spec", "ports")
		}},
	} {
		t.Run(broken.name, func(t *testing.T) {
			for _, o := range objects {
				if o.GetKind() != broken.kind {
					continue
				}
				o = o.DeepCopy()
				if err := broken.breaks(o.Object); err != nil {
					t.Fatal(err)
				}
				if err := c.apply(t, "refusals", o); err == nil || !strings.Contains(err.Error(), broken.want) {
					t.Errorf("got %v, want a refusal that says %q", err, broken.want)
				}
				return
			}
			t.Fatalf("there is no %s", broken.kind)
		})
	}
	t.Run("a pod that may become root", func(t *testing.T) {
		for _, o := range objects {
			if o.GetKind() == "ServiceAccount" {
				if err := c.apply(t, "refusals", o); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err := manifest.Workloads(objects)
		if err != nil {
			t.Fatal(err)
		}
		pod := all[0].Pod()
		yes := true
		pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = &yes
		if err := c.judgePod(t, "refusals", pod); err == nil || !strings.Contains(err.Error(), "PodSecurity") {
			t.Errorf("got %v, want a refusal by PodSecurity", err)
		}
	})
}
