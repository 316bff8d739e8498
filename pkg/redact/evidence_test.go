package redact_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/pkg/redact"
)

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d of a log with password=hunter2 in it\n", i)
	}
	return b.String()
}

// check says what of the promises of Evidence does not hold.
func check(t *testing.T, got failure.Evidence) {
	t.Helper()
	total := 0
	for _, l := range got.Logs {
		total += len(l.Head) + len(l.Tail)
		if !utf8.ValidString(l.Source + l.Head + l.Tail + l.URI) {
			t.Errorf("log %q is not valid UTF-8", l.Source)
		}
	}
	if total > failure.MaxLogBytes || len(got.Logs) > failure.MaxLogs {
		t.Errorf("%d logs with %d bytes, want at most %d with %d", len(got.Logs), total, failure.MaxLogs, failure.MaxLogBytes)
	}
	if again := redact.Evidence(got); !reflect.DeepEqual(again, got) {
		t.Errorf("Evidence of the result = %+.300v, want the result %+.300v", again, got)
	}
}

func TestEvidenceIsMaskedAndCut(t *testing.T) {
	long, short := lines(10_000), "boom, token=abc\n"
	got := redact.Evidence(failure.Evidence{
		Proof: "killed with --password hunter2", Node: "n\xff1",
		Logs: []failure.Log{
			{Source: "stdout", Head: long},
			{Source: "stderr", Head: short},
			{Source: "driver", Head: long, Tail: long, SizeBytes: 9_000_000, Truncated: true, URI: "file://u:hunter2@h/log"},
		},
	})
	check(t, got)
	if got.Proof != "killed with --password [REDACTED]" || got.Node != "n1" {
		t.Errorf("proof %q, node %q", got.Proof, got.Node)
	}
	if l := got.Logs[1]; l.Head != "boom, token=[REDACTED]\n" || l.Truncated || l.SizeBytes != int64(len(short)) {
		t.Errorf("short log = %+v, want it whole", l)
	}
	for _, l := range []failure.Log{got.Logs[0], got.Logs[2]} {
		if !l.Truncated || !strings.HasPrefix(l.Head, "line 0 ") || !strings.HasPrefix(l.Tail, "line ") ||
			!strings.HasSuffix(l.Head, "in it\n") || !strings.HasSuffix(l.Tail, "line 9999 of a log with password=[REDACTED] in it\n") {
			t.Errorf("log %s = %.80q … %.80q, want whole lines of both ends", l.Source, l.Head, l.Tail)
		}
		if strings.Contains(l.Head+l.Tail+l.URI, "hunter2") {
			t.Errorf("log %s has its secret", l.Source)
		}
		if len(l.Tail) < 2*len(l.Head) {
			t.Errorf("log %s keeps %d bytes of its head and %d of its tail, want more tail", l.Source, len(l.Head), len(l.Tail))
		}
	}
	if got.Logs[0].SizeBytes != int64(len(long)) || got.Logs[2].SizeBytes != 9_000_000 {
		t.Errorf("sizes = %d and %d", got.Logs[0].SizeBytes, got.Logs[2].SizeBytes)
	}
}

func TestEvidenceBoundsTheNumberOfLogs(t *testing.T) {
	var e failure.Evidence
	for i := range 40 {
		e.Logs = append(e.Logs, failure.Log{Source: fmt.Sprint("log-", i), Head: strings.Repeat("é", 100_000)})
	}
	got := redact.Evidence(e)
	check(t, got)
	if len(got.Logs) != failure.MaxLogs || got.Logs[15].Source != "log-15" || got.Logs[15].Head == "" || got.Logs[15].Tail == "" {
		t.Errorf("%d logs, want the first %d, each with a head and a tail", len(got.Logs), failure.MaxLogs)
	}
}

func TestPeaksOfPartsAreBounded(t *testing.T) {
	peaks := map[string]int64{"driver.heap": 5, "Bad Name": 1, "nothing": 0, "negative": -1}
	got := redact.Evidence(failure.Evidence{PartPeaks: peaks}).PartPeaks
	if want := map[string]int64{"driver.heap": 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("PartPeaks = %v, want %v", got, want)
	}
	for i := range 2 * failure.MaxParts {
		peaks[strings.Repeat("x", i+1)] = 1
	}
	if n := len(redact.Evidence(failure.Evidence{PartPeaks: peaks}).PartPeaks); n != failure.MaxParts {
		t.Errorf("%d parts, want %d", n, failure.MaxParts)
	}
	if redact.Evidence(failure.Evidence{}).PartPeaks != nil {
		t.Error("no peaks became some")
	}
}

func FuzzEvidence(f *testing.F) {
	f.Add("password=x ", "y", uint32(30_000), uint32(1))
	f.Add("\xff", "\xe2\x82", uint32(200_000), uint32(70_000))
	f.Add("[REDACTED]", "pwd=", uint32(100_000), uint32(100_000))
	f.Fuzz(func(t *testing.T, head, tail string, n, m uint32) {
		head = strings.Repeat(head, min(int(n), (600<<10)/max(1, len(head))))
		tail = strings.Repeat(tail, min(int(m), (600<<10)/max(1, len(tail))))
		check(t, redact.Evidence(failure.Evidence{Proof: head, Logs: []failure.Log{{Source: "a", Head: head, Tail: tail, URI: tail}, {Source: head, Head: tail}}}))
	})
}

func TestConfigMasksByName(t *testing.T) {
	got := redact.Config(map[string]any{
		"memory_mb": 512.0, "db": map[string]any{"password": "hunter2", "pin_token": 5.0, "url": "postgres://u:hunter2@h/x"},
		"credentials_secret": map[string]any{"user": "bob", "on": true}, "api_key": 12345.0, "spark.executor.memory": "4g",
		"args": []any{"run", "--password", "hunter2", "--verbose", "x"}, "tokens": []any{"a"}, "secret": []any{"a", "b"},
		"env": []any{map[string]any{"name": "DB_PASSWORD", "value": "hunter2"}, map[string]any{"name": "MODE", "value": "fast"}}, "empty_password": "",
	})
	want := map[string]any{
		"memory_mb": 512.0, "db": map[string]any{"password": redact.Mask, "pin_token": 5.0, "url": "postgres://u:[REDACTED]@h/x"},
		"credentials_secret": map[string]any{"user": redact.Mask, "on": true}, "api_key": redact.Mask, "spark.executor.memory": "4g",
		"args": []any{"run", "--password", redact.Mask, "--verbose", "x"}, "tokens": []any{"a"}, "secret": []any{redact.Mask, redact.Mask},
		"env": []any{map[string]any{"name": "DB_PASSWORD", "value": redact.Mask}, map[string]any{"name": "MODE", "value": "fast"}}, "empty_password": "",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Config = %v\nwant %v", got, want)
	}
	if again := redact.Config(got); !reflect.DeepEqual(again, want) {
		t.Errorf("Config again = %v", again)
	}
	if redact.Config(nil) != nil {
		t.Error("Config(nil) is not nil")
	}
}
