// Package files reads logs from files of this host, below folders that the
// operator named: file:///var/log/jobs/etl-7/stderr.
package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// Driver reads files. Its zero value reads none.
type Driver struct {
	// Roots are the folders below which files are read, with all links resolved,
	// each an absolute path.
	Roots []string
}

var _ source.Driver = Driver{}

// maxEntries bounds the files of a folder that a pattern is held against.
const maxEntries = 10_000

// Find implements source.Driver. A folder that a pattern leads to, such as that
// of Spark's rolling event logs, stands for the files in it.
func (d Driver) Find(_ context.Context, ref source.Ref) (source.Found, error) {
	name, err := pathOf(ref.URL)
	if err != nil {
		return source.Found{}, err
	}
	if !ref.Pattern {
		return source.Found{Logs: []source.Log{d.log("", name)}}, nil
	}
	found, err := d.matches(filepath.Dir(name), filepath.Base(name), true)
	if err == nil && len(found) == 0 {
		err = errs.New(errs.NotFound, "no file is like %.200q", name)
	}
	// The newest parts of a rolling log have the highest numbers.
	slices.Reverse(found)
	return source.Found{Logs: found[:min(len(found), source.MaxFound)]}, err
}

// matches returns the files of a folder whose names are as the pattern says.
func (d Driver) matches(folder, pattern string, deeper bool) ([]source.Log, error) {
	f, err := d.open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	entries, err := f.ReadDir(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, plainError(err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var found []source.Log
	for _, e := range entries {
		if !source.Matches(pattern, e.Name()) {
			continue
		}
		at := filepath.Join(folder, e.Name())
		if !e.IsDir() {
			found = append(found, d.log(uriOf(at), at))
			continue
		}
		if below, err := d.matches(at, "*", false); deeper && err == nil {
			found = append(found, below...)
		}
	}
	return found, nil
}

func (d Driver) log(uri, name string) source.Log {
	return source.Log{
		URI: uri, Growing: strings.HasSuffix(name, ".inprogress"),
		Read: func(_ context.Context, r source.Range) (source.Chunk, error) { return d.read(name, r) },
	}
}

func uriOf(name string) string { return (&url.URL{Scheme: "file", Path: name}).String() }

func (d Driver) read(name string, r source.Range) (source.Chunk, error) {
	f, err := d.open(name)
	if err != nil {
		return source.Chunk{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errs.New(errs.Invalid, "%.200q is no regular file", name)
	}
	if err != nil {
		_ = f.Close() // it was only opened
		return source.Chunk{}, plainError(err)
	}
	from := r.From
	if from < 0 {
		from = max(0, info.Size()+from)
	}
	n := max(0, info.Size()-from)
	if r.Most > 0 {
		n = min(n, r.Most)
	}
	body := struct {
		io.Reader
		io.Closer
	}{plainReader{io.NewSectionReader(f, from, n)}, f}
	return source.Chunk{Body: body, Size: info.Size(), Modified: info.ModTime()}, nil
}

// plainReader makes plain errors of what reading fails with.
type plainReader struct{ io.Reader }

func (r plainReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	return n, plainError(err)
}

// pathOf takes the path out of a file:// URL of this host.
func pathOf(u *url.URL) (string, error) {
	switch {
	case u.Host != "" && u.Host != "localhost":
		return "", errs.New(errs.Invalid, "%s is a file of another host", source.Show(u))
	case !path.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0):
		return "", errs.New(errs.Invalid, "%s has no absolute path", source.Show(u))
	}
	return filepath.Clean(u.Path), nil
}

// open opens a file when, with all links resolved, it is below a root. The root
// is opened for itself, so that a link that is made in between leads nowhere
// else either, and a pipe does not block.
func (d Driver) open(name string) (*os.File, error) {
	refused := errs.New(errs.PermissionDenied, "%.200q is not below a --log-root", name)
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		if d.below(name) {
			return nil, plainError(err)
		}
		return nil, refused // whether it exists is nobody's business
	}
	for _, root := range d.Roots {
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

// below reports whether name is written as one below a root.
func (d Driver) below(name string) bool {
	for _, root := range d.Roots {
		if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// plainError is err without the paths of this host that a caller did not name.
func plainError(err error) error {
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // a Reader returns io.EOF itself
		return err
	case errors.Is(err, fs.ErrNotExist):
		return errs.New(errs.NotFound, "it does not exist")
	case errors.Is(err, fs.ErrPermission):
		return errs.New(errs.PermissionDenied, "it may not be read")
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
