package serve

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/resolver"
)

const (
	peerScheme = "redrive-peer"
	// Names of peers are looked up every resolveEvery, so that a new replica
	// gets calls soon, and after a failure, but not more often than resolveLeast.
	resolveEvery, resolveLeast = 10 * time.Second, time.Second
	lookupTimeout              = 5 * time.Second
)

func peerConnect() grpc.ConnectParams {
	b := backoff.DefaultConfig
	b.BaseDelay, b.MaxDelay = 100*time.Millisecond, peerBackoff
	return grpc.ConnectParams{Backoff: b, MinConnectTimeout: 5 * time.Second}
}

// peerBuilder resolves several HOST:PORT to all their addresses.
type peerBuilder struct{ addrs []string }

// Scheme implements resolver.Builder.
func (b *peerBuilder) Scheme() string { return peerScheme }

// Build implements resolver.Builder.
func (b *peerBuilder) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &peerResolver{addrs: b.addrs, cc: cc, again: make(chan struct{}, 1), stop: cancel, known: map[string][]string{}}
	r.running.Go(func() { r.run(ctx) })
	return r, nil
}

type peerResolver struct {
	addrs   []string
	cc      resolver.ClientConn
	again   chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup
	known   map[string][]string // what each name was last found to be
}

// ResolveNow implements resolver.Resolver.
func (r *peerResolver) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// Close implements resolver.Resolver.
func (r *peerResolver) Close() {
	r.stop()
	r.running.Wait()
}

func (r *peerResolver) run(ctx context.Context) {
	for {
		r.resolve(ctx)
		if !pause(ctx, resolveLeast, nil) || !pause(ctx, resolveEvery-resolveLeast, r.again) {
			return
		}
	}
}

// resolve tells grpc all addresses. A name that cannot be looked up now keeps
// those that it had.
func (r *peerResolver) resolve(ctx context.Context) {
	var state resolver.State
	var failed error
	for _, addr := range r.addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			failed = err
			continue
		}
		found, err := lookup(ctx, host)
		if err != nil {
			failed = err
		} else {
			r.known[addr] = found
		}
		for _, ip := range r.known[addr] {
			state.Addresses = append(state.Addresses, resolver.Address{Addr: net.JoinHostPort(ip, port), ServerName: host})
		}
	}
	switch {
	case ctx.Err() != nil:
	case len(state.Addresses) == 0:
		r.cc.ReportError(failed)
	default:
		_ = r.cc.UpdateState(state) // says that a balancer wants a new look; the next one comes
	}
}

func lookup(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

// pause waits, or until wake; it is false when ctx has ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}
