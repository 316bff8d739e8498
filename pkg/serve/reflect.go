package serve

import (
	"maps"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

// registerReflection lets callers ask what is served here, also by peers.
func (s *Server) registerReflection() {
	o := reflection.ServerOptions{Services: allServices{s}}
	reflectionpb.RegisterServerReflectionServer(s.public, reflection.NewServerV1(o))
	alphapb.RegisterServerReflectionServer(s.public, reflection.NewServer(o))
}

type allServices struct{ s *Server }

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (a allServices) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := maps.Clone(a.s.public.GetServiceInfo())
	for name := range a.s.peers {
		if _, local := all[name]; !local {
			all[name] = grpc.ServiceInfo{}
		}
	}
	return all
}
