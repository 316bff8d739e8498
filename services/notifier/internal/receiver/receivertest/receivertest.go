// Package receivertest is the conformance suite of receivers: what each must
// make of the answers of a real HTTP server. It also has the alert that their
// own tests send.
package receivertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/notifier/internal/alert"
)

// Secret is part of the path of every URL in the suite and never of an error.
const Secret = "s3cr3t-path"

// Sender is a receiver.
type Sender interface {
	Send(ctx context.Context, n alert.Notification) (retry bool, err error)
}

// Notification returns the trigger of an alert with all that an alert may have.
func Notification() alert.Notification {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return alert.Notification{
		Key: "0123456789abcdef01234567/trigger/page", Action: alert.Trigger, Severity: alert.Page, Time: at,
		Alert: alert.Alert{
			ID: "0123456789abcdef01234567", Job: "jobs/etl", State: alert.Firing, Severity: alert.Page, Source: failure.Own,
			Type: failure.Type{Workflow: "nightly", Step: "load", Engine: "process"}, Owner: "data <team> & co",
			Summary: "nightly/load: attempt 3 failed (permission): 403 for <https://example.com/?a=1&b=2>", Class: failure.Permission,
			Failure: "failures/f3", Attempt: 3, Excerpt: []string{"GET /data", "HTTP/1.1 403 Forbidden <!channel> ```"},
			Action: "Decided: retry 3 of 4 after permission. Attempt 4 starts at 2026-03-01T12:20:00Z.", WillRetry: true,
			NextRetry: at.Add(20 * time.Minute), SafeToRetry: "A retry is planned already.", Runbook: "Give the job's account the role reader.",
			FailureCount: 3, Created: at.Add(-time.Hour), Updated: at,
		},
	}
}

// Run checks a receiver made by open against the answers of a server. ok is a
// body that the receiver takes for success.
func Run(t *testing.T, ok string, open func(url string) Sender) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		retry  bool
		after  time.Duration
		err    string // part of the error; empty for none
	}{
		{"200", answer(200, ok), false, 0, ""},
		{"202 with an endless body", endless(202, ok), false, 0, ""},
		{"429 with Retry-After in seconds", with("Retry-After", "17", answer(429, "slow down")), true, 17 * time.Second, "answered 429: slow down"},
		{"429 with a Retry-After far away", with("Retry-After", "99999999999", answer(429, "")), true, 24 * time.Hour, "answered 429: no reason given"},
		{"429 with a Retry-After in the past", with("Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT", answer(429, "")), true, 0, "answered 429"},
		{"500", answer(500, "boom"), true, 0, "answered 500: boom"},
		{"503 with an endless body", endless(503, "no\n\n way"), true, 0, "answered 503: no way"},
		{"404", answer(404, "no_such\nhook"), false, 0, "answered 404: no_such hook"},
		{"400 that repeats the path", answer(400, "bad "+Secret), false, 0, "answered 400"},
		{"no HTTP", garbage, true, 0, "malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			retry, err := open(server.URL+"/hooks/"+Secret).Send(t.Context(), Notification())
			check(t, retry, err, tc.retry, tc.err)
			if e, ok := errors.AsType[*errs.Error](err); ok && e.RetryAfter != tc.after {
				t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tc.after)
			}
		})
	}
	t.Run("hangs until the timeout", func(t *testing.T) {
		release := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}))
		defer server.Close()
		defer close(release)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		retry, err := open(server.URL+"/hooks/"+Secret).Send(ctx, Notification())
		check(t, retry, err, true, "no answer in time")
	})
	t.Run("redirects are not followed", func(t *testing.T) {
		var visits atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
		defer elsewhere.Close()
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		defer server.Close()
		retry, err := open(server.URL+"/hooks/"+Secret).Send(t.Context(), Notification())
		check(t, retry, err, false, "redirects are not followed")
		if visits.Load() > 0 {
			t.Error("the redirect was followed")
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		retry, err := open(server.URL+"/hooks/"+Secret).Send(t.Context(), Notification())
		check(t, retry, err, true, "refused")
	})
	t.Run("down, then up", func(t *testing.T) {
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 1 {
				answer(502, "")(w, r)
				return
			}
			answer(200, ok)(w, r)
		}))
		defer server.Close()
		sender := open(server.URL + "/hooks/" + Secret)
		retry, err := sender.Send(t.Context(), Notification())
		check(t, retry, err, true, "answered 502")
		retry, err = sender.Send(t.Context(), Notification())
		check(t, retry, err, false, "")
	})
}

func check(t *testing.T, retry bool, err error, wantRetry bool, want string) {
	t.Helper()
	switch {
	case (err == nil) != (want == ""):
		t.Fatalf("Send = %v, want an error with %q", err, want)
	case err == nil:
	case !strings.Contains(err.Error(), want):
		t.Errorf("Send = %v, want an error with %q", err, want)
	case strings.Contains(err.Error(), Secret):
		t.Errorf("the error has the secret: %v", err)
	case len(err.Error()) > 1000:
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	if retry != wantRetry {
		t.Errorf("retry = %v, want %v (%v)", retry, wantRetry, err)
	}
}

func answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as a server does
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// endless answers with a body that ends when the client has had enough.
func endless(code int, beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(code, beginning)(w, r)
		line := []byte(strings.Repeat(" ", 4095) + "\n")
		for {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}
}

func with(name, value string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		next(w, r)
	}
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write([]byte("220 smtp.example.com ESMTP\r\n"))
	_ = conn.Close()
}

// Body sends a notification to a server that answers with ok, and returns the
// requests that it got.
func Body(t *testing.T, ok string, n alert.Notification, open func(url string) Sender) []Request {
	t.Helper()
	var got []Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, Request{r.Method, r.Header, body})
		answer(200, ok)(w, r)
	}))
	defer server.Close()
	if retry, err := open(server.URL).Send(t.Context(), n); err != nil {
		t.Fatalf("Send: %v (retry %v)", err, retry)
	}
	return got
}

// Request is one request that a server got.
type Request struct {
	Method string
	Header http.Header
	Body   []byte
}
