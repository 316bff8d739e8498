package web

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/redrive-io/redrive/pkg/errs"
)

// Status is an answer that is no success.
type Status struct {
	Code   int
	Header http.Header
	text   string
}

// Error implements error.
func (s *Status) Error() string { return s.text }

// StatusError says what a status that is no success means, with the beginning
// of the body, which it closes. A *Status is in it.
func StatusError(res *http.Response) error {
	defer func() { _ = res.Body.Close() }() // it is read as far as it is of use
	s := &Status{res.StatusCode, res.Header, fmt.Sprintf("%s answers %s", res.Request.URL.Host, res.Status)}
	if said, _ := io.ReadAll(io.LimitReader(res.Body, 300)); len(said) > 0 {
		s.text += ": " + strings.Join(strings.Fields(strings.ToValidUTF8(string(said), "")), " ")
	}
	kind := errs.Internal
	switch code := res.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		kind = errs.NotFound
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		kind = errs.PermissionDenied
	case code == http.StatusTooManyRequests, code >= 500:
		kind = errs.Unavailable
	}
	return errs.New(kind, "%w", s)
}
