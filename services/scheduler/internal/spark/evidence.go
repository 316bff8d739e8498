package spark

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/redrive-io/redrive/pkg/failure"
	"github.com/redrive-io/redrive/services/scheduler/internal/job"
	"github.com/redrive-io/redrive/services/scheduler/internal/process"
)

// The logs that are added to an attempt's own.
const (
	eventSource    = "events"
	executorSource = "executor-" // and its id
)

// Bounds of what is read.
const (
	// maxEventLog bounds the end of an event log that is read, and what of it
	// stays on disk.
	maxEventLog    = 256 << 20
	keptEventLog   = 64 << 20
	maxExecutors   = 3 // whose logs are read
	executorBudget = failure.MaxLogBytes / 8
)

// Complete adds to an attempt's evidence what Spark left behind: peaks of
// memory, and after a failure the log "events" with what the event log says of
// it, and the logs "executor-N" of the executors that failed, where a worker's
// folder on this host has them: SPARK_WORKER_DIR of the task's environment, or
// work below SPARK_HOME. home is SPARK_HOME of the server. What cannot be read
// is left out. An event log that is large is removed.
func Complete(r process.Result, t job.Task, folder, home string) process.Result {
	events, ok := readFolder(eventFolder(folder))
	if !ok {
		return r
	}
	for part, bytes := range events.Peaks {
		if bytes <= 0 {
			continue
		}
		if r.Evidence.PartPeaks == nil {
			r.Evidence.PartPeaks = map[string]int64{}
		}
		r.Evidence.PartPeaks[string(part)] = bytes
	}
	if r.Succeeded {
		return r
	}
	if text := events.Text(); text != "" {
		r.Evidence.Logs = append(r.Evidence.Logs, failure.Log{Source: eventSource, Head: text, SizeBytes: int64(len(text))})
	}
	r.Evidence.Logs = append(r.Evidence.Logs, executorLogs(workerFolder(environment(t, home)), events)...)
	return r
}

// readFolder reads the newest event log of a folder, and removes what is too
// large to keep.
func readFolder(folder string) (Events, bool) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return Events{}, false
	}
	var newest string
	var changed time.Time
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && (newest == "" || info.ModTime().After(changed)) {
			newest, changed = entry.Name(), info.ModTime()
		}
	}
	if newest == "" {
		return Events{}, false
	}
	path := filepath.Join(folder, newest)
	events, size, err := readFile(path)
	if size > keptEventLog {
		os.Remove(path) //nolint:errcheck // it goes with the folder otherwise
	}
	return events, err == nil
}

func readFile(path string) (Events, int64, error) {
	// The application could put a link here.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Events{}, 0, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return Events{}, 0, err
	}
	if !info.Mode().IsRegular() {
		return Events{}, 0, errors.New("it is no file")
	}
	from := max(0, info.Size()-maxEventLog)
	events, err := ReadEvents(io.NewSectionReader(f, from, info.Size()-from))
	return events, info.Size(), err
}

func workerFolder(env map[string]string) string {
	if folder := env["SPARK_WORKER_DIR"]; folder != "" {
		return folder
	}
	return filepath.Join(env["SPARK_HOME"], "work")
}

// What a standalone master calls applications and executors; nothing else can
// become part of a path.
var (
	appID      = regexp.MustCompile(`^app-[0-9]{8,20}-[0-9]{1,10}$`)
	executorID = regexp.MustCompile(`^[0-9]{1,9}$`)
)

func executorLogs(worker string, e Events) []failure.Log {
	if !appID.MatchString(e.App) {
		return nil
	}
	var logs []failure.Log
	for _, executor := range e.Suspects() {
		if !executorID.MatchString(executor) {
			continue
		}
		l, err := process.ReadLog(filepath.Join(worker, e.App, executor, "stderr"), executorSource+executor, executorBudget)
		if err != nil || l.SizeBytes == 0 {
			continue
		}
		l.URI = "" // it is below no folder of the server's
		if logs = append(logs, l); len(logs) == maxExecutors {
			break
		}
	}
	return logs
}
