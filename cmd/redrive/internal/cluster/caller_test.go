//go:build cluster

package cluster

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	// perTry bounds one call: a replica that is stopped does not answer.
	perTry = 8 * time.Second
	// tryPause is between two tries.
	tryPause = 50 * time.Millisecond
)

// caller is a connection that calls as the clients of a deployment should: a
// call that cannot be answered now is made again, to another replica, until its
// context is done.
type caller struct {
	conns []*grpc.ClientConn
	next  atomic.Int64
	again atomic.Int64 // tries that were in vain
}

// Invoke implements grpc.ClientConnInterface.
func (c *caller) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	tick := time.NewTicker(tryPause)
	defer tick.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, perTry)
		err := c.conn().Invoke(try, method, args, reply, opts...)
		cancel()
		if !errs.Is(err, errs.Unavailable) {
			return err
		}
		c.again.Add(1)
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// NewStream implements grpc.ClientConnInterface; a stream that breaks is the
// caller's to open again.
func (c *caller) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.conn().NewStream(ctx, desc, method, opts...)
}

func (c *caller) conn() *grpc.ClientConn { return c.conns[int(c.next.Add(1))%len(c.conns)] }

// clients are the services by one way to them.
type clients struct {
	callers    []*caller
	scheduler  redrivev1.SchedulerServiceClient
	classifier redrivev1.ClassifierServiceClient
	config     redrivev1.ConfigServiceClient
	notifier   redrivev1.NotifierServiceClient
}

// direct calls the replicas of each service.
func (d *deployment) direct() *clients {
	return newClients(func(service string) *caller { return &caller{conns: d.conns[service]} })
}

// last calls the last replica of each service alone.
func (d *deployment) last() *clients {
	return newClients(func(service string) *caller { return &caller{conns: d.conns[service][replicas-1:]} })
}

// byGateway calls the replicas of the gateway.
func (d *deployment) byGateway() *clients {
	one := &caller{conns: d.conns["gateway"]}
	return newClients(func(string) *caller { return one })
}

func newClients(to func(service string) *caller) *clients {
	c := &clients{}
	way := func(service string) *caller {
		w := to(service)
		if !slices.Contains(c.callers, w) {
			c.callers = append(c.callers, w)
		}
		return w
	}
	c.scheduler = redrivev1.NewSchedulerServiceClient(way("scheduler"))
	c.classifier = redrivev1.NewClassifierServiceClient(way("classifier"))
	c.config = redrivev1.NewConfigServiceClient(way("configsvc"))
	c.notifier = redrivev1.NewNotifierServiceClient(way("notifier"))
	return c
}

// again counts the tries that were in vain.
func (c *clients) again() (n int64) {
	for _, w := range c.callers {
		n += w.again.Load()
	}
	return n
}
