package bus

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/redrive-io/redrive/pkg/errs"
)

const (
	// clusterReplicas is how many servers keep a stream where there are as many
	// and nobody asked for another number.
	clusterReplicas = 3
	// clusterPatience is how long the servers that are known may take to be
	// ready to keep a stream; then it begins with fewer.
	clusterPatience = 20 * time.Second
	// clusterAnswer is how long a cluster may take to make a stream before it is
	// asked again.
	clusterAnswer = time.Second
	// tendEvery is how often Tend looks.
	tendEvery = 10 * time.Second
)

// Codes of JetStream's errors.
const (
	codeNoPeers      jetstream.ErrorCode = 10005 // no servers that could keep it
	codeNoResources  jetstream.ErrorCode = 10023
	codeNotClustered jetstream.ErrorCode = 10074 // this server has no others
)

// Tend makes streams again that are gone, with the servers that kept them, and
// gives them the replicas that they want when enough servers are there at last,
// until ctx is done. Consumers come back by themselves.
func (b *Bus) Tend(ctx context.Context) {
	for sleep(ctx, tendEvery) {
		for _, stream := range b.streams() {
			if err := b.raise(ctx, stream); err != nil && ctx.Err() == nil {
				b.log.Debug("a stream cannot be corrected now", "stream", stream.Name, "err", err)
			}
		}
	}
}

// raise corrects a stream that is gone or has fewer replicas than it wants.
func (b *Bus) raise(ctx context.Context, c jetstream.StreamConfig) error {
	has, err := b.replicasOf(ctx, c.Name)
	if err != nil {
		return err
	}
	switch want := b.wantedReplicas(ctx); {
	case has == 0:
		b.log.Warn("a stream is gone and is made again: what nobody had read of it is lost", "stream", c.Name)
	case want <= has:
		return nil
	}
	return b.provisionStream(ctx, c)
}

// putStream makes or corrects a stream. Of several processes that make the same
// stream at the same time, a cluster answers one only: the others ask again.
func (b *Bus) putStream(ctx context.Context, c jetstream.StreamConfig) error {
	for {
		err := b.tryStream(ctx, c)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

// tryStream makes or corrects a stream with as many replicas as it wants and can
// have. It never takes one away: what is stored may stand on it.
func (b *Bus) tryStream(ctx context.Context, c jetstream.StreamConfig) error {
	if b.conn.ConnectedClusterName() != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, clusterAnswer)
		defer cancel()
	}
	has, err := b.replicasOf(ctx, c.Name)
	if err != nil {
		return err
	}
	c.Replicas = max(has, b.wantedReplicas(ctx))
	_, err = b.js.CreateOrUpdateStream(ctx, c)
	least := max(has, 1)
	if !b.autoReplicas() || c.Replicas <= least || !tooFewServers(err) {
		return err
	}
	if code := codeOf(err); has == 0 && code != codeNotClustered && time.Since(b.began) < clusterPatience {
		return errs.New(errs.Unavailable, "the servers are not ready to keep %d replicas: %w", c.Replicas, err)
	}
	b.log.Warn("too few NATS servers keep a stream; it gets more replicas when they are there", "stream", c.Name, "replicas", least, "wanted", c.Replicas, "err", err)
	c.Replicas = least
	_, err = b.js.CreateOrUpdateStream(ctx, c)
	return err
}

// autoReplicas reports whether nobody asked for a number.
func (b *Bus) autoReplicas() bool { return b.config.Replicas == 0 }

// wantedReplicas is the number that was asked for, else what the cluster can
// keep.
func (b *Bus) wantedReplicas(ctx context.Context) int {
	switch {
	case !b.autoReplicas():
		return b.config.Replicas
	case b.conn.ConnectedClusterName() == "" || b.servers(ctx) < clusterReplicas:
		return 1
	default:
		return clusterReplicas
	}
}

// replicasOf returns how many servers keep a stream; 0 when there is none.
func (b *Bus) replicasOf(ctx context.Context, name string) (int, error) {
	stream, err := b.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return stream.CachedInfo().Config.Replicas, nil
}

// servers counts the addresses of servers that the connection knows. A server
// may have several, so it is never too small while all are up.
func (b *Bus) servers(ctx context.Context) int {
	found := map[string]bool{}
	for _, text := range append(b.conn.Servers(), b.conn.DiscoveredServers()...) {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		ips, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
		if err != nil {
			continue
		}
		for _, ip := range ips {
			found[net.JoinHostPort(ip, u.Port())] = true
		}
	}
	return len(found)
}

func codeOf(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

func tooFewServers(err error) bool {
	switch codeOf(err) {
	case codeNoPeers, codeNoResources, codeNotClustered:
		return true
	default:
		return false
	}
}
