// Package window reads the head and the tail of a log of any length, packed or
// not, in bounded memory and time.
package window

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// The bytes of a log that are kept. A trace that a window's edge would cut is
// kept whole where slack allows for it.
const (
	most      = failure.MaxLogBytes
	slack     = 16 << 10
	headBytes = most/4 - slack
	tailBytes = most - most/4 - slack
)

// maxRead bounds what is read of a log whose end cannot be asked for: of a
// packed one, before and after unpacking. Only tests change it.
var maxRead int64 = 256 << 20

// Windows are what is kept of a log.
type Windows struct {
	// Head is the whole text of a log that is not cut.
	Head, Tail string
	// Size is that of the whole log, unpacked; of what was read where that is
	// not known.
	Size     int64
	Cut      bool
	Modified time.Time
	// Packed is "gzip" or "zstd", or empty.
	Packed string
}

// Read reads the windows of l. With an error, what had been read before is
// returned, if anything was.
func Read(ctx context.Context, l source.Log) (Windows, error) {
	// One byte more tells a log that just fits from one that does not.
	c, err := l.Read(ctx, source.Range{Most: most + 1})
	if err != nil {
		return Windows{}, err
	}
	defer func() { _ = c.Body.Close() }() // it was only read
	w := Windows{Modified: c.Modified}
	first, err := readMost(c.Body, most+1)
	if w.Packed = packed(first); w.Packed != "" && err == nil {
		return w.unpack(ctx, l, c, first)
	}
	switch {
	case err != nil && len(first) == 0:
		return w, err
	case err != nil:
		return w.begun(first), err
	case len(first) <= most:
		return w.whole(first), nil
	case c.Whole:
		return w.stream(first, c.Body, "")
	}
	return w.ranged(ctx, l, c.Size, first)
}

// ranged asks for the tail of a log that was begun in parts.
func (w Windows) ranged(ctx context.Context, l source.Log, size int64, first []byte) (Windows, error) {
	c, err := l.Read(ctx, source.Range{From: -(tailBytes + slack), Most: tailBytes + slack})
	if err != nil {
		return w.begun(first), fmt.Errorf("its end could not be read: %w", err)
	}
	defer func() { _ = c.Body.Close() }() // it was only read
	end := newRing(tailBytes + slack)
	n, err := io.Copy(end, io.LimitReader(c.Body, maxRead))
	if c.Size < 0 && c.Whole {
		c.Size = n
	}
	w.Size = max(size, c.Size, int64(len(first)))
	w.Head, w.Tail, w.Cut = Head(string(first), headBytes, slack), Tail(end.text(), tailBytes, slack), true
	return w, err
}

// unpack reads a packed log from its beginning to its end.
func (w Windows) unpack(ctx context.Context, l source.Log, c source.Chunk, first []byte) (Windows, error) {
	rest := io.Reader(c.Body)
	if !c.Whole && (c.Size < 0 || int64(len(first)) < c.Size) {
		more, err := l.Read(ctx, source.Range{From: int64(len(first))})
		if err != nil {
			return w, err
		}
		defer func() { _ = more.Body.Close() }() // it was only read
		if rest = more.Body; more.Whole {
			first = nil
		}
	}
	raw := io.LimitReader(io.MultiReader(bytes.NewReader(first), rest), maxRead)
	r, err := unpacked(w.Packed, raw)
	if err != nil {
		return w, fmt.Errorf("it begins like %s and is not: %w", w.Packed, err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	text, err := readMost(r, most+1)
	if len(text) <= most {
		w = w.whole(text)
		w.Cut = err != nil
		return w, packedError(w.Packed, err)
	}
	return w.stream(text, r, w.Packed)
}

// stream reads on to the end, and keeps what comes last.
func (w Windows) stream(first []byte, rest io.Reader, kind string) (Windows, error) {
	end := newRing(tailBytes + slack)
	_, _ = end.Write(first[headBytes:]) // a ring takes everything
	n, err := io.Copy(end, io.LimitReader(rest, maxRead))
	w.Size = int64(len(first)) + n
	w.Head, w.Tail, w.Cut = Head(string(first), headBytes, slack), Tail(end.text(), tailBytes, slack), true
	if err == nil && n == maxRead {
		err = fmt.Errorf("only its first %d MiB were read", maxRead>>20)
	}
	return w, packedError(kind, err)
}

func (w Windows) whole(text []byte) Windows {
	w.Head, w.Size = string(text), int64(len(text))
	return w
}

// begun is what there is when reading fails after the beginning.
func (w Windows) begun(text []byte) Windows {
	w = w.whole(text[:min(len(text), most)])
	w.Cut = true
	return w
}

// readMost reads up to n bytes, and fails with what it has read.
func readMost(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := io.Copy(&b, io.LimitReader(r, n))
	return b.Bytes(), err
}

// packedError says of an error in packed data what it is.
func packedError(kind string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF) && kind != "":
		return fmt.Errorf("its %s data ends too early", kind)
	case errors.Is(err, context.DeadlineExceeded), kind == "":
		return err
	}
	return fmt.Errorf("its %s data is broken: %w", kind, err)
}
