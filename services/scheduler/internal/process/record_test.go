package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/memlimit"
	"github.com/redrive-io/redrive/services/scheduler/internal/process/proctree"
)

func someClaim() claim {
	return claim{
		Version: recordVersion, Job: "a", Attempt: 1, Supervisor: proctree.Identity{PID: 7, Start: 8, Boot: "b"},
		Key: newKey(), Memory: memlimit.Place{Driver: memlimit.Watchdog}, LogBytes: 1, Time: time.Unix(1, 0).UTC(),
	}
}

func someExit() exit {
	code, peak := 3, int64(5)
	return exit{
		Version: recordVersion, Job: "a", Attempt: 1, Reason: failure.Exited.String(), ExitCode: &code, PeakBytes: &peak,
		Start: time.Unix(1, 0).UTC(), End: time.Unix(2, 5).UTC(), Duration: time.Second, Stdout: logEnd{1, []byte("\x00\xff")},
	}
}

func FuzzRecords(f *testing.F) {
	for _, r := range []record{someClaim(), someExit(), kill{Version: recordVersion, Reason: "CANCELLED"}} {
		text, err := encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	for _, text := range []string{
		"", "null", "[]", `{"version":2}`, `{"version":1}`, `{"version":1,"reason":"EXITED"}`, `{"version":1,"reason":"TIMEOUT"}`,
		`{"version":1,"job":"a","attempt":1,"reason":"EXITED"}`, `{"version":1,"job":"../..","attempt":1,"reason":"LOST"}`,
		`{"version":1,"job":"a","attempt":1,"reason":"LOST","peak_bytes":-1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		again(t, text, decode[claim])
		again(t, text, decode[kill])
		if x, ok := again(t, text, decode[exit]); ok {
			if _, err := x.result(t.TempDir()); err != nil {
				t.Errorf("result: %v", err)
			}
		}
		if l, err := readLaunch(bytes.NewReader(text)); err == nil && l.check() != nil {
			t.Errorf("a launch passed its check once: %+v", l)
		}
	})
}

// again checks that what can be read can be written and read again.
func again[R record](t *testing.T, text []byte, decode func([]byte) (R, error)) (R, bool) {
	t.Helper()
	r, err := decode(text)
	if err != nil {
		return r, false
	}
	written, err := encode(r)
	if err != nil && len(text) < maxRecord/2 {
		t.Errorf("encode what was decoded: %v", err)
	}
	if _, err := decode(written); err != nil && len(text) < maxRecord/2 {
		t.Errorf("decode what was encoded: %v", err)
	}
	return r, true
}

func TestUnusableRecords(t *testing.T) {
	folder := t.TempDir()
	if _, err := read[exit](folder, exitFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read of no record: %v, want that it does not exist", err)
	}
	for name, text := range map[string][]byte{
		"empty": {}, "too long": bytes.Repeat([]byte(" "), maxRecord+1), "of the future": []byte(`{"version":2}`),
	} {
		if err := os.WriteFile(filepath.Join(folder, exitFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read[exit](folder, exitFile); !errors.Is(err, errCorrupt) {
			t.Errorf("read of a record that is %s: %v, want that it is corrupt", name, err)
		}
	}
	broken := someExit()
	broken.ExitCode = nil
	if _, err := encode(broken); err == nil {
		t.Error("a record that could not be read was written")
	}
}

func TestCreateOnce(t *testing.T) {
	folder := t.TempDir()
	winners := make(chan string, 10)
	var all sync.WaitGroup
	for _, content := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		all.Go(func() {
			created, err := create(folder, "x", []byte(content))
			if err != nil {
				t.Error(err)
			}
			if created {
				winners <- content
			}
		})
	}
	all.Wait()
	close(winners)
	text, err := os.ReadFile(filepath.Join(folder, "x"))
	if winner := <-winners; err != nil || string(text) != winner || len(winners) > 0 {
		t.Errorf("the file has %q, %v; created by %q and %d others", text, err, winner, len(winners))
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("there are %v, want one file", files)
	}
}

func TestWriteExit(t *testing.T) {
	for _, withRoom := range []bool{true, false} {
		folder := t.TempDir()
		if withRoom {
			if err := reserve(folder); err != nil {
				t.Fatal(err)
			}
		}
		second := someExit()
		second.Reason = failure.Lost.String()
		for i, x := range []exit{someExit(), second} {
			created, err := writeExit(folder, x)
			if created != (i == 0) || err != nil {
				t.Errorf("writeExit number %d = %v, %v", i+1, created, err)
			}
		}
		got, err := read[exit](folder, exitFile)
		if err != nil || got.Reason != failure.Exited.String() || !got.End.Equal(someExit().End) {
			t.Errorf("read = %+v, %v, want the first", got, err)
		}
		if files, _ := os.ReadDir(folder); len(files) != 1 {
			t.Errorf("there are %v, want one file", files)
		}
	}
}

func TestExpired(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	age := func(job string, d time.Duration) ended { return ended{ID{job, 1}, job, now.Add(-d)} }
	all := []ended{age("c", 3*time.Hour), age("a", time.Hour), age("d", 4*time.Hour), age("b", 2*time.Hour)}
	for _, tc := range []struct {
		keep   int
		maxAge time.Duration
		want   []string
	}{
		{10, 10 * time.Hour, nil},
		{2, 10 * time.Hour, []string{"c", "d"}},
		{10, 150 * time.Minute, []string{"c", "d"}},
		{1, 150 * time.Minute, []string{"b", "c", "d"}},
		{3, time.Minute, []string{"a", "b", "c", "d"}},
	} {
		var got []string
		for _, x := range expired(all, now, tc.keep, tc.maxAge) {
			got = append(got, x.id.Job)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("expired(%d, %s) = %v, want %v", tc.keep, tc.maxAge, got, tc.want)
		}
	}
}
