// Package web reads logs over HTTP, with ranges where the server has them. It
// goes nowhere that the operator has not allowed: a failure's URL comes from
// outside, and this process stands where its sender does not.
package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// maxRedirects bounds how often a server may lead elsewhere.
const maxRedirects = 5

// Client asks for logs, and for what other drivers must know of them.
type Client struct {
	allow source.Prefixes
	token func(*url.URL) (string, error)
	sign  func(*http.Request) error
	named *http.Client // for hosts that the operator named
	open  *http.Client // for all others: no private networks
}

// Options say where a client may go, and what it presents there.
type Options struct {
	// Allow are the prefixes that are allowed, for redirects too.
	Allow source.Prefixes
	// Token returns what to present to the server of a URL as a bearer; an empty
	// one presents nothing. It is asked anew after a redirect. May be nil.
	Token func(u *url.URL) (string, error)
	// Sign completes a request before it is sent; nil does nothing.
	Sign func(r *http.Request) error
	// Trusted says that the operator's settings made the hosts, whatever Allow
	// leaves open: private networks are no secret to them.
	Trusted bool
}

// New returns a client.
func New(o Options) *Client {
	if o.Token == nil {
		o.Token = func(*url.URL) (string, error) { return "", nil }
	}
	c := &Client{o.Allow, o.Token, o.Sign, httpClient(checkNamed), httpClient(checkOpen)}
	if o.Trusted {
		c.open = c.named
	}
	return c
}

// httpClient returns a client that follows no redirect by itself, uses no proxy
// and unpacks nothing: what a log is packed by is looked at later, with bounds.
func httpClient(check addrCheck) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer(check), DisableCompression: true, ForceAttemptHTTP2: true, MaxIdleConns: 16, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// Get asks for u, and follows redirects to where it is allowed. The body of the
// answer is the caller's to close; its status is any but a redirect.
func (c *Client) Get(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	for range maxRedirects + 1 {
		res, err := c.once(ctx, u, header)
		if err != nil {
			return nil, err
		}
		to, err := redirect(res)
		if err != nil || to == nil {
			return res, err
		}
		if _, ok := c.allow.Of(to); !ok {
			return nil, errs.New(errs.PermissionDenied, "%s leads to %s, which no --log-source allows", source.Show(u), source.Show(to))
		}
		u = to
	}
	return nil, errs.New(errs.Invalid, "%s leads elsewhere more than %d times", source.Show(u), maxRedirects)
}

// redirect returns where an answer leads, after closing it; nil when nowhere.
func redirect(res *http.Response) (*url.URL, error) {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	if res.Header.Get("Location") == "" {
		return nil, nil // such as S3's answer from another region
	}
	defer func() { _ = res.Body.Close() }() // nobody reads it
	to, err := res.Location()
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s leads to what is no URL", source.Show(res.Request.URL))
	}
	return to, nil
}

func (c *Client) once(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	prefix, ok := c.allow.Of(u)
	if !ok {
		return nil, c.allow.Check(u)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errs.New(errs.Invalid, "%s cannot be asked for", source.Show(u))
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("User-Agent", "redrive")
	token, err := c.token(u)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if c.sign != nil {
		if err := c.sign(r); err != nil {
			return nil, err
		}
	}
	client := c.open
	if prefix.Named() {
		client = c.named
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, plainError(ctx, u, err)
	}
	return res, nil
}

// plainError says what went wrong without the URL's query.
func plainError(ctx context.Context, u *url.URL, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return errs.New(errs.PermissionDenied, "%s: %w", source.Show(u), refused)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return errs.New(errs.Unavailable, "%s does not answer: %w", u.Host, err)
}
