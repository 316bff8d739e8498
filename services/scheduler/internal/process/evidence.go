package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failure"
)

// result is what an exit record and the logs beside it say.
func (x exit) result(folder string) (Result, error) {
	reason, err := x.reason()
	if err != nil {
		return Result{}, err
	}
	r := Result{
		Succeeded: reason == failure.Exited && *x.ExitCode == 0,
		Evidence: failure.Evidence{
			ExitCode: x.ExitCode, Signal: x.Signal, Reason: reason, Proof: x.Proof, PeakBytes: x.PeakBytes,
			LimitBytes: x.LimitBytes, MemoryDriver: x.MemoryDriver, Node: x.Node,
			Start: x.Start, End: x.End, Duration: x.Duration,
		},
	}
	ends := map[string]logEnd{"stdout": x.Stdout, "stderr": x.Stderr}
	budget := int64(failure.MaxLogBytes)
	for i, name := range logNames {
		// What a short log leaves unused is for those after it, and the first
		// may use what the others do not need.
		share := budget / int64(len(logNames)-i)
		for _, other := range logNames[i+1:] {
			share += max(0, budget/int64(len(logNames)-i)-logSize(folder, other, ends[other]))
		}
		l, err := readLog(logPath(folder, name), name, ends[name], share)
		if err != nil {
			return Result{}, err
		}
		budget -= int64(len(l.Head) + len(l.Tail))
		r.Evidence.Logs = append(r.Evidence.Logs, l)
	}
	return r, nil
}

func logSize(folder, name string, end logEnd) int64 {
	info, err := os.Lstat(logPath(folder, name))
	if err != nil {
		return int64(len(end.Unsaved))
	}
	return info.Size() + int64(len(end.Unsaved))
}

// headPart is the part of a cut log that is its head; the rest is its tail,
// where programs say why they end.
const headPart = 4

// ReadLog reads at most budget bytes of the log in a file, its head and its
// tail. A file that is not there, or is no regular file, is an empty log. The
// result is valid UTF-8.
func ReadLog(path, source string, budget int64) (failure.Log, error) {
	return readLog(path, source, logEnd{}, budget)
}

func readLog(path, source string, end logEnd, budget int64) (failure.Log, error) {
	l := failure.Log{Source: source}
	// A program that runs as the same user could put a link here.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ELOOP) {
		return l, nil // it was never made, or taken away
	}
	if err != nil {
		return l, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return l, err
	}
	all := io.NewSectionReader(f, 0, info.Size())
	stored := info.Size() + int64(len(end.Unsaved))
	l.URI = (&url.URL{Scheme: "file", Path: path}).String()
	l.SizeBytes = max(end.SizeBytes, stored)
	if stored <= budget {
		head, err := window(all, 0, info.Size())
		if err != nil {
			return l, fmt.Errorf("read %s: %w", path, err)
		}
		l.Head = valid(append(head, end.Unsaved...))
		l.Truncated = l.SizeBytes > info.Size()+int64(len(end.Unsaved))
		return l, nil
	}
	l.Truncated = true
	headBytes := budget / headPart
	tailBytes := budget - headBytes
	head, err := window(all, 0, min(headBytes, info.Size()))
	if err != nil {
		return l, fmt.Errorf("read %s: %w", path, err)
	}
	fromFile := max(0, tailBytes-int64(len(end.Unsaved)))
	fromFile = min(fromFile, info.Size()-int64(len(head)))
	tail, err := window(all, info.Size()-fromFile, fromFile)
	if err != nil {
		return l, fmt.Errorf("read %s: %w", path, err)
	}
	l.Head = valid(cutAfterLine(head))
	l.Tail = valid(cutBeforeLine(append(tail, end.Unsaved...)))
	return l, nil
}

// window reads n bytes at an offset, or what there is.
func window(r io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:got], err
}

// maxCut bounds what is given up so that a window begins and ends with a line:
// half a line can mislead a rule, and half a secret is hard to recognise.
const maxCut = 8 << 10

func cutAfterLine(b []byte) []byte {
	if i := bytes.LastIndexByte(b, '\n'); i >= 0 && len(b)-i <= maxCut {
		return b[:i+1]
	}
	return b
}

func cutBeforeLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 && i < maxCut && i+1 < len(b) {
		return b[i+1:]
	}
	return b
}

// valid makes b text that every protocol carries, and not longer than it was.
func valid(b []byte) string { return strings.ToValidUTF8(string(b), "?") }
