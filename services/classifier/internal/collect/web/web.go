package web

import (
	"context"
	"net/url"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// Driver reads logs of http:// and https:// URLs.
type Driver struct{ client *Client }

var _ source.Driver = Driver{}

// NewDriver returns a driver that asks by c.
func NewDriver(c *Client) Driver { return Driver{c} }

// Find implements source.Driver.
func (d Driver) Find(_ context.Context, ref source.Ref) (source.Found, error) {
	if err := d.client.allow.Check(ref.URL); err != nil {
		return source.Found{}, err
	}
	if ref.Pattern {
		return source.Found{}, errs.New(errs.Invalid, "%s: HTTP has no lists of files for a \"*\"", source.Show(ref.URL))
	}
	return source.Found{Logs: []source.Log{d.client.Log("", "", ref.URL)}}, nil
}

// Log returns the log that u gives.
func (c *Client) Log(name, uri string, u *url.URL) source.Log {
	return source.Log{Source: name, URI: uri, Read: func(ctx context.Context, r source.Range) (source.Chunk, error) { return c.Range(ctx, u, r) }}
}
