package serve

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

type check struct {
	name string
	ask  func(ctx context.Context) error
}

// AddCheck adds what must hold for the process to be ready, such as "the store
// answers". ask must be quick and safe for concurrent use.
func (s *Server) AddCheck(name string, ask func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, check{name, ask})
}

// healthz says that the process lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprintln(w, "ok")
}

// readyz asks every check and names those that failed. Why they failed is in
// the log: this answer is open to anybody.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	failed := s.failedChecks(r.Context())
	if len(failed) == 0 {
		_, _ = fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, name := range failed {
		_, _ = fmt.Fprintf(w, "not ready: %s\n", name)
	}
}

// failedChecks asks all checks at once and returns the names of those that
// failed, in the order in which they were added.
func (s *Server) failedChecks(ctx context.Context) (failed []string) {
	s.mu.Lock()
	checks, started := s.checks, s.started
	s.mu.Unlock()
	switch {
	case s.stopping.Err() != nil:
		return []string{"stopping"}
	case !started:
		return []string{"starting"}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answers := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { answers[i] = c.ask(ctx) })
	}
	wg.Wait()
	for i, err := range answers {
		if err != nil {
			s.log.WarnContext(ctx, "a readiness check failed", "check", checks[i].name, "error", err)
			failed = append(failed, checks[i].name)
		}
	}
	return failed
}
