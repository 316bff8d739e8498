package demo

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLogOfADaemonSaysWhereItIs(t *testing.T) {
	const log = "26/11/21 INFO Master: Starting Spark master at spark://127.0.0.1:7077\nStarting Spark master at spark://h:1\nthe end without a line's end"
	var kept strings.Builder
	found := make(chan string, 1)
	follow(strings.NewReader(log), &kept, masterStarted, found)
	if got := <-found; got != "spark://127.0.0.1:7077" || kept.String() != log {
		t.Errorf("found %q, kept %q", got, kept.String())
	}
	follow(strings.NewReader("nothing of interest\n"), io.Discard, workerStarted, found)
	if len(found) != 0 {
		t.Errorf("found %q, want nothing", <-found)
	}
}

// A Spark that ends at once is told with its log, and nothing is left of it.
func TestASparkThatDoesNotStart(t *testing.T) {
	environment, folder := t.TempDir(), filepath.Join(t.TempDir(), "spark")
	home := filepath.Join(environment, "pyspark")
	for path, text := range map[string]string{
		filepath.Join(environment, "bin", "python"): "#!/bin/sh\necho " + home + "\n",
		filepath.Join(home, "bin", "spark-class"):   "#!/bin/sh\necho there is no Java >&2\nexit 1\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, err := startCluster(t.Context(), environment, folder)
	if err == nil || !strings.Contains(err.Error(), "master.log") {
		t.Errorf("startCluster = %v, want where its log is", err)
	}
	if _, err := startCluster(t.Context(), t.TempDir(), folder); err == nil {
		t.Error("an environment without Python makes a cluster")
	}
}

func TestTheApplicationsAreUnpacked(t *testing.T) {
	folder := t.TempDir()
	if err := unpack(folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sessions.py", "report.py", "revenue.py", "clicks.py"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
