package window

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

// log gives text in parts, or whole when whole is set; size is told when told
// is set.
func log(text string, whole, told bool) source.Log {
	return source.Log{Read: func(_ context.Context, r source.Range) (source.Chunk, error) {
		size := int64(len(text))
		part := text
		if !whole {
			from := r.From
			if from < 0 {
				from = max(0, size+from)
			}
			part = text[min(from, size):]
			if r.Most > 0 && int64(len(part)) > r.Most {
				part = part[:r.Most]
			}
		}
		if !told {
			size = -1
		}
		return source.Chunk{Body: io.NopCloser(iotest.HalfReader(strings.NewReader(part))), Size: size, Whole: whole}, nil
	}}
}

func lines(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d\n", i)
	}
	return b.String()[:n]
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, s string) string {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.EncodeAll([]byte(s), nil))
}

func TestRead(t *testing.T) {
	for _, size := range []int{0, 8, most, most + 1, 3*most + 5} {
		text := lines(size)
		for name, packed := range map[string]string{"": text, "gzip": gzipped(t, text), "zstd": zstded(t, text)} {
			for i := range 4 {
				whole, told := i&1 > 0, i&2 > 0
				w, err := Read(t.Context(), log(packed, whole, told))
				what := fmt.Sprintf("%d bytes, packed %q, whole %v, told %v", size, name, whole, told)
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				if !w.Cut {
					if size > most || w.Head != text || w.Tail != "" || w.Size != int64(size) {
						t.Errorf("%s: not cut, %d bytes of size %d", what, len(w.Head), w.Size)
					}
					continue
				}
				// A place that says no size and gives parts does not tell how long the log is.
				if size <= most || !strings.HasPrefix(text, w.Head) || !strings.HasSuffix(text, w.Tail) || len(w.Head)+len(w.Tail) > most ||
					len(w.Head) < headBytes-8 || len(w.Tail) < tailBytes-8 || w.Size != int64(size) && (told || whole || name != "") {
					t.Errorf("%s: head %d, tail %d bytes of size %d", what, len(w.Head), len(w.Tail), w.Size)
				}
				if strings.HasSuffix(w.Head, "\n") != true || w.Tail[7] != '\n' {
					t.Errorf("%s: the windows are not cut at lines", what)
				}
			}
		}
	}
}

func TestBombsAreBounded(t *testing.T) {
	defer func(before int64) { maxRead = before }(maxRead)
	maxRead = 8 << 20
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range (maxRead >> 20) + 2 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(t.Context(), log(b.String(), true, true))
	if err == nil || !strings.Contains(err.Error(), "only its first 8 MiB") || len(got.Head)+len(got.Tail) > most {
		t.Errorf("Read of a bomb = %d bytes, %v", len(got.Head)+len(got.Tail), err)
	}
	// A zstd frame that asks for a window of 64 MiB.
	e, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	frame := e.EncodeAll(bytes.Repeat([]byte("x"), 65<<20), nil)
	if _, err := Read(t.Context(), log(string(frame), true, true)); err == nil {
		t.Error("a frame with a window of 64 MiB was unpacked")
	}
}

func TestBrokenPacksSayWhatTheyAre(t *testing.T) {
	text := strings.Repeat("ERROR boom\n", 3000) + lines(1000)
	for kind, packed := range map[string]string{"gzip": gzipped(t, text), "zstd": zstded(t, text)} {
		w, err := Read(t.Context(), log(packed[:len(packed)-9], true, true))
		if err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("Read of half a %s = %d bytes, %v", kind, len(w.Head), err)
		}
	}
	if w, err := Read(t.Context(), log("\x1f\x8b\x08 is no gzip at all", true, true)); err == nil || w.Head != "" {
		t.Errorf("Read of a false gzip = %q, %v", w.Head, err)
	}
}

func TestWhatWasReadBeforeAnErrorIsKept(t *testing.T) {
	boom := errors.New("connection reset")
	l := source.Log{Read: func(context.Context, source.Range) (source.Chunk, error) {
		return source.Chunk{Body: io.NopCloser(io.MultiReader(strings.NewReader("first\nsecond\n"), iotest.ErrReader(boom))), Size: 99, Whole: true}, nil
	}}
	w, err := Read(t.Context(), l)
	if !errors.Is(err, boom) || w.Head != "first\nsecond\n" || !w.Cut {
		t.Errorf("Read = %+v, %v", w, err)
	}
	long := lines(2 * most)
	l.Read = func(context.Context, source.Range) (source.Chunk, error) {
		return source.Chunk{Body: io.NopCloser(io.MultiReader(strings.NewReader(long), iotest.ErrReader(boom))), Size: -1, Whole: true}, nil
	}
	if w, err := Read(t.Context(), l); !errors.Is(err, boom) || !strings.HasSuffix(long, w.Tail) || w.Tail == "" {
		t.Errorf("Read of a long one = %d, %d bytes, %v", len(w.Head), len(w.Tail), err)
	}
}

func TestTracesAreKeptTogether(t *testing.T) {
	java := "java.lang.OutOfMemoryError: Java heap space\n\tat com.acme.A.a(A.java:1)\n\tat com.acme.B.b(B.java:2)\nCaused by: java.io.IOException: x\n\t... 3 more\n"
	python := "Traceback (most recent call last):\n  File \"etl.py\", line 3, in <module>\n    main()\n  File \"etl.py\", line 9, in main\n    1 / 0\nZeroDivisionError: division by zero\n"
	for name, trace := range map[string]string{"java": java, "python": python} {
		for at := 1; at < len(trace); at++ {
			before, after := strings.Repeat("INFO fine\n", 500), strings.Repeat("INFO over\n", 500)
			text := before + trace + after
			if head := Head(text, len(before)+at, 1000); head != before && head != before+trace {
				t.Errorf("%s, head cut at %d ends with %q", name, at, head[len(head)-30:])
			}
			if tail := Tail(text, len(trace)-at+len(after), 1000); tail != after && !strings.HasPrefix(tail, trace[:20]) && !strings.HasPrefix(tail, "INFO fine\n"+trace[:20]) {
				t.Errorf("%s, tail cut at %d begins with %.60q", name, at, tail)
			}
		}
	}
	// Without end, the bounds hold.
	frames := strings.Repeat("\tat com.acme.A.a(A.java:1)\n", 10_000)
	if h, l := Head(frames, 1000, 500), Tail(frames, 1000, 500); len(h) > 1500 || len(l) > 1500 {
		t.Errorf("an endless trace keeps %d and %d bytes", len(h), len(l))
	}
}

func TestRing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r, all := newRing(1+rng.IntN(50)), ""
		for range rng.IntN(20) {
			s := lines(rng.IntN(80))
			all += s
			_, _ = r.Write([]byte(s)) // it never fails
			if want := all[max(0, len(all)-r.size):]; r.text() != want {
				t.Fatalf("ring of %d after %d bytes = %q, want %q", r.size, len(all), r.text(), want)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("plain\n\tat x\n"), true)
	f.Add([]byte(gzipped(f, "packed")), false)
	f.Add([]byte(zstded(f, "packed")), true)
	f.Fuzz(func(t *testing.T, data []byte, whole bool) {
		w, _ := Read(t.Context(), log(string(data), whole, true)) // what cannot be unpacked is an error
		if len(w.Head)+len(w.Tail) > most {
			t.Errorf("%d bytes are kept", len(w.Head)+len(w.Tail))
		}
	})
}
