package yarn

import (
	"cmp"
	"slices"
	"strings"
)

// file is one log file of a container.
type file struct{ container, name string }

// maxFiles bounds the files of one application that are looked at.
const maxFiles = 10_000

// filesIn finds the files in a list of containers and their logs. How deep the
// lists are, and whether a list of one is a list, differs between versions and
// their JSON libraries. Where an entry does not name its container, it is the
// one that was asked for.
func filesIn(answer any, container string) []file {
	var all []file
	var walk func(v any, container string, deep int)
	walk = func(v any, container string, deep int) {
		if deep > 6 || len(all) >= maxFiles {
			return
		}
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e, container, deep+1)
			}
		case map[string]any:
			if id, ok := v["containerId"].(string); ok {
				container = id
			}
			if name, ok := v["fileName"].(string); ok {
				f := file{container, name}
				if fileName.MatchString(name) && strings.Trim(name, ".") != "" && containerID.FindString(container) == container && container != "" && !slices.Contains(all, f) {
					all = append(all, f)
				}
			}
			for _, key := range []string{"containerLogsInfo", "containerLogInfo"} {
				walk(v[key], container, deep+1)
			}
		}
	}
	walk(answer, container, 0)
	return all
}

// worth are the files that say how a container ended, the best first; others
// hold launch scripts and what the JVM says of its garbage.
var worth = []string{"stderr", "stdout", "syslog"}

// pick returns the files worth reading: of the containers that the diagnostics
// name, then of the application master, which is the first container, then of
// the others; stderr of each before anything else.
func pick(all []file, diagnostics, container string) []file {
	picked := slices.DeleteFunc(slices.Clone(all), func(f file) bool {
		return !slices.Contains(worth, f.name) || container != "" && f.container != container
	})
	rank := func(f file) int {
		switch {
		case strings.Contains(diagnostics, f.container):
			return 0
		case strings.HasSuffix(f.container, "_01_000001"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(picked, func(a, b file) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(slices.Index(worth, a.name), slices.Index(worth, b.name)), strings.Compare(a.container, b.container))
	})
	return picked
}

// unframed takes the frame off a log as the servers write it: a few lines up to
// "LogContents:", and "End of LogType:…" with a row of stars.
func unframed(text string) string {
	const begin, end = "LogContents:\n", "\nEnd of LogType:"
	if i := strings.Index(text[:min(len(text), 2048)], begin); i >= 0 {
		text = text[i+len(begin):]
	}
	if i := strings.LastIndex(text, end); i >= 0 && len(text)-i < 1024 {
		text = text[:i]
	}
	return text
}
