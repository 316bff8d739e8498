package record_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/classifier/internal/collect"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/files"
	"github.com/redrive-io/redrive/services/classifier/internal/collect/source"
	"github.com/redrive-io/redrive/services/classifier/internal/record"
	"github.com/redrive-io/redrive/services/classifier/internal/store"
)

func TestLateLogsAreReadOnceAndChangeNoDecision(t *testing.T) {
	for name, tc := range map[string]struct {
		then, want string // what the log says later, and the class of the remark
		warnings   []string
	}{
		"another class": {"java.lang.OutOfMemoryError\n", "memory.driver", []string{"does not exist", "shows more", "it would be memory.driver (rules/heap)"}},
		"the same":      {"what is this\n", "", []string{"does not exist", "shows more"}},
		"still missing": {"", "", []string{"does not exist", "read once more 1m0s after"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, root := newWorld(t), t.TempDir()
			d := w.driver(t)
			d.Collector = collect.New(collect.Options{Drivers: map[string]source.Driver{"file": files.Driver{Roots: []string{root}}}})
			d.LogDelay = time.Minute
			failures := store.NewFailures(w.store, w)
			r := report(1, "")
			r.Evidence.Logs = []failure.Log{{Source: "stderr", URI: "file://" + root + "/log"}}
			first, err := d.Classify(t.Context(), r)
			if err != nil || first.Result.Class != failure.Unknown {
				t.Fatalf("Classify = %+v, %v", first.Result, err)
			}
			if tc.then != "" {
				if err := os.WriteFile(filepath.Join(root, "log"), []byte(tc.then), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			due := first.CreateTime.Add(time.Minute)
			if ids, err := failures.Late(t.Context(), due.Add(-time.Second), 10); err != nil || len(ids) != 0 {
				t.Errorf("late before its time = %q, %v", ids, err)
			}
			ids, err := failures.Late(t.Context(), due.Add(time.Second), 10)
			if err != nil || len(ids) != 1 || ids[0] != first.ID() {
				t.Fatalf("late = %q, %v", ids, err)
			}
			l := record.Late{Store: failures, Rules: d.Rules, Collector: d.Collector}
			events := len(w.events)
			for _, now := range []time.Time{due.Add(-time.Second), due, due, due.Add(time.Hour)} { // too early, and again
				if err := l.Recollect(t.Context(), first.ID(), now); err != nil {
					t.Fatal(err)
				}
			}
			got, err := failures.Read(t.Context(), first.ID())
			if err != nil {
				t.Fatal(err)
			}
			if got.GetClass() != "unknown" || got.GetReclassification().GetClass() != tc.want || len(w.events) != events {
				t.Errorf("class %s, remark %v, %d events more", got.GetClass(), got.GetReclassification(), len(w.events)-events)
			}
			if logs := got.GetEvidence().GetLogs(); len(logs) != 1 || logs[0].GetHead() != "" || !strings.Contains(logs[0].GetProblem(), "does not exist") {
				t.Errorf("the logs that it was decided by = %v", logs)
			}
			if late := got.GetLateLogs(); tc.then == "" && len(late) != 0 || tc.then != "" && (len(late) != 1 || late[0].GetHead() != tc.then || late[0].GetReadTime() == nil) {
				t.Errorf("late logs = %v", late)
			}
			if len(got.GetWarnings()) != len(tc.warnings) {
				t.Fatalf("warnings = %q, want %d", got.GetWarnings(), len(tc.warnings))
			}
			for i, want := range tc.warnings {
				if !strings.Contains(got.GetWarnings()[i], want) {
					t.Errorf("warning %q, want %q", got.GetWarnings()[i], want)
				}
			}
			if ids, err := failures.Late(t.Context(), due.Add(time.Hour), 10); err != nil || len(ids) != 0 {
				t.Errorf("late afterwards = %q, %v", ids, err)
			}
		})
	}
}
