package system_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/docstore/redisstore/redistest"
	"github.com/redrive-io/redrive/pkg/serve/certtest"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// failed is an attempt that ended for want of memory, of another scheduler.
func failed(t *testing.T, job string) *redrivev1.ReportFailureRequest {
	t.Helper()
	config, err := structpb.NewStruct(map[string]any{"memory_mb": 256.0})
	if err != nil {
		t.Fatal(err)
	}
	return &redrivev1.ReportFailureRequest{
		Attempt: &redrivev1.AttemptRef{Source: "acme", Job: job, Attempt: 1},
		Type:    &redrivev1.JobType{Workflow: "acme", Step: "nightly", Engine: "process"}, Config: config,
		Evidence: &redrivev1.Evidence{
			TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_OUT_OF_MEMORY, TerminationProof: "oom_kill 1",
			Signal: 9, MemoryLimitBytes: 256 << 20,
		},
	}
}

// heals reports a failure and looks for what has to come of it.
func (p *place) heals(door *system.System, job string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	conn := p.dial(door.Endpoint().GRPC)
	report := failed(p.t, job)
	res, err := redrivev1.NewSchedulerServiceClient(conn).ReportFailure(ctx, report)
	if err != nil {
		p.t.Fatalf("ReportFailure: %v", err)
	}
	if d := res.GetDecision(); d.GetAction() != redrivev1.Decision_ACTION_RETRY_WITH_CONFIG {
		p.t.Errorf("the decision on %s is %v: %s", job, d.GetAction(), d.GetReason())
	}
	resolved, err := redrivev1.NewConfigServiceClient(conn).Resolve(ctx, &redrivev1.ResolveRequest{Job: "acme/" + job, Type: report.GetType(), Config: report.GetConfig()})
	if err != nil || resolved.GetConfig().GetFields()["memory_mb"].GetNumberValue() <= 256 {
		p.t.Errorf("Resolve for %s = %v (%v), want more memory", job, resolved.GetConfig(), err)
	}
	if code, text := p.get(door, "/v1/failures"); code != http.StatusOK || !strings.Contains(text, `"job":"`+job+`"`) {
		p.t.Errorf("REST: failures = %d, and %s is not in them", code, job)
	}
}

func TestServicesApartDoWhatTheyDoTogether(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			before := goroutines()
			p := newPlace(t, secure)
			all := map[string]*system.System{}
			for _, name := range []string{system.Configsvc, system.Recommender, system.Classifier, system.Scheduler, system.Notifier, system.Gateway} {
				o := p.settings(name)
				if name == system.Gateway {
					o.NATS, o.Redis = system.NATS{}, system.Redis{} // it needs neither
				}
				all[name] = p.start(o)
			}
			door := all[system.Gateway]
			p.heals(door, "nightly/7")
			for name, s := range all {
				p.readyz(s, http.StatusOK, "ready\n")
				if name != system.Gateway {
					p.up(s, "store", "1")
					p.up(s, "bus", "1")
				}
			}
			for _, path := range []string{"/v1/jobs", "/v1/rules", "/v1/patches", "/v1/alerts", "/openapi.json"} {
				if code, text := p.get(door, path); code != http.StatusOK {
					t.Errorf("the gateway's %s = %d %s", path, code, text)
				}
			}
			if code, _ := p.get(all[system.Scheduler], "/v1/jobs"); code != http.StatusNotFound {
				t.Errorf("the scheduler's /v1/jobs = %d, want 404: REST is the gateway's", code)
			}
			if names := []string{all[system.Scheduler].Replica(), all[system.Notifier].Replica()}; names[0] == "" || names[0] == names[1] {
				t.Errorf("the replicas are called %q", names)
			}
			for _, s := range all {
				stop(t, s)
			}
			for name, stack := range goroutines() {
				if _, was := before[name]; !was && strings.Contains(stack, "redrive-io/redrive") && !strings.Contains(stack, "redistest") {
					t.Errorf("after Stop there is %s", stack)
				}
			}
		})
	}
}

func TestWhatDiesIsSeenAndComesBack(t *testing.T) {
	p := newPlace(t, false)
	config := p.start(p.settings(system.Configsvc))
	o := p.settings(system.Scheduler, system.Classifier, system.Recommender, system.Notifier, system.Gateway)
	s := p.start(o)
	p.heals(s, "before")
	p.readyz(s, http.StatusOK, "ready\n")

	p.redis.Kill()
	p.readyz(s, http.StatusServiceUnavailable, "not ready: store: ")
	p.readyz(config, http.StatusServiceUnavailable, "not ready: store: ")
	p.up(s, "store", "0")
	p.up(s, "bus", "1")
	if code, _ := p.get(s, "/healthz"); code != http.StatusOK {
		t.Errorf("healthz = %d, want 200: a restart cures nothing", code)
	}
	p.redis.Restart()
	p.readyz(s, http.StatusOK, "ready\n")
	p.heals(s, "after-redis")

	p.stopNATS()
	p.readyz(s, http.StatusServiceUnavailable, "not ready: bus: ")
	p.up(s, "bus", "0")
	p.startNATS()
	p.readyz(s, http.StatusOK, "ready\n")
	p.up(s, "bus", "1")
	p.heals(s, "after-nats")

	again := p.settings(system.Configsvc)
	again.GRPCAddr = config.Endpoint().GRPC
	stop(t, config)
	p.readyz(s, http.StatusOK, "degraded: configsvc: ")
	p.up(s, "configsvc", "0")
	// What is told meanwhile waits, and is not given up.
	told := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := redrivev1.NewSchedulerServiceClient(p.dial(s.Endpoint().GRPC)).ReportFailure(ctx, failed(t, "meanwhile"))
		told <- err
	}()
	p.start(again)
	p.up(s, "configsvc", "1")
	p.readyz(s, http.StatusOK, "ready\n")
	if err := <-told; err != nil {
		t.Logf("told while the config service was away: %v", err)
	}
	p.heals(s, "meanwhile")
	if n := p.deadLetters(); n != 0 {
		t.Errorf("%d events were given up, want none", n)
	}
}

func TestAStartWaitsForWhatIsAway(t *testing.T) {
	p := newPlace(t, false)
	p.redis.Kill()
	o := p.settings(system.Configsvc)
	p.stopNATS()
	started := make(chan *system.System, 1)
	go func() {
		s, err := system.Start(t.Context(), o)
		if err != nil {
			t.Errorf("Start: %v", err)
		}
		started <- s
	}()
	until(t, "the log says what is waited for", func() bool { return p.log.has("waiting for the store") })
	p.redis.Restart()
	until(t, "the log says what is waited for", func() bool { return p.log.has("NATS cannot be reached") })
	p.startNATS()
	if s := <-started; s != nil {
		p.readyz(s, http.StatusOK, "ready\n")
		stop(t, s)
	}
}

func TestAStartThatWaitsTooLongSaysForWhat(t *testing.T) {
	p := newPlace(t, false)
	p.redis.Kill()
	o := p.settings(system.Configsvc)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := system.Start(ctx, o)
	if err == nil || !strings.Contains(err.Error(), "the store (--redis) was waited for") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Start = %v, want what was waited for and why it is away", err)
	}
	p.redis.Restart()
	p.stopNATS()
	ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = system.Start(ctx, o)
	if err == nil || !strings.Contains(err.Error(), "the bus (--nats)") || !strings.Contains(err.Error(), "no servers available") {
		t.Errorf("Start = %v, want what was waited for and why it is away", err)
	}
}

func TestWrongSettingsFailAtOnce(t *testing.T) {
	p := newPlace(t, true)
	other := certtest.New(t)
	volatile := redistest.Start(t, "appendfsync everysec")
	for name, tc := range map[string]struct {
		change func(o *system.Options)
		want   string
	}{
		"password of NATS":   {func(o *system.Options) { o.NATS.Password = "wrong" }, `refuses the credentials of user "redrive"`},
		"password of Redis":  {func(o *system.Options) { o.Redis.Password = "wrong" }, "does not know this user"},
		"authority of NATS":  {func(o *system.Options) { o.NATS.TLS.CA = other.CA }, "unknown authority"},
		"authority of Redis": {func(o *system.Options) { o.Redis.TLS.CA = other.CA }, "unknown authority"},
		"a Redis that loses": {func(o *system.Options) { o.Redis = system.Redis{URL: "redis://" + volatile.Addr} }, "appendfsync"},
		"no such credentials": {func(o *system.Options) {
			o.NATS.User, o.NATS.Password, o.NATS.CredsFile = "", "", filepath.Join(t.TempDir(), "no.creds")
		}, "no.creds"},
		"no such certificate": {func(o *system.Options) { o.TLS.Cert += "x" }, "--tls-cert"},
	} {
		t.Run(name, func(t *testing.T) {
			o := p.settings(system.Configsvc)
			tc.change(&o)
			began := time.Now()
			_, err := system.Start(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Start = %v, want %q", err, tc.want)
			}
			if took := time.Since(began); took > patience {
				t.Errorf("it took %v to say so", took)
			}
		})
	}
	s := p.start(p.settings(system.Configsvc))
	if e, err := home.Folder(s.Folder()).Endpoint(); err != nil || e.Certificate != p.files.Cert {
		t.Errorf("Endpoint = %+v (%v), want the certificate's file", e, err)
	}
}
