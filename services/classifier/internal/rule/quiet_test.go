package rule_test

import (
	"strings"
	"testing"

	"github.com/redrive-io/redrive/services/classifier/internal/rule"
)

func TestQuietLinesAreNotSeen(t *testing.T) {
	const boom = "java.io.IOException: boom"
	for _, tc := range []struct {
		name, log string
		seen      bool
	}{
		{"a line of its own", boom, true},
		{"at ERROR", "24/05/02 09:11:20 ERROR Shell: " + boom, true},
		{"at INFO", "24/05/02 09:11:20 INFO Client: " + boom, true},
		{"at DEBUG", "24/05/02 09:11:20 DEBUG Shell: " + boom, false},
		{"at TRACE of logback", "10:11:12.123 [main] TRACE c.e.Shell - " + boom, false},
		{"at DEBUG of Python", "2024-05-02 10:00:01,123 - urllib3 - DEBUG - " + boom, false},
		{"at DEBUG of Python's default", "DEBUG:urllib3:" + boom, false},
		{"in Go's pairs", `time="2024-05-02" level=debug msg="` + boom + `"`, false},
		{"in JSON", `{"level":"DEBUG","msg":"` + boom + `"}`, false},
		{"in brackets", "09:11:20 [debug] [Thread-1]: " + boom, false},
		{"an error about DEBUG", "ERROR the switch DEBUG is not known: " + boom, true},
		{"an exception about DEBUG", "ValueError: DEBUG " + boom, true},
		{"a variable", "+ export MY_DEBUG=1; " + boom, true},
		{"a stack after DEBUG", "24/05/02 DEBUG Shell: no home\n" + boom + "\n\tat x.Shell.check(Shell.java:3)\n", false},
		{"a line after DEBUG", "24/05/02 DEBUG Shell: no home\n" + boom + "\n", true},
		{"its cause", "24/05/02 DEBUG Shell: no home\nx.HomeException\n\tat x.Shell.check(Shell.java:3)\nCaused by: " + boom + "\n\t... 3 more\n", false},
		{"a cause of what was logged with its message", "24/05/02 DEBUG Shell: no home: x.HomeException\n\tat x.Shell.check(Shell.java:3)\nCaused by: " + boom + "\n", false},
		{"a cause of an error after DEBUG", "24/05/02 DEBUG x\n24/05/02 ERROR Shell: x.HomeException\n\tat x.Shell.check(Shell.java:3)\nCaused by: " + boom + "\n", true},
		{"an exception between DEBUG lines", "24/05/02 DEBUG Shell: no home\n" + boom + "\n24/05/02 DEBUG Shell: go on\n", false},
		{"an uncaught one after DEBUG", "24/05/02 DEBUG x\nException in thread \"main\" " + boom + "\n\tat x.Shell.check(Shell.java:3)\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSet(t, rule.Rule{Any: []string{"IOException: boom"}})
			in := rule.Input{Texts: []rule.Text{text("stderr", tc.log)}}
			if got := len(s.Match(in)) == 1; got != tc.seen {
				t.Errorf("seen %v, want %v", got, tc.seen)
			}
			agree(t, s, in)
		})
	}
	for log, seen := range map[string]bool{
		"SELECT * FROM audit WHERE m LIKE '%disk boom%'":               false,
		"executing: insert into t values ('a', 'disk boom')":           false,
		"executing: insert into t values ('a', 'b') failed: disk boom": true,
		"disk boom [SQL: INSERT INTO t VALUES ('a', 'b')]":             true,
		"it's a disk boom": true,
		"could not select 'x': disk boom is what the server says of it": true,
	} {
		if got := len(newSet(t, rule.Rule{Any: []string{"disk boom"}}).Match(rule.Input{Texts: []rule.Text{text("stderr", log)}})) == 1; got != seen {
			t.Errorf("%q: seen %v, want %v", log, got, seen)
		}
	}
	for log, seen := range map[string]bool{
		"retry on SlowDown, DiskBoom, QuotaExceeded":        false,
		`retryOn: ["DiskBoom", "SlowDown", "RateExceeded"]`: false,
		"codes=SLOW_DOWN|QUOTA_EXCEEDED|DiskBoom":           false,
		"DiskBoom, exit code 3":                             true,
		"failed: DiskBoom, SlowDown":                        true,
		"x.DiskBoom: no space":                              true,
	} {
		if got := len(newSet(t, rule.Rule{Any: []string{`\bDiskBoom\b`}}).Match(rule.Input{Texts: []rule.Text{text("stderr", log)}})) == 1; got != seen {
			t.Errorf("%q: seen %v, want %v", log, got, seen)
		}
	}
	s := newSet(t, rule.Rule{Any: []string{"boom"}, None: []string{"harmless"}})
	if m := s.Match(rule.Input{Texts: []rule.Text{text("stderr", "DEBUG harmless\nERROR boom")}}); len(m) != 1 {
		t.Error("a DEBUG line switched a rule off")
	}
	deep := rule.Input{Texts: []rule.Text{text("stderr", "DEBUG x\nx.E\n"+strings.Repeat("\tat x.Y.z(Y.java:1)\n", 5000)+"Caused by: boom\n")}}
	if m := s.Match(deep); len(m) != 1 {
		t.Error("a stack of any depth was looked through")
	}
}
