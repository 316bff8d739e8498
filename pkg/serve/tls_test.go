package serve_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/pkg/serve/certtest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

var silent = slog.New(slog.DiscardHandler)

// secured serves with the certificate of f, asking for f.CA's.
func secured(t *testing.T, f serve.TLSFiles, log *slog.Logger) *serve.Server {
	t.Helper()
	c, err := serve.ServerTLS("tls", f, log)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(serve.Options{Token: token, TLS: c, Log: silent, REST: []serve.Gateway{redrivev1.RegisterSchedulerServiceHandler}})
	if err != nil {
		t.Fatal(err)
	}
	redrivev1.RegisterSchedulerServiceServer(s, &scheduler{})
	s.Start()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func clientTLS(t *testing.T, f serve.TLSFiles) *tls.Config {
	t.Helper()
	c, err := serve.ClientTLS("tls", f, silent)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// getJob calls s by gRPC.
func getJob(t *testing.T, s *serve.Server, c *tls.Config) error {
	t.Helper()
	conn, err := serve.Dial(s.GRPCAddr(), token, credentials.NewTLS(c))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is left to lose
	_, err = redrivev1.NewSchedulerServiceClient(conn).GetJob(t.Context(), &redrivev1.GetJobRequest{})
	return err
}

// getHTTP returns the status of a GET.
func getHTTP(t *testing.T, s *serve.Server, path string, c *tls.Config) (int, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c.Clone()}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.HTTPAddr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestBothListenersEncrypt(t *testing.T) {
	ca, other := certtest.New(t), certtest.New(t)
	cert, key := ca.Pair(t, "127.0.0.1")
	s := secured(t, serve.TLSFiles{Cert: cert, Key: key}, silent)
	good := clientTLS(t, serve.TLSFiles{CA: ca.CA})
	if err := getJob(t, s, good); err != nil {
		t.Errorf("GetJob: %v", err)
	}
	if code, err := getHTTP(t, s, "/v1/jobs", good); code != http.StatusOK {
		t.Errorf("REST = %d, %v", code, err)
	}
	p := dialPeer(t, serve.PeerOptions{Addrs: []string{s.GRPCAddr()}, TLS: good})
	if _, err := redrivev1.NewSchedulerServiceClient(p.Conn()).GetJob(t.Context(), &redrivev1.GetJobRequest{}); err != nil {
		t.Errorf("a peer's call: %v", err)
	}
	bad := clientTLS(t, serve.TLSFiles{CA: other.CA})
	if err := getJob(t, s, bad); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("GetJob by another authority: %v, want a refusal", err)
	}
	pinned := clientTLS(t, serve.TLSFiles{})
	if err := serve.Pin(pinned, cert); err != nil {
		t.Fatal(err)
	}
	if err := getJob(t, s, pinned); err != nil {
		t.Errorf("GetJob by the very certificate: %v", err)
	}
	wrong, _ := ca.Pair(t, "127.0.0.1")
	if err := serve.Pin(pinned, wrong); err != nil {
		t.Fatal(err)
	}
	if err := getJob(t, s, pinned); err == nil {
		t.Error("GetJob succeeds although the server's certificate is another one")
	}
}

func TestCallersMustPresentACertificateWhereItIsAskedFor(t *testing.T) {
	ca, clients := certtest.New(t), certtest.New(t)
	cert, key := ca.Pair(t, "127.0.0.1")
	s := secured(t, serve.TLSFiles{Cert: cert, Key: key, CA: clients.CA}, silent)
	mine, myKey := clients.Pair(t)
	good, bare := clientTLS(t, serve.TLSFiles{CA: ca.CA, Cert: mine, Key: myKey}), clientTLS(t, serve.TLSFiles{CA: ca.CA})
	if err := getJob(t, s, good); err != nil {
		t.Errorf("GetJob with a certificate: %v", err)
	}
	if err := getJob(t, s, bare); err == nil {
		t.Error("GetJob succeeds without a certificate")
	}
	for _, tc := range []struct {
		path string
		c    *tls.Config
		want int
	}{
		{"/v1/jobs", good, http.StatusOK},
		{"/v1/jobs", bare, http.StatusForbidden},
		{"/metrics", bare, http.StatusForbidden},
		{"/healthz", bare, http.StatusOK},
		{"/readyz", bare, http.StatusOK},
	} {
		if code, err := getHTTP(t, s, tc.path, tc.c); code != tc.want {
			t.Errorf("GET %s = %d (%v), want %d", tc.path, code, err, tc.want)
		}
	}
}

func TestARenewedCertificateIsUsed(t *testing.T) {
	ca, next := certtest.New(t), certtest.New(t)
	cert, key := ca.Pair(t, "127.0.0.1")
	log := &syncBuffer{}
	s := secured(t, serve.TLSFiles{Cert: cert, Key: key}, slog.New(slog.NewTextHandler(log, nil)))
	if err := os.WriteFile(cert, []byte("half of a fi"), 0o600); err != nil { // as if the copy were under way
		t.Fatal(err)
	}
	for !strings.Contains(log.String(), "the earlier one stays") {
		if err := getJob(t, s, clientTLS(t, serve.TLSFiles{CA: ca.CA})); err != nil {
			t.Fatalf("while the files are not whole: %v", err)
		}
	}
	next.Renew(t, cert, key, "127.0.0.1")
	newer := clientTLS(t, serve.TLSFiles{CA: next.CA})
	for end := time.Now().Add(20 * time.Second); ; {
		err := getJob(t, s, newer)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the renewed certificate is not used: %v", err)
		}
	}
}

func TestTLSFilesSayWhatIsWrong(t *testing.T) {
	ca := certtest.New(t)
	cert, key := ca.Pair(t, "127.0.0.1")
	_, otherKey := ca.Pair(t, "127.0.0.1")
	open := filepath.Join(t.TempDir(), "open.pem")
	text, err := os.ReadFile(key)
	if err == nil {
		err = errors.Join(os.WriteFile(open, text, 0o600), os.Chmod(open, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		f    serve.TLSFiles
		want []string
	}{
		"no key":            {serve.TLSFiles{Cert: cert}, []string{"--nats-key"}},
		"no such key":       {serve.TLSFiles{Cert: cert, Key: key + "x"}, []string{"--nats-key", "there is no"}},
		"another's key":     {serve.TLSFiles{Cert: cert, Key: otherKey}, []string{"--nats-cert", "does not match"}},
		"a key open to all": {serve.TLSFiles{Cert: cert, Key: open}, []string{"--nats-key", "chmod 600"}},
		"a key as CA":       {serve.TLSFiles{CA: key}, []string{"--nats-ca", "no certificate"}},
		"no such CA":        {serve.TLSFiles{CA: cert + "x"}, []string{"--nats-ca", "no such file"}},
		"no certificate":    {serve.TLSFiles{Key: key}, []string{"--nats-cert"}},
	} {
		_, err := serve.ClientTLS("nats", tc.f, silent)
		for _, want := range tc.want {
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}
