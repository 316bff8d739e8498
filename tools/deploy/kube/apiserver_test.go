// Package kube_test asks a real Kubernetes API server what it thinks of
// deploy/k8s. `make test-k8s` runs it.
package kube_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// startPatience is how long etcd and the API server may take to be ready.
const startPatience = 2 * time.Minute

// startAPIServer starts etcd and kube-apiserver of the folder REDRIVE_KUBE on
// free ports of loopback, and stops them when the test ends. The configuration
// that it returns is that of an administrator.
func startAPIServer(t *testing.T) *rest.Config {
	t.Helper()
	bin := os.Getenv("REDRIVE_KUBE")
	if bin == "" {
		t.Fatal("REDRIVE_KUBE is not set: run make test-k8s")
	}
	dir := t.TempDir()
	ports := freePorts(t, 3)
	etcd, peers := loopback("http", ports[0]), loopback("http", ports[1])
	start(t, filepath.Join(bin, "etcd"),
		"--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)

	token := randomHex(t)
	tokens := filepath.Join(dir, "tokens.csv")
	write(t, tokens, []byte(token+",admin,admin,system:masters\n"))
	key := filepath.Join(dir, "sa.key")
	write(t, key, privateKey(t))
	server := loopback("https", ports[2])
	certs := filepath.Join(dir, "certificates")
	start(t, filepath.Join(bin, "kube-apiserver"),
		"--etcd-servers="+etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+ports[2],
		"--cert-dir="+certs, "--token-auth-file="+tokens, "--authorization-mode=RBAC",
		"--service-account-issuer="+server, "--service-account-key-file="+key, "--service-account-signing-key-file="+key,
		"--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none")

	config := &rest.Config{
		Host: server, BearerToken: token, QPS: 200, Burst: 200,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(certs, "apiserver.crt")},
	}
	waitReady(t, config)
	return config
}

// waitReady returns when the API server says that it is.
func waitReady(t *testing.T, config *rest.Config) {
	t.Helper()
	deadline := time.Now().Add(startPatience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(deadline); <-tick.C {
		transport, err := rest.TransportFor(config)
		if err != nil {
			continue // it has not made its certificate yet
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(request)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("the API server was not ready after %v", startPatience)
}

// start runs a program until the test ends; it ends with this process, too,
// whatever ends that. What it said is shown when the test fails.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended says nothing: it is told to
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			lines := strings.Split(said.String(), "\n")
			t.Logf("%s said at last:\n%s", filepath.Base(program), strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
}

func loopback(scheme, port string) string { return fmt.Sprintf("%s://127.0.0.1:%s", scheme, port) }

// freePorts returns ports of loopback that were free together.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
	}
	return ports
}

func randomHex(t *testing.T) string {
	t.Helper()
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func privateKey(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
