package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Drain stops what faces outwards, in order: health and readiness say no,
// streams end (their clients connect again elsewhere), nothing new is accepted,
// and calls in flight finish. Calls that have not finished when ctx ends are
// cut off, and the error says so. Internal calls go on working until Close.
func (s *Server) Drain(ctx context.Context) error {
	s.health.Shutdown()
	s.stop()
	if !s.isStarted() {
		return nil
	}
	var errHTTP, errGRPC error
	if errHTTP = s.http.Shutdown(ctx); errHTTP != nil {
		errHTTP = errors.Join(fmt.Errorf("REST calls were cut off: %w", errHTTP), s.http.Close())
	}
	done := make(chan struct{})
	go func() { s.public.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.public.Stop() // makes GracefulStop return
		<-done
		errGRPC = fmt.Errorf("gRPC calls were cut off: %w", ctx.Err())
	}
	return errors.Join(errHTTP, errGRPC)
}

// Close ends the rest: the internal server and the connections. Call it when
// the services have stopped. Closing twice changes nothing.
func (s *Server) Close() error {
	s.stop()
	s.mu.Lock()
	closed := s.closedDown
	s.closedDown = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := s.abandon()
	s.serving.Wait()
	close(s.failed)
	return err
}

// abandon releases everything that New opened.
func (s *Server) abandon() error {
	s.public.Stop()
	s.inner.Stop()
	var all []error
	if s.http != nil {
		all = append(all, s.http.Close())
	}
	if s.conn != nil {
		s.conn.closed.Store(true)
		all = append(all, s.conn.Close())
	}
	if s.gatewayConn != nil {
		all = append(all, s.gatewayConn.Close())
	}
	for _, l := range []net.Listener{s.grpcLis, s.httpLis} {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	all = append(all, s.pipe.Close(), s.innerPipe.Close())
	return errors.Join(all...)
}

func (s *Server) isStarted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started
}
