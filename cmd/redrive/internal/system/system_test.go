package system_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
	"github.com/redrive-io/redrive/services/scheduler"
)

// The test binary is the supervisor of the attempts that these tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "supervise" {
		os.Exit(scheduler.Supervise(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func options(dir string) system.Options {
	return system.Options{Data: home.Folder(dir), Version: "test", Log: slog.New(slog.DiscardHandler)}
}

func stop(t *testing.T, s *system.System) {
	t.Helper()
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestASystemStartsServesAndLeavesNothingBehind(t *testing.T) {
	dir, before := t.TempDir(), goroutines()
	o := options(dir)
	var token, password string
	for round := range 2 { // the second time on the same ports
		s, err := system.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		e := s.Endpoint()
		if found, err := home.Folder(dir).Endpoint(); err != nil || found.GRPC != e.GRPC {
			t.Errorf("the folder says %+v (%v), want %+v", found, err, e)
		}
		if code, text := get(t, "http://"+e.HTTP+"/readyz", ""); code != http.StatusOK {
			t.Errorf("readyz = %d %s", code, text)
		}
		for _, path := range []string{"/v1/jobs", "/v1/failures", "/v1/rules", "/v1/patches", "/v1/alerts"} {
			if code, text := get(t, "http://"+e.HTTP+path, s.Token()); code != http.StatusOK {
				t.Errorf("%s = %d %s", path, code, text)
			}
		}
		if code, text := get(t, "http://"+e.HTTP+"/metrics", s.Token()); code != http.StatusOK || !strings.Contains(text, `redrive_build_info{`) {
			t.Errorf("metrics = %d", code)
		}
		client := natsClient(t, dir)
		nc, err := nats.Connect(client.URL, nats.UserInfo(client.User, client.Password))
		if err != nil {
			t.Fatalf("connect to the events with %s: %v", home.Folder(dir).NATSClientFile(), err)
		}
		nc.Close()
		if round > 0 && (s.Token() != token || client.Password != password) {
			t.Error("the token or the password of the events changed with the restart")
		}
		token, password = s.Token(), client.Password
		stop(t, s)
		stop(t, s) // twice changes nothing
		if _, err := home.Folder(dir).Endpoint(); !errs.Is(err, errs.NotFound) {
			t.Errorf("Endpoint after Stop: %v, want NotFound", err)
		}
		for _, addr := range []string{e.GRPC, e.HTTP, strings.TrimPrefix(e.NATS, "nats://")} {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Fatalf("the address %s is not free after Stop: %v", addr, err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		o.GRPCAddr, o.HTTPAddr, o.NATSAddr = e.GRPC, e.HTTP, strings.TrimPrefix(e.NATS, "nats://")
	}
	for name, stack := range goroutines() {
		if _, was := before[name]; !was && strings.Contains(stack, "redrive-io/redrive") {
			t.Errorf("after Stop there is %s", stack)
		}
	}
}

// goroutines returns the stacks of all goroutines by their first words,
// "goroutine 7".
func goroutines() map[string]string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 2) // a strings.Builder takes everything
	all := map[string]string{}
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		name, _, _ := strings.Cut(stack, " [")
		all[name] = stack
	}
	return all
}

func natsClient(t *testing.T, dir string) (c system.NATSClient) {
	t.Helper()
	b, err := serve.ReadSecret(home.Folder(dir).NATSClientFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAFolderHasOneSystem(t *testing.T) {
	dir := t.TempDir()
	s, err := system.Start(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if _, err := system.Start(t.Context(), options(dir)); !errs.Is(err, errs.FailedPrecondition) {
		t.Errorf("the second Start: %v, want FailedPrecondition", err)
	}
	if _, err := redrivev1.NewSchedulerServiceClient(s.Conn()).ListJobs(t.Context(), &redrivev1.ListJobsRequest{}); err != nil {
		t.Errorf("the first system after that: %v", err)
	}
}

func TestAStartThatFailsReleasesEverything(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("no_such_key: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nothing is left to lose
	for name, tc := range map[string]struct {
		change func(*system.Options)
		want   errs.Kind
		text   string
	}{
		"retry policy":  {func(o *system.Options) { o.RetryPolicy = bad }, errs.Invalid, "no_such_key"},
		"alert policy":  {func(o *system.Options) { o.AlertPolicy = bad }, errs.Invalid, "no_such_key"},
		"cost policy":   {func(o *system.Options) { o.CostPolicy = bad }, errs.Invalid, "line 1: field no_such_key not found"},
		"no such file":  {func(o *system.Options) { o.CostPolicy = bad + "x" }, errs.Invalid, "bad.yamlx"},
		"short token":   {func(o *system.Options) { o.Token = "secret" }, errs.Invalid, "at least 32"},
		"open address":  {func(o *system.Options) { o.NATSAddr = "0.0.0.0:0" }, errs.Invalid, "--insecure-listen"},
		"taken address": {func(o *system.Options) { o.HTTPAddr = taken.Addr().String() }, errs.FailedPrecondition, "--http-addr"},
		"taken events":  {func(o *system.Options) { o.NATSAddr = taken.Addr().String() }, errs.Unavailable, taken.Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(dir)
			tc.change(&o)
			_, err := system.Start(t.Context(), o)
			if !errs.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("Start = %v (%v), want kind %v and %q", err, errs.KindOf(err), tc.want, tc.text)
			}
		})
	}
	s, err := system.Start(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("a good Start after that: %v", err)
	}
	stop(t, s)
}

func TestATokenThatIsGivenIsTheOneThatIsFound(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Token = serve.NewToken()
	s, err := system.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if found, err := home.Folder(dir).Token(); err != nil || found != o.Token {
		t.Errorf("the folder's token is %q (%v), want the given one", found, err)
	}
}
