package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// Range asks for a part of u. A server that gives the whole is read from its
// beginning.
func (c *Client) Range(ctx context.Context, u *url.URL, r source.Range) (source.Chunk, error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if r != (source.Range{}) {
		header.Set("Range", rangeOf(r))
	}
	res, err := c.Get(ctx, u, header)
	if err != nil {
		return source.Chunk{}, err
	}
	modified, _ := http.ParseTime(res.Header.Get("Last-Modified")) // the zero time where there is none
	chunk := source.Chunk{Body: res.Body, Size: -1, Modified: modified}
	switch res.StatusCode {
	case http.StatusOK:
		chunk.Whole, chunk.Size = true, res.ContentLength
		return chunk, nil
	case http.StatusPartialContent:
		chunk.Size = sizeOf(res.Header.Get("Content-Range"))
		return chunk, nil
	case http.StatusRequestedRangeNotSatisfiable:
		// An empty log has no range.
		if sizeOf(res.Header.Get("Content-Range")) <= max(0, r.From) {
			_ = res.Body.Close() // it says nothing of the log
			return source.Chunk{Body: http.NoBody, Size: max(0, sizeOf(res.Header.Get("Content-Range"))), Modified: modified}, nil
		}
	}
	return source.Chunk{}, StatusError(res)
}

// rangeOf writes r for the header Range.
func rangeOf(r source.Range) string {
	switch {
	case r.From < 0:
		return fmt.Sprintf("bytes=%d", r.From)
	case r.Most > 0:
		return fmt.Sprintf("bytes=%d-%d", r.From, r.From+r.Most-1)
	}
	return fmt.Sprintf("bytes=%d-", r.From)
}

// sizeOf reads the size of the whole out of the header Content-Range; -1 when it
// is not told.
func sizeOf(contentRange string) int64 {
	_, size, ok := strings.Cut(contentRange, "/")
	if n, err := strconv.ParseInt(size, 10, 64); ok && err == nil && n >= 0 {
		return n
	}
	return -1
}
