package process_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// A program that prints without end is neither blocked nor killed, and its
// logs stay within their bound.
func TestLogsAreBounded(t *testing.T) {
	const bound = 1 << 20
	b := newBench(t, process.Options{LogBytes: bound})
	got := b.run(a1, shell("echo first; head -c 20000000 /dev/zero | tr '\\0' x; echo; echo last; echo also >&2"))
	if !got.Succeeded {
		t.Fatalf("got %+v, want success", got.Evidence)
	}
	out, stderr := got.Evidence.Logs[0], got.Evidence.Logs[1]
	if want := int64(len("first\n") + 20_000_000 + len("\nlast\n")); out.SizeBytes != want || !out.Truncated {
		t.Errorf("size %d, truncated %v, want %d and true", out.SizeBytes, out.Truncated, want)
	}
	if !strings.HasPrefix(out.Head, "first\n") || !strings.HasSuffix(out.Tail, "last\n") || stderr.Head != "also\n" {
		t.Errorf("head %.20q, tail …%q, stderr %q", out.Head, out.Tail[max(0, len(out.Tail)-20):], stderr.Head)
	}
	if n := len(out.Head) + len(out.Tail) + len(stderr.Head); n > failure.MaxLogBytes {
		t.Errorf("%d bytes of text, want at most %d", n, failure.MaxLogBytes)
	}
	info, err := os.Stat(b.file(a1, "stdout.log"))
	if err != nil || info.Size() > bound+100 {
		t.Errorf("the file has %d bytes, %v, want at most %d", info.Size(), err, bound)
	}
}

// A program that opens its own output anew cannot make what it printed vanish.
func TestLogsSurviveTruncation(t *testing.T) {
	b := newBench(t, process.Options{})
	got := b.run(a1, shell("echo one; echo two > /proc/self/fd/1; echo three >> /proc/self/fd/1"))
	if out := got.Evidence.Logs[0].Head; out != "one\ntwo\nthree\n" {
		t.Errorf("stdout is %q", out)
	}
}

// A program fills the very disk that its logs and records are on. It is told so
// and says so, and that is known at the end.
func TestDiskIsFull(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mount("redrive-test", root, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(root, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	b := newBench(t, process.Options{Root: root})
	got := b.run(a1, shell("echo begin >&2; cat /dev/zero > file; echo the end >&2; exit 28"))
	e := got.Evidence
	if e.Reason != failure.Exited || codeOf(e) != 28 {
		t.Errorf("got %+v, want exit code 28", e)
	}
	if text := e.Logs[1].Head; !strings.HasPrefix(text, "begin\n") || !strings.Contains(text, "No space left on device") || !strings.HasSuffix(text, "the end\n") {
		t.Errorf("stderr is %q", text)
	}
}
