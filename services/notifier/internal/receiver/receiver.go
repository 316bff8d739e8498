// Package receiver sends notifications over HTTP. Each kind of receiver has a
// folder of its own; this package is what they share: one careful POST, and the
// links that every notification carries.
package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Bounds of what is read from a receiver.
const (
	maxHeaders = 64 << 10
	maxBody    = 64 << 10
	maxReason  = 200
	// minSecret is from which length on a part of a URL's path or query may be a
	// secret.
	minSecret = 8
	// maxRetryAfter is the longest wait that a receiver may ask for.
	maxRetryAfter = 24 * time.Hour
)

// Client posts to one receiver. Redirects are not followed: a notification goes
// where the operator said and nowhere else.
type Client struct {
	http    *http.Client
	secrets []string
}

// NewClient returns a client. secrets never appear in its errors.
func NewClient(secrets ...string) *Client {
	c := &Client{http: &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConnsPerHost:    4,
			MaxResponseHeaderBytes: maxHeaders,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, s := range secrets {
		if s == "" {
			continue
		}
		c.secrets = append(c.secrets, s)
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			continue
		}
		for _, part := range strings.FieldsFunc(u.RequestURI(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
			if len(part) >= minSecret {
				c.secrets = append(c.secrets, part)
			}
		}
	}
	return c
}

// Post sends a JSON body and returns the beginning of the answer's body when
// the answer is 2xx. When it is not, or there is none, retry says whether the
// same may succeed later; the error is then errs.Unavailable and carries how
// long the receiver asked to wait.
func (c *Client) Post(ctx context.Context, to string, header http.Header, body []byte) (answer []byte, retry bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, false, errs.New(errs.Invalid, "the URL of the receiver is not valid")
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "redrive")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, true, errs.New(errs.Unavailable, "%s: %s", req.URL.Host, c.clean(reason(ctx, err)))
	}
	defer resp.Body.Close() //nolint:errcheck // nothing more is read from it
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch code := resp.StatusCode; {
	case code/100 == 2:
		// The receiver has it, whatever became of the rest of its answer.
		return answer, false, nil
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code/100 == 5:
		text := fmt.Sprintf("%s answered %d: %s", req.URL.Host, code, c.excerpt(answer))
		if err != nil {
			text = fmt.Sprintf("%s answered %d", req.URL.Host, code)
		}
		return nil, true, errs.Again(retryAfter(resp.Header.Get("Retry-After"), time.Now()), "%s", text)
	case code/100 == 3:
		return nil, false, errs.New(errs.FailedPrecondition, "%s answered %d: redirects are not followed, correct the URL", req.URL.Host, code)
	default:
		return nil, false, errs.New(errs.FailedPrecondition, "%s answered %d: %s", req.URL.Host, code, c.excerpt(answer))
	}
}

// reason is what went wrong, without the URL: its path may be a secret.
func reason(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return err.Error()
}

// excerpt is the beginning of an answer on one line.
func (c *Client) excerpt(answer []byte) string {
	text := c.clean(strings.Join(strings.Fields(string(answer[:min(len(answer), 4*maxReason)])), " "))
	if text = alert.Cut(text, maxReason); text != "" {
		return text
	}
	return "no reason given"
}

func (c *Client) clean(text string) string {
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "[hidden]")
	}
	return text
}

// retryAfter reads a Retry-After header; 0 when it says nothing.
func retryAfter(value string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// Links is where more can be read about an alert.
type Links struct {
	base string
}

// NewLinks returns links below an external URL; an empty one gives none.
func NewLinks(externalURL string) Links { return Links{strings.TrimRight(externalURL, "/")} }

// Alert returns the URL of the alert, or nothing.
func (l Links) Alert(a alert.Alert) string { return l.to(a.Name()) }

// Failure returns the URL of the last failure, or nothing.
func (l Links) Failure(a alert.Alert) string { return l.to(a.Failure) }

func (l Links) to(name string) string {
	if l.base == "" || name == "" {
		return ""
	}
	return l.base + "/v1/" + name
}
