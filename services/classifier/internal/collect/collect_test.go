package collect_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/files"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// below reads files below roots.
func below(roots ...string) collect.Collector {
	return collect.New(collect.Options{Drivers: map[string]source.Driver{"file": files.Driver{Roots: roots}}})
}

func TestFilesAreReadBelowTheRootsAlone(t *testing.T) {
	dir := t.TempDir()
	root, outside := filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	inside := write(t, filepath.Join(root, "a/log"), "boom")
	other := write(t, filepath.Join(outside, "log"), "secret of another")
	link := func(name, to string) string {
		path := filepath.Join(root, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		uri   string
		roots []string
		want  string // the text, or a part of the warning after "!"
	}{
		"below":                  {inside, []string{root}, "boom"},
		"below the second root":  {inside, []string{outside, root}, "boom"},
		"host localhost":         {strings.Replace(inside, "file://", "file://localhost", 1), []string{root}, "boom"},
		"root is a link":         {inside, []string{filepath.Join(dir, "linked")}, "boom"},
		"path through that link": {"file://" + filepath.Join(dir, "linked/a/log"), []string{root}, "boom"},
		"link within":            {link("in", "a/log"), []string{root}, "boom"},
		"absolute link within":   {link("abs", filepath.Join(root, "a/log")), []string{root}, "boom"},
		"no roots":               {inside, nil, "!not below a --log-root"},
		"outside":                {other, []string{root}, "!not below a --log-root"},
		"dots":                   {"file://" + root + "/../outside/log", []string{root}, "!not below a --log-root"},
		"encoded dots":           {"file://" + root + "/%2e%2e/outside/log", []string{root}, "!not below a --log-root"},
		"link out":               {link("out", filepath.Join(outside, "log")), []string{root}, "!not below a --log-root"},
		"relative link out":      {link("up", "../outside/log"), []string{root}, "!not below a --log-root"},
		"folder link out":        {link("dir", outside) + "/log", []string{root}, "!not below a --log-root"},
		"root's name is a begin": {"file://" + root + "-x/log", []string{root}, "!not below a --log-root"},
		"missing outside":        {"file:///etc/no-such-file", []string{root}, "!not below a --log-root"},
		"missing below":          {"file://" + root + "/none", []string{root}, "!does not exist"},
		"folder":                 {"file://" + root + "/a", []string{root}, "!no regular file"},
		"pipe":                   {"file://" + root + "/pipe", []string{root}, "!no regular file"},
		"other host":             {"file://etl-7" + root + "/a/log", []string{root}, "!another host"},
		"other scheme":           {"s3://bucket/log", []string{root}, "!no --log-source allows s3://bucket/log"},
		"no URL":                 {"file://%zz", []string{root}, "!no URL"},
		"relative":               {"file:log", []string{root}, "!no absolute path"},
	} {
		t.Run(name, func(t *testing.T) {
			a := below(tc.roots...).Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{Logs: []failure.Log{{Source: "stderr", URI: tc.uri}}}})
			got := a.Evidence.Logs[0].Head
			if len(a.Warnings) > 0 {
				got = "!" + a.Warnings[0]
			}
			if want, refused := strings.CutPrefix(tc.want, "!"); refused && (!strings.HasPrefix(got, "!") || !strings.Contains(got, want)) || !refused && got != tc.want {
				t.Errorf("Collect of %s = %q, want %q", tc.uri, got, tc.want)
			}
		})
	}
}

func TestWindows(t *testing.T) {
	root := t.TempDir()
	line := strings.Repeat("x", 99) + "\n"
	long := write(t, filepath.Join(root, "long"), "first\n"+strings.Repeat(line, 40_000)+"last password=hunter2\n")
	a := below(root).Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{Logs: []failure.Log{
		{Source: "stderr", URI: long},
		{Source: "stdout", Head: "inline, whole", URI: long},
		{Source: "driver", Head: "inline, cut", Tail: "end", Truncated: true, URI: "file:///elsewhere", SizeBytes: 77},
	}}})
	e, warnings := a.Evidence, a.Warnings
	if l := e.Logs[0]; !strings.HasPrefix(l.Head, "first\n") || !strings.HasSuffix(l.Tail, "last password=[REDACTED]\n") || !l.Truncated || l.SizeBytes != 6+100*40_000+22 || !strings.HasPrefix(l.Tail, line) {
		t.Errorf("long log: %d bytes, truncated %v, head %.20q, tail %.20q … %q", l.SizeBytes, l.Truncated, l.Head, l.Tail, l.Tail[len(l.Tail)-30:])
	}
	if l := e.Logs[1]; l.Head != "inline, whole" || l.Tail != "" {
		t.Errorf("a whole inline log was replaced by %.40q", l.Head)
	}
	if l := e.Logs[2]; l.Head != "inline, cut" || l.Tail != "end" || l.SizeBytes != 77 {
		t.Errorf("a log that cannot be read = %+v, want what was inline", l)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], `"driver"`) {
		t.Errorf("warnings = %q, want one on driver", warnings)
	}
}

func TestEscapesAreTakenOut(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[31mERROR\x1b[0m: x": "ERROR: x", "\x1b[1;31;40mx\x1b[K": "x", "\x1b]0;title\ax": "x", "\x1b(Bx": "x", "x\x1b": "x\x1b",
		"\x1b[\nx": "\nx", "\x1b\nx": "\nx", "plain": "plain", "\x1b[" + strings.Repeat("1", 500): strings.Repeat("1", 500),
	} {
		if got := collect.Text(in).Logs[0].Head; got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCollect(f *testing.F) {
	f.Add("a\x1b[31m b", "file:///etc/passwd")
	f.Add("\xff\x1b]", "::")
	f.Fuzz(func(t *testing.T, text, uri string) {
		a := below(t.TempDir()).Collect(t.Context(), collect.Ask{Evidence: failure.Evidence{Logs: []failure.Log{{Source: text, Head: text, URI: uri, Truncated: true}}}})
		if len(a.Evidence.Logs) != 1 || uri != "" && len(a.Warnings) != 1 {
			t.Errorf("%d logs, warnings %q", len(a.Evidence.Logs), a.Warnings)
		}
	})
}
