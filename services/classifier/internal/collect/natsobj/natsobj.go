// Package natsobj reads logs from object stores of NATS, through the bus's own
// connection: nats-obj://BUCKET/NAME.
package natsobj

import (
	"context"
	"strings"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// Scheme is that of the driver's URLs.
const Scheme = "nats-obj"

// Store has the objects. *bus.Bus is one.
type Store interface {
	// Object opens an object; one that is not there is errs.NotFound.
	Object(ctx context.Context, bucket, name string) (bus.Object, error)
}

// Driver reads objects.
type Driver struct {
	allow source.Prefixes
	store Store
}

var _ source.Driver = Driver{}

// New returns a driver that reads what is allowed of store.
func New(allow source.Prefixes, store Store) Driver { return Driver{allow, store} }

// Find implements source.Driver. An object comes in pieces from its beginning:
// of a long one all is read, to get at its end.
func (d Driver) Find(_ context.Context, ref source.Ref) (source.Found, error) {
	u := ref.URL
	if err := d.allow.Check(u); err != nil {
		return source.Found{}, err
	}
	bucket, name := u.Host, strings.TrimPrefix(u.Path, "/")
	switch {
	case bucket == "" || name == "":
		return source.Found{}, errs.New(errs.Invalid, "%s is not %s://BUCKET/NAME", source.Show(u), Scheme)
	case ref.Pattern:
		return source.Found{}, errs.New(errs.Invalid, "%s: an object of NATS is named in full, without a \"*\"", source.Show(u))
	}
	return source.Found{Logs: []source.Log{{Read: func(ctx context.Context, _ source.Range) (source.Chunk, error) {
		o, err := d.store.Object(ctx, bucket, name)
		if err != nil {
			return source.Chunk{}, err
		}
		return source.Chunk{Body: o.Body, Size: o.Size, Whole: true, Modified: o.Modified}, nil
	}}}}, nil
}
