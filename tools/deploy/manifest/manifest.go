// Package manifest renders deploy/k8s as `kubectl apply -k` does and knows what
// the pods of a rendering will run.
package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Overlays returns the folders below root, which is deploy/k8s, that a user
// applies.
func Overlays(root string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, "overlays"))
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(root, "overlays", e.Name()))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s/overlays has no folder", root)
	}
	return all, nil
}

// Render returns the objects of the overlay in folder, in the order in which
// they are applied. It reads local files alone.
func Render(folder string) ([]*unstructured.Unstructured, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", folder, err)
	}
	all := make([]*unstructured.Unstructured, 0, resources.Size())
	for _, r := range resources.Resources() {
		o := &unstructured.Unstructured{}
		data, err := r.MarshalJSON()
		if err == nil {
			err = o.UnmarshalJSON(data)
		}
		if err != nil {
			return nil, fmt.Errorf("render %s: %s: %w", folder, r.CurId(), err)
		}
		all = append(all, o)
	}
	return all, nil
}

// Workload is what makes pods.
type Workload struct {
	Kind, Name string
	Template   corev1.PodTemplateSpec
	// Volumes are the names of the volumes that each pod claims for itself.
	Volumes []string
}

// Workloads returns the Deployments and StatefulSets among the objects. A field
// that they do not have is an error.
func Workloads(objects []*unstructured.Unstructured) ([]Workload, error) {
	var all []Workload
	for _, o := range objects {
		w := Workload{Kind: o.GetKind(), Name: o.GetName()}
		switch o.GetKind() {
		case "Deployment":
			var d appsv1.Deployment
			if err := strictly(o, &d); err != nil {
				return nil, err
			}
			w.Template = d.Spec.Template
		case "StatefulSet":
			var s appsv1.StatefulSet
			if err := strictly(o, &s); err != nil {
				return nil, err
			}
			w.Template = s.Spec.Template
			for _, c := range s.Spec.VolumeClaimTemplates {
				w.Volumes = append(w.Volumes, c.Name)
			}
		default:
			continue
		}
		all = append(all, w)
	}
	return all, nil
}

// strictly converts o, and refuses what into has no field for.
func strictly(o *unstructured.Unstructured, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
		return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// Pod returns the pod that the workload's controller would make.
func (w Workload) Pod() *corev1.Pod {
	p := &corev1.Pod{Spec: *w.Template.Spec.DeepCopy()}
	p.APIVersion, p.Kind = "v1", "Pod"
	p.Name = w.Name + "-0"
	p.Labels = w.Template.Labels
	for _, name := range w.Volumes {
		claim := &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name + "-" + p.Name}
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}})
	}
	return p
}

// ConfigMap is the name of the ConfigMap behind a volume of the pods; empty where
// there is none.
func (w Workload) ConfigMap(volume string) string {
	for _, v := range w.Template.Spec.Volumes {
		if v.Name == volume && v.ConfigMap != nil {
			return v.ConfigMap.Name
		}
	}
	return ""
}

// ConfigMaps returns the data of the ConfigMaps among the objects by name.
func ConfigMaps(objects []*unstructured.Unstructured) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, o := range objects {
		if o.GetKind() == "ConfigMap" && o.GetAPIVersion() == "v1" {
			data, _, _ := unstructured.NestedStringMap(o.Object, "data") // no data is an empty map
			all[o.GetName()] = data
		}
	}
	return all
}

// Secret gives the value of a key of a Secret.
type Secret func(name, key string) string

// Environment returns the variables of a container, as the kubelet makes them.
// configs are the ConfigMaps; pod is the name of the pod.
func Environment(c corev1.Container, configs map[string]map[string]string, secret Secret, pod string) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			return nil, fmt.Errorf("container %s: envFrom knows ConfigMaps alone", c.Name)
		}
		data, found := configs[from.ConfigMapRef.Name]
		if !found {
			return nil, fmt.Errorf("container %s: there is no ConfigMap %s", c.Name, from.ConfigMapRef.Name)
		}
		for k, v := range data {
			env[from.Prefix+k] = v
		}
	}
	for _, v := range c.Env {
		switch from := v.ValueFrom; {
		case from == nil:
			value, err := Expand(v.Value, env)
			if err != nil {
				return nil, fmt.Errorf("container %s: variable %s: %w", c.Name, v.Name, err)
			}
			env[v.Name] = value
		case from.SecretKeyRef != nil:
			env[v.Name] = secret(from.SecretKeyRef.Name, from.SecretKeyRef.Key)
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.name":
			env[v.Name] = pod
		default:
			return nil, fmt.Errorf("container %s: variable %s has a source that is not known here", c.Name, v.Name)
		}
	}
	return env, nil
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// Expand replaces each $(NAME) of s by the variable. One that is not set, which
// the kubelet would leave as it stands, is an error.
func Expand(s string, env map[string]string) (string, error) {
	var missing []string
	s = reference.ReplaceAllStringFunc(s, func(m string) string {
		value, found := env[m[2:len(m)-1]]
		if !found {
			missing = append(missing, m)
		}
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("%s is not set", strings.Join(slices.Compact(missing), ", "))
	}
	return s, nil
}
