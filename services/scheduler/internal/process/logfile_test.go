package process

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
)

const testBound = 1600 // head 1200, two files of 200 for the tail

// numbered returns n bytes in which every part tells where it is.
func numbered(n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%07d\n", b.Len())
	}
	return b.Bytes()[:n]
}

func TestLogFile(t *testing.T) {
	for _, n := range []int{0, 1, 1199, 1200, 1201, 1400, 1401, 1600, 1601, 1800, 1801, 5000, 100_000} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, crash %v", n, crash), func(t *testing.T) {
				folder, whole := t.TempDir(), numbered(n)
				path := logPath(folder, "stdout")
				l, err := createLog(path, testBound)
				if err != nil {
					t.Fatal(err)
				}
				random := rand.New(rand.NewPCG(uint64(n), 1))
				for rest := whole; len(rest) > 0; {
					chunk := min(len(rest), 1+random.IntN(700))
					if n, err := l.Write(rest[:chunk]); n != chunk || err != nil {
						t.Fatalf("Write = %d, %v, want %d", n, err, chunk)
					}
					rest = rest[chunk:]
				}
				if crash {
					l.current.Close() //nolint:errcheck // what it has is what is kept
					if err := joinLogs(folder, testBound); err != nil {
						t.Fatal(err)
					}
				} else if end, err := l.finish(); err != nil || end.SizeBytes != int64(n) || end.Unsaved != nil {
					t.Fatalf("finish = %+v, %v, want %d bytes", end, err, n)
				}
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				checkKept(t, got, whole)
				if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
					t.Errorf("there are %v, want one file", files)
				}
			})
		}
	}
}

func checkKept(t *testing.T, got, whole []byte) {
	t.Helper()
	if len(whole) <= testBound-200 && !bytes.Equal(got, whole) {
		t.Errorf("of %d bytes %d are kept, want all", len(whole), len(got))
		return
	}
	if bytes.Equal(got, whole) {
		return
	}
	head, tail, found := bytes.Cut(got, []byte("\n[redrive: "))
	_, tail, closed := bytes.Cut(tail, []byte("]\n"))
	if !found || !closed {
		t.Fatalf("nothing tells what is missing in %q", got)
	}
	if !bytes.HasPrefix(whole, head) || len(head) != testBound/4*3 {
		t.Errorf("the head has %d bytes", len(head))
	}
	if !bytes.HasSuffix(whole, tail) || len(tail) < testBound/8 || len(tail) > testBound/4 {
		t.Errorf("the tail has %d bytes: %q", len(tail), tail)
	}
}

// A crash in the middle of join leaves what join can do again.
func TestJoinAgain(t *testing.T) {
	folder, whole := t.TempDir(), numbered(3000)
	path := logPath(folder, "stdout")
	l, err := createLog(path, testBound)
	if err != nil {
		t.Fatal(err)
	}
	l.Write(whole) //nolint:errcheck // it never fails
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.joinTo(f), f.Truncate(1300), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := joinLogs(folder, testBound); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	checkKept(t, got, whole)
}

// What cannot be written to the disk is remembered, and part of the evidence.
func TestLogThatCannotBeWritten(t *testing.T) {
	folder := t.TempDir()
	l, err := createLog(logPath(folder, "stderr"), testBound)
	if err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("begin\n")) //nolint:errcheck // it never fails
	l.current.Close()          //nolint:errcheck // this is the fault: every write fails now
	last := "No space left on device\n"
	l.Write(append(numbered(100_000), last...)) //nolint:errcheck // it never fails
	end, err := l.finish()
	if err == nil && len(end.Unsaved) != maxUnsaved {
		t.Fatalf("finish = %d bytes unsaved, want %d", len(end.Unsaved), maxUnsaved)
	}
	x := exit{Version: recordVersion, Job: "a", Attempt: 1, Reason: failure.Signaled.String(), Stdout: end, Stderr: end}
	if _, err := encode(x); err != nil {
		t.Errorf("the record: %v", err)
	}
	r, err := x.result(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Evidence.Logs[1]
	if !strings.HasPrefix(got.Head, "begin\n") || !strings.HasSuffix(got.Head+got.Tail, last) || !got.Truncated || got.SizeBytes != int64(len("begin\n")+100_000+len(last)) {
		t.Errorf("got %d bytes, truncated %v, of %d", len(got.Head), got.Truncated, got.SizeBytes)
	}
}

func TestWindows(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for _, tc := range []struct {
		name           string
		stdout, stderr string
		truncated      [2]bool
	}{
		{"both small", "out\n", "err\n", [2]bool{}},
		{"stdout may use what stderr does not", strings.Repeat(line, 2500), "err\n", [2]bool{}},
		{"stderr may use what stdout does not", "out\n", strings.Repeat(line, 2500), [2]bool{}},
		{"both large", strings.Repeat(line, 5000), strings.Repeat(line, 5000), [2]bool{true, true}},
		{"one large", strings.Repeat(line, 5000), strings.Repeat(line, 300), [2]bool{true, false}},
		{"one line", strings.Repeat("x", 1_000_000), "", [2]bool{true, false}},
		{"no text", strings.Repeat("\xff\x00é", 200_000), strings.Repeat("\xc3", 200_000), [2]bool{true, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folder := t.TempDir()
			texts := []string{tc.stdout, tc.stderr}
			for i, name := range logNames {
				if err := os.WriteFile(logPath(folder, name), []byte(texts[i]), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			x := exit{Reason: failure.Signaled.String(), Stdout: logEnd{SizeBytes: int64(len(tc.stdout))}, Stderr: logEnd{SizeBytes: int64(len(tc.stderr))}}
			r, err := x.result(folder)
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for i, got := range r.Evidence.Logs {
				total += len(got.Head) + len(got.Tail)
				if got.Source != logNames[i] || got.Truncated != tc.truncated[i] || got.SizeBytes != int64(len(texts[i])) {
					t.Errorf("%s: %s truncated %v, size %d", logNames[i], got.Source, got.Truncated, got.SizeBytes)
				}
				if !got.Truncated && got.Head != texts[i] {
					t.Errorf("%s: head is not the whole text", got.Source)
				}
				if want := "file://" + logPath(folder, got.Source); got.URI != want {
					t.Errorf("URI %q, want %q", got.URI, want)
				}
				for _, window := range []string{got.Head, got.Tail} {
					if strings.ToValidUTF8(window, "") != window {
						t.Errorf("%s is not UTF-8", got.Source)
					}
				}
				if got.Truncated && strings.Contains(texts[i], line) && (!strings.HasSuffix(got.Head, line) || !strings.HasPrefix(got.Tail, line)) {
					t.Errorf("%s: a window begins or ends within a line", got.Source)
				}
			}
			if total > failure.MaxLogBytes {
				t.Errorf("%d bytes of logs, want %d at most", total, failure.MaxLogBytes)
			}
		})
	}
}

// A program may put anything in the place of its own logs.
func TestLogsThatAreNoFiles(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("/etc/passwd", logPath(folder, "stdout")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(logPath(folder, "stderr"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := exit{Reason: failure.Signaled.String()}.result(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Evidence.Logs {
		if l.Head != "" || l.URI != "" {
			t.Errorf("got %+v, want nothing", l)
		}
	}
}
