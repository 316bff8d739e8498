package spark

import (
	"fmt"
	"strings"
)

// maxName bounds a name or an id, in bytes.
const maxName = 256

// endReason is why a task ended, as Spark's JsonProtocol writes it.
type endReason struct {
	Reason      string
	Class       string `json:"Class Name"`
	Description string
	Stack       string `json:"Full Stack Trace"`
	Executor    string `json:"Executor ID"`
	ByApp       bool   `json:"Exit Caused By App"`
	Loss        string `json:"Loss Reason"`
	Message     string // of FetchFailed
	Shuffle     int    `json:"Shuffle ID"`
	Reduce      int    `json:"Reduce ID"`
}

// text returns the reason in the words of Spark's log, so that what is known of
// these is known of the event log; empty for a task that did not fail by
// itself.
func (r endReason) text() string {
	switch r.Reason {
	case "ExceptionFailure":
		if r.Stack != "" {
			return r.Stack
		}
		return strings.TrimSuffix(r.Class+": "+r.Description, ": ")
	case "ExecutorLostFailure":
		cause := "unrelated to the running tasks"
		if r.ByApp {
			cause = "caused by one of the running tasks"
		}
		return fmt.Sprintf("ExecutorLostFailure (executor %s exited %s) Reason: %s", r.Executor, cause, r.Loss)
	case "FetchFailed":
		return fmt.Sprintf("FetchFailed(shuffleId=%d, reduceId=%d, message=\n%s\n)", r.Shuffle, r.Reduce, r.Message)
	case "Success", "TaskKilled", "Resubmitted", "TaskCommitDenied", "":
		return ""
	}
	return r.Reason
}

// killedByDriver begins the reasons of executors that nobody misses.
const killedByDriver = "Executor killed by driver"

// Text tells the failures line by line, in the words of Spark's own log, empty
// when there is none.
func (e Events) Text() string {
	var b strings.Builder
	for _, l := range e.Lost {
		if !strings.HasPrefix(l.Reason, killedByDriver) {
			fmt.Fprintf(&b, "Lost executor %s: %s\n", l.Executor, strings.TrimSpace(l.Reason))
		}
	}
	for _, t := range e.Tasks {
		fmt.Fprintf(&b, "Lost task %d.%d in stage %d.%d (TID %d) (%s executor %s): %s\n",
			t.Index, t.Try, t.Stage, t.StageTry, t.ID, t.Host, t.Executor, strings.TrimSpace(t.Reason))
	}
	for _, s := range e.Stages {
		fmt.Fprintf(&b, "Stage %d.%d (%s) failed: %s\n", s.ID, s.Try, s.Name, strings.TrimSpace(s.Reason))
	}
	if e.Job != "" && len(e.Stages) == 0 {
		fmt.Fprintf(&b, "Job failed: %s\n", strings.TrimSpace(e.Job))
	}
	return b.String()
}

// Suspects returns the executors whose logs may say why, those that are gone
// first, the last one first.
func (e Events) Suspects() []string {
	var all []string
	seen := map[string]bool{}
	suspect := func(executor string) {
		if !seen[executor] && executor != "driver" {
			seen[executor] = true
			all = append(all, executor)
		}
	}
	for i := len(e.Lost) - 1; i >= 0; i-- {
		if !strings.HasPrefix(e.Lost[i].Reason, killedByDriver) {
			suspect(e.Lost[i].Executor)
		}
	}
	for i := len(e.Tasks) - 1; i >= 0; i-- {
		suspect(e.Tasks[i].Executor)
	}
	return all
}

// clip returns at most n bytes of s, its beginning, whole characters only.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(strings.ToValidUTF8(s[:n], "")) // the rest must not be held
}
