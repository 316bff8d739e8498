package system

import (
	"encoding/json"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
)

// NATSClient is what DATA/nats-client.json says to other schedulers.
type NATSClient struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// readNATSClient returns the credentials of earlier starts, so that other
// schedulers keep theirs, or new ones.
func readNATSClient(folder *home.Lock) (NATSClient, error) {
	c := NATSClient{User: natsserver.UserClient}
	b, err := serve.ReadSecret(folder.NATSClientFile())
	switch {
	case errs.Is(err, errs.NotFound):
		c.Password = serve.NewToken()
		return c, nil
	case err != nil:
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Password == "" {
		return c, errs.New(errs.FailedPrecondition, "%s has no password in it: delete it, and a new one is made", folder.NATSClientFile())
	}
	c.User = natsserver.UserClient
	return c, nil
}

func writeNATSClient(folder *home.Lock, c NATSClient) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return serve.WriteSecret(folder.NATSClientFile(), append(b, '\n'))
}
