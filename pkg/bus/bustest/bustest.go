// Package bustest gives tests a bus on a real server in this process.
package bustest

import (
	"testing"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
)

// Password is that of both users of Start.
const Password = "test"

// New returns a provisioned bus on a server of its own, with its files in a
// temporary folder; both live until the test ends.
func New(t testing.TB) *bus.Bus {
	t.Helper()
	return Connect(t, Start(t))
}

// Start returns a server that lives until the test ends.
func Start(t testing.TB) *natsserver.Server {
	t.Helper()
	s, err := natsserver.Start(natsserver.Options{
		Dir: t.TempDir(), Port: -1, RedrivePassword: Password, ClientPassword: Password, NoSync: true,
	})
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Connect returns a provisioned bus on a server of Start, for tests with
// several replicas.
func Connect(t testing.TB, s *natsserver.Server) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{InProcess: s, User: natsserver.UserRedrive, Password: Password})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(b.Close)
	if err := b.Provision(t.Context()); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return b
}
