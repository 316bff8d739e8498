package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/redrive-io/redrive/pkg/failure"
)

// Windows of a file that is longer than failure.MaxLogBytes.
const (
	headBytes = failure.MaxLogBytes / 4
	tailBytes = failure.MaxLogBytes - headBytes
	// maxPartial is how far into the tail its first whole line is looked for.
	maxPartial = 4 << 10
)

// read returns l with the windows of its file.
func (c Collector) read(l failure.Log) (failure.Log, error) {
	path, err := pathOf(l.URI)
	if err != nil {
		return l, err
	}
	f, err := c.open(path)
	if err != nil {
		return l, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return l, plainError(err)
	}
	if !info.Mode().IsRegular() {
		return l, fmt.Errorf("%q is no regular file", path)
	}
	size := info.Size()
	l.SizeBytes, l.Tail, l.Truncated = size, "", size > failure.MaxLogBytes
	if !l.Truncated {
		l.Head, err = window(f, 0, size)
		return l, err
	}
	if l.Head, err = window(f, 0, headBytes); err != nil {
		return l, err
	}
	if l.Tail, err = window(f, size-tailBytes, tailBytes); err != nil {
		return l, err
	}
	if i := strings.IndexByte(l.Tail, '\n'); i >= 0 && i < maxPartial {
		l.Tail = l.Tail[i+1:]
	}
	return l, nil
}

func window(f *os.File, from, n int64) (string, error) {
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.NewSectionReader(f, from, n)); err != nil {
		return "", plainError(err)
	}
	return b.String(), nil
}

// pathOf takes the path out of a file:// URL of this host.
func pathOf(uri string) (string, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.200q is no URL", uri)
	case u.Scheme != "file":
		return "", fmt.Errorf("%.200q is no file:// URL", uri)
	case u.Host != "" && u.Host != "localhost":
		return "", fmt.Errorf("%.200q is a file of another host", uri)
	case !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0):
		return "", fmt.Errorf("%.200q has no absolute path", uri)
	}
	return filepath.Clean(u.Path), nil
}

// open opens path when, with all links resolved, it is below a root. The root
// is opened for itself, so that a link that is made in between leads nowhere
// else either, and a pipe does not block.
func (c Collector) open(path string) (*os.File, error) {
	refused := fmt.Errorf("%.200q is not below a --log-root", path)
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		if c.below(path) {
			return nil, plainError(err)
		}
		return nil, refused // whether it exists is nobody's business
	}
	for _, root := range c.Roots {
		root, err := filepath.EvalSymlinks(root)
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(root, resolved)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		dir, err := os.OpenRoot(root)
		if err != nil {
			return nil, plainError(err)
		}
		defer dir.Close() //nolint:errcheck // it was only read
		f, err := dir.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, plainError(err)
		}
		return f, nil
	}
	return nil, refused
}

// below reports whether path is written as one below a root.
func (c Collector) below(path string) bool {
	for _, root := range c.Roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// plainError is err without the paths of this host that a caller did not name.
func plainError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it does not exist")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("it may not be read")
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
