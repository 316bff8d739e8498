package system

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// The services, as the command line names them.
const (
	Scheduler   = "scheduler"
	Classifier  = "classifier"
	Recommender = "recommender"
	Configsvc   = "configsvc"
	Notifier    = "notifier"
	Gateway     = "gateway" // REST, and every call that another service serves
)

// Services are all services.
var Services = []string{Scheduler, Classifier, Recommender, Configsvc, Notifier, Gateway}

// directory says of every service that can be called how gRPC names it, and of
// every service which others it calls.
var directory = []struct {
	name, grpc string
	calls      []string
}{
	{Configsvc, redrivev1.ConfigService_ServiceDesc.ServiceName, nil},
	{Recommender, redrivev1.RecommenderService_ServiceDesc.ServiceName, []string{Configsvc}},
	{Classifier, redrivev1.ClassifierService_ServiceDesc.ServiceName, []string{Recommender, Configsvc}},
	{Notifier, redrivev1.NotifierService_ServiceDesc.ServiceName, nil},
	{Scheduler, redrivev1.SchedulerService_ServiceDesc.ServiceName, []string{Configsvc}},
	{Gateway, "", []string{Scheduler, Classifier, Recommender, Configsvc, Notifier}},
}

// calledService is the name in gRPC of a service that can be called; empty for
// others.
func calledService(name string) string {
	for _, d := range directory {
		if d.name == name {
			return d.grpc
		}
	}
	return ""
}

// callable are the services that can be called.
func callable() (names []string) {
	for _, name := range Services {
		if calledService(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

// peersCalled are the services elsewhere that those of this process call, each
// with its callers.
func (o *Options) peersCalled() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, called := range directory {
			var callers []string
			for _, d := range directory {
				if o.runs(d.name) && !o.runs(called.name) && slices.Contains(d.calls, called.name) {
					callers = append(callers, d.name)
				}
			}
			if len(callers) > 0 && !yield(called.name, callers) {
				return
			}
		}
	}
}

// dialPeers connects to the peers. They are not waited for: what needs one that
// is away waits by itself, and the rest goes on.
func (s *System) dialPeers(o Options) error {
	s.peers = map[string]*serve.Peer{}
	for name := range o.peersCalled() {
		p, err := serve.DialPeer(serve.PeerOptions{Service: calledService(name), Addrs: o.Peers[name], Token: s.token, TLS: o.secure.peers})
		if err != nil {
			return fmt.Errorf("--peer %s: %w", name, err)
		}
		s.peers[name] = p
		s.closers.Add("calls to "+name, func(context.Context) error { return p.Close() })
	}
	return nil
}

// conn is the way to a service: in memory where it runs in this process.
func (s *System) conn(name string) grpc.ClientConnInterface {
	if p := s.peers[name]; p != nil {
		return p.Conn()
	}
	return s.server.Conn()
}
