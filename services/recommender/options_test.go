package recommender

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/pkg/failure"
)

func TestDefaultsAreResolvedForEachEngine(t *testing.T) {
	r := Options{}.withDefaults(10 << 30)
	if got, want := r.settings(failure.Type{Engine: engine.Process}, "", "").MaxMemory, int64(8<<30); got != want {
		t.Errorf("most memory of a process = %d, want %d", got, want)
	}
	if got, want := r.settings(failure.Type{Engine: engine.Spark}, "", "").MaxMemory, int64(64<<30); got != want {
		t.Errorf("most memory of an executor = %d, want %d", got, want)
	}
	if s := r.settings(failure.Type{Engine: engine.JVM}, "", ""); s.Weight <= 0 || s.PerGiBHour <= 0 || s.PerCoreHour <= 0 || s.NotFeasible != 0.9 || s.MinObservations != 3 {
		t.Errorf("settings = %+v", s)
	}
	r = Options{MaxMemory: 5 << 30}.withDefaults(10 << 30)
	for _, name := range engine.Names() {
		if got, want := r.settings(failure.Type{Engine: name}, "", "").MaxMemory, int64(5<<30); got != want {
			t.Errorf("most memory of %s = %d, want %d", name, got, want)
		}
	}
}

func TestHostMemoryIsTheLeastThatHolds(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	info := file("meminfo", "MemFree: 1 kB\nMemTotal:        4194304 kB\n")
	for _, tc := range []struct {
		name  string
		info  string
		limit string
		want  int64
	}{
		{"the host", info, filepath.Join(dir, "none"), 4 << 30},
		{"a container within it", info, file("limit", "1073741824\n"), 1 << 30},
		{"a container without a limit", info, file("max", "max\n"), 4 << 30},
		{"version 1 without a limit", info, file("huge", "9223372036854771712\n"), 4 << 30},
		{"a host that does not tell", file("odd", "MemTotal: lots kB\n"), filepath.Join(dir, "none"), unknownHost},
	} {
		if got := memoryOf(tc.info, tc.limit); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}
