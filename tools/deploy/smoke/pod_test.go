package smoke_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/redrive-io/redrive/tools/deploy/manifest"
)

// pod is one that runs here: its container is a process with the arguments, the
// environment and the files that the manifests give it, on an address of
// loopback that is its own.
type pod struct {
	name, address string
	labels        map[string]string
	container     corev1.Container
	env           []string
	files         map[string]string // where the folders of the container are here
	cmd           *exec.Cmd
	said          output
	ended         chan struct{}
	err           error // of cmd, when ended
}

// output keeps what a process says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// newPod prepares a pod of a workload: its folders, and what is in them.
func (w *world) newPod(t *testing.T, load manifest.Workload, name, address string) *pod {
	t.Helper()
	p := &pod{name: name, address: address, labels: load.Template.Labels, container: load.Template.Spec.Containers[0], files: map[string]string{}, ended: make(chan struct{})}
	env, err := manifest.Environment(p.container, w.configs, w.secret, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.container.VolumeMounts {
		dir := filepath.Join(w.dir, name, m.Name)
		if m.Name == "tls" {
			dir = w.certificates
		} else if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		p.files[m.MountPath] = dir
	}
	for volume, dir := range volumesOf(p.container, p.files) {
		for file, text := range w.configs[load.ConfigMap(volume)] {
			if file == "redis.conf" {
				text += "bind 0.0.0.0\n" // the pod's address, and not all of this machine's
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(w.here(p, text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		p.env = append(p.env, k+"="+w.here(p, env[k]))
	}
	p.env = append(p.env, "PATH="+os.Getenv("PATH"))
	argv := slices.Concat(p.container.Command, p.container.Args)
	for i := range argv {
		if argv[i], err = manifest.Expand(argv[i], env); err != nil {
			t.Fatal(err)
		}
		argv[i] = w.here(p, argv[i])
	}
	switch {
	case len(p.container.Command) == 0:
		argv = append([]string{w.redrive}, argv...)
	case argv[0] == "/nats-server":
		argv[0] = w.natsServer
	}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, &p.said, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with this process
	return p
}

// volumesOf are the folders of the container's volumes by their names.
func volumesOf(c corev1.Container, files map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range c.VolumeMounts {
		all[m.Name] = files[m.MountPath]
	}
	return all
}

// here translates what is said of the cluster into what is so on this machine.
func (w *world) here(p *pod, s string) string {
	var pairs []string
	for name, at := range w.names {
		pairs = append(pairs, name, at)
	}
	// Longer paths first: one may be the beginning of another.
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(p.files))) {
		pairs = append(pairs, path, p.files[path])
	}
	return strings.NewReplacer(append(pairs, "0.0.0.0", p.address)...).Replace(s)
}

// start starts the pod; when the test ends, it ends.
func (p *pod) start(t *testing.T) {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		select {
		case <-p.ended:
		default:
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
		if t.Failed() {
			lines := strings.Split(strings.TrimSpace(p.said.String()), "\n")
			t.Logf("%s, with %v, said at last:\n%s", p.name, p.cmd.Args, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
}

// stop is what the kubelet does to a pod: SIGTERM, and an orderly end in time.
func (p *pod) stop(grace time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(grace):
		return fmt.Errorf("it did not stop in %v", grace)
	}
}
