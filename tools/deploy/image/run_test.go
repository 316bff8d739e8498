package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/redrive-io/redrive/tools/deploy/image"
)

// patience is how long a start, a job or a stop may take.
const patience = time.Minute

// unpack unpacks the archive's image of this machine's architecture.
func unpack(t *testing.T) *box {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can make a container without a runtime")
	}
	// The index goes through the archive: what is run is what is shipped.
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := image.WriteArchive(archive, "redrive:v0", build(t, binaries(t))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	top, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; got != "redrive:v0" {
		t.Errorf("the archive's image is called %q", got)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	all, config := files(t, index, runtime.GOARCH)
	b := &box{root: t.TempDir(), data: t.TempDir(), config: config}
	// The user of the image has to pass through.
	for _, dir := range []string{b.root, filepath.Dir(b.root), b.data} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range all {
		b.put(t, name, f)
	}
	makeMountPoints(t, b.root)
	if err := os.Chown(b.data, image.User, image.User); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *box) put(t *testing.T, name string, f file) {
	t.Helper()
	path := filepath.Join(b.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.header.FileInfo().IsDir() {
		err = os.MkdirAll(path, 0o755)
	} else {
		err = os.WriteFile(path, f.data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	mode := f.header.FileInfo().Mode()
	if err := os.Chmod(path, mode&(fs.ModePerm|fs.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, f.header.Uid, f.header.Gid); err != nil {
		t.Fatal(err)
	}
}

// must runs the program to its end.
func (b *box) must(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := b.command(ctx, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("redrive %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The image runs: it says its version, serves as nobody on a read-only root,
// runs a job, and stops in order as process 1.
func TestItRuns(t *testing.T) {
	b := unpack(t)
	if out := b.must(t, "version"); !strings.Contains(out, "linux/"+runtime.GOARCH) {
		t.Errorf("redrive version says %q", out)
	}

	serve := b.command(t.Context(), append(b.config.Cmd, "--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--nats-addr=127.0.0.1:0")...)
	var log bytes.Buffer
	serve.Stderr = &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			_ = serve.Process.Kill() // takes the container with it
			t.Logf("the server's log:\n%s", log.String())
		}
	})
	b.waitReady(t, ended)
	checkProcess(t, serve.Process.Pid)

	// The only program of the image is the job.
	if out := b.must(t, "submit", "--data=/data", "--wait", "--", "/redrive", "version"); !strings.Contains(out, "SUCCEEDED") {
		t.Errorf("the job ended as %q", out)
	}

	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it stopped with %v", err)
		}
	case <-time.After(patience):
		t.Error("it did not stop in time")
	}
}

// Beside /data and /tmp it can write nowhere: the container above is a real one.
func TestTheRootIsReadOnly(t *testing.T) {
	b := unpack(t)
	out, err := b.command(t.Context(), "serve", "--data=/elsewhere").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "read-only") {
		t.Errorf("got %v: %s", err, out)
	}
}

// waitReady returns when the server answers that it is ready.
func (b *box) waitReady(t *testing.T, ended <-chan error) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-deadline:
			t.Fatal("it was not ready in time")
		case <-tick.C:
		}
		var at struct{ HTTP string }
		data, err := os.ReadFile(filepath.Join(b.data, "endpoint.json"))
		if err != nil || json.Unmarshal(data, &at) != nil {
			continue // not yet
		}
		answer, err := http.Get("http://" + at.HTTP + "/readyz")
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
}

// checkProcess looks at who the container's first process is.
func checkProcess(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "NSpid:\t" + strconv.Itoa(pid) + "\t1"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("the server's process has not %q:\n%s", want, status)
		}
	}
}
