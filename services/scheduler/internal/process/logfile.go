package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// logFile keeps one log of an attempt on disk within a bound. The first three
// quarters of the bound are the log's head, in the file itself. What follows
// goes to two further files in turn, of which the older one is dropped, and in
// the end they are put behind the head. So the last eighth of the bound is
// always kept, and what is there at any moment survives a crash.
type logFile struct {
	path    string
	bound   int64
	current *os.File // nil after an error
	left    int64    // how much more goes into current
	tail    bool     // current is the newer file of the tail
	total   int64    // bytes that were written to the log, kept or not
	unsaved []byte   // the last of those that could not be kept
}

// maxUnsaved bounds what is remembered of a log whose file cannot be written.
// Two of them fit into an exit record.
const maxUnsaved = 12 << 10

func (l *logFile) newer() string { return l.path + ".tail" }
func (l *logFile) older() string { return l.path + ".tail.old" }

func (l *logFile) headBytes() int64 { return l.bound / 4 * 3 }
func (l *logFile) tailBytes() int64 { return max(l.bound/8, 1) }

func createLog(path string, bound int64) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	l := &logFile{path: path, bound: bound, current: f}
	l.left = l.headBytes()
	return l, err
}

// Write takes all of p and never fails: the attempt must not suffer from a log
// that cannot be kept.
func (l *logFile) Write(p []byte) (int, error) {
	l.total += int64(len(p))
	for rest := p; len(rest) > 0; {
		if l.left == 0 && l.current != nil {
			l.turn()
		}
		if l.current == nil {
			l.remember(rest)
			break
		}
		n, err := l.current.Write(rest[:min(int64(len(rest)), l.left)])
		l.left -= int64(n)
		rest = rest[n:]
		if err != nil {
			l.current.Close() //nolint:errcheck // what it has is what is kept
			l.current = nil
		}
	}
	return len(p), nil
}

func (l *logFile) remember(p []byte) {
	l.unsaved = append(l.unsaved, p...)
	if over := len(l.unsaved) - maxUnsaved; over > 0 {
		l.unsaved = append(l.unsaved[:0], l.unsaved[over:]...)
	}
}

// turn goes on in a new file of the tail.
func (l *logFile) turn() {
	err := l.current.Close()
	l.current = nil
	if l.tail {
		err = errors.Join(err, os.Rename(l.newer(), l.older()))
	}
	if err != nil {
		return
	}
	l.tail = true
	if f, err := os.OpenFile(l.newer(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		l.current, l.left = f, l.tailBytes()
	}
}

// finish closes the log, puts its files together and makes it durable.
func (l *logFile) finish() (logEnd, error) {
	var err error
	if l.current != nil {
		err = l.current.Close()
		l.current = nil
	}
	return logEnd{SizeBytes: l.total, Unsaved: l.unsaved}, errors.Join(err, l.join())
}

// join puts the tail behind the head, with a line between them when something
// is missing there. A crash in the middle leaves what join can do again.
func (l *logFile) join() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = l.joinTo(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	for _, path := range []string{l.older(), l.newer()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *logFile) joinTo(f *os.File) error {
	var parts []*os.File
	var kept int64
	for _, path := range []string{l.older(), l.newer()} {
		part, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer part.Close() //nolint:errcheck // it was only read
		info, err := part.Stat()
		if err != nil {
			return err
		}
		kept += info.Size()
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil
	}
	if err := f.Truncate(l.headBytes()); err != nil {
		return err
	}
	if _, err := f.Seek(l.headBytes(), io.SeekStart); err != nil {
		return err
	}
	// The log of an attempt whose supervisor is gone has an unknown length.
	missing := l.total - int64(len(l.unsaved)) - l.headBytes() - kept
	switch {
	case l.total == 0 && len(parts) == 2:
		fmt.Fprint(f, "\n[redrive: a part of the log is left out here]\n") //nolint:errcheck // a full disk may lack the note
	case missing > 0:
		fmt.Fprintf(f, "\n[redrive: %d bytes of the log are left out here]\n", missing) //nolint:errcheck // a full disk may lack the note
	}
	for _, part := range parts {
		if _, err := io.Copy(f, part); err != nil {
			return err
		}
	}
	return nil
}

// joinLogs puts together the logs of an attempt whose supervisor is gone.
func joinLogs(folder string, bound int64) error {
	var all error
	for _, name := range logNames {
		err := (&logFile{path: logPath(folder, name), bound: bound}).join()
		if !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// logNames are the sources of an attempt's logs.
var logNames = []string{"stdout", "stderr"}

func logPath(folder, name string) string { return filepath.Join(folder, name+".log") }
