// Package stage starts what contestants stand on: servers of their own, on free
// ports of loopback and in folders of their own.
package stage

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Redis is a running redis-server.
type Redis struct {
	Addr string
	*process
}

// StartRedis starts a redis-server that syncs every write before it answers
// and never forgets anything by itself.
func StartRedis(ctx context.Context, dir string) (*Redis, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p, err := start(dir, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")
	if err != nil {
		return nil, err
	}
	if err := p.answers(ctx, addr); err != nil {
		p.Stop()
		return nil, err
	}
	return &Redis{addr, p}, nil
}

// FreeAddr returns an address of loopback that nobody listens on.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startLimit is how long a server may take until it answers.
const startLimit = 30 * time.Second

// answers returns when the process listens on addr.
func (p *process) answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-again.C:
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.name, p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w; it said: %s", p.name, addr, ctx.Err(), p.said())
		}
	}
}
