// Package smoke_test runs what deploy/k8s says on this machine: the processes of
// its pods with their arguments, environment, configuration files and probes.
// Only names of hosts and paths are translated. `make test-deploy` runs it.
package smoke_test

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/redrive-io/redrive/tools/deploy/certificate"
	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

const (
	root = "../../../deploy/k8s"
	// patience is how long a pod may take until it is ready, and a job until it
	// has ended.
	patience = 2 * time.Minute
)

// world is where pods run.
type world struct {
	dir, certificates   string
	redrive, natsServer string // programs
	configs             map[string]map[string]string
	secrets             map[string]string
	// names are what the cluster's DNS would answer, with the ports.
	names map[string]string
	pods  []*pod
}

// program is the path of one that make builds.
func program(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: run make test-deploy", variable)
	}
	return path
}

// secret gives every Secret a value that is made when it is first asked for.
func (w *world) secret(name, key string) string {
	at := name + "/" + key
	if w.secrets[at] == "" {
		b := make([]byte, 32)
		_, _ = rand.Read(b) // never fails
		w.secrets[at] = hex.EncodeToString(b)
	}
	return w.secrets[at]
}

// newWorld prepares the pods of an overlay, one of each workload and three of
// NATS: those that it keeps its state in come first.
func newWorld(t *testing.T, folder string) *world {
	t.Helper()
	objects, err := manifest.Render(folder)
	if err != nil {
		t.Fatal(err)
	}
	all, err := manifest.Workloads(objects)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &world{
		dir: dir, certificates: filepath.Join(dir, "certificates"),
		redrive: program(t, "REDRIVE_BINARY"), natsServer: program(t, "REDRIVE_NATS_SERVER"),
		configs: manifest.ConfigMaps(objects), secrets: map[string]string{}, names: map[string]string{},
	}
	// A network of loopback that nobody else is likely to be in.
	b := make([]byte, 2)
	_, _ = rand.Read(b) // never fails
	address := func(i int) string { return fmt.Sprintf("127.%d.%d.%d", 64+b[0]%128, b[1], 10+i) }
	replicas := map[string]int{"nats": 3}
	var first, last []func()
	var addresses []string
	for _, load := range all {
		for i := range max(1, replicas[load.Name]) {
			at := address(len(addresses))
			addresses = append(addresses, at)
			name := fmt.Sprintf("%s-%d", load.Name, i)
			w.names[name+".nats-nodes:"] = at + ":"
			for _, port := range load.Template.Spec.Containers[0].Ports {
				w.names[fmt.Sprintf("%s:%d", load.Name, port.ContainerPort)] = fmt.Sprintf("%s:%d", at, port.ContainerPort)
			}
			prepare := func() { w.pods = append(w.pods, w.newPod(t, load, name, at)) }
			if load.Template.Spec.Containers[0].Name == "redrive" {
				last = append(last, prepare)
			} else {
				first = append(first, prepare)
			}
		}
	}
	if err := certificate.Write(w.certificates, addresses...); err != nil {
		t.Fatal(err)
	}
	for _, prepare := range append(first, last...) {
		prepare()
	}
	return w
}

// probe asks a pod as the kubelet would.
func (w *world) probe(p *pod, probe *corev1.Probe) error {
	if probe.Exec != nil {
		cmd := exec.Command(probe.Exec.Command[0], probe.Exec.Command[1:]...)
		cmd.Env = p.env
		for i, a := range cmd.Args {
			// In its pod it is on loopback.
			cmd.Args[i] = strings.ReplaceAll(w.here(p, a), "redis-cli", "redis-cli -h "+p.address)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
		}
		return nil
	}
	if probe.HTTPGet == nil {
		return nil
	}
	for _, port := range p.container.Ports {
		if port.Name != probe.HTTPGet.Port.StrVal {
			continue
		}
		scheme := strings.ToLower(string(probe.HTTPGet.Scheme))
		if scheme == "" {
			scheme = "http"
		}
		client := &http.Client{
			Timeout: time.Duration(max(1, probe.TimeoutSeconds)) * time.Second,
			// The kubelet does not verify either.
			Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}},
		}
		answer, err := client.Get(fmt.Sprintf("%s://%s:%d%s", scheme, p.address, port.ContainerPort, probe.HTTPGet.Path))
		if err != nil {
			return err
		}
		said, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		// More than the kubelet asks: what is called by this pod answers as well.
		if answer.StatusCode < 200 || answer.StatusCode >= 400 || strings.Contains(string(said), "degraded") {
			return fmt.Errorf("%s answers %s: %s", probe.HTTPGet.Path, answer.Status, said)
		}
		return nil
	}
	return fmt.Errorf("there is no port %s", probe.HTTPGet.Port.StrVal)
}

// waitReady waits until the probe of the pod's start succeeds.
func (w *world) waitReady(t *testing.T, p *pod) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := w.probe(p, p.container.StartupProbe)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %v", p.name, p.err)
		case <-deadline:
			t.Fatalf("%s was not ready after %v: %v", p.name, patience, err)
		case <-tick.C:
		}
	}
}

// What the manifests say works: everything becomes ready, a job goes through the
// door and succeeds, and everything stops in order.
func TestTheManifestsServe(t *testing.T) {
	overlays, err := manifest.Overlays(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range overlays {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			w := newWorld(t, folder)
			for _, p := range w.pods {
				p.start(t)
			}
			for _, p := range w.pods {
				w.waitReady(t, p)
			}
			for _, p := range w.pods {
				for _, probe := range []*corev1.Probe{p.container.ReadinessProbe, p.container.LivenessProbe} {
					if err := w.probe(p, probe); err != nil {
						t.Errorf("%s: %v", p.name, err)
					}
				}
			}
			w.submit(t)
			for i := len(w.pods) - 1; i >= 0; i-- {
				if err := w.pods[i].stop(patience); err != nil && w.pods[i].container.Name != "nats" {
					t.Errorf("%s stopped with %v", w.pods[i].name, err)
				}
			}
		})
	}
}

// submit gives a job to the door, and waits until it has succeeded.
func (w *world) submit(t *testing.T) {
	t.Helper()
	at := slices.IndexFunc(w.pods, func(p *pod) bool { return p.labels["redrive.io/door"] == "true" })
	if at < 0 {
		t.Fatal("there is no door")
	}
	door, scheme := w.pods[at], "http"
	if door.container.ReadinessProbe.HTTPGet.Scheme == corev1.URISchemeHTTPS {
		scheme = "https"
	}
	cmd := exec.CommandContext(t.Context(), w.redrive, "submit", "--server="+scheme+"://"+door.address+":8470", "--wait", "--", "/bin/true")
	cmd.Env = []string{
		"REDRIVE_TOKEN=" + w.secret("redrive-token", "token"), "HOME=" + w.dir,
		"SSL_CERT_FILE=" + filepath.Join(w.certificates, "ca.crt"),
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SUCCEEDED") {
		t.Errorf("the job: %v\n%s", err, out)
	}
}
