package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/redrive-io/redrive/pkg/redact"
)

const (
	// checkTimeout bounds one readiness check.
	checkTimeout = 2 * time.Second
	// watchEvery is how often all checks are asked for gRPC health, the metric
	// and the log.
	watchEvery = time.Second
	// maxReason bounds what a probe says of one check.
	maxReason = 300
)

// check is one thing that ought to hold. The fields after ask are watch's own.
type check struct {
	name string
	// service is set for a peer: its gRPC service.
	service string
	// metered checks are in redrive_dependency_up.
	metered bool
	ask     func(ctx context.Context) error

	failed int       // times in a row
	since  time.Time // it fails
}

// steadily is how often in a row a check fails until callers are sent to other
// replicas: one answer that was late is no reason to.
const steadily = 2

func (c *check) failing() bool { return c.failed >= steadily }

// AddCheck adds what must hold for the process to be ready, such as "the
// scheduler runs". ask must be quick and safe for concurrent use.
func (s *Server) AddCheck(name string, ask func(ctx context.Context) error) {
	s.addCheck(&check{name: name, ask: ask})
}

// AddDependency adds what the whole process stands on, such as "the store
// answers": a check that is a metric as well.
func (s *Server) AddDependency(name string, ask func(ctx context.Context) error) {
	s.addCheck(&check{name: name, ask: ask, metered: true})
}

// AddPeer adds a service that this process calls. While it is away the process
// is still ready, since all that does not need the peer goes on, and says that
// it is degraded.
func (s *Server) AddPeer(name string, p *Peer) {
	s.addCheck(&check{name: name, service: p.Service(), ask: p.Ready, metered: true})
}

func (s *Server) addCheck(c *check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, c)
}

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, "ok")
}

// readyz asks every check, and says which failed and why. This answer is open
// to anybody: what looks like a secret is not in it.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var text strings.Builder
	ready := false
	switch state := s.state(); state {
	case "":
		ready = true
		for c, err := range s.askAll(r.Context()) {
			switch {
			case err == nil:
			case c.service != "":
				fmt.Fprintf(&text, "degraded: %s: %s\n", c.name, reasonOf(err))
			default:
				ready = false
				fmt.Fprintf(&text, "not ready: %s: %s\n", c.name, reasonOf(err))
			}
		}
	default:
		fmt.Fprintf(&text, "not ready: %s\n", state)
	}
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		_, _ = fmt.Fprintln(w, "ready")
	}
	_, _ = fmt.Fprint(w, text.String())
}

// reasonOf is the text of an error on one short line.
func reasonOf(err error) string {
	text := strings.Join(strings.Fields(redact.Text(err.Error())), " ")
	if len(text) <= maxReason {
		return text
	}
	cut := maxReason
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// state is why the process is not ready whatever the checks say; empty when
// they decide.
func (s *Server) state() string {
	switch {
	case s.stopping.Err() != nil:
		return "stopping"
	case !s.isStarted():
		return "starting"
	}
	return ""
}

// askAll asks all checks at once, and returns each with its answer in the order
// in which they were added.
func (s *Server) askAll(ctx context.Context) func(yield func(*check, error) bool) {
	s.mu.Lock()
	checks := s.checks
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answers := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { answers[i] = c.ask(ctx) })
	}
	wg.Wait()
	return func(yield func(*check, error) bool) {
		for i, c := range checks {
			if !yield(c, answers[i]) {
				return
			}
		}
	}
}

// watch asks all checks again and again, until the server stops: gRPC health
// and the metric follow them, and the log says what changed.
func (s *Server) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		ready := healthpb.HealthCheckResponse_SERVING
		for c, err := range s.askAll(s.stopping) {
			if s.stopping.Err() != nil {
				return
			}
			s.note(c, err, time.Now())
			switch {
			case c.service != "":
				if s.peers[c.service] != nil {
					s.health.SetServingStatus(c.service, servingIf(!c.failing()))
				}
			case c.failing():
				ready = healthpb.HealthCheckResponse_NOT_SERVING
			}
		}
		s.mu.Lock()
		services := s.services
		s.mu.Unlock()
		for _, name := range append([]string{""}, services...) {
			s.health.SetServingStatus(name, ready)
		}
		select {
		case <-s.stopping.Done():
			return
		case <-tick.C:
		}
	}
}

func servingIf(ok bool) healthpb.HealthCheckResponse_ServingStatus {
	if ok {
		return healthpb.HealthCheckResponse_SERVING
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}

// note remembers how a check was answered.
func (s *Server) note(c *check, err error, now time.Time) {
	if c.metered {
		up := 0.0
		if err == nil {
			up = 1
		}
		s.metrics.up.WithLabelValues(c.name).Set(up)
	}
	switch {
	case err != nil:
		if c.failed++; c.failed == 1 {
			c.since = now
			s.log.Warn("a check fails; what needs it waits", "check", c.name, "error", reasonOf(err))
		}
	case c.failed > 0:
		c.failed = 0
		s.log.Info("a check is good again", "check", c.name, "after", now.Sub(c.since).Round(time.Millisecond).String())
	}
}
