package loop

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/serve"
)

// place is where the cycles are run: a system that is started on a folder, or
// one that answers at an address.
type place struct{ data, address, tokenFile string }

// enter returns a connection to the system, and what ends it. A system that is
// started has the retry policy.
func (p place) enter(retries string) (grpc.ClientConnInterface, func() error, error) {
	if p.address != "" {
		return p.dial()
	}
	policy := filepath.Join(p.data, "retries.yaml")
	if err := os.WriteFile(policy, []byte(retries), 0o600); err != nil {
		return nil, nil, err
	}
	sys, err := system.Start(context.Background(), system.Options{
		Data: home.Folder(p.data), Supervisor: []string{"/proc/self/exe", "supervise"}, RetryPolicy: policy, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, nil, err
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return sys.Stop(ctx)
	}
	return sys.Conn(), stop, nil
}

func (p place) dial() (grpc.ClientConnInterface, func() error, error) {
	b, err := os.ReadFile(p.tokenFile)
	if err != nil {
		return nil, nil, err
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return nil, nil, errors.New(p.tokenFile + " has no token in it")
	}
	conn, err := serve.Dial(p.address, token, nil)
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.Close, nil
}
