package system

import "github.com/prometheus/client_golang/prometheus"

// Registry is the system's own, for tests.
func (s *System) Registry() *prometheus.Registry { return s.registry }
