package screen_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
)

func TestQuantitiesReadPlainly(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tc := range []struct{ got, want string }{
		{screen.Span(0), "0 s"},
		{screen.Span(50 * time.Millisecond), "50 ms"},
		{screen.Span(2140 * time.Millisecond), "2.1 s"},
		{screen.Span(3 * time.Second), "3 s"},
		{screen.Span(119 * time.Second), "119 s"},
		{screen.Span(5 * time.Minute), "5 min"},
		{screen.Span(3 * time.Hour), "3 h"},
		{screen.Span(72 * time.Hour), "3 d"},
		{screen.When(time.Time{}, now), ""},
		{screen.When(now, now), "now"},
		{screen.When(now.Add(12*time.Second), now), "in 12 s"},
		{screen.When(now.Add(-3*time.Minute), now), "3 min ago"},
		{screen.Bytes(0), "0 B"},
		{screen.Bytes(512 << 20), "512 MiB"},
		{screen.Bytes(3 << 29), "1.5 GiB"},
		{screen.Count(1, "attempt"), "1 attempt"},
		{screen.Count(0, "attempt"), "0 attempts"},
		{screen.Percent(0), "0 %"},
		{screen.Percent(0.001), "< 1 %"},
		{screen.Percent(0.976), "98 %"},
		{screen.Risk(0), "0 %"},
		{screen.Risk(0.001), "0.1 %"},
		{screen.Risk(0.0099), "1 %"},
		{screen.Risk(0.02), "2 %"},
		{screen.Percent(0.9999), "> 99 %"},
		{screen.Dollars(0), "$0"},
		{screen.Dollars(0.00012), "$0.00012"},
		{screen.Dollars(1.5), "$1.50"},
		{screen.Dollars(-1.5), "-$1.50"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

func TestTablesAreAligned(t *testing.T) {
	rows := [][]string{{"jobs/a", "RUNNING", ""}, {"jobs/größer", "WAITING", "the last column is as long as it likes"}}
	var plain, narrow strings.Builder
	if err := (screen.Style{}).Table(&plain, []string{"NAME", "STATE", "REASON"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "NAME         STATE    REASON\n" +
		"jobs/a       RUNNING\n" +
		"jobs/größer  WAITING  the last column is as long as it likes\n"
	if plain.String() != want {
		t.Errorf("got\n%swant\n%s", plain.String(), want)
	}
	style := screen.Style{Colors: true, Width: 40}
	rows[0][1] = style.Good("RUNNING")
	if err := style.Table(&narrow, []string{"NAME", "STATE", "REASON"}, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(narrow.String(), "\n")
	if lines[1] != "jobs/a       \x1b[32mRUNNING\x1b[0m" || lines[2] != "jobs/größer  WAITING  the last column i…" {
		t.Errorf("on a terminal of 40 columns:\n%q", lines)
	}
}

func TestTextOfJobsCannotDriveTheTerminal(t *testing.T) {
	if got := screen.Clean("a\x1b[31m\x07b\nc\u009bd\xff"); got != "a·[31m·b c·d·" {
		t.Errorf("Clean = %q", got)
	}
}

func TestPartsAreSorted(t *testing.T) {
	got := screen.Parts(map[string]int64{"executor.heap": 252 << 20, "driver.heap": 63 << 20})
	if want := "driver.heap 63 MiB and executor.heap 252 MiB"; got != want || screen.Parts(nil) != "" {
		t.Errorf("Parts = %q, want %q", got, want)
	}
}
