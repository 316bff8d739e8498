package home

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// Endpoint says where the server of a data folder listens.
type Endpoint struct {
	PID  int    `json:"pid"`
	GRPC string `json:"grpc"` // host:port
	HTTP string `json:"http"` // host:port
	NATS string `json:"nats"` // nats://host:port; empty where the bus is elsewhere
	// Certificate is the file with the certificate that the server presents;
	// empty without TLS.
	Certificate string    `json:"certificate,omitempty"`
	Version     string    `json:"version"`
	Started     time.Time `json:"started"`
}

// Publish tells the command line where this process listens.
func (l *Lock) Publish(e Endpoint) error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return serve.WriteSecret(l.path("endpoint.json"), append(b, '\n'))
}

// Withdraw takes back what Publish told.
func (l *Lock) Withdraw() error {
	err := os.Remove(l.path("endpoint.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Endpoint returns where the server of this folder listens. It is errs.NotFound
// when no server runs: a record of a process that is gone does not count, since
// somebody else may listen on its port by now.
func (f Folder) Endpoint() (Endpoint, error) {
	var e Endpoint
	b, err := serve.ReadSecret(f.path("endpoint.json"))
	if errs.Is(err, errs.NotFound) {
		return e, errs.New(errs.NotFound, "no server runs on the data folder %s", f)
	}
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, errs.New(errs.Invalid, "%s: %w", f.path("endpoint.json"), err)
	}
	if err := unix.Kill(e.PID, 0); errors.Is(err, unix.ESRCH) || e.PID <= 0 {
		return e, errs.New(errs.NotFound, "the server of the data folder %s (process %d) is gone", f, e.PID)
	}
	return e, nil
}
