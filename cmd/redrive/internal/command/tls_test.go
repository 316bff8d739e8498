package command_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/serve"
	"github.com/redrive-io/redrive/pkg/serve/certtest"
)

func TestTheCommandLineReachesAServerWithTLS(t *testing.T) {
	for _, name := range []string{"REDRIVE_TOKEN", "REDRIVE_SERVER", "REDRIVE_TLS_CA"} {
		t.Setenv(name, "")
	}
	ca, other := certtest.New(t), certtest.New(t)
	cert, key := ca.Pair(t, "localhost")
	mine, myKey := ca.Pair(t)
	dir := filepath.Join(t.TempDir(), "data")
	log := &announced{text: `"msg":"serving"`, seen: make(chan struct{})}
	status := make(chan int, 1)
	go func() {
		status <- command.Main(t.Context(), "", []string{
			"serve", "--data", dir, "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--nats-addr", "127.0.0.1:0",
			"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca.CA,
		}, strings.NewReader(""), &bytes.Buffer{}, log)
	}()
	select {
	case <-log.seen:
	case got := <-status:
		t.Fatalf("serve ended with %d:\n%s", got, log.b.String())
	}
	e, err := home.Folder(dir).Endpoint()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(e.GRPC, ":")
	there := "localhost:" + port
	none := []string{"There are no such jobs."}
	present := []string{"--tls-cert", mine, "--tls-key", myKey}
	token := filepath.Join(dir, "token")
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   []string
	}{
		"on the same machine":    {append([]string{"--data", dir}, present...), command.ExitOK, none},
		"by its authority":       {append([]string{"--server", "https://" + there, "--tls-ca", ca.CA, "--token-file", token}, present...), command.ExitOK, none},
		"a CA means TLS":         {append([]string{"--server", there, "--tls-ca", ca.CA, "--token-file", token}, present...), command.ExitOK, none},
		"another authority":      {append([]string{"--server", there, "--tls-ca", other.CA, "--token-file", token}, present...), command.ExitNegative, []string{"unknown authority"}},
		"without a certificate":  {[]string{"--data", dir}, command.ExitNegative, []string{"no server at"}},
		"a certificate, no key":  {[]string{"--data", dir, "--tls-cert", mine}, command.ExitUsage, []string{"--tls-key"}},
		"in the clear":           {[]string{"--server", "http://" + there, "--token-file", token}, command.ExitNegative, []string{"no server at"}},
		"another server's token": {append([]string{"--server", there, "--tls-ca", ca.CA, "--token-file", secretFile(t, serve.NewToken(), 0o600)}, present...), command.ExitNegative, []string{"does not accept this token"}},
	} {
		t.Run(name, func(t *testing.T) {
			runHere(t, "", append(tc.args, "jobs", "list")...).check(t, tc.status, nil, tc.want)
		})
	}
	interrupt(t, syscall.SIGTERM)
	if got := <-status; got != command.ExitOK {
		t.Errorf("serve ended with %d:\n%s", got, log.b.String())
	}
}

func secretFile(t *testing.T, secret string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestServeReadsSecretsFromFilesAndTheEnvironment(t *testing.T) {
	t.Setenv("REDRIVE_TOKEN", "")
	token := secretFile(t, serve.NewToken(), 0o440) // as a process's group may read a mount
	base := []string{"serve", "configsvc", "--data", filepath.Join(t.TempDir(), "d"), "--nats", "nats://127.0.0.1:1", "--redis", "redis://127.0.0.1:1"}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "REDRIVE_TOKEN"},
		{[]string{"--token-file", secretFile(t, serve.NewToken(), 0o644)}, "chmod 600"},
		{[]string{"--token-file", token, "--nats-user", "me", "--nats-password-file", secretFile(t, "x", 0o644)}, "--nats-password-file"},
		{[]string{"--token-file", token, "--nats-user", "me"}, "set REDRIVE_NATS_PASSWORD"},
		{[]string{"--token-file", token, "--redis-password-file", token + "x"}, "--redis-password-file"},
		{[]string{"--token-file", token, "--redis-password-file", secretFile(t, "", 0o600)}, "is empty"},
		{[]string{"--token-file", token, "--nats-addr", "127.0.0.1:0"}, "--nats-addr is where this process would serve"},
		{[]string{"--token-file", token, "--peer", "recommender"}, "SERVICE=HOST:PORT"},
		{[]string{"--token-file", token, "--nats-user", "me", "--nats-creds", token, "--replica", "-"}, "2 things are wrong"},
	} {
		r := runHere(t, "", append(base, tc.args...)...)
		r.check(t, r.status, nil, []string{"error: ", tc.want})
		if r.status == command.ExitOK {
			t.Errorf("%v: the status is 0", tc.args)
		}
	}
	t.Setenv("REDRIVE_NATS_PASSWORD", "x")
	runHere(t, "", append(base, "--token-file", token, "--nats-replicas", "7")...).check(t, command.ExitUsage, nil, []string{"--nats-user: the password is there"})
}
